//! Networks as data: what is the same for everyone on a network.

use super::layer::ConfigError;
use std::path::PathBuf;
use toml::Table;

/// What comes with the node: name and contents of its file in `deploy/config`.
pub const BUILT_IN: [(&str, &str); 14] = [
    ("arbitrum", include_str!("../../../../deploy/config/arbitrum.toml")),
    ("arbitrum-sepolia", include_str!("../../../../deploy/config/arbitrum-sepolia.toml")),
    ("base", include_str!("../../../../deploy/config/base.toml")),
    ("base-sepolia", include_str!("../../../../deploy/config/base-sepolia.toml")),
    ("dev", include_str!("../../../../deploy/config/dev.toml")),
    ("ethereum", include_str!("../../../../deploy/config/ethereum.toml")),
    ("hoodi", include_str!("../../../../deploy/config/hoodi.toml")),
    ("optimism", include_str!("../../../../deploy/config/optimism.toml")),
    ("optimism-sepolia", include_str!("../../../../deploy/config/optimism-sepolia.toml")),
    ("polygon", include_str!("../../../../deploy/config/polygon.toml")),
    ("polygon-amoy", include_str!("../../../../deploy/config/polygon-amoy.toml")),
    ("sepolia", include_str!("../../../../deploy/config/sepolia.toml")),
    ("zksync", include_str!("../../../../deploy/config/zksync.toml")),
    ("zksync-sepolia", include_str!("../../../../deploy/config/zksync-sepolia.toml")),
];

/// The longest name of a network; it becomes a folder's.
const MAX_NAME: usize = 32;

/// The values of a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkFile(pub Table);

impl NetworkFile {
    /// The values that come with the node; none for a network of the operator's own.
    ///
    /// # Errors
    /// If the name could be no folder's.
    pub fn of(name: &str) -> Result<Self, ConfigError> {
        if !is_network_name(name) {
            return Err(ConfigError::NetworkName);
        }
        let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) else {
            return Ok(Self::default());
        };
        let path = PathBuf::from(format!("{name}.toml"));
        text.parse().map(Self).map_err(|source| ConfigError::Malformed { path, source })
    }
}

/// Whether this can be a network's name: lower-case letters, digits and hyphens, 1 to 32.
pub fn is_network_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ChainKind, Config};
    use lockstep_chain::profile::Network;

    #[test]
    fn every_network_that_comes_with_the_node_is_one_that_the_chain_side_knows() {
        for (name, text) in BUILT_IN {
            let config: Config = toml::from_str(text).unwrap();
            let (id, kind) = (config.chain.id.unwrap(), config.chain.kind.unwrap());
            let expected = match kind {
                ChainKind::Ethereum => Network::Ethereum,
                ChainKind::Optimism => Network::Optimism,
                ChainKind::Arbitrum => Network::Arbitrum,
                ChainKind::Zksync => Network::Zksync,
                ChainKind::Polygon => Network::Polygon,
                ChainKind::Development => Network::Development,
            };
            match Network::of_chain_id(id) {
                Ok(network) => assert_eq!(network, expected, "{name}"),
                Err(_) => assert_eq!(name, "hoodi"),
            }
        }
    }

    #[test]
    fn a_name_that_could_leave_the_folder_is_refused() {
        for name in ["", "..", "a/b", "Base", "a b", &"a".repeat(33)] {
            assert!(NetworkFile::of(name).is_err(), "{name}");
        }
        assert_eq!(NetworkFile::of("my-rollup").unwrap(), NetworkFile::default());
    }
}
