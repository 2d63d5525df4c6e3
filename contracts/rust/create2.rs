//! Deploying to an address that is known beforehand, through the deterministic deployer (CREATE2).
//!
//! The address follows from creation code, constructor argument and salt, so it vouches for all of them,
//! also for what is no immutable: the first caps of the launch.

use crate::artifact::{Artifact, ArtifactError, ArtifactName};
use crate::config::{ConfigError, DeployConfig};
use alloy_primitives::{Address, B256, Bytes, address, keccak256};
use thiserror::Error;

/// The deterministic deployer, at the same address on nearly every EVM chain. It takes the salt, then the
/// init code, as bare calldata.
pub const DEPLOYER: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

/// Why a deployment could not be prepared.
#[derive(Debug, Error)]
pub enum DeployError {
    /// The committed artifact is damaged.
    #[error("artifact is damaged")]
    Artifact(#[from] ArtifactError),
    /// The constructor would refuse the configuration.
    #[error("configuration is refused")]
    Config(#[from] ConfigError),
}

/// One contract that is ready to be sent to the deployer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creation {
    /// Where it will be.
    pub address: Address,
    /// Creation code and constructor argument.
    pub init_code: Bytes,
    /// Makes the address.
    pub salt: B256,
}

impl Creation {
    /// A channel contract.
    ///
    /// # Errors
    /// If the constructor would refuse the configuration.
    pub fn channel(
        name: ArtifactName,
        config: &DeployConfig,
        salt: B256,
    ) -> Result<Self, DeployError> {
        let mut init_code = Artifact::committed(name)?.creation_code.to_vec();
        init_code.extend(config.to_constructor_args()?);
        Ok(Self::new(init_code.into(), salt))
    }

    /// A contract without constructor arguments, as the registry is.
    ///
    /// # Errors
    /// If the artifact is damaged.
    pub fn plain(name: ArtifactName, salt: B256) -> Result<Self, DeployError> {
        Ok(Self::new(Artifact::committed(name)?.creation_code, salt))
    }

    fn new(init_code: Bytes, salt: B256) -> Self {
        Self { address: create2_address(DEPLOYER, salt, &init_code), init_code, salt }
    }

    /// What the deployer must be called with.
    pub fn to_calldata(&self) -> Bytes {
        self.salt.iter().chain(self.init_code.iter()).copied().collect()
    }
}

/// `keccak256(0xff ++ deployer ++ salt ++ keccak256(init_code))[12..]`.
///
/// Source: EIP-1014. Not the rule of ZKsync chains.
pub fn create2_address(deployer: Address, salt: B256, init_code: &[u8]) -> Address {
    deployer.create2(salt, keccak256(init_code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::ChainKind;
    use alloy_primitives::{U256, b256};

    #[test]
    fn addresses_are_those_of_eip_1014() {
        // The standard's own examples.
        let zero = create2_address(Address::ZERO, B256::ZERO, &[0]);
        assert_eq!(zero, address!("4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"));
        let salt = b256!("00000000000000000000000000000000000000000000000000000000cafebabe");
        let deployer = address!("00000000000000000000000000000000deadbeef");
        let code = [0xde, 0xad, 0xbe, 0xef];
        let found = create2_address(deployer, salt, &code);
        assert_eq!(found, address!("60f3f640a8508fC6a86d45DF051962668E1e8AC7"));
    }

    #[test]
    fn the_address_vouches_for_the_caps_too() {
        let name = ArtifactName::PaymentChannel;
        let bounds = ChainKind::Ethereum.bounds().unwrap();
        let mut config = DeployConfig::uncapped(bounds, Address::repeat_byte(1));
        let base = Creation::channel(name, &config, B256::ZERO).unwrap();
        config.launch.caps.push(crate::config::TokenCap {
            token: Address::ZERO,
            per_channel: U256::ONE,
            total: U256::ONE,
        });
        let capped = Creation::channel(name, &config, B256::ZERO).unwrap();
        assert_ne!(capped.address, base.address);
        assert_eq!(base.to_calldata().len(), 32 + base.init_code.len());
    }
}
