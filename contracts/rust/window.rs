//! How long a challenge period must be, chain by chain.
//!
//! The shortest period covers what a sequencer can back-date, the delay until a transaction can be forced
//! in from L1, the drift of the chain's clock, and 11 hours for people. The longest stays below 7 days
//! everywhere.
//!
//! Source: contract §3, "Windows".

use thiserror::Error;

const HOUR_SECS: u64 = 3_600;
const DAY_SECS: u64 = 24 * HOUR_SECS;

/// The contract's own limit, which a period must stay below. Units: seconds.
pub const CHALLENGE_PERIOD_LIMIT_SECS: u64 = 7 * DAY_SECS;
/// The longest period that our deployments allow. Units: seconds.
pub const MAX_CHALLENGE_PERIOD_SECS: u32 = 604_799;
/// Beside two sequencing windows of an OP Stack chain: clock drift and the time to notice and act.
const OPTIMISM_EXTRA_SECS: u64 = 12 * HOUR_SECS;
/// The least for an OP Stack chain, whose usual sequencing window is 12 hours.
const OPTIMISM_LEAST_SECS: u64 = 36 * HOUR_SECS;

/// What decides how late an honest transaction can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainKind {
    /// Ethereum itself: nothing needs to be forced in.
    Ethereum,
    /// An OP Stack chain.
    Optimism {
        /// How old an L1 block may get before the chain must include its deposits; read per chain, it
        /// differs. Units: seconds.
        sequencing_window_secs: u64,
    },
    /// An Arbitrum chain: 24 h until forced inclusion, and timestamps up to 24 h back.
    Arbitrum,
    /// A ZKsync chain before enforced inclusion.
    Zksync,
    /// Polygon PoS, with its own validators.
    Polygon,
    /// StarkNet.
    Starknet,
    /// A chain for development, where the shortest period is whatever one likes.
    Development {
        /// Units: seconds; not zero.
        minimum_secs: u32,
    },
}

/// The periods that a deployment allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowBounds {
    /// Shortest. Units: seconds.
    pub minimum_secs: u32,
    /// Longest. Units: seconds.
    pub maximum_secs: u32,
}

/// Why no bounds fit a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WindowError {
    /// Not even the longest period would be safe there.
    #[error("chain needs a challenge period of {needed_secs} s, but {limit_secs} s is the limit")]
    ChainTooSlow {
        /// What it would need.
        needed_secs: u64,
        /// What the contract allows.
        limit_secs: u64,
    },
    /// A period of nothing protects nobody.
    #[error("shortest challenge period is zero")]
    Zero,
}

impl ChainKind {
    /// Chains whose kind is known by their id. Other OP Stack chains need their sequencing window read.
    pub fn of_chain_id(chain_id: u64) -> Option<Self> {
        match chain_id {
            1 | 11_155_111 => Some(Self::Ethereum),
            // OP Mainnet, Base and their Sepolia networks: 3,600 L1 blocks of 12 s.
            10 | 8_453 | 11_155_420 | 84_532 => {
                Some(Self::Optimism { sequencing_window_secs: 12 * HOUR_SECS })
            }
            // Arbitrum One, Nova and Sepolia.
            42_161 | 42_170 | 421_614 => Some(Self::Arbitrum),
            324 | 300 => Some(Self::Zksync),
            137 | 80_002 => Some(Self::Polygon),
            31_337 | 1_337 => Some(Self::Development { minimum_secs: 1 }),
            _ => None,
        }
    }

    /// The bounds that a deployment on such a chain must have.
    ///
    /// # Errors
    /// If no period is both long enough and below the limit.
    pub fn bounds(self) -> Result<WindowBounds, WindowError> {
        let needed_secs = match self {
            Self::Ethereum => DAY_SECS,
            Self::Optimism { sequencing_window_secs } => sequencing_window_secs
                .saturating_mul(2)
                .saturating_add(OPTIMISM_EXTRA_SECS)
                .max(OPTIMISM_LEAST_SECS),
            Self::Arbitrum => 60 * HOUR_SECS,
            Self::Zksync | Self::Polygon | Self::Starknet => 72 * HOUR_SECS,
            Self::Development { minimum_secs } => u64::from(minimum_secs),
        };
        let minimum_secs = u32::try_from(needed_secs)
            .ok()
            .filter(|secs| *secs <= MAX_CHALLENGE_PERIOD_SECS)
            .ok_or(WindowError::ChainTooSlow {
                needed_secs,
                limit_secs: CHALLENGE_PERIOD_LIMIT_SECS,
            })?;
        if minimum_secs == 0 {
            return Err(WindowError::Zero);
        }
        Ok(WindowBounds { minimum_secs, maximum_secs: MAX_CHALLENGE_PERIOD_SECS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(kind: ChainKind) -> u32 {
        kind.bounds().unwrap().minimum_secs / 3_600
    }

    #[test]
    fn each_chain_has_the_window_of_its_slowest_honest_path() {
        assert_eq!(hours(ChainKind::Ethereum), 24);
        assert_eq!(hours(ChainKind::Arbitrum), 60);
        for kind in [ChainKind::Zksync, ChainKind::Polygon, ChainKind::Starknet] {
            assert_eq!(hours(kind), 72);
        }
        let optimism =
            |window_hours| ChainKind::Optimism { sequencing_window_secs: window_hours * HOUR_SECS };
        assert_eq!(hours(optimism(1)), 36);
        assert_eq!(hours(optimism(12)), 36);
        assert_eq!(hours(optimism(24)), 60);
        assert_eq!(hours(optimism(28)), 68);
    }

    #[test]
    fn a_chain_that_would_need_seven_days_is_refused() {
        let slow = ChainKind::Optimism { sequencing_window_secs: 78 * HOUR_SECS };
        let limit_secs = CHALLENGE_PERIOD_LIMIT_SECS;
        let needed_secs = limit_secs;
        assert_eq!(slow.bounds(), Err(WindowError::ChainTooSlow { needed_secs, limit_secs }));
        let endless = ChainKind::Optimism { sequencing_window_secs: u64::MAX };
        assert!(endless.bounds().is_err());
        assert_eq!(ChainKind::Development { minimum_secs: 0 }.bounds(), Err(WindowError::Zero));
        assert!(u64::from(MAX_CHALLENGE_PERIOD_SECS) < CHALLENGE_PERIOD_LIMIT_SECS);
    }

    #[test]
    fn an_unknown_chain_is_not_guessed() {
        assert_eq!(ChainKind::of_chain_id(42_161), Some(ChainKind::Arbitrum));
        assert_eq!(ChainKind::of_chain_id(4_242_424_242), None);
    }
}
