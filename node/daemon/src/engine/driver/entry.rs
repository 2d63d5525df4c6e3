//! Money of ours on its way into the contract, as the channel's record asks for it.

use super::Driver;
use crate::bridge::BridgeHandle;
use crate::chain::EntryOrder;
use crate::engine::event::Event;
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_core::chain::ChannelStatus;
use lockstep_core::entry::{Entry, EntryCall, EntryId, EntryKind, EntryStage};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{ChannelId, Side};
use lockstep_core::money::{Amount, Deposit};
use lockstep_core::record::{Consent, Phase, RecordParts};
use lockstep_rpc::failure::{Failure, FailureKind};
use std::sync::Arc;
use std::time::Duration;

/// Names the deposit that side two promised when it agreed to the channel.
const PROMISED: &[u8] = b"promised at the open";
/// How long until an entry is tried again that could not be ordered for a passing reason.
const ENTER_AGAIN: Duration = Duration::from_secs(3);
/// A consent that ends this soon is not used any more: the open could land too late. Units: seconds.
const CONSENT_MARGIN_SECS: u64 = 300;

/// What this run of the node has ordered. The chain side remembers across runs, by the entry's name.
#[derive(Debug, Default)]
pub(super) struct Progress {
    ordered: Option<EntryId>,
}

impl Driver {
    /// Orders the entry that is due, once in this run: the open of side one, once side two consents, and the
    /// promised deposit of side two, once the channel is active.
    pub(super) fn enter_if_due(&mut self) {
        let parts = self.channel.parts();
        let Some((id, call)) = due(parts, self.channel.channel_id()) else { return };
        if self.entry.ordered == Some(id) {
            return;
        }
        // Money for it is on its way from L1.
        let carries = |bridge: &BridgeHandle| bridge.carries(self.channel.channel_id());
        if self.shared.bridge.as_ref().is_some_and(carries) {
            return;
        }
        self.entry.ordered = Some(id);
        let max_cost = self.shared.settings.max_call_cost;
        let from = self.shared.settings.account;
        let order = EntryOrder { id, from, call, max_cost };
        let (shared, channel_id) = (Arc::clone(&self.shared), self.channel.channel_id());
        tokio::spawn(async move { enter(&shared, channel_id, order).await });
    }

    pub(super) fn note_entry(&mut self, entry: &Entry) {
        let channel_id = self.channel.channel_id();
        self.beside.transaction = entry.tx().or(self.beside.transaction);
        let kind = entry.call().kind();
        match entry.stage() {
            EntryStage::Reverted { tx, .. } => {
                let message = format!(
                    "the contract refused the {} (transaction {tx}); no money has moved",
                    word_of(kind)
                );
                tracing::warn!(%channel_id, tx_hash = %tx, message, "an entry was refused");
                self.beside.problem = Some(message);
            }
            EntryStage::Displaced { nonce } => {
                let message = format!(
                    "another transaction of our account took nonce {nonce}; the {} was not made and no \
                     money has moved. Use the account only through this node",
                    word_of(kind)
                );
                tracing::warn!(%channel_id, nonce, "an entry was displaced");
                self.beside.problem = Some(message);
            }
            EntryStage::Wanted | EntryStage::Signed(_) | EntryStage::Included { .. } => {}
            EntryStage::Done { tx, .. } => {
                tracing::info!(%channel_id, tx_hash = %tx, kind = word_of(kind), "paid in");
                self.beside.problem = None;
            }
        }
        self.publish();
    }

    pub(super) fn note_entry_refused(&mut self, failure: &Failure) {
        self.beside.problem = Some(failure.message.clone());
        self.publish();
    }
}

/// The entry that a record asks for now.
fn due(parts: &RecordParts, channel_id: ChannelId) -> Option<(EntryId, EntryCall)> {
    let setup = &parts.setup;
    if parts.marks.restored.is_some() || parts.marks.frozen.is_some() {
        return None;
    }
    match (setup.side, &parts.phase) {
        (
            Side::One,
            Phase::Funding { consent: Some(Consent { open, signature: Some(signature) }) },
        ) if parts.chain.status == ChannelStatus::None => {
            let now = parts.chain.finalized.timestamp;
            if now.checked_add_secs(CONSENT_MARGIN_SECS).is_none_or(|soon| soon > open.deadline) {
                return None;
            }
            let consent = Some((*open, *signature));
            let call = EntryCall::Open { terms: setup.terms, amount: setup.deposit1, consent };
            Some((EntryId::open(channel_id), call))
        }
        (Side::Two, Phase::Open)
            if setup.deposit2 > Amount::ZERO
                && parts.chain.deposits.of(Side::Two) == Deposit::ZERO =>
        {
            let id = EntryId::named(EntryKind::Deposit, channel_id.0, PROMISED);
            let (terms, amount) = (setup.terms, setup.deposit2);
            Some((id, EntryCall::Deposit { terms, side: Side::Two, amount }))
        }
        (
            Side::One | Side::Two,
            Phase::Opening(_)
            | Phase::Funding { .. }
            | Phase::Open
            | Phase::Closing(_)
            | Phase::Disputed(_)
            | Phase::Settled(_),
        ) => None,
    }
}

/// Orders an entry until the chain side has it or refuses it.
async fn enter(shared: &Arc<Shared>, channel_id: ChannelId, order: EntryOrder) {
    loop {
        let error = match shared.chain.enter(order.clone()).await {
            Ok(entry) => {
                if let Some(handle) = shared.registry.get(channel_id) {
                    handle.urge(Event::Entry(Box::new(entry))).await;
                }
                return;
            }
            Err(error) => error,
        };
        let message = wording::chain_of(&error);
        tracing::warn!(%channel_id, error = message, "a payment into the contract is not on its way");
        let failure = Failure::new(FailureKind::ChainUnavailable, message);
        if let Some(handle) = shared.registry.get(channel_id) {
            handle.urge(Event::EntryRefused(failure)).await;
        }
        let is_passing = error.class() == ErrorClass::Transient;
        if !is_passing || shared.sleep_or_stop(ENTER_AGAIN).await {
            return;
        }
    }
}

/// What an entry is called for people.
pub(crate) fn word_of(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Open => "open",
        EntryKind::Join => "join",
        EntryKind::Deposit => "deposit",
        EntryKind::CancelOpen => "cancellation",
        EntryKind::TakeCredit => "withdrawal of credit",
        EntryKind::Approve => "approval",
        EntryKind::Bridge => "bridge step",
    }
}
