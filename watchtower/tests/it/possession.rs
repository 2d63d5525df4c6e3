//! That a tower still has what it promised.

use lockstep_chain::rpc::BlockTag;
use lockstep_core::appointment::record_hash;
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::Side;
use lockstep_core::money::Amount;
use lockstep_core::possession::PossessionError;
use lockstep_p2p::tower::message::Push;

use crate::kit::{Client, PATIENCE, appointment, domain, tower};
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn p81_a_client_finds_its_own_record_under_a_root_of_a_fresh_final_block() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, _) = tower(&scene, dir.path()).await;
    let mut client = Client::connect(&address, 1).await;
    let channels = [scene.open(1).await, scene.open(2).await, scene.open(3).await];
    for channel in &channels {
        let left = appointment(&scene, channel, 7, 20);
        client.link.put(left, client.watch(&scene, channel, Side::Two)).await.unwrap();
    }
    let waiting = async {
        loop {
            match client.pushes.next().await {
                Some(Push::Heartbeat(beat)) if beat.root.is_some_and(|r| r.root.channels == 3) => {
                    return beat;
                }
                Some(_) => {}
                None => panic!("the link is gone"),
            }
        }
    };
    let beat = tokio::time::timeout(PATIENCE, waiting).await.expect("a root over all three");
    assert!(beat.chains[0].is_following && !beat.chains[0].gas_reserve.is_zero());
    let key = address.signer_key().unwrap();
    beat.root.unwrap().verify(&key).unwrap();
    for channel in &channels {
        let left = appointment(&scene, channel, 7, 20);
        let digest = SigningDomain::new(domain(&scene)).state(&left.state);
        let record = record_hash(channel.id, digest, &left.signatures);
        let proof = client.link.prove(channel.id).await.unwrap();
        let number = proof.signed.root.block_number.0;
        let header = scene.anvil.rpc.header(BlockTag::Number(number), true).await.unwrap();
        assert_eq!(proof.verify(&key, record, header.hash, Amount::ZERO), Ok(()));
        // A newer state that the tower does not hold has no proof.
        let newer = appointment(&scene, channel, 8, 20);
        let digest = SigningDomain::new(domain(&scene)).state(&newer.state);
        let record = record_hash(channel.id, digest, &newer.signatures);
        let refused = proof.verify(&key, record, header.hash, Amount::ZERO);
        assert!(matches!(refused, Err(PossessionError::NotUnderRoot { .. })), "{refused:?}");
    }
    tower.stop().await;
}
