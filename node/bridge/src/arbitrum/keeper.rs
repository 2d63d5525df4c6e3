//! What is to be done about a ticket that the rollup keeps and has not run (P90).
//!
//! The rollup tries once by itself, and not even that if the bid was below its base fee. Whoever wants the call
//! to happen tries again, and keeps the ticket alive meanwhile: an expired one gives ether back to its
//! beneficiary, but a token's is lost.

use super::ticket::LIFETIME_SECS;

/// This long before a ticket expires it is kept alive. Two days are enough for a weekend without L1 and more.
/// Units: seconds.
pub const KEEPALIVE_MARGIN_SECS: u64 = 2 * 24 * 60 * 60;
const _: () = assert!(KEEPALIVE_MARGIN_SECS < LIFETIME_SECS);

/// A ticket as the rollup has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketState {
    /// The rollup has not read the message yet.
    Unread,
    /// The rollup took the message and made no ticket of it: it cost more than was given.
    Refused,
    /// Kept, and no attempt has succeeded.
    Kept {
        /// Until when. Units: seconds of the rollup's clock.
        timeout: u64,
        /// Whether that is so in a finalized block.
        is_final: bool,
    },
    /// An attempt has succeeded.
    Redeemed {
        /// Whether that is so in a finalized block.
        is_final: bool,
    },
    /// The beneficiary took the money back.
    Canceled {
        /// Whether that is so in a finalized block.
        is_final: bool,
    },
    /// Nobody ran it in time.
    Expired,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Nothing now.
    Wait,
    /// Run it again.
    Redeem,
    /// It would fail now and has not long to live.
    KeepAlive,
}

/// What is due for a kept ticket. Running it ends all trouble; where that would fail, it must not expire.
pub fn care(now: u64, timeout: u64, would_succeed: bool) -> Care {
    let left = timeout.saturating_sub(now);
    match (would_succeed, left < KEEPALIVE_MARGIN_SECS) {
        (true, _) => Care::Redeem,
        (false, true) => Care::KeepAlive,
        (false, false) => Care::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p90_a_ticket_that_could_not_pay_for_its_gas_is_run_again_at_once() {
        for age in [0, 1, LIFETIME_SECS - 1] {
            assert_eq!(care(age, LIFETIME_SECS, true), Care::Redeem);
        }
    }

    #[test]
    fn p90_a_ticket_that_still_fails_is_kept_alive_before_it_expires() {
        let last_calm = LIFETIME_SECS - KEEPALIVE_MARGIN_SECS;
        assert_eq!(care(last_calm, LIFETIME_SECS, false), Care::Wait);
        assert_eq!(care(last_calm + 1, LIFETIME_SECS, false), Care::KeepAlive);
        assert_eq!(care(LIFETIME_SECS, LIFETIME_SECS, false), Care::KeepAlive);
        // After one keepalive there is a week more.
        assert_eq!(care(LIFETIME_SECS, 2 * LIFETIME_SECS, false), Care::Wait);
    }
}
