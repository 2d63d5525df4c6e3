//! What one session may still send: bytes, messages, signatures and offers, each in its own bucket.

use lockstep_core::message::PeerMessage;
use lockstep_core::time::EngineTime;

use crate::limits::Rate;
use crate::token_bucket::TokenBucket;

/// The buckets of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    bytes: TokenBucket,
    messages: TokenBucket,
    signatures: TokenBucket,
    opens: TokenBucket,
}

impl Budget {
    /// Full buckets.
    pub(crate) fn new(rate: Rate, now: EngineTime) -> Self {
        let bucket = |tokens| TokenBucket::new(tokens, rate.burst_secs, now);
        Self {
            bytes: bucket(rate.bytes),
            messages: bucket(rate.messages),
            signatures: bucket(rate.signatures),
            opens: bucket(rate.opens),
        }
    }

    /// Pays for a frame whose length is known, before any of it is read.
    ///
    /// Units: milliseconds to wait before reading it.
    pub(crate) fn frame(&mut self, len: u32, now: EngineTime) -> u64 {
        self.bytes.charge(u64::from(len), now).max(self.messages.charge(1, now))
    }

    /// Pays for the curve arithmetic that a message makes the engine do, before it does any.
    ///
    /// Units: milliseconds to wait before handing it on.
    pub(crate) fn arithmetic(&mut self, message: &PeerMessage, now: EngineTime) -> u64 {
        let opens = self.opens.charge(keys_of(message), now);
        opens.max(self.signatures.charge(signatures_of(message), now))
    }
}

/// How many keys the engine has to derive for a message.
fn keys_of(message: &PeerMessage) -> u64 {
    match message {
        PeerMessage::OpenQuery(_)
        | PeerMessage::OpenRequest(_)
        | PeerMessage::OpenAccept { .. } => 1,
        PeerMessage::OpenOffer(_)
        | PeerMessage::OpenReject { .. }
        | PeerMessage::Propose { .. }
        | PeerMessage::Accept { .. }
        | PeerMessage::Reject { .. }
        | PeerMessage::Intent { .. }
        | PeerMessage::Refuse { .. }
        | PeerMessage::WithdrawRequest { .. }
        | PeerMessage::WithdrawPropose { .. }
        | PeerMessage::WithdrawAccept { .. }
        | PeerMessage::WithdrawReject { .. }
        | PeerMessage::CloseRequest { .. }
        | PeerMessage::Reestablish(_) => 0,
    }
}

/// How many signatures the engine has to check for a message, at most.
fn signatures_of(message: &PeerMessage) -> u64 {
    match message {
        PeerMessage::OpenAccept { .. }
        | PeerMessage::Propose { .. }
        | PeerMessage::Accept { .. }
        | PeerMessage::WithdrawPropose { .. }
        | PeerMessage::WithdrawAccept { .. } => 1,
        // The newest state comes with both.
        PeerMessage::Reestablish(_) => 2,
        PeerMessage::OpenQuery(_)
        | PeerMessage::OpenOffer(_)
        | PeerMessage::OpenRequest(_)
        | PeerMessage::OpenReject { .. }
        | PeerMessage::Reject { .. }
        | PeerMessage::Intent { .. }
        | PeerMessage::Refuse { .. }
        | PeerMessage::WithdrawRequest { .. }
        | PeerMessage::WithdrawReject { .. }
        | PeerMessage::CloseRequest { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_core::ids::Version;
    use lockstep_core::signature::StateSignature;

    const RATE: Rate = Rate { bytes: 1_000, messages: 10, signatures: 2, opens: 1, burst_secs: 1 };

    #[test]
    fn p62_bytes_and_messages_are_each_paid_for() {
        let mut budget = Budget::new(RATE, EngineTime(0));
        assert_eq!(budget.frame(1_000, EngineTime(0)), 0);
        assert_eq!(budget.frame(500, EngineTime(0)), 500);
        let mut budget = Budget::new(RATE, EngineTime(0));
        let waits: Vec<_> = (0..12).map(|_| budget.frame(1, EngineTime(0))).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 200]);
    }

    #[test]
    fn p62_signatures_are_paid_for_before_anybody_checks_one() {
        let mut budget = Budget::new(RATE, EngineTime(0));
        let accept =
            PeerMessage::Accept { version: Version(1), signature: StateSignature([1; 64]) };
        let waits: Vec<_> = (0..4).map(|_| budget.arithmetic(&accept, EngineTime(0))).collect();
        assert_eq!(waits, [0, 0, 500, 1_000]);
        let free = PeerMessage::CloseRequest { min_version: Version(1) };
        assert_eq!(budget.arithmetic(&free, EngineTime(1_000)), 0);
    }

    #[test]
    fn p62_questions_and_offers_of_channels_are_paid_for_apart_from_payments() {
        let mut budget = Budget::new(RATE, EngineTime(0));
        let contract = alloy_primitives::Address::ZERO;
        let domain = lockstep_core::ids::Domain::Evm { chain_id: 1, contract };
        let query = PeerMessage::OpenQuery(lockstep_core::message::OpenQuery { domain });
        let waits: Vec<_> = (0..3).map(|_| budget.arithmetic(&query, EngineTime(0))).collect();
        assert_eq!(waits, [0, 1_000, 2_000]);
        let accept =
            PeerMessage::Accept { version: Version(1), signature: StateSignature([1; 64]) };
        assert_eq!(budget.arithmetic(&accept, EngineTime(2_000)), 0);
    }
}
