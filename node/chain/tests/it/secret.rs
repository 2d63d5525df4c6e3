//! Secrets that the registry held before anybody asked.

use crate::anvil::FINALITY;
use crate::proxy::{Lie, Proxy};
use crate::scene::{Scene, endpoints};
use alloy_primitives::B256;
use alloy_sol_types::SolCall;
use lockstep_chain::error::ChainError;
use lockstep_contracts::bindings::SecretRegistry;
use lockstep_core::error::ErrorClass;
use lockstep_core::hash_of;

async fn register(scene: &Scene, secret: B256) {
    let call = SecretRegistry::registerSecretCall { secrets: vec![secret] };
    let data = call.abi_encode().into();
    scene.anvil.send(scene.owner1, scene.contracts.registry, 0, data).await;
    scene.anvil.mine(1).await;
}

#[tokio::test]
async fn p45_a_secret_that_was_registered_long_before_is_found_with_its_time() {
    let scene = Scene::start().await;
    let secret = B256::repeat_byte(0x5e);
    let hash = hash_of(secret);
    scene.anvil.mine(20).await;
    let through = scene.endpoints();
    assert_eq!(through.revealed(&scene.contracts, hash).await.unwrap(), None);
    register(&scene, secret).await;
    let at = scene.anvil.rpc.header(lockstep_chain::rpc::BlockTag::Latest, true).await.unwrap();
    assert_eq!(through.revealed(&scene.contracts, hash).await.unwrap(), None, "not final yet");
    register(&scene, B256::repeat_byte(0x5f)).await;
    scene.anvil.mine(30 + FINALITY).await;
    let found = through.revealed(&scene.contracts, hash).await.unwrap().expect("it is registered");
    assert_eq!((found.secret, found.at), (secret, at.point().timestamp));
}

#[tokio::test]
async fn p96_a_secret_s_absence_is_not_believed_of_one_endpoint_and_its_hash_vouches_for_it() {
    let scene = Scene::start().await;
    let secret = B256::repeat_byte(0x5e);
    let hash = hash_of(secret);
    register(&scene, secret).await;
    scene.anvil.mine(FINALITY).await;
    let liar = Proxy::start(&scene.anvil.url, Lie::ZeroCalls).await;
    let both = endpoints(&[&liar.url, &scene.anvil.url], 2);
    let unsure = both.revealed(&scene.contracts, hash).await.unwrap_err();
    assert_eq!(unsure.class(), ErrorClass::Transient);
    liar.set(Lie::HideLogs);
    let found = both.revealed(&scene.contracts, hash).await.unwrap();
    assert_eq!(found.map(|found| found.secret), Some(secret), "the honest one shows the log");
    let hidden = endpoints(&[&liar.url], 1).revealed(&scene.contracts, hash).await.unwrap_err();
    assert!(matches!(hidden, ChainError::SecretNotFound { .. }), "{hidden}");
}
