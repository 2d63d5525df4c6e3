//! The runtime code that the node expects, against what the constructor really leaves.

use alloy_primitives::{Address, B256, U256};
use lockstep_contracts::artifact::{Artifact, ArtifactName};
use lockstep_contracts::config::{DeployConfig, LaunchSchedule, TokenCap};
use lockstep_contracts::immutable::{
    IMMUTABLE_ORDER, Immutable, channel_runtime_code, registry_runtime_code,
};
use lockstep_differential::chain::Chain;
use revm::primitives::hardfork::SpecId;

const CHAIN_ID: u64 = 4_242;
const DEPLOYER: Address = Address::repeat_byte(0xd0);

#[test]
fn p30_the_code_that_a_constructor_leaves_is_computed_to_the_byte() {
    for (name, registry_name, rules) in [
        (ArtifactName::PaymentChannel, ArtifactName::SecretRegistry, SpecId::CANCUN),
        (
            ArtifactName::PaymentChannelShanghai,
            ArtifactName::SecretRegistryShanghai,
            SpecId::SHANGHAI,
        ),
    ] {
        let mut chain = Chain::new(CHAIN_ID, rules, 1_000);
        chain.endow(DEPLOYER, U256::MAX >> 1);
        let registry = Artifact::committed(registry_name).unwrap();
        let registry = chain.deploy(DEPLOYER, registry.creation_code);
        assert_eq!(registry_runtime_code(registry_name).unwrap(), chain.code(registry).to_vec());

        let config = config(registry);
        let artifact = Artifact::committed(name).unwrap();
        let args = config.to_constructor_args().unwrap();
        let address =
            chain.deploy(DEPLOYER, [artifact.creation_code.as_ref(), &args].concat().into());
        let real = chain.code(address).to_vec();
        check_order(&artifact, &real, address, &config);
        let computed = channel_runtime_code(name, CHAIN_ID, address, &config).unwrap();
        assert_eq!(computed, real, "{name:?}");
    }
}

/// Values that are all different, so that no two immutables can be taken for each other.
fn config(registry: Address) -> DeployConfig {
    let cap = |byte| TokenCap {
        token: Address::repeat_byte(byte),
        per_channel: U256::from(5),
        total: U256::from(50),
    };
    DeployConfig {
        min_challenge_period: 101,
        max_challenge_period: 202,
        secret_registry: registry,
        permit2: Address::repeat_byte(0xee),
        launch: LaunchSchedule {
            starts_at: 303,
            doubles_every: 404,
            ends_at: 505,
            caps: vec![cap(0), cap(1)],
        },
    }
}

/// Reads the order of the immutables out of the real code.
fn check_order(artifact: &Artifact, real: &[u8], address: Address, config: &DeployConfig) {
    let order: Vec<Option<Immutable>> = artifact
        .immutables
        .iter()
        .map(|places| {
            let word = B256::from_slice(&real[places[0].start..][..32]);
            let is_it = |one: &Immutable| one.word(CHAIN_ID, address, config) == word;
            IMMUTABLE_ORDER.into_iter().find(is_it)
        })
        .collect();
    let expected: Vec<_> = IMMUTABLE_ORDER.into_iter().map(Some).collect();
    assert_eq!(order, expected, "IMMUTABLE_ORDER must be the left one");
}
