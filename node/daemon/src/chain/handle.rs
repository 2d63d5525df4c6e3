//! What the rest of the node asks of the chain's tasks.

use super::error::ChainTaskError;
use super::setup::WatchedChannel;
use super::status::{ChainStatus, StatusBoard};
use super::{sender, watcher};
use alloy_primitives::{Address, B256};
use lockstep_bridge::way::Way;
use lockstep_chain::alarm::Alarm;
use lockstep_chain::call::{Contracts, SignedIntent};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::follower;
use lockstep_chain::rpc::BlockTag;
pub use lockstep_chain::secret::Revealed;
use lockstep_chain::submitter::{self, CallEstimate};
use lockstep_chain::token::TokenInfo;
use lockstep_core::chain::{ChainCall, Cursor, Obligation, ObligationKey};
use lockstep_core::entry::{Entry, EntryCall, EntryId};
use lockstep_core::ids::ChannelId;
use lockstep_core::money::Amount;
use lockstep_core::terms::Terms;
use lockstep_core::time::{BlockNumber, BlockTimestamp};
use tokio::sync::{mpsc, oneshot};

/// A payment into the contract, as it is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryOrder {
    /// Its name: one name is one payment.
    pub id: EntryId,
    /// The account that pays.
    pub from: Address,
    /// What is called.
    pub call: EntryCall,
    /// The most that it may cost in fees. Units: wei.
    pub max_cost: Amount,
}

/// Tells whoever asked, if it still waits.
pub(super) fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    if reply.send(value).is_err() {
        tracing::debug!("whoever asked the chain's tasks is gone");
    }
}

/// The chain's tasks, from outside; cheap to clone.
#[derive(Clone)]
pub struct ChainHandle {
    watcher: mpsc::Sender<watcher::Command>,
    sender: mpsc::Sender<sender::Command>,
    endpoints: Endpoints,
    contracts: Contracts,
    board: StatusBoard,
}

impl ChainHandle {
    pub(super) fn new(
        watcher: mpsc::Sender<watcher::Command>,
        sender: mpsc::Sender<sender::Command>,
        endpoints: Endpoints,
        contracts: Contracts,
        board: StatusBoard,
    ) -> Self {
        Self { watcher, sender, endpoints, contracts, board }
    }

    /// Follows a channel from the cursor on, or takes note of what has changed about one.
    ///
    /// # Errors
    /// If the tasks have ended.
    pub async fn watch(&self, channel: WatchedChannel) -> Result<(), ChainTaskError> {
        let boxed = Box::new(channel);
        self.tell_sender(sender::Command::Watch(boxed.clone())).await?;
        let (reply, answer) = oneshot::channel();
        self.tell_watcher(watcher::Command::Watch(boxed, reply)).await?;
        answer.await.map_err(|_| ChainTaskError::Ended)
    }

    /// Tells of closes of a channel of which nothing but the id is known. Nothing can be sent for it.
    ///
    /// # Errors
    /// If the tasks have ended.
    pub async fn look_out(&self, channel_id: ChannelId) -> Result<(), ChainTaskError> {
        self.tell_watcher(watcher::Command::LookOut(channel_id)).await
    }

    /// When a final block was made, on a quorum's word.
    ///
    /// # Errors
    /// If there is no quorum.
    pub async fn time_of(&self, number: BlockNumber) -> Result<BlockTimestamp, ChainTaskError> {
        Ok(follower::block_at(&self.endpoints, number).await?.timestamp)
    }

    /// No longer follows a channel. Calls that are owed for it still go out.
    ///
    /// # Errors
    /// If the tasks have ended.
    pub async fn unwatch(&self, channel_id: ChannelId) -> Result<(), ChainTaskError> {
        self.tell_sender(sender::Command::Unwatch(channel_id)).await?;
        self.tell_watcher(watcher::Command::Unwatch(channel_id)).await
    }

    /// Waits for a secret, and says whether the registry holds it already: a lock on it must not be taken
    /// without that.
    ///
    /// # Errors
    /// If the tasks have ended, or no quorum of endpoints answers.
    pub async fn watch_secret(&self, hash: B256) -> Result<Option<Revealed>, ChainTaskError> {
        // First from now on, then the past: nothing falls between.
        let (reply, answer) = oneshot::channel();
        self.tell_watcher(watcher::Command::WatchSecret(hash, reply)).await?;
        answer.await.map_err(|_| ChainTaskError::Ended)?;
        Ok(self.endpoints.revealed(&self.contracts, hash).await?)
    }

