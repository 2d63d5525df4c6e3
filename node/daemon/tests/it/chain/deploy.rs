//! Putting the contracts on a chain, and finding them again.

use super::kit::Disk;
use crate::anvil::Anvil;
use crate::scene::{endpoints, key};
use alloy_primitives::{Address, B256, U256};
use lockstep::chain::deploy::{DeployError, DeployOrder, DeployStep, deploy};
use lockstep::chain::deployment::{self, LookupError};
use lockstep_chain::port::LocalAccount;
use lockstep_chain::startup;
use lockstep_contracts::artifact::ArtifactName;
use lockstep_contracts::config::LaunchSchedule;
use lockstep_contracts::window::ChainKind;
use lockstep_core::error::ErrorClass;
use std::path::Path;
use std::sync::{Arc, Mutex};

const LOCAL: ChainKind = ChainKind::Development { minimum_secs: 60 };

fn order(anvil: &Anvil, folder: &Path) -> DeployOrder {
    DeployOrder {
        endpoints: endpoints(&[&anvil.url], 1),
        network: "here".to_owned(),
        kind: LOCAL,
        artifact: ArtifactName::PaymentChannel,
        permit2: Address::ZERO,
        launch: LaunchSchedule::default(),
        salt: B256::ZERO,
        account: Arc::new(LocalAccount::from_secret(&[0x61; 32]).unwrap()),
        folder: folder.to_owned(),
        known_block: None,
    }
}

/// Deploys on a chain that makes a block for each transaction, and tells what was done.
async fn run(
    order: &DeployOrder,
) -> (Result<lockstep::chain::deploy::Deployed, DeployError>, Vec<DeployStep>) {
    let steps = Mutex::new(Vec::new());
    let outcome = deploy(order, &|step| steps.lock().unwrap().push(step)).await;
    (outcome, steps.into_inner().unwrap())
}

async fn chain() -> Anvil {
    chain_with(&[]).await
}

async fn chain_with(options: &[&str]) -> Anvil {
    let anvil = Anvil::start_with(options);
    anvil.ask("evm_setAutomine", (true,)).await;
    anvil.fund(key(0x61).address()).await;
    anvil
}

#[tokio::test(flavor = "multi_thread")]
async fn p93_a_deployment_is_exactly_this_build_and_a_second_run_finds_it_and_sends_nothing() {
    let (anvil, disk) = (chain().await, Disk::new());
    let order = order(&anvil, disk.path());
    let (first, steps) = run(&order).await;
    let first = first.unwrap();
    assert!(first.is_new);
    let created = steps.iter().filter(|step| matches!(step, DeployStep::Created { .. })).count();
    assert_eq!(created, 2, "{steps:?}");
    startup::check(&order.endpoints, &first.deployment).await.unwrap();
    let found = deployment::find("here", 31_337, LOCAL, &[disk.path()]).unwrap();
    assert_eq!(found, first.deployment);
    assert!(found.registry.block < found.channel.block);
    let before =
        anvil.rpc.nonce(key(0x61).address(), lockstep_chain::rpc::At::Latest).await.unwrap();
    for is_remembered in [true, false] {
        if !is_remembered {
            // Without the record the blocks are found on the chain.
            std::fs::remove_file(&first.path).unwrap();
        }
        let (second, steps) = run(&order).await;
        let second = second.unwrap();
        assert!(!second.is_new);
        assert_eq!(second.deployment, first.deployment, "{steps:?}");
    }
    let after =
        anvil.rpc.nonce(key(0x61).address(), lockstep_chain::rpc::At::Latest).await.unwrap();
    assert_eq!(before, after, "a second run has paid for something");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_chain_without_the_deterministic_deployer_gets_it_and_another_chain_is_refused() {
    let (anvil, disk) = (chain_with(&["--disable-default-create2-deployer"]).await, Disk::new());
    let mut order = order(&anvil, disk.path());
    order.kind = ChainKind::Ethereum;
    let refused = run(&order).await.0.unwrap_err();
    assert!(matches!(refused, DeployError::NoDeployer), "{refused}");
    order.kind = LOCAL;
    let (deployed, steps) = run(&order).await;
    assert!(deployed.unwrap().is_new);
    assert_eq!(steps[0], DeployStep::CreatingDeployer);
}

#[tokio::test(flavor = "multi_thread")]
async fn p93_other_code_or_another_record_in_the_place_is_refused() {
    let (anvil, disk) = (chain().await, Disk::new());
    let mut order = order(&anvil, disk.path());
    let first = run(&order).await.0.unwrap();
    order.salt = B256::repeat_byte(1);
    let other = run(&order).await.0.unwrap_err();
    assert!(matches!(other, DeployError::OtherRecord { .. }), "{other}");
    order.salt = B256::ZERO;
    anvil.ask("anvil_setCode", (first.deployment.channel.address, "0x00")).await;
    let foreign = run(&order).await.0.unwrap_err();
    assert!(matches!(foreign, DeployError::Deployment(_)), "{foreign}");
    assert_eq!(foreign.class(), ErrorClass::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_pay_and_a_name_that_is_none_are_refused_before_anything_is_sent() {
    let (anvil, disk) = (chain().await, Disk::new());
    let account = key(0x61).address();
    let mut order = order(&anvil, disk.path());
    anvil.ask("anvil_setBalance", (account, U256::from(1_000))).await;
    let poor = run(&order).await.0.unwrap_err();
    assert!(matches!(poor, DeployError::NoFunds { .. }), "{poor}");
    order.network = "../here".to_owned();
    let named = run(&order).await.0.unwrap_err();
    assert!(matches!(named, DeployError::Name(LookupError::BadName { .. })), "{named}");
    assert!(std::fs::read_dir(disk.path()).unwrap().next().is_none());
}
