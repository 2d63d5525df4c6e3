//! The committed bytecode, and what is left open in it.

use alloy_primitives::Bytes;
use serde::Deserialize;
use thiserror::Error;

/// A contract that is compiled into this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArtifactName {
    /// The channel contract, for chains with transient storage (EIP-1153).
    PaymentChannel,
    /// The same rules with a plain slot as the guard, for chains without EIP-1153.
    PaymentChannelShanghai,
    /// The registry of secrets.
    SecretRegistry,
    /// The registry for chains before Cancun.
    SecretRegistryShanghai,
    /// One side's deposit box; only ever deployed by the channel contract.
    DepositBox,
}

impl ArtifactName {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::PaymentChannel,
        Self::PaymentChannelShanghai,
        Self::SecretRegistry,
        Self::SecretRegistryShanghai,
        Self::DepositBox,
    ];

    /// The file's name without its ending, which is how deployments name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaymentChannel => "PaymentChannel",
            Self::PaymentChannelShanghai => "PaymentChannelShanghai",
            Self::SecretRegistry => "SecretRegistry",
            Self::SecretRegistryShanghai => "SecretRegistryShanghai",
            Self::DepositBox => "DepositBox",
        }
    }

    /// The artifact of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|artifact| artifact.as_str() == name)
    }

    /// The committed file.
    const fn json(self) -> &'static str {
        match self {
            Self::PaymentChannel => include_str!("../artifacts/PaymentChannel.json"),
            Self::PaymentChannelShanghai => {
                include_str!("../artifacts/PaymentChannelShanghai.json")
            }
            Self::SecretRegistry => include_str!("../artifacts/SecretRegistry.json"),
            Self::SecretRegistryShanghai => {
                include_str!("../artifacts/SecretRegistryShanghai.json")
            }
            Self::DepositBox => include_str!("../artifacts/DepositBox.json"),
        }
    }
}

/// Why a file is no artifact.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// The file is not in the form that `compile.mjs` writes.
    #[error("artifact cannot be read")]
    Json(#[from] serde_json::Error),
    /// An immutable's place lies outside of the code.
    #[error("immutable at {start} of length {length} is outside of {size_bytes} bytes of code")]
    PlaceOutside {
        /// First byte.
        start: usize,
        /// How many bytes.
        length: usize,
        /// How long the code is.
        size_bytes: usize,
    },
}

/// A place in the runtime code that the constructor fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Place {
    /// First byte.
    pub start: usize,
    /// How many bytes; the contracts' immutables all take a whole word.
    pub length: usize,
}

/// A compiled contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Hash of the compiler's whole input: the same sources and settings give the same hash.
    pub input_sha256: String,
    /// The compiler that made it.
    pub compiler: String,
    /// What a deployment sends, without constructor arguments.
    pub creation_code: Bytes,
    /// What a deployment leaves behind, with zeros where immutables go.
    pub runtime_template: Bytes,
    /// The places of each immutable, in the order of first places.
    pub immutables: Vec<Vec<Place>>,
}

impl Artifact {
    /// The artifact that was committed with this crate.
    ///
    /// # Errors
    /// If the committed file is damaged; a test reads them all.
    pub fn committed(name: ArtifactName) -> Result<Self, ArtifactError> {
        Self::parse(name.json())
    }

    /// An artifact from its file, for builds that are not the committed one.
    ///
    /// # Errors
    /// If the file has another form, or names a place outside of the code.
    pub fn parse(json: &str) -> Result<Self, ArtifactError> {
        let file: ArtifactFile = serde_json::from_str(json)?;
        let size_bytes = file.deployed_bytecode.object.len();
        for place in file.deployed_bytecode.immutable_references.iter().flatten() {
            let Place { start, length } = *place;
            if start.checked_add(length).is_none_or(|end| end > size_bytes) {
                return Err(ArtifactError::PlaceOutside { start, length, size_bytes });
            }
        }
        Ok(Self {
            input_sha256: file.input_sha256,
            compiler: file.compiler,
            creation_code: file.bytecode.object,
            runtime_template: file.deployed_bytecode.object,
            immutables: file.deployed_bytecode.immutable_references,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactFile {
    compiler: String,
    input_sha256: String,
    bytecode: CodeObject,
    deployed_bytecode: DeployedObject,
}

#[derive(Deserialize)]
struct CodeObject {
    object: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeployedObject {
    object: Bytes,
    immutable_references: Vec<Vec<Place>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_committed_artifact_can_be_read_and_deployed() {
        for name in ArtifactName::ALL {
            let artifact = Artifact::committed(name).unwrap();
            assert!(!artifact.creation_code.is_empty(), "{name:?}");
            assert!(artifact.runtime_template.len() < 24_576, "{name:?} passes EIP-170");
            assert_eq!(ArtifactName::from_name(name.as_str()), Some(name));
        }
        assert_eq!(ArtifactName::from_name("PaymentChannelLondon"), None);
    }

    #[test]
    fn a_place_outside_of_the_code_is_refused() {
        let json = |start: usize| {
            format!(
                r#"{{"compiler":"","inputSha256":"","bytecode":{{"object":"0x00"}},
                "deployedBytecode":{{"object":"0x{}","immutableReferences":[[{{"start":{start},"length":32}}]]}}}}"#,
                "00".repeat(40)
            )
        };
        assert!(Artifact::parse(&json(8)).is_ok());
        for start in [9, usize::MAX] {
            let refused = Artifact::parse(&json(start)).unwrap_err();
            assert!(matches!(refused, ArtifactError::PlaceOutside { .. }), "{refused}");
        }
    }

    #[test]
    fn a_file_in_another_form_is_refused() {
        for json in ["", "{}", r#"{"bytecode":"0x00"}"#] {
            assert!(matches!(Artifact::parse(json), Err(ArtifactError::Json(_))), "{json}");
        }
    }
}
