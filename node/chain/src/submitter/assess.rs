//! What each endpoint says about a call's goal, and what follows when they differ.

use super::goal::{Goal, Stored, judge};
use super::now::Now;
use super::{Duty, ObligationStore, Submitter, SubmitterEvent};
use crate::decode;
use crate::endpoint::{Endpoint, EndpointError, RequestError};
use crate::error::ChainError;
use crate::follower::vanish::channel_request;
use crate::rpc::{At, BlockTag, CallRequest};
use alloy_sol_types::SolCall;
use lockstep_contracts::bindings::SecretRegistry;
use lockstep_core::chain::{ChainCall, ObligationEvent, ObligationKey, ObligationKind};
use lockstep_core::time::BlockTimestamp;

/// What endpoints say together about the need of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A quorum sees it, or nobody answers who does not: with a sequencer that is gone its endpoints may be, too.
    Seen,
    /// Some see it, some do not: one of them lies, or is behind.
    Disputed,
    /// A quorum, and more than see it, say that there is nothing to do.
    Refuted,
}

impl Need {
    fn of(needed: usize, idle: usize, quorum: usize) -> Self {
        match (needed, idle) {
            (_, 0) => Self::Seen,
            (needed, idle) if idle >= quorum && idle > needed => Self::Refuted,
            (needed, idle) if needed >= quorum && needed > idle => Self::Seen,
            (_, _) => Self::Disputed,
        }
    }
}

impl<S: ObligationStore> Submitter<S> {
    /// How a call has ended, if a finalized block says that it has.
    pub(super) async fn final_event(&self, duty: &Duty, now: &Now) -> Option<ObligationEvent> {
        let (block, hash) = now.finalized?;
        let key = *duty.obligation.key();
        let at = At::Block(hash);
        // Without a quorum nothing ends; it may still be acted.
        let stored =
            self.endpoints.ask_quorum(|endpoint| self.read(endpoint, duty, at)).await.ok()?;
        match judge(&key, duty.obligation.call(), &stored, block.timestamp) {
            Goal::Met => Some(ObligationEvent::GoalFinal),
            Goal::Moot => Some(ObligationEvent::Moot),
            Goal::Needed | Goal::NotYet => None,
        }
    }

    /// Ends a call.
    pub(super) async fn end(
        &mut self,
        key: ObligationKey,
        event: ObligationEvent,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        self.apply(key, event).await?;
        let Some(duty) = self.duties.remove(&key) else { return Ok(()) };
        self.batches.leave(&key);
        let stage = duty.obligation.stage();
        self.ended.insert(key, stage);
        events.push(SubmitterEvent::Ended { key, stage });
        Ok(())
    }

    /// Whether the call is needed in the newest state of any endpoint: one that says that there is nothing
    /// to do cannot hold back a challenge.
    ///
    /// No endpoint's clock can end the window of a challenge. That the window of a close is over is believed
    /// once by the later half of them, so that one that stands still holds up no settlement; a call that fails
    /// then waits for all, so that one that runs ahead costs one transaction.
    pub(super) async fn is_needed(&self, duty: &Duty, now: &Now) -> bool {
        let answers =
            self.endpoints.ask_all(|endpoint| self.read(endpoint, duty, At::Latest)).await;
        let key: &ObligationKey = duty.obligation.key();
        let is_close = matches!(duty.obligation.call(), ChainCall::Close);
        let time = if is_close && !duty.has_failed { now.most.time } else { now.earliest };
        answers
            .iter()
            .flatten()
            .any(|stored| judge(key, duty.obligation.call(), stored, time) == Goal::Needed)
    }

    /// What the endpoints say together about the need of a call in their newest states, judged at a time of the
    /// caller's: zero where no clock is to end a window. For what costs more than a transaction on this chain, such as a
    /// way past its sequencer; [`Submitter::step`] itself believes one endpoint that calls a call needed.
    ///
    /// That there is nothing to do counts for nothing in a block from before the call's window: whoever shows no newer one
    /// can't have seen the close.
    pub async fn need(&self, key: &ObligationKey, now: BlockTimestamp) -> Need {
        let Some(duty) = self.duties.get(key) else { return Need::Refuted };
        let ask = async |endpoint| {
            let stored = self.read(endpoint, duty, At::Latest).await?;
            let goal = judge(key, duty.obligation.call(), &stored, now);
            let is_behind = goal != Goal::Needed && self.is_behind(endpoint, duty).await?;
            Ok((!is_behind).then_some(goal))
        };
        let answers = self.endpoints.ask_all(ask).await;
        let goals = answers.into_iter().flatten().flatten();
        let (needed, idle): (Vec<Goal>, Vec<Goal>) = goals.partition(|goal| *goal == Goal::Needed);
        Need::of(needed.len(), idle.len(), self.endpoints.profile().quorum)
    }

