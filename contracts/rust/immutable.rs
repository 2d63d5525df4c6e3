//! The runtime code that a deployment must have, to the byte.
//!
//! The constructor writes its immutables into the code, so two deployments of one build differ in code.
//! Here they are filled in from the configuration, and the node compares the hash with what the chain has.

use crate::artifact::{Artifact, ArtifactError, ArtifactName};
use crate::config::DeployConfig;
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::Eip712Domain;
use thiserror::Error;

/// Name in the EIP-712 domain.
pub const DOMAIN_NAME: &str = "Lockstep";
/// Version in the EIP-712 domain.
pub const DOMAIN_VERSION: &str = "1";

/// An immutable of the channel contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Immutable {
    /// `DOMAIN`, the EIP-712 separator.
    Domain,
    /// `CHAIN_ID`.
    ChainId,
    /// `PERMIT2`.
    Permit2,
    /// `MAX_CHALLENGE_PERIOD`.
    MaxChallengePeriod,
    /// `SECRET_REGISTRY`.
    SecretRegistry,
    /// `MIN_CHALLENGE_PERIOD`.
    MinChallengePeriod,
    /// `ENDS_AT` of the launch.
    EndsAt,
    /// `STARTS_AT` of the launch.
    StartsAt,
    /// `DOUBLES_EVERY` of the launch.
    DoublesEvery,
}

/// Which immutable comes first in the code, which second, and so on.
///
/// The compiler decides this order. The differential tests run the real constructor and fail, naming the
/// new order, when a change of the sources has moved it.
pub const IMMUTABLE_ORDER: [Immutable; 9] = [
    Immutable::Domain,
    Immutable::ChainId,
    Immutable::Permit2,
    Immutable::MaxChallengePeriod,
    Immutable::SecretRegistry,
    Immutable::MinChallengePeriod,
    Immutable::EndsAt,
    Immutable::StartsAt,
    Immutable::DoublesEvery,
];

