//! What a channel knows only while the node runs: timeouts, the newest head, a peer's claims.

use crate::ids::Version;
use crate::money::Amount;
use crate::time::{BlockPoint, BlockTimestamp, EngineTime};

/// Lost with every restart, and nothing is lost by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Session {
    /// Counts adoptions, so that a transition is adopted only by the record that it was made from.
    pub(crate) generation: u64,
    /// The engine's clock at the last input that had it.
    pub(crate) now: EngineTime,
    /// Since when the counterparty owes an answer.
    pub(crate) waiting_since: Option<EngineTime>,
    /// The counterparty has owed an answer for too long; nothing new is proposed to it.
    pub(crate) is_silent: bool,
    /// The newest head. Its time is for acting early, never for expiring anything.
    pub(crate) head: BlockPoint,
    /// The highest version that the counterparty claims to have bound, without proof.
    pub(crate) claimed_by_peer: Version,
    /// Acceptor only: the withdrawal that our operator asks for, to each side. No other one may take
    /// money of ours. Kept over connections; after a restart the operator asks again.
    pub(crate) wanted: Option<(Amount, Amount)>,
    /// Proposer only: until then by the chain's clock, the counterparty's withdrawals are refused.
    pub(crate) withdraw_pause: BlockTimestamp,
    /// The outstanding withdrawal that the counterparty has said no to. Saying it again tells nothing new (P37).
    pub(crate) refused_withdrawal: Option<Version>,
    /// Where a final log says that the contract stands in a close. After a restart nobody knows it until the next one.
    pub(crate) certain_point: Option<Version>,
    /// The late final state that was handed to the chain side already, on this connection.
    pub(crate) late_final: Option<Version>,
}

impl Session {
    /// The counterparty answered, or owes nothing.
    pub(crate) fn heard(&mut self, still_waits: bool) {
        self.is_silent = false;
        self.waiting_since = still_waits.then_some(self.now);
    }

    /// Something was sent that asks for an answer.
    pub(crate) fn asked(&mut self) {
        if self.waiting_since.is_none() {
            self.waiting_since = Some(self.now);
        }
    }
}