    /// Whether an endpoint's newest block is from before the window of a call.
    async fn is_behind(&self, endpoint: &Endpoint, duty: &Duty) -> Result<bool, EndpointError> {
        let Some(window) = duty.window() else { return Ok(false) };
        let is_hashed = self.endpoints.profile().has_ethereum_hash;
        let head = endpoint.header(BlockTag::Latest, is_hashed).await?;
        Ok(head.point().timestamp < window.opened)
    }

    /// P71: whether another call that ends the same channel is under way. After the window both `closeChannel` and a
    /// final state that was co-signed late end it, and whichever lands second reverts and is paid for: the one that is
    /// out goes alone, and the other is looked at again once that one has landed or is gone.
    pub(super) fn is_rival_out(&self, key: &ObligationKey) -> bool {
        let rival = match key.kind {
            ObligationKind::Close => ObligationKind::CooperativeClose,
            ObligationKind::CooperativeClose => ObligationKind::Close,
            ObligationKind::InitiateClose
            | ObligationKind::Challenge
            | ObligationKind::PartialWithdraw
            | ObligationKind::RegisterSecret
            | ObligationKind::ResolveLocks => return false,
        };
        let is_rival =
            |other: &&ObligationKey| other.channel_id == key.channel_id && other.kind == rival;
        let is_out = |other: &ObligationKey| {
            let content = self.content_of(other);
            self.lanes.iter().any(|lane| lane.holds(content))
        };
        self.duties.keys().filter(is_rival).any(is_out)
    }

    async fn read(
        &self,
        endpoint: &Endpoint,
        duty: &Duty,
        at: At,
    ) -> Result<Stored, EndpointError> {
        let key = duty.obligation.key();
        let request = channel_request(&self.contracts, key.channel_id);
        let malformed = || endpoint.error("eth_call", RequestError::Malformed);
        let data = endpoint.call(&request, at).await?;
        let channel = decode::channel(&data).ok_or_else(malformed)?;
        let secret_revealed_at = match duty.obligation.call() {
            ChainCall::RegisterSecret { .. } => {
                let call = SecretRegistry::revealedAtCall { hash: key.detail };
                let data = call.abi_encode().into();
                let request = CallRequest::view(self.contracts.registry, data);
                let data = endpoint.call(&request, at).await?;
                let time = SecretRegistry::revealedAtCall::abi_decode_returns_validate(&data);
                time.map_err(|_| malformed())?.to::<u64>()
            }
            ChainCall::InitiateClose(_)
            | ChainCall::Challenge(_)
            | ChainCall::Close
            | ChainCall::CooperativeClose(_)
            | ChainCall::PartialWithdraw(_)
            | ChainCall::ResolveLocks { .. } => 0,
        };
        Ok(Stored { channel, secret_revealed_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p77_one_endpoint_alone_neither_calls_for_l1_nor_keeps_an_answer_from_it() {
        // Of three one lies that something closes, or that nothing does.
        assert_eq!(Need::of(1, 2, 2), Need::Refuted);
        assert_eq!(Need::of(2, 1, 2), Need::Seen);
        // Of two nobody knows which.
        assert_eq!(Need::of(1, 1, 2), Need::Disputed);
        assert_eq!(Need::of(0, 1, 2), Need::Disputed);
        assert_eq!(Need::of(0, 2, 2), Need::Refuted);
        // Endpoints of a sequencer that is gone do not answer.
        assert_eq!(Need::of(0, 0, 2), Need::Seen);
        assert_eq!(Need::of(1, 0, 2), Need::Seen);
        assert_eq!((Need::of(1, 0, 1), Need::of(0, 1, 1)), (Need::Seen, Need::Refuted));
        assert_eq!(Need::of(2, 2, 2), Need::Disputed);
    }
}