    /// No longer waits for a secret.
    ///
    /// # Errors
    /// If the tasks have ended.
    pub async fn forget_secret(&self, hash: B256) -> Result<(), ChainTaskError> {
        self.tell_watcher(watcher::Command::ForgetSecret(hash)).await
    }

    /// Everything of a batch is committed, or can't be: facts go on. Only in the first case may the cursor be kept
    /// for the next start.
    ///
    /// # Errors
    /// If the tasks have ended.
    pub async fn acknowledge(
        &self,
        cursor: Cursor,
        is_durable: bool,
    ) -> Result<(), ChainTaskError> {
        self.tell_watcher(watcher::Command::Acknowledge(cursor, is_durable)).await
    }

    /// Reads the chain again from a block on, for channels that are older than the cursor.
    ///
    /// # Errors
    /// If the tasks have ended, the endpoints do not agree on the block, or the cursor can't be kept.
    pub async fn rescan(&self, from: BlockNumber) -> Result<(), ChainTaskError> {
        let (reply, answer) = oneshot::channel();
        self.tell_watcher(watcher::Command::Rescan(from, reply)).await?;
        answer.await.map_err(|_| ChainTaskError::Ended)?
    }

    /// From now on a call for a channel may cost this much in fees, see [`super::call_budget`]. Units: wei.
    ///
    /// # Errors
    /// If the tasks have ended.
    pub async fn allow(
        &self,
        channel_id: ChannelId,
        max_cost: Amount,
    ) -> Result<(), ChainTaskError> {
        self.tell_sender(sender::Command::Allow(channel_id, max_cost)).await
    }

    /// Brings a call to the chain until it is final. It is durable when this returns, unless it is urgent and
    /// the disk fails. The same key again changes nothing.
    ///
    /// # Errors
    /// If the channel is not watched, the call could not be made durable, or the tasks have ended.
    pub async fn submit(
        &self,
        obligation: Obligation,
        intent: Option<SignedIntent>,
    ) -> Result<(), ChainTaskError> {
        let boxed = Box::new(obligation);
        self.ask_sender(|reply| sender::Command::Submit(boxed, intent, reply)).await?
    }

    /// Makes a payment into the contract, durably and once per name; later changes come as news.
    ///
    /// # Errors
    /// Any error means that nothing was signed or sent for it.
    pub async fn enter(&self, order: EntryOrder) -> Result<Entry, ChainTaskError> {
        let boxed = Box::new(order);
        self.ask_sender(|reply| sender::Command::Enter(boxed, reply)).await?
    }

    /// From now on calls that the sequencer does not take go this way.
    ///
    /// # Errors
    /// If the tasks have ended.
    pub(crate) async fn escape_by(&self, way: Way) -> Result<(), ChainTaskError> {
        self.tell_sender(sender::Command::Escape(Box::new(way))).await
    }

    /// With this order of our signer's a close can be started by another account: the one that pays on L1.
    ///
    /// # Errors
    /// If the tasks have ended.
    pub(crate) async fn take_intent(
        &self,
        key: ObligationKey,
        intent: SignedIntent,
    ) -> Result<(), ChainTaskError> {
        self.tell_sender(sender::Command::Intent(key, Box::new(intent))).await
    }

    /// Hands on what somebody must look at on L1, where a submitter of its own sends.
    ///
    /// # Errors
    /// If the tasks have ended.
    pub(crate) async fn tell_of_l1(&self, alarms: Vec<Alarm>) -> Result<(), ChainTaskError> {
        self.tell_sender(sender::Command::OnL1(alarms)).await
    }

    /// A payment into the contract.
    ///
    /// # Errors
    /// If the tasks have ended.
    pub async fn entry(&self, id: EntryId) -> Result<Option<Entry>, ChainTaskError> {
        self.ask_sender(|reply| sender::Command::Entry(id, reply)).await
    }

