//! What the operator has decided, in the form that the engine works with.

use crate::config::{AcceptPolicy, Config};
use crate::engine::tower::TowerSettings;
use alloy_primitives::Address;
use lockstep_chain::profile::Profile;
use lockstep_contracts::deployment::Deployment;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{AccountRef, ChannelId, Domain};
use lockstep_core::money::Amount;
use lockstep_core::terms::{Features, PeriodBounds, Policy};
use lockstep_rpc::types::{Asset, Text, TextForm};
use std::path::PathBuf;
use thiserror::Error;

/// A development chain takes a second; nobody answers a close in that. Units: seconds.
const LEAST_DEFAULT_PERIOD_SECS: u32 = 60;

/// What cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// Not an amount.
    #[error("option {option} is no amount in base units: {value:?}")]
    Amount {
        /// Which option.
        option: &'static str,
        /// What it says.
        value: Box<str>,
    },
    /// Not a token.
    #[error("option channel.tokens has {value:?}; a token is SYMBOL:ADDRESS:DECIMALS")]
    Token {
        /// What it says.
        value: Box<str>,
    },
    /// Not a channel's id.
    #[error("option towers.paying_channels has {value:?}, which is no channel's id")]
    Channel {
        /// What it says.
        value: Box<str>,
    },
    /// Not an account that can own a side of a channel.
    #[error(
        "option channel.owner has {value:?}, which is no account; it is 0x and 40 hexadecimal digits, not all zero"
    )]
    Owner {
        /// What it says.
        value: Box<str>,
    },
    /// The contract does not take such periods.
    #[error(
        "challenge period of {period} s is outside the {minimum} to {maximum} s of the contract"
    )]
    Period {
        /// What the option says.
        period: u32,
        /// The least that is possible.
        minimum: u32,
        /// The most that is possible.
        maximum: u32,
    },
}

impl SettingsError {
    /// The operator has to change something.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }
}

/// The decisions.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) network: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) domain: Domain,
    /// Before this block there is nothing of the contract.
    pub(crate) first_block: u64,
    /// Our account, which pays for gas and into channels.
    pub(crate) account: Address,
    /// Owner of our side of new channels, who gets their money: our account, or any other.
    pub(crate) owner: Address,
    /// What channels may have: the contract's bounds, narrowed by the operator's.
    pub(crate) bounds: PeriodBounds,
    /// Of channels that we open without saying.
    pub(crate) challenge_period: u32,
    /// How long before a deadline L1 has to force a transaction into this chain; none where it cannot.
    pub(crate) force_before_secs: Option<u64>,
    pub(crate) accept: AcceptPolicy,
    pub(crate) min_counterparty_deposit: Amount,
    pub(crate) max_own_deposit: Amount,
    pub(crate) peer_timeout_millis: u64,
    pub(crate) max_call_cost: Amount,
    /// Towers.
    pub(crate) towers: TowerSettings,
    /// The chain's own coin, then the tokens that we take.
    pub(crate) assets: Vec<Asset>,
}

