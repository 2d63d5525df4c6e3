//! What the bridge's task is given, and how it begins.

use super::desk::Desk;
use super::handle::{Board, BridgeHandle};
use super::network;
use super::task::Task;
use crate::chain::{self, ChainHandle, ChainStore, ChainTaskError};
use crate::config::BridgeOptions;
use crate::keys;
use alloy_primitives::Address;
use core::time::Duration;
use lockstep_bridge::arbitrum::Arbitrum;
use lockstep_bridge::courier::{Courier, Payers};
use lockstep_bridge::network::Stack;
use lockstep_bridge::optimism::Optimism;
use lockstep_bridge::rollup::Rollup;
use lockstep_bridge::way::Way;
use lockstep_chain::call::Contracts;
use lockstep_chain::endpoint::RequestLimits;
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::profile::{Network, ProfileError};
use lockstep_chain::submitter::Submitter;
use lockstep_core::error::ErrorClass;
use lockstep_core::money::Amount;
use lockstep_signer::KeyRing;
use lockstep_store::writer::JournalHandle;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Commands that wait for a task that is busy with the chains.
const QUEUE: usize = 64;
/// How long one request to L1 may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Why there is no bridge.
#[derive(Debug, Error)]
pub enum BridgeStartError {
    /// The file is none.
    #[error("bridge.file {} can't be read as a description of a bridge", .path.display())]
    File {
        /// Which.
        path: PathBuf,
    },
    /// No file for this rollup.
    #[error(
        "no file says how chain {chain_id} is bridged: name one with bridge.file, or leave out bridge.endpoints"
    )]
    Unknown {
        /// The rollup.
        chain_id: u64,
    },
    /// The file is about another rollup.
    #[error("bridge.file is about chain {found}, the node is on chain {expected}")]
    OtherChain {
        /// As the node is configured.
        expected: u64,
        /// As the file says.
        found: u64,
    },
    /// An unknown L1.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The L1 side.
    #[error("the L1 side does not start")]
    Chain(#[source] Box<ChainTaskError>),
}

impl From<ChainTaskError> for BridgeStartError {
    fn from(error: ChainTaskError) -> Self {
        Self::Chain(Box::new(error))
    }
}

impl BridgeStartError {
    /// What the caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File { .. }
            | Self::Unknown { .. }
            | Self::OtherChain { .. }
            | Self::Profile(_) => ErrorClass::Refused,
            Self::Chain(error) => error.class(),
        }
    }
}

/// All that the bridge's task needs.
pub(crate) struct BridgeSetup<'a> {
    pub(crate) options: &'a BridgeOptions,
    pub(crate) l2_endpoints: Endpoints,
    pub(crate) keys: &'a KeyRing,
    pub(crate) chain: ChainHandle,
    pub(crate) journal: JournalHandle,
    /// The account on the rollup that owns our side of channels.
    pub(crate) owner: Address,
    /// The most that one transaction may cost. Units: wei.
    pub(crate) max_cost: Amount,
}

/// Starts the task, if endpoints of L1 are configured. It begins to carry once the contracts have been checked
/// (P93), and takes up what an earlier run left.
///
/// # Errors
/// [`BridgeStartError`].
pub(crate) async fn start(
    setup: BridgeSetup<'_>,
) -> Result<Option<(BridgeHandle, JoinHandle<()>)>, BridgeStartError> {
    let BridgeSetup { options, l2_endpoints, keys, chain, journal, owner, max_cost } = setup;
    if options.endpoints.is_empty() {
        return Ok(None);
    }
    let l2_chain_id = chain.contracts().chain_id;
    let network = match &options.file {
        Some(path) => {
            network::read(path).ok_or_else(|| BridgeStartError::File { path: path.clone() })?
        }
        None => network::shipped(l2_chain_id)
            .ok_or(BridgeStartError::Unknown { chain_id: l2_chain_id })?,
    };
    if network.l2_chain_id != l2_chain_id {
        let (expected, found) = (l2_chain_id, network.l2_chain_id);
        return Err(BridgeStartError::OtherChain { expected, found });
    }
    let l1_chain_id = network.l1_chain_id;
    let l2_pause = Duration::from_millis(l2_endpoints.profile().poll_millis);
    let profile = Network::of_chain_id(l1_chain_id).unwrap_or(Network::Development).profile()?;
    let limits =
        RequestLimits { timeout: TIMEOUT, retries: 2, backoff: Duration::from_millis(200) };
    let l1 = chain::connect(options.endpoints.iter().map(String::as_str), profile, limits)?;
    let rollup: Arc<dyn Rollup> = match network.stack {
        Stack::Optimism => Arc::new(Optimism::new(l1.clone(), l2_endpoints, network)),
        Stack::Arbitrum => Arc::new(Arbitrum::new(network, l1.clone(), l2_endpoints)),
    };
    let accounts = chain::accounts(keys, [keys::account_index(l1_chain_id, 0)])?;
    let account = accounts.first().map(|account| account.address()).unwrap_or_default();
    let store = ChainStore::new(journal, l1_chain_id);
    let (transfers, entries) = store.load_bridge().await?;
    let none = Address::ZERO;
    let on_l1 = Contracts { chain_id: l1_chain_id, channel: none, registry: none };
    let mut submitter =
        Submitter::new(l1.clone(), on_l1, store.clone(), accounts).map_err(ChainTaskError::from)?;
    submitter.resume_entries(entries);
    let desk = Desk::new(submitter, chain.clone(), (l1_chain_id, l2_chain_id), max_cost);
    // The same account pays for transfers and for calls past the sequencer: one submitter, one row of nonces.
    let way = Way::start(Arc::clone(&rollup), desk.on_l1(), account, l1.clone(), l2_pause);
    chain.escape_by(way).await?;
    let payers = Payers { l1: account, l2: owner };
    let mut courier = Courier::new(Arc::clone(&rollup), store, desk.clone(), payers);
    courier.resume(transfers);
    // Before any channel's driver asks whether money is on its way to it.
    let board = Board::default();
    if let Err(error) = courier.look_up().await {
        tracing::warn!(error = %error, "what was sent for transfers is looked up later");
    }
    board.show(courier.views().collect());
    let (commands, queue) = mpsc::channel(QUEUE);
    let handle = BridgeHandle::new(commands, rollup, board.clone(), l1, payers);
    let pause = Duration::from_millis(profile.poll_millis);
    let task = Task::new(courier, desk, board, pause);
    Ok(Some((handle, tokio::spawn(task.run(queue)))))
}
