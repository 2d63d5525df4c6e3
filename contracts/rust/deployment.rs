//! `deployments/*.json`: where the contracts are on a chain, and how to be sure that it is them.
//!
//! A file is written by the deploy script and read by the node, which recomputes everything in it from the
//! committed build before it trusts it.

use crate::artifact::{Artifact, ArtifactName};
use crate::config::{ConfigError, DeployConfig};
use crate::create2::{Creation, DeployError};
use crate::immutable::{RuntimeCodeError, channel_runtime_code, code_hash, registry_runtime_code};
use crate::window::{ChainKind, WindowError};
use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The form of the file that this version writes and reads.
pub const FORMAT: u32 = 1;

/// One deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    /// Form of the file, [`FORMAT`].
    pub format: u32,
    /// A name for people.
    pub network: String,
    /// Chain id at the time of deployment; part of every channel id.
    pub chain_id: u64,
    /// Which build of the channel contract, by its file's name.
    pub artifact: String,
    /// Hash of the compiler's whole input for that build.
    pub input_sha256: String,
    /// Date of the sources. Shape: `YYYY-MM-DD`.
    pub source_date: String,
    /// The channel contract.
    pub channel: DeployedContract,
    /// The registry of secrets.
    pub registry: DeployedContract,
    /// Salt of both deployments.
    pub salt: B256,
    /// Constructor argument of the channel contract.
    pub config: DeployConfig,
}

/// One contract on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeployedContract {
    /// Where it is.
    pub address: Address,
    /// Hash of its runtime code, as `EXTCODEHASH` gives it.
    pub code_hash: B256,
    /// Block at or before which it was created: logs need not be searched before it.
    pub block: u64,
}

/// Which contract of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContractRole {
    /// The channel contract.
    Channel,
    /// The registry of secrets.
    Registry,
}

impl ContractRole {
    /// Its name in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Registry => "registry",
        }
    }
}

