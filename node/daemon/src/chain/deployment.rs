//! Where the contracts of a network are: a record that a deployment has left, checked before it is believed.
//!
//! There is no guessing: on a chain without a record the node says so and does not start.

use lockstep_contracts::deployment::{Deployment, DeploymentError};
use lockstep_contracts::window::{ChainKind, WindowError};
use lockstep_core::error::ErrorClass;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why no deployment can be used.
#[derive(Debug, Error)]
pub enum LookupError {
    /// Nobody has left a record.
    #[error(
        "no contracts are recorded for network {network}, looked in {}: run 'lockstep deploy', or put the \
         record of an existing deployment there", List(.folders)
    )]
    NotRecorded {
        /// The network's name.
        network: Box<str>,
        /// Where it was looked for.
        folders: Vec<PathBuf>,
    },
    /// The name could be no file's.
    #[error("network name {name:?} has other characters than small letters, digits and dashes")]
    BadName {
        /// The name.
        name: Box<str>,
    },
    /// The record cannot be read.
    #[error("deployment record {} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The record is not of this version's contracts, or says what cannot be.
    #[error("deployment record {} is not to be trusted", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: DeploymentError,
    },
    /// The record is of another chain.
    #[error(
        "deployment record {} is for chain {found}, the network has chain id {expected}: \
         use the right record or the right network", .path.display()
    )]
    OtherChain {
        /// The file.
        path: PathBuf,
        /// As the network has it.
        expected: u64,
        /// As the record has it.
        found: u64,
    },
}

impl LookupError {
    /// Whoever runs the node must put it right.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotRecorded { .. }
            | Self::BadName { .. }
            | Self::Unreadable { .. }
            | Self::Refused { .. }
            | Self::OtherChain { .. } => ErrorClass::Refused,
        }
    }
}

/// Folders in a sentence.
struct List<'a>(&'a [PathBuf]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, folder) in self.0.iter().enumerate() {
            let joint = if index > 0 { ", " } else { "" };
            write!(f, "{joint}{}", folder.display())?;
        }
        Ok(())
    }
}

/// The record of a network from the first folder that has one, checked against this version's build and
/// against the challenge periods that are safe on such a chain.
///
/// # Errors
/// [`LookupError`] says what to do.
pub fn find(
    network: &str,
    chain_id: u64,
    kind: ChainKind,
    folders: &[&Path],
) -> Result<Deployment, LookupError> {
    let file = file_name(network)?;
    for folder in folders {
        let path = folder.join(&file);
        match std::fs::read_to_string(&path) {
            Ok(json) => return check(&json, path, chain_id, kind),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(LookupError::Unreadable { path, source }),
        }
    }
    let folders = folders.iter().map(|folder| folder.to_path_buf()).collect();
    Err(LookupError::NotRecorded { network: network.into(), folders })
}

fn check(
    json: &str,
    path: PathBuf,
    expected: u64,
    kind: ChainKind,
) -> Result<Deployment, LookupError> {
    let read = Deployment::from_json(json).and_then(|deployment| {
        deployment.check_window(kind)?;
        Ok(deployment)
    });
    let deployment = match read {
        Ok(deployment) => deployment,
        Err(source) => return Err(LookupError::Refused { path, source }),
    };
    let found = deployment.chain_id;
    if found != expected {
        return Err(LookupError::OtherChain { path, expected, found });
    }
    Ok(deployment)
}

/// The file of a network's record.
///
/// # Errors
/// [`LookupError::BadName`].
pub fn file_name(network: &str) -> Result<String, LookupError> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if network.is_empty() || !network.chars().all(is_allowed) {
        return Err(LookupError::BadName { name: network.into() });
    }
    Ok(format!("{network}.json"))
}

/// The kind of a chain that decides its challenge periods; a local chain takes any.
///
/// # Errors
/// If no kind is known for a network that is not local: it must be named.
pub fn kind_of(
    chain_id: u64,
    network: lockstep_chain::profile::Network,
) -> Result<ChainKind, WindowError> {
    use lockstep_chain::profile::Network;
    /// The usual sequencing window of an OP Stack chain. Units: seconds.
    const USUAL_SEQUENCING_WINDOW_SECS: u64 = 43_200;
    let named = match network {
        Network::Ethereum => ChainKind::Ethereum,
        Network::Optimism => {
            ChainKind::Optimism { sequencing_window_secs: USUAL_SEQUENCING_WINDOW_SECS }
        }
        Network::Arbitrum => ChainKind::Arbitrum,
        Network::Zksync => ChainKind::Zksync,
        Network::Polygon => ChainKind::Polygon,
        Network::Starknet => ChainKind::Starknet,
        Network::Development => ChainKind::Development { minimum_secs: 1 },
    };
    // A chain that is known by its id is never taken for a local one.
    let kind = ChainKind::of_chain_id(chain_id).unwrap_or(named);
    kind.bounds()?;
    Ok(kind)
}

#[cfg(test)]
mod tests;