    /// Every payment into the contract that is not forgotten.
    ///
    /// # Errors
    /// If the tasks have ended.
    pub async fn entries(&self) -> Result<Vec<Entry>, ChainTaskError> {
        self.ask_sender(sender::Command::Entries).await
    }

    /// Forgets a payment that is over; others stay.
    ///
    /// # Errors
    /// If the store fails, or the tasks have ended.
    pub async fn forget_entry(&self, id: EntryId) -> Result<(), ChainTaskError> {
        self.ask_sender(|reply| sender::Command::Forget(id, reply)).await?
    }

    /// The chain side at a glance, without asking anybody.
    pub fn status(&self) -> ChainStatus {
        self.board.read()
    }

    /// Whether no new block has come for longer than the network takes for one: then no close would be seen, and
    /// nothing new should be begun.
    pub fn is_blind(&self) -> bool {
        self.board.is_blind()
    }

    /// A block's hash and time, as a quorum of our own endpoints has them.
    ///
    /// # Errors
    /// If they do not agree, or do not know it.
    pub async fn block(
        &self,
        number: BlockNumber,
    ) -> Result<(B256, BlockTimestamp), ChainTaskError> {
        let is_hashed = self.endpoints.profile().has_ethereum_hash;
        let tag = BlockTag::Number(number.0);
        let header = self.endpoints.ask_quorum(|endpoint| endpoint.header(tag, is_hashed)).await?;
        Ok((header.hash, header.point().timestamp))
    }

    /// Where the contracts are.
    pub fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// What an account holds: of the native coin, or of a token on a quorum's word. For display and checks.
    ///
    /// # Errors
    /// If the endpoints do not answer, or the address is no token.
    pub async fn balance(
        &self,
        account: Address,
        token: Option<Address>,
    ) -> Result<Amount, ChainTaskError> {
        let balance = match token {
            None => self.endpoints.ask_quorum(|endpoint| endpoint.balance(account)).await?,
            Some(token) => self.endpoints.token_balance(token, account).await?,
        };
        Ok(Amount::from_u256(balance))
    }

    /// What the contract owes an account outside of any channel.
    ///
    /// # Errors
    /// If there is no quorum.
    pub async fn credit(
        &self,
        account: Address,
        token: Option<Address>,
    ) -> Result<Amount, ChainTaskError> {
        let token = token.unwrap_or(Address::ZERO);
        let credit = self.endpoints.credit(&self.contracts, account, token).await?;
        Ok(Amount::from_u256(credit))
    }

    /// How a token calls itself and writes its amounts.
    ///
    /// # Errors
    /// If there is no quorum, or the address is no token.
    pub async fn token(&self, token: Address) -> Result<TokenInfo, ChainTaskError> {
        Ok(self.endpoints.token_info(token).await?)
    }

    /// The terms of a channel that was opened in a block from `from` on, as its log shows them. The id vouches
    /// for them; none if no endpoint shows an open.
    ///
    /// # Errors
    /// If no endpoint shows it and one does not answer.
    pub async fn terms_of(
        &self,
        channel_id: ChannelId,
        from: BlockNumber,
    ) -> Result<Option<Terms>, ChainTaskError> {
        Ok(self.endpoints.terms_of(&self.contracts, channel_id, from).await?)
    }

    /// What calls for a channel would cost now.
    ///
    /// # Errors
    /// If no endpoint answers, or a call lacks a signature.
    pub async fn estimate(
        &self,
        from: Address,
        terms: &Terms,
        calls: &[ChainCall],
    ) -> Result<CallEstimate, ChainTaskError> {
        Ok(submitter::estimate(&self.endpoints, &self.contracts, from, terms, calls).await?)
    }

    async fn tell_watcher(&self, command: watcher::Command) -> Result<(), ChainTaskError> {
        self.watcher.send(command).await.map_err(|_| ChainTaskError::Ended)
    }

    async fn tell_sender(&self, command: sender::Command) -> Result<(), ChainTaskError> {
        self.sender.send(command).await.map_err(|_| ChainTaskError::Ended)
    }

    async fn ask_sender<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<T>) -> sender::Command,
    ) -> Result<T, ChainTaskError> {
        let (reply, answer) = oneshot::channel();
        self.tell_sender(ask(reply)).await?;
        answer.await.map_err(|_| ChainTaskError::Ended)
    }
}