/// Why a deployment is not to be trusted.
#[derive(Debug, Error)]
pub enum DeploymentError {
    /// The file has another form.
    #[error("deployment file cannot be read")]
    Json(#[from] serde_json::Error),
    /// It was written by another version.
    #[error("deployment file has format {found}, this version reads {FORMAT}")]
    UnknownFormat {
        /// Its format.
        found: u32,
    },
    /// This version holds no such build.
    #[error("deployment names a build that this version does not hold")]
    UnknownArtifact,
    /// The contract was built from other sources than this version's.
    #[error("deployment was built from other sources than this version's")]
    OtherBuild,
    /// The configuration could not have been deployed, or is unsafe on this chain.
    #[error("deployment's configuration is refused")]
    Config(#[from] ConfigError),
    /// The chain has no safe challenge period.
    #[error("chain has no safe challenge period")]
    Window(#[from] WindowError),
    /// The file names one registry as deployed and another as used.
    #[error("registry is at {deployed}, but the channel contract uses {used}")]
    RegistryMismatch {
        /// As deployed.
        deployed: Address,
        /// As configured.
        used: Address,
    },
    /// Code, configuration and salt lead to another address.
    #[error("{} should be at {expected}, file says {found}", .role.as_str())]
    AddressMismatch {
        /// Which contract.
        role: ContractRole,
        /// As computed.
        expected: Address,
        /// As written.
        found: Address,
    },
    /// The code is not the one that this build leaves with this configuration.
    #[error("{} should have code hash {expected}, found {found}", .role.as_str())]
    CodeMismatch {
        /// Which contract.
        role: ContractRole,
        /// As computed or written.
        expected: B256,
        /// As written or on chain.
        found: B256,
    },
    /// The endpoint serves another chain.
    #[error("deployment is on chain {expected}, endpoint serves chain {found}")]
    WrongChain {
        /// As written.
        expected: u64,
        /// As served.
        found: u64,
    },
    /// Nothing is deployed at the address.
    #[error("{} at {address} has no code", .role.as_str())]
    NoCode {
        /// Which contract.
        role: ContractRole,
        /// Where.
        address: Address,
    },
    /// The expected code could not be worked out.
    #[error("expected code cannot be computed")]
    RuntimeCode(#[from] RuntimeCodeError),
    /// The expected address could not be worked out.
    #[error("expected address cannot be computed")]
    Deploy(#[from] DeployError),
}

impl Deployment {
    /// Reads a file and checks it against the build that this version holds.
    ///
    /// # Errors
    /// If the file is damaged, of another version, or says what this build could not have done.
    pub fn from_json(json: &str) -> Result<Self, DeploymentError> {
        // The format comes first, so that a newer file is named as one.
        let FormatOnly { format } = serde_json::from_str(json)?;
        if format != FORMAT {
            return Err(DeploymentError::UnknownFormat { found: format });
        }
        let deployment: Self = serde_json::from_str(json)?;
        deployment.check_against_build()?;
        Ok(deployment)
    }

    /// The file.
    ///
    /// # Errors
    /// Never for values of this type, but the serializer may say so.
    pub fn to_json(&self) -> Result<String, DeploymentError> {
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        Ok(json)
    }

    /// What this build leaves on a chain when it is deployed so.
    ///
    /// # Errors
    /// If it could not be deployed.
    pub fn expected(
        network: &str,
        chain_id: u64,
        name: ArtifactName,
        source_date: &str,
        salt: B256,
        config: DeployConfig,
    ) -> Result<Self, DeploymentError> {
        let artifact = Artifact::committed(name).map_err(DeployError::from)?;
        let channel = Creation::channel(name, &config, salt)?;
        let registry_name = registry_of(name);
        let registry = Creation::plain(registry_name, salt)?;
        let code = channel_runtime_code(name, chain_id, channel.address, &config)?;
        let contract = |address, code: &[u8]| DeployedContract {
            address,
            code_hash: code_hash(code),
            block: 0,
        };
        Ok(Self {
            format: FORMAT,
            network: network.to_owned(),
            chain_id,
            artifact: name.as_str().to_owned(),
            input_sha256: artifact.input_sha256,
            source_date: source_date.to_owned(),
            channel: contract(channel.address, &code),
            registry: contract(registry.address, &registry_runtime_code(registry_name)?),
            salt,
            config,
        })
    }

    /// Recomputes addresses and code hashes from this version's build.
    ///
    /// # Errors
    /// If anything differs from what the file says.
    pub fn check_against_build(&self) -> Result<(), DeploymentError> {
        let name =
            ArtifactName::from_name(&self.artifact).ok_or(DeploymentError::UnknownArtifact)?;
        let expected = Self::expected(
            &self.network,
            self.chain_id,
            name,
            &self.source_date,
            self.salt,
            self.config.clone(),
        )?;
        if expected.input_sha256 != self.input_sha256 {
            return Err(DeploymentError::OtherBuild);
        }
        let (deployed, used) = (self.registry.address, self.config.secret_registry);
        if deployed != used {
            return Err(DeploymentError::RegistryMismatch { deployed, used });
        }
        for (role, expected, found) in [
            (ContractRole::Registry, expected.registry, self.registry),
            (ContractRole::Channel, expected.channel, self.channel),
        ] {
            let (wanted, written) = (expected.address, found.address);
            if wanted != written {
                return Err(DeploymentError::AddressMismatch {
                    role,
                    expected: wanted,
                    found: written,
                });
            }
            let (expected, found) = (expected.code_hash, found.code_hash);
            if expected != found {
                return Err(DeploymentError::CodeMismatch { role, expected, found });
            }
        }
        Ok(())
    }

    /// Refuses bounds that are not safe on this kind of chain.
    ///
    /// # Errors
    /// If the shortest challenge period is below what the chain needs.
    pub fn check_window(&self, kind: ChainKind) -> Result<(), DeploymentError> {
        Ok(self.config.validate_for(kind.bounds()?)?)
    }

    /// Compares with what an endpoint says: its chain id and a contract's code.
    ///
    /// # Errors
    /// If the endpoint serves another chain, or other code.
    pub fn check_chain(
        &self,
        role: ContractRole,
        chain_id: u64,
        code: &[u8],
    ) -> Result<(), DeploymentError> {
        if chain_id != self.chain_id {
            return Err(DeploymentError::WrongChain { expected: self.chain_id, found: chain_id });
        }
        let contract = match role {
            ContractRole::Channel => self.channel,
            ContractRole::Registry => self.registry,
        };
        if code.is_empty() {
            return Err(DeploymentError::NoCode { role, address: contract.address });
        }
        let (expected, found) = (contract.code_hash, code_hash(code));
        if expected != found {
            return Err(DeploymentError::CodeMismatch { role, expected, found });
        }
        Ok(())
    }
}

/// The registry that goes with a build.
pub fn registry_of(name: ArtifactName) -> ArtifactName {
    match name {
        ArtifactName::PaymentChannelShanghai | ArtifactName::SecretRegistryShanghai => {
            ArtifactName::SecretRegistryShanghai
        }
        ArtifactName::PaymentChannel | ArtifactName::SecretRegistry | ArtifactName::DepositBox => {
            ArtifactName::SecretRegistry
        }
    }
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

#[cfg(test)]
mod tests;
