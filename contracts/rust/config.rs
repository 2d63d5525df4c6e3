//! What a deployment fixes for its chain, for ever.

use crate::bindings::PaymentChannel::{Config, LaunchSchedule as SolSchedule, TokenCap as SolCap};
use crate::window::{CHALLENGE_PERIOD_LIMIT_SECS, WindowBounds};
use alloy_primitives::{Address, U256, aliases::U112};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Constructor argument of the channel contract.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeployConfig {
    /// Shortest challenge period. Units: seconds.
    pub min_challenge_period: u32,
    /// Longest challenge period. Units: seconds; below 7 days.
    pub max_challenge_period: u32,
    /// The registry that decides hash locks.
    pub secret_registry: Address,
    /// Permit2; zero where the chain has none.
    pub permit2: Address,
    /// Caps of the guarded launch.
    pub launch: LaunchSchedule,
}

/// Caps that grow by themselves and end by themselves. They only ever refuse entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LaunchSchedule {
    /// From here on the caps double. Units: seconds; shape: below 2^40.
    pub starts_at: u64,
    /// How often. Units: seconds.
    pub doubles_every: u32,
    /// From here on there are no caps; 0 for none at all. Units: seconds; shape: below 2^40.
    pub ends_at: u64,
    /// First caps; a token that is not named has a cap of 0 until the end.
    pub caps: Vec<TokenCap>,
}

/// First cap of one token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenCap {
    /// Zero is the native coin.
    pub token: Address,
    /// Both deposits of one channel. Units: base units; shape: below 2^112.
    pub per_channel: U256,
    /// All that the contract holds of it. Units: base units; shape: below 2^112.
    pub total: U256,
}

/// Why the constructor would refuse a configuration, or could not be given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// `InvalidPeriodBounds`.
    #[error("challenge period bounds of {minimum_secs} s to {maximum_secs} s are impossible")]
    PeriodBounds {
        /// Shortest.
        minimum_secs: u32,
        /// Longest.
        maximum_secs: u32,
    },
    /// A deployment without a registry could never decide a hash lock.
    #[error("secret registry is the zero address")]
    NoRegistry,
    /// `InvalidLaunchSchedule`.
    #[error(
        "launch schedule from {starts_at} to {ends_at}, doubling every {doubles_every} s, is impossible"
    )]
    LaunchSchedule {
        /// Start.
        starts_at: u64,
        /// Step.
        doubles_every: u32,
        /// End.
        ends_at: u64,
    },
    /// A cap does not fit its field.
    #[error("cap of {cap} on {token} does not fit 112 bits")]
    CapTooLarge {
        /// The token.
        token: Address,
        /// The cap.
        cap: U256,
    },
    /// The bounds are wider than the chain allows.
    #[error(
        "shortest challenge period of {found_secs} s is below the {needed_secs} s of this chain"
    )]
    BelowChainMinimum {
        /// As configured.
        found_secs: u32,
        /// As the chain needs.
        needed_secs: u32,
    },
}

/// A time fits the contract's `uint40`.
const TIME_LIMIT: u64 = 1 << 40;

impl DeployConfig {
    /// Without caps and Permit2, on the chain's own bounds.
    pub fn uncapped(bounds: WindowBounds, secret_registry: Address) -> Self {
        Self {
            min_challenge_period: bounds.minimum_secs,
            max_challenge_period: bounds.maximum_secs,
            secret_registry,
            permit2: Address::ZERO,
            launch: LaunchSchedule::default(),
        }
    }

    /// Applies the constructor's own rules, as far as they need no chain.
    ///
    /// # Errors
    /// On the first rule that is broken.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let (minimum_secs, maximum_secs) = (self.min_challenge_period, self.max_challenge_period);
        let is_possible = minimum_secs != 0
            && minimum_secs <= maximum_secs
            && u64::from(maximum_secs) < CHALLENGE_PERIOD_LIMIT_SECS;
        if !is_possible {
            return Err(ConfigError::PeriodBounds { minimum_secs, maximum_secs });
        }
        if self.secret_registry.is_zero() {
            return Err(ConfigError::NoRegistry);
        }
        self.launch.validate()
    }

    /// Refuses bounds that reach below what the chain needs.
    ///
    /// # Errors
    /// If the shortest period is too short for this chain.
    pub fn validate_for(&self, bounds: WindowBounds) -> Result<(), ConfigError> {
        let (found_secs, needed_secs) = (self.min_challenge_period, bounds.minimum_secs);
        if found_secs < needed_secs {
            return Err(ConfigError::BelowChainMinimum { found_secs, needed_secs });
        }
        Ok(())
    }

    /// The constructor argument, ABI encoded.
    ///
    /// # Errors
    /// If the constructor would refuse it.
    pub fn to_constructor_args(&self) -> Result<Vec<u8>, ConfigError> {
        self.validate()?;
        let config = Config {
            minChallengePeriod: self.min_challenge_period,
            maxChallengePeriod: self.max_challenge_period,
            secretRegistry: self.secret_registry,
            permit2: self.permit2,
            launch: self.launch.to_sol()?,
        };
        Ok(config.abi_encode())
    }
}

