//! The chain as one step sees it, when endpoints may differ or lie about the newest block.
//!
//! No one of them may freeze what a challenge offers. So nothing here is one endpoint's word: with three
//! answers and more the middle one counts, and with two both are kept, as the least and the most that may be
//! true (see [`super::offer`]).

use super::fee::Fees;
use crate::endpoints::{Endpoints, middle};
use crate::error::ChainError;
use crate::rpc::{BlockTag, Header};
use alloy_primitives::B256;
use lockstep_core::time::{BlockPoint, BlockTimestamp};

/// The least priority fee that is offered, since a node may suggest nothing. Units: wei per gas.
const LEAST_PRIORITY: u128 = 1_000;

/// How far each endpoint's chain has come, in their order; zero where it does not answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heads(Vec<u64>);

impl Heads {
    pub(crate) fn new(numbers: Vec<u64>) -> Self {
        Self(numbers)
    }

    /// Whether any endpoint, by its own count, has come at least this many blocks further. A liar can only
    /// make that true early, which costs one step of the ladder; it can't keep an honest one's blocks from
    /// counting. What was sent by an earlier run has no count, and has waited.
    pub(crate) fn have_passed(&self, since: &Self, blocks: u64) -> bool {
        let mut pairs = self.0.iter().zip(&since.0);
        since.0.is_empty() || pairs.any(|(now, then)| *now >= then.saturating_add(blocks))
    }
}

/// What a transaction must offer, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Market {
    /// Units: wei per gas.
    pub(super) base_fee: u128,
    pub(super) fees: Fees,
    /// The head's time.
    pub(super) time: BlockTimestamp,
}

/// The chain as one step sees it.
#[derive(Clone, Debug)]
pub(super) struct Now {
    pub(super) heads: Heads,
    /// The lowest price and the earliest time that may be true.
    pub(super) least: Market,
    /// The highest price and the latest time that may be true.
    pub(super) most: Market,
    /// The earliest head time of any endpoint: by this nobody can pretend that a window is over.
    pub(super) earliest: BlockTimestamp,
    /// The newest finalized block that a quorum shows.
    pub(super) finalized: Option<(BlockPoint, B256)>,
}

impl Now {
    pub(super) async fn look(endpoints: &Endpoints) -> Result<Self, ChainError> {
        let profile = *endpoints.profile();
        let is_hashed = profile.has_ethereum_hash;
        let ask = endpoints.ask_all(|endpoint| endpoint.header(BlockTag::Latest, is_hashed));
        let (answers, suggested, finalized) =
            futures::join!(ask, endpoints.priority_fee(), endpoints.finalized());
        let priority = suggested.unwrap_or(LEAST_PRIORITY).max(LEAST_PRIORITY);
        let heads = answers.iter().map(|answer| answer.as_ref().map_or(0, Header::number));
        let heads = Heads::new(heads.collect());
        let mut failure = None;
        let mut headers = Vec::with_capacity(answers.len());
        for answer in answers {
            match answer {
                Ok(header) => headers.push(header),
                Err(error) => failure = Some(error),
            }
        }
        let times = || headers.iter().map(|header| header.point().timestamp);
        let prices = middle(headers.iter().map(Header::base_fee));
        let (Some(prices), Some(range), Some(earliest)) = (prices, middle(times()), times().min())
        else {
            return Err(match failure {
                Some(error) => error.into(),
                None => ChainError::TooFewEndpoints { found: 0, needed: 1 },
            });
        };
        let market =
            |base_fee, time| Market { base_fee, fees: Fees::market(base_fee, priority), time };
        let (least, most) = (market(prices.0, range.0), market(prices.1, range.1));
        Ok(Self { heads, least, most, earliest, finalized })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p76_patience_ends_by_any_endpoint_s_own_count_whatever_another_pretends() {
        let heads = |one, two| Heads::new(vec![one, two]);
        let far = 1 << 60;
        // A head that lies far ahead, always or once, keeps nobody waiting.
        assert!(!heads(far, 102).have_passed(&heads(far, 100), 3));
        assert!(heads(far, 103).have_passed(&heads(far, 100), 3));
        assert!(heads(50, 103).have_passed(&heads(far, 100), 3));
        // One that was silent then, or is silent now.
        assert!(heads(50, 0).have_passed(&heads(0, 100), 3));
        assert!(!heads(0, 100).have_passed(&heads(50, 100), 3));
        assert!(heads(1, 1).have_passed(&Heads::default(), 3));
    }
}