/// Why the code could not be worked out.
#[derive(Debug, Error)]
pub enum RuntimeCodeError {
    /// The committed artifact is damaged.
    #[error("artifact is damaged")]
    Artifact(#[from] ArtifactError),
    /// The artifact has other immutables than this version knows.
    #[error("artifact has {found} immutables, this version knows {expected}")]
    UnknownImmutables {
        /// In the artifact.
        found: usize,
        /// Known here.
        expected: usize,
    },
    /// An immutable that is no whole word.
    #[error("immutable at {start} has {length} bytes, not 32")]
    NotAWord {
        /// First byte.
        start: usize,
        /// How many bytes.
        length: usize,
    },
    /// The artifact is no channel contract.
    #[error("{} is no channel contract", .0.as_str())]
    NotAChannelContract(ArtifactName),
}

/// The runtime code of a channel contract with its immutables in place.
///
/// # Errors
/// If the artifact is no channel contract of this version.
pub fn channel_runtime_code(
    name: ArtifactName,
    chain_id: u64,
    address: Address,
    config: &DeployConfig,
) -> Result<Vec<u8>, RuntimeCodeError> {
    match name {
        ArtifactName::PaymentChannel | ArtifactName::PaymentChannelShanghai => {}
        ArtifactName::SecretRegistry
        | ArtifactName::SecretRegistryShanghai
        | ArtifactName::DepositBox => return Err(RuntimeCodeError::NotAChannelContract(name)),
    }
    let words = IMMUTABLE_ORDER.map(|immutable| immutable.word(chain_id, address, config));
    fill(&Artifact::committed(name)?, &words)
}

/// The runtime code of a registry, which has no immutables.
///
/// # Errors
/// If the artifact is damaged or is no registry.
pub fn registry_runtime_code(name: ArtifactName) -> Result<Vec<u8>, RuntimeCodeError> {
    fill(&Artifact::committed(name)?, &[])
}

/// The hash that `EXTCODEHASH` gives for a code.
pub fn code_hash(code: &[u8]) -> B256 {
    keccak256(code)
}

/// Puts a word into all places of each immutable.
fn fill(artifact: &Artifact, words: &[B256]) -> Result<Vec<u8>, RuntimeCodeError> {
    let (found, expected) = (artifact.immutables.len(), words.len());
    if found != expected {
        return Err(RuntimeCodeError::UnknownImmutables { found, expected });
    }
    let mut code = artifact.runtime_template.to_vec();
    for (places, word) in artifact.immutables.iter().zip(words) {
        for place in places {
            let (start, length) = (place.start, place.length);
            let not_a_word = RuntimeCodeError::NotAWord { start, length };
            let target = code.get_mut(start..).and_then(|rest| rest.get_mut(..length));
            match target {
                Some(target) if length == word.len() => target.copy_from_slice(word.as_slice()),
                Some(_) | None => return Err(not_a_word),
            }
        }
    }
    Ok(code)
}

impl Immutable {
    /// Its value as the word that stands in the code.
    pub fn word(self, chain_id: u64, address: Address, config: &DeployConfig) -> B256 {
        let number = |value: u64| B256::from(U256::from(value));
        match self {
            Self::Domain => domain_separator(chain_id, address),
            Self::ChainId => number(chain_id),
            Self::Permit2 => config.permit2.into_word(),
            Self::MaxChallengePeriod => number(u64::from(config.max_challenge_period)),
            Self::SecretRegistry => config.secret_registry.into_word(),
            Self::MinChallengePeriod => number(u64::from(config.min_challenge_period)),
            Self::EndsAt => number(config.launch.ends_at),
            Self::StartsAt => number(config.launch.starts_at),
            Self::DoublesEvery => number(u64::from(config.launch.doubles_every)),
        }
    }
}

/// The EIP-712 domain separator of a deployment.
pub fn domain_separator(chain_id: u64, address: Address) -> B256 {
    Eip712Domain::new(
        Some(DOMAIN_NAME.into()),
        Some(DOMAIN_VERSION.into()),
        Some(U256::from(chain_id)),
        Some(address),
        None,
    )
    .separator()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::ChainKind;

    fn config() -> DeployConfig {
        let bounds = ChainKind::Ethereum.bounds().unwrap();
        DeployConfig::uncapped(bounds, Address::repeat_byte(7))
    }

    fn code(chain_id: u64, address: Address, config: &DeployConfig) -> Vec<u8> {
        channel_runtime_code(ArtifactName::PaymentChannel, chain_id, address, config).unwrap()
    }

    #[test]
    fn every_immutable_changes_the_code() {
        let address = Address::repeat_byte(9);
        let base = code_hash(&code(1, address, &config()));
        assert_ne!(code_hash(&code(2, address, &config())), base);
        assert_ne!(code_hash(&code(1, Address::repeat_byte(8), &config())), base);
        let changes: [fn(&mut DeployConfig); 7] = [
            |c| c.min_challenge_period += 1,
            |c| c.max_challenge_period -= 1,
            |c| c.secret_registry = Address::repeat_byte(5),
            |c| c.permit2 = Address::repeat_byte(5),
            |c| c.launch.starts_at = 1,
            |c| c.launch.ends_at = 1,
            |c| c.launch.doubles_every = 1,
        ];
        for change in changes {
            let mut changed = config();
            change(&mut changed);
            assert_ne!(code_hash(&code(1, address, &changed)), base, "{changed:?}");
        }
    }

    #[test]
    fn a_registry_has_no_immutables_and_a_channel_contract_is_no_registry() {
        assert!(registry_runtime_code(ArtifactName::SecretRegistry).is_ok());
        let refused = registry_runtime_code(ArtifactName::PaymentChannel).unwrap_err();
        assert!(matches!(refused, RuntimeCodeError::UnknownImmutables { found: 9, expected: 0 }));
        let name = ArtifactName::DepositBox;
        let refused = channel_runtime_code(name, 1, Address::ZERO, &config()).unwrap_err();
        assert!(matches!(refused, RuntimeCodeError::NotAChannelContract(_)));
    }
}
