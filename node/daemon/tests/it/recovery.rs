//! Data loss: backups, proof files, and the counterparty's word.

use crate::kit::{Node, PERIOD, Pair, Parts, amount, config};
use lockstep_rpc::backend::{Backend, Spender};
use lockstep_rpc::failure::FailureKind;
use lockstep_rpc::types::{Backup, ChannelPhase, Recover};
use lockstep_store::backup::{self, BackupKey};
use lockstep_store::open::{Options, Provenance};

#[tokio::test(flavor = "multi_thread")]
async fn p47_a_restored_backup_takes_the_newest_state_it_is_shown_and_only_closes() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    pair.one.pay(id, 100).await;
    let report = pair.one.engine.backup(Backup::default()).await.unwrap();
    pair.one.pay(id, 200).await;
    pair.two.pay(id, 50).await;
    pair.two
        .until_channel(id, "all payments", |channel| channel.own_balance == amount(1_250))
        .await;
    let Pair { world, one, two } = pair;
    let parts = one.stop().await;
    // The disk is lost; the words and an old backup are not.
    let secret = parts.ring().backup_secret().unwrap();
    let journal = parts.dir.path().join("journal");
    std::fs::remove_dir_all(&journal).unwrap();
    let options = Options { provenance: Provenance::Restored, ..Options::default() };
    let key = BackupKey::new(*secret);
    drop(backup::import(&journal, &options, &key, report.path.as_ref()).unwrap());
    let one = parts.run(&world, Provenance::Untouched).await;
    let channel = one.channel(id).await;
    assert!(channel.restored.is_some(), "{channel:?}");
    one.connect(&two).await;
    one.until_channel(id, "the newest state", |channel| channel.own_balance == amount(750)).await;
    let refused = one.engine.pay(Node::pay_call(id, 1), Spender::Operator).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Restored);
    one.close(id).await;
    one.assert_settled(id, 750, 1_250).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p46_a_node_that_lost_everything_but_its_words_recovers_from_the_peer_alone() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    pair.one.pay(id, 100).await;
    pair.two.pay(id, 350).await;
    pair.two.until_channel(id, "the payments", |channel| channel.own_balance == amount(750)).await;
    let Pair { world, one, two } = pair;
    let lost = one.stop().await;
    let parts = Parts { words: lost.words.clone(), ..Parts::new(config()) };
    let one = parts.run(&world, Provenance::Untouched).await;
    assert!(one.channels().await.is_empty());
    let call = Recover {
        invite: Some(two.invite().await),
        proof: None,
        from_towers: None,
        wait_millis: Some(30_000),
    };
    let report = one.engine.recover(call).await.unwrap();
    assert_eq!((report.channels.len(), report.warnings.len()), (1, 0), "{report:?}");
    one.until_channel(id, "the newest state", |channel| channel.own_balance == amount(1_250)).await;
    let channel = one.channel(id).await;
    assert!(channel.restored.is_some());
    one.close(id).await;
    one.assert_settled(id, 1_250, 750).await;
    two.assert_settled(id, 750, 1_250).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_file_brings_a_restored_channel_forward_and_it_closes_alone() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    pair.one.pay(id, 10).await;
    let report = pair.one.engine.backup(Backup::default()).await.unwrap();
    pair.one.pay(id, 300).await;
    let proof = pair.one.export(id).await;
    let Pair { world, one, two } = pair;
    two.stop().await;
    let parts = one.stop().await;
    let secret = parts.ring().backup_secret().unwrap();
    let journal = parts.dir.path().join("journal");
    std::fs::remove_dir_all(&journal).unwrap();
    let options = Options { provenance: Provenance::Restored, ..Options::default() };
    drop(
        backup::import(&journal, &options, &BackupKey::new(*secret), report.path.as_ref()).unwrap(),
    );
    let one = parts.run(&world, Provenance::Untouched).await;
    assert_eq!(one.channel(id).await.own_balance, amount(990));
    let mut damaged = proof.clone();
    damaged["state"]["net"] = "1".into();
    let call = Recover { invite: None, proof: Some(damaged), from_towers: None, wait_millis: None };
    assert_eq!(one.engine.recover(call).await.unwrap_err().kind, FailureKind::BadFile);
    let call = Recover { invite: None, proof: Some(proof), from_towers: None, wait_millis: None };
    one.engine.recover(call).await.unwrap();
    assert_eq!(one.channel(id).await.own_balance, amount(690));
    one.force_close(id).await;
    one.until_phase(id, ChannelPhase::Disputed).await;
    world.pass(u64::from(PERIOD)).await;
    one.assert_settled(id, 690, 1_310).await;
}
