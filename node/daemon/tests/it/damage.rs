//! A record that can't be read: nobody signs for it, and somebody is told.

use crate::kit::{Node, Pair, amount};
use lockstep_core::ids::ChannelId;
use lockstep_rpc::backend::Backend;
use lockstep_rpc::failure::FailureKind;
use lockstep_rpc::types::{ChannelPhase, PeerCall, Recover};
use lockstep_store::journal::DiskJournal;
use lockstep_store::open::{Options, Provenance};
use lockstep_store::table::Table;
use lockstep_store::write_set::WriteSet;
use std::path::Path;

fn alarm(node: &Node, kind: &str) -> Option<String> {
    let alarms = node.engine.status().alarms;
    alarms.into_iter().find(|alarm| alarm.kind == kind).map(|alarm| alarm.message)
}

/// Bytes that are no record, where one was; the journal itself is sound.
fn damage(folder: &Path, id: ChannelId) {
    let options = Options { cache_bytes: 16 * 1024 * 1024, ..Options::default() };
    let (mut journal, _) = DiskJournal::open(&folder.join("journal"), &options).unwrap();
    let mut set = WriteSet::default();
    set.put(Table::Record, id.0.to_vec(), vec![0xff; 40]).unwrap();
    journal.engine_mut().write(&set).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn p50_a_close_of_a_channel_with_a_damaged_record_is_told_of_and_its_counterparty_brings_it_back()
 {
    let (pair, id) = Pair::open(1_000, 500).await;
    let sound = pair.open_channel(300, 0).await;
    pair.one.pay(id, 200).await;
    let Pair { world, one, two } = pair;
    let parts = one.stop().await;
    damage(parts.dir.path(), id);
    let one = parts.run(&world, Provenance::Untouched).await;
    assert!(alarm(&one, "recordDamaged").is_some_and(|text| text.contains("lockstep recover")));
    assert_eq!(one.try_channel(id).await.unwrap_err().kind, FailureKind::UnknownChannel);
    // One bad channel never stops others.
    one.until_channel(sound, "a link", |channel| channel.is_connected).await;
    one.pay(sound, 1).await;

    two.force_close(id).await;
    one.until("it is told", |node| alarm(node, "damagedClosing").is_some()).await;
    let told = alarm(&one, "damagedClosing").unwrap();
    assert!(told.contains("version 1") && told.contains("--from-peer"), "{told}");

    let invite = two.invite().await;
    one.engine.recover(Recover { invite: Some(invite), ..Recover::default() }).await.unwrap();
    assert_eq!(alarm(&one, "damagedClosing"), None);
    assert_eq!(alarm(&one, "recordDamaged"), None);
    one.until_phase(id, ChannelPhase::Disputed).await;
    let channel = one.channel(id).await;
    assert!(channel.restored.is_some());
    one.until_channel(id, "the newest state", |channel| channel.own_balance == amount(800)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counterparty_is_not_forgotten_while_a_damaged_record_may_be_of_a_channel_with_it() {
    let (pair, id) = Pair::open(1_000, 500).await;
    let Pair { world, one, two } = pair;
    let parts = one.stop().await;
    damage(parts.dir.path(), id);
    let one = parts.run(&world, Provenance::Untouched).await;
    let call = || PeerCall { node_id: two.engine.info().node_id };
    let refused = one.engine.forget_peer(call()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::WrongPhase);
    assert!(refused.to_string().contains("damaged"), "{refused}");

    let invite = two.invite().await;
    one.engine.recover(Recover { invite: Some(invite), ..Recover::default() }).await.unwrap();
    let refused = one.engine.forget_peer(call()).await.unwrap_err();
    assert!(!refused.to_string().contains("damaged"), "now it is the channel itself: {refused}");
}
