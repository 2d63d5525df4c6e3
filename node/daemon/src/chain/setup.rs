//! What the chain's tasks are given, and how they begin.

use super::error::ChainTaskError;
use super::handle::ChainHandle;
use super::news::ChainNews;
use super::sender::Sender;
use super::status::StatusBoard;
use super::store::{ChainStore, Kept};
use super::watcher::Watcher;
use alloy_primitives::B256;
use core::time::Duration;
use lockstep_chain::alarm::Alarm;
use lockstep_chain::call::Contracts;
use lockstep_chain::endpoint::{Endpoint, RequestLimits};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::follower::Start;
use lockstep_chain::port::{AccountSigner, LocalAccount};
use lockstep_chain::profile::Profile;
use lockstep_chain::startup::{self, Checked};
use lockstep_chain::submitter::Submitter;
use lockstep_contracts::deployment::Deployment;
use lockstep_core::chain::CloseSighting;
use lockstep_core::ids::ChannelId;
use lockstep_core::money::Amount;
use lockstep_core::terms::Terms;
use lockstep_signer::KeyRing;
use lockstep_store::writer::JournalHandle;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument;

/// News that the receiver may leave in the queue before the tasks hold them back.
const NEWS_QUEUE: usize = 256;
/// Commands that wait for a task that is busy with the chain.
const COMMAND_QUEUE: usize = 256;

/// A channel that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedChannel {
    /// Its id.
    pub channel_id: ChannelId,
    /// Its terms.
    pub terms: Terms,
    /// The close that its record knows of.
    pub known: Option<CloseSighting>,
    /// The most that one call for it may cost in fees, from what is at risk. Units: wei.
    pub max_cost: Amount,
}

/// All that the chain's tasks need.
pub struct ChainSetup {
    /// The RPC endpoints, see [`connect`].
    pub endpoints: Endpoints,
    /// Where the contracts are.
    pub deployment: Deployment,
    /// Where to begin if no cursor is kept. A block to begin at counts in any case: what a kept cursor has passed
    /// may be missing in what was restored with it.
    pub start: Start,
    /// What the tasks keep goes through here; obligations, entries and the cursor are read from it too.
    pub journal: JournalHandle,
    /// The accounts that send, see [`accounts`]. The first pays where nothing else is said.
    pub accounts: Vec<Arc<dyn AccountSigner>>,
    /// Every channel that is not over.
    pub channels: Vec<WatchedChannel>,
    /// Hashes of the secrets that open locks wait for.
    pub secrets: Vec<B256>,
}

/// Endpoints from their addresses.
///
/// # Errors
/// If one is no address, or there are fewer than the network needs.
pub fn connect<'a>(
    urls: impl IntoIterator<Item = &'a str>,
    profile: Profile,
    limits: RequestLimits,
) -> Result<Endpoints, ChainTaskError> {
    let mut all = Vec::new();
    for (index, url) in urls.into_iter().enumerate() {
        let endpoint = Endpoint::new(url, limits);
        all.push(endpoint.map_err(|_| ChainTaskError::BadAddress { index })?);
    }
    Ok(Endpoints::new(all, profile)?)
}

/// Sender accounts by their indexes in the phrase.
///
/// # Errors
/// If an index has no account.
pub fn accounts(
    keys: &KeyRing,
    indexes: impl IntoIterator<Item = u32>,
) -> Result<Vec<Arc<dyn AccountSigner>>, ChainTaskError> {
    let mut accounts: Vec<Arc<dyn AccountSigner>> = Vec::new();
    for index in indexes {
        let secret = keys.account(index)?.expose_secret();
        let account = LocalAccount::from_secret(&secret);
        let account = account.map_err(|error| ChainTaskError::Chain(error.into()))?;
        accounts.push(Arc::new(account));
    }
    Ok(accounts)
}

/// The chain's two tasks.
pub struct ChainTask;

impl ChainTask {
    /// Checks that the endpoints serve the deployment (P93), takes up what an earlier run left, and starts
    /// the tasks. They end when every handle is dropped or nobody receives news any more.
    ///
    /// # Errors
    /// If another chain or other code is served, too few endpoints answer, or the journal can't be read.
    pub async fn start(
        setup: ChainSetup,
    ) -> Result<(ChainHandle, mpsc::Receiver<ChainNews>, JoinHandle<()>), ChainTaskError> {
        let ChainSetup { endpoints, deployment, start, journal, accounts, channels, secrets } =
            setup;
        let Checked { endpoints, left_out } = startup::usable(&endpoints, &deployment).await?;
        let contracts = Contracts::from(&deployment);
        let store = ChainStore::new(journal, contracts.chain_id);
        let Kept { cursor, obligations, entries, origins } = store.load().await?;
        let (start, is_fresh) = match (start, cursor) {
            (Start::Now | Start::Cursor(_), Some(cursor)) => (Start::Cursor(cursor), false),
            (Start::Block(_), _) | (_, None) => (start, true),
        };
        let board = StatusBoard::new(contracts.chain_id, &endpoints);
        let (news, receiver) = mpsc::channel(NEWS_QUEUE);
        let submitter = Submitter::new(endpoints.clone(), contracts, store.clone(), accounts)?;
        let pause = Duration::from_millis(endpoints.profile().poll_millis);
        let mut sender = Sender::new(submitter, board.clone(), news.clone(), pause);
        sender.resume(&channels, obligations, entries).await?;
        let chain = (endpoints.clone(), contracts);
        let kept = (store, board.clone());
        let mut watcher = Watcher::start(chain, kept, start, origins, news).await?;
        if is_fresh {
            watcher.keep_start().await?;
        }
        for channel in &channels {
            watcher.watch(channel.channel_id, channel.known);
        }
        for endpoint in left_out {
            watcher.tell(Alarm::EndpointLeftOut { endpoint });
        }
        secrets.into_iter().for_each(|hash| watcher.watch_secret(hash));
        let (to_watcher, for_watcher) = mpsc::channel(COMMAND_QUEUE);
        let (to_sender, for_sender) = mpsc::channel(COMMAND_QUEUE);
        let handle = ChainHandle::new(to_watcher, to_sender, endpoints, contracts, board);
        let span = tracing::info_span!("chain", chain_id = contracts.chain_id);
        let watching = watcher.run(for_watcher).instrument(span.clone());
        let sending = sender.run(for_sender).instrument(span);
        let task = tokio::spawn(async move {
            // Apart, so that neither waits for the other; ended together.
            let sending = tokio::spawn(sending);
            tokio::select! {
                () = watching => {}
                // Without it no challenge goes out: whoever waits for this task must hear.
                ended = sending => {
                    if let Err(error) = ended {
                        tracing::error!(error = %error, "the task that sends transactions has broken down");
                    }
                }
            }
        });
        Ok((handle, receiver, task))
    }
}
