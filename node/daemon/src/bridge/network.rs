//! How each rollup is bridged: files that come with the node, or the operator's own.

use lockstep_bridge::network::BridgeNetwork;
use std::path::Path;

/// Files that come with the node. Each names its source and date.
const SHIPPED: [&str; 7] = [
    include_str!("../../../../deploy/networks/arbitrum.toml"),
    include_str!("../../../../deploy/networks/arbitrum-nova.toml"),
    include_str!("../../../../deploy/networks/arbitrum-sepolia.toml"),
    include_str!("../../../../deploy/networks/base.toml"),
    include_str!("../../../../deploy/networks/base-sepolia.toml"),
    include_str!("../../../../deploy/networks/optimism.toml"),
    include_str!("../../../../deploy/networks/optimism-sepolia.toml"),
];

/// The network of a file; none if it is none.
pub(super) fn read(file: &Path) -> Option<BridgeNetwork> {
    let text = std::fs::read_to_string(file).ok()?;
    toml::from_str(&text).ok()
}

/// The network that comes with the node for a rollup.
pub(super) fn shipped(l2_chain_id: u64) -> Option<BridgeNetwork> {
    let all = SHIPPED.iter().filter_map(|text| toml::from_str::<BridgeNetwork>(text).ok());
    all.into_iter().find(|network| network.l2_chain_id == l2_chain_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p93_every_file_that_ships_can_be_read_and_names_its_source_and_date() {
        let mut chains = Vec::new();
        for text in SHIPPED {
            let network: BridgeNetwork = toml::from_str(text).unwrap();
            assert!(!network.source.is_empty() && network.date.len() == 10, "{network:?}");
            assert!(!network.entry.is_zero());
            chains.push(network.l2_chain_id);
        }
        assert_eq!(chains, [42_161, 42_170, 421_614, 8_453, 84_532, 10, 11_155_420]);
        assert!(shipped(1).is_none());
        let unknown = "stack = \"optimism\"\nl1-chain-id = 1\nl2-chain-id = 2\nentry = \"0x1\"\n";
        assert!(toml::from_str::<BridgeNetwork>(unknown).is_err());
    }
}