impl LaunchSchedule {
    fn validate(&self) -> Result<(), ConfigError> {
        let Self { starts_at, doubles_every, ends_at, .. } = *self;
        let fits = starts_at < TIME_LIMIT && ends_at < TIME_LIMIT;
        let is_off = ends_at == 0;
        if !fits || (!is_off && (doubles_every == 0 || ends_at <= starts_at)) {
            return Err(ConfigError::LaunchSchedule { starts_at, doubles_every, ends_at });
        }
        self.caps.iter().try_for_each(|cap| cap.to_sol().map(|_| ()))
    }

    fn to_sol(&self) -> Result<SolSchedule, ConfigError> {
        Ok(SolSchedule {
            startsAt: alloy_primitives::Uint::from(self.starts_at),
            doublesEvery: self.doubles_every,
            endsAt: alloy_primitives::Uint::from(self.ends_at),
            caps: self.caps.iter().map(TokenCap::to_sol).collect::<Result<_, _>>()?,
        })
    }
}

impl TokenCap {
    fn to_sol(&self) -> Result<SolCap, ConfigError> {
        let fit = |cap: U256| {
            U112::checked_from_limbs_slice(cap.as_limbs())
                .ok_or(ConfigError::CapTooLarge { token: self.token, cap })
        };
        Ok(SolCap {
            token: self.token,
            perChannel: fit(self.per_channel)?,
            total: fit(self.total)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::ChainKind;

    fn config() -> DeployConfig {
        let bounds = ChainKind::Ethereum.bounds().unwrap();
        DeployConfig::uncapped(bounds, Address::repeat_byte(1))
    }

    fn check(change: impl FnOnce(&mut DeployConfig), is_expected: impl Fn(&ConfigError) -> bool) {
        let mut changed = config();
        change(&mut changed);
        let refused = changed.to_constructor_args().unwrap_err();
        assert!(is_expected(&refused), "{refused}");
    }

    #[test]
    fn what_the_constructor_would_refuse_is_refused_here() {
        assert!(config().to_constructor_args().is_ok());
        let bounds = |e: &ConfigError| matches!(e, ConfigError::PeriodBounds { .. });
        check(|c| c.min_challenge_period = 0, bounds);
        check(|c| c.min_challenge_period = c.max_challenge_period + 1, bounds);
        check(|c| c.max_challenge_period = 604_800, bounds);
        check(|c| c.secret_registry = Address::ZERO, |e| *e == ConfigError::NoRegistry);
        let schedule = |e: &ConfigError| matches!(e, ConfigError::LaunchSchedule { .. });
        check(|c| c.launch.ends_at = 5, schedule);
        check(
            |c| (c.launch.starts_at, c.launch.ends_at, c.launch.doubles_every) = (9, 9, 1),
            schedule,
        );
        check(|c| c.launch.starts_at = 1 << 40, schedule);
        let cap =
            TokenCap { token: Address::ZERO, per_channel: U256::ONE << 112, total: U256::ONE };
        check(|c| c.launch.caps = vec![cap], |e| matches!(e, ConfigError::CapTooLarge { .. }));
    }

    #[test]
    fn bounds_below_the_chains_own_are_refused() {
        let arbitrum = ChainKind::Arbitrum.bounds().unwrap();
        assert_eq!(
            config().validate_for(arbitrum),
            Err(ConfigError::BelowChainMinimum { found_secs: 86_400, needed_secs: 216_000 })
        );
        assert_eq!(config().validate_for(ChainKind::Ethereum.bounds().unwrap()), Ok(()));
    }
}