impl Settings {
    /// From the configuration and what is deployed.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub(crate) fn new(
        config: &Config,
        network: &str,
        data_dir: PathBuf,
        deployment: &Deployment,
        account: Address,
        profile: &Profile,
    ) -> Result<Self, SettingsError> {
        let channel = &config.channel;
        let minimum = deployment.config.min_challenge_period;
        let most = deployment.config.max_challenge_period;
        let maximum = channel.max_challenge_period.map_or(most, |wanted| wanted.min(most));
        let usual = minimum.max(LEAST_DEFAULT_PERIOD_SECS).min(maximum);
        let challenge_period = channel.challenge_period.unwrap_or(usual);
        if challenge_period < minimum || challenge_period > maximum {
            return Err(SettingsError::Period { period: challenge_period, minimum, maximum });
        }
        let coin = Asset {
            token: Text(AccountRef::Evm(Address::ZERO)),
            symbol: config.chain.symbol.clone(),
            decimals: config.chain.decimals,
        };
        let tokens = channel.tokens.iter().map(|text| token(text));
        let assets: Result<Vec<_>, _> = std::iter::once(Ok(coin)).chain(tokens).collect();
        let owner = channel.owner.as_deref().map(owner).transpose()?.unwrap_or(account);
        let own = channel.max_own_deposit.as_ref();
        let max_own_deposit =
            own.map(|text| amount("channel.max_own_deposit", text)).transpose()?;
        Ok(Self {
            network: network.to_owned(),
            data_dir,
            domain: Domain::Evm {
                chain_id: deployment.chain_id,
                contract: deployment.channel.address,
            },
            first_block: deployment.channel.block,
            account,
            owner,
            bounds: PeriodBounds { minimum, maximum },
            challenge_period,
            force_before_secs: profile.force_before_secs(),
            accept: channel.accept,
            min_counterparty_deposit: amount(
                "channel.min_counterparty_deposit",
                &channel.min_counterparty_deposit,
            )?,
            max_own_deposit: max_own_deposit.unwrap_or(Amount::MAX),
            peer_timeout_millis: channel.peer_timeout_millis,
            max_call_cost: amount("chain.max_call_cost", &config.chain.max_call_cost)?,
            towers: TowerSettings::new(&config.towers)?,
            assets: assets?,
        })
    }

    /// What one channel is allowed. Conditional payments are not offered: they are not built end to end.
    pub(crate) fn policy(&self) -> Policy {
        let usual = Policy::default();
        Policy {
            // P45: a secret must reach the registry before the expiry, through L1 if need be.
            lock_margin_secs: lock_margin_secs(usual.lock_margin_secs, self.force_before_secs),
            period: self.bounds,
            features: Features::PARTIAL_WITHDRAW,
            min_counterparty_deposit: self.min_counterparty_deposit,
            max_own_deposit: self.max_own_deposit,
            peer_timeout_millis: self.peer_timeout_millis,
            ..usual
        }
    }

    /// The chain, by its number.
    pub(crate) fn chain_id(&self) -> Option<u64> {
        match self.domain {
            Domain::Evm { chain_id, .. } => Some(chain_id),
            Domain::Starknet { .. } => None,
        }
    }

    /// A token that we take.
    pub(crate) fn asset(&self, token: AccountRef) -> Option<&Asset> {
        self.assets.iter().find(|asset| asset.token.0 == token)
    }

    /// The chain's own coin.
    pub(crate) fn coin(&self) -> AccountRef {
        AccountRef::Evm(Address::ZERO)
    }

    /// An amount as people know it: `1.5 ETH`.
    pub(crate) fn words(&self, token: AccountRef, amount: Amount) -> String {
        let asset = self.describe(token);
        let decimals = usize::from(asset.decimals);
        let digits = amount.to_string();
        let padded = format!("{digits:0>width$}", width = decimals.saturating_add(1));
        let (whole, fraction) = padded.split_at(padded.len().saturating_sub(decimals));
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{whole}{point}{fraction} {}", asset.symbol)
    }

    /// A token as people know it; one that was taken off the list still has a name.
    pub(crate) fn describe(&self, token: AccountRef) -> Asset {
        self.asset(token).cloned().unwrap_or_else(|| Asset {
            token: Text(token),
            symbol: "?".to_owned(),
            decimals: 0,
        })
    }
}

/// Never below what the chain itself may need.
fn lock_margin_secs(usual: u64, force_before_secs: Option<u64>) -> u64 {
    force_before_secs.map_or(usual, |secs| usual.max(secs))
}

/// A channel's id, as a caller writes it.
pub(super) fn channel_id(text: &str) -> Result<ChannelId, SettingsError> {
    ChannelId::read(text).ok_or_else(|| SettingsError::Channel { value: text.into() })
}

pub(super) fn amount(option: &'static str, text: &str) -> Result<Amount, SettingsError> {
    Amount::read(text).ok_or_else(|| SettingsError::Amount { option, value: text.into() })
}

fn owner(text: &str) -> Result<Address, SettingsError> {
    let owner = text.parse().ok().filter(|owner: &Address| !owner.is_zero());
    owner.ok_or_else(|| SettingsError::Owner { value: text.into() })
}

fn token(text: &str) -> Result<Asset, SettingsError> {
    let parts: Vec<&str> = text.split(':').collect();
    let read = || {
        let [symbol, address, decimals] = parts.as_slice() else { return None };
        let token = AccountRef::read(&address.to_ascii_lowercase())?;
        let decimals = decimals.parse().ok()?;
        (!symbol.is_empty()).then(|| Asset {
            token: Text(token),
            symbol: (*symbol).to_owned(),
            decimals,
        })
    };
    read().ok_or_else(|| SettingsError::Token { value: text.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_chain::profile::Network;

    #[test]
    fn p45_locks_are_acted_on_before_forced_inclusion_would_come_too_late() {
        let usual = Policy::default().lock_margin_secs;
        for network in [
            Network::Ethereum,
            Network::Optimism,
            Network::Arbitrum,
            Network::Zksync,
            Network::Polygon,
            Network::Development,
        ] {
            let profile = network.profile().unwrap();
            let margin = lock_margin_secs(usual, profile.force_before_secs());
            assert!(margin >= usual, "{network:?}");
            // Strictly more than the delay: clocks drift.
            let is_enough = profile.forced_inclusion_secs.is_none_or(|secs| margin > secs);
            assert!(is_enough, "{network:?}: {margin}");
            assert!(margin < Policy::default().max_lock_expiry_secs, "{network:?}: locks fit");
        }
        assert_eq!(lock_margin_secs(usual, Some(usual + 1)), usual + 1);
    }
}
