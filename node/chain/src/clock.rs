//! The chain's time: block headers, never this machine's clock.

use crate::follower::Delivery;
use lockstep_core::time::{BlockPoint, BlockTimestamp};

/// What time it is on a chain. Neither time goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainClock {
    head: BlockPoint,
    finalized: BlockPoint,
}

impl ChainClock {
    /// Takes note of a delivery.
    pub fn observe(&mut self, delivery: &Delivery) {
        match delivery {
            Delivery::Head(head) if head.timestamp > self.head.timestamp => self.head = *head,
            Delivery::Finalized(block) if block.number > self.finalized.number => {
                self.finalized = *block;
            }
            Delivery::Fact(_)
            | Delivery::Retracted { .. }
            | Delivery::CloseRetracted(_)
            | Delivery::Head(_)
            | Delivery::Finalized(_)
            | Delivery::Alarm(_) => {}
        }
    }

    /// By this a deadline has passed, or an invoice has expired: the only time that gives anything up.
    pub fn finalized(&self) -> BlockTimestamp {
        self.finalized.timestamp
    }

    /// By this one acts early. It may be ahead of what becomes final.
    pub fn head(&self) -> BlockTimestamp {
        self.head.timestamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_core::time::BlockNumber;

    #[test]
    fn p57_a_reorganised_head_does_not_turn_time_back_and_only_finality_passes_deadlines() {
        let at = |number, secs| BlockPoint {
            number: BlockNumber(number),
            timestamp: BlockTimestamp(secs),
        };
        let mut clock = ChainClock::default();
        clock.observe(&Delivery::Head(at(10, 100)));
        clock.observe(&Delivery::Head(at(10, 90)));
        assert_eq!((clock.head().0, clock.finalized().0), (100, 0));
        clock.observe(&Delivery::Finalized(at(8, 80)));
        clock.observe(&Delivery::Finalized(at(7, 99)));
        assert_eq!(clock.finalized().0, 80);
    }
}
