//! Settled channels: kept for a month of the chain, then only their proof.

use crate::kit::{Node, Pair, amount};
use crate::tower::{Mood, Tower, until_protected, with_policy};
use lockstep::config::TowerRule;
use lockstep_core::ids::ChannelId;
use lockstep_rpc::backend::Backend;
use lockstep_rpc::failure::FailureKind;
use lockstep_rpc::types::{
    EventKind, ExportProof, ListEvents, ListPayments, ListReceipts, Text, TowerReceipt,
};
use lockstep_store::open::Provenance;
use std::path::PathBuf;

/// Units: seconds.
const DAY: u64 = 24 * 3_600;
/// No room on the disk.
const ENOSPC: i32 = 28;

fn proof_file(node: &Node, id: ChannelId) -> PathBuf {
    node.dir.path().join("proofs").join(format!("{id}.json"))
}

impl Node {
    async fn knows(&self, id: ChannelId) -> bool {
        match self.try_channel(id).await {
            Ok(_) => true,
            Err(failure) => {
                assert_eq!(failure.kind, FailureKind::UnknownChannel);
                false
            }
        }
    }

    pub async fn until_forgotten(&self, id: ChannelId) {
        for _ in 0..3_000 {
            if !self.knows(id).await {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("never forgotten: {:#?}", self.channel(id).await);
    }
}

/// Two channels; the first is settled.
async fn one_settled() -> (Pair, ChannelId, ChannelId) {
    let (pair, gone) = Pair::open(1_000, 0).await;
    pair.one.pay(gone, 200).await;
    pair.one.close(gone).await;
    for node in [&pair.one, &pair.two] {
        node.until_channel(gone, "settled", |channel| channel.settled.is_some()).await;
        node.until_channel(gone, "final", |channel| channel.waiting.is_empty()).await;
    }
    let stays = pair.open_channel(500, 0).await;
    pair.one.pay(stays, 30).await;
    (pair, gone, stays)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settled_channel_is_kept_for_thirty_days_and_then_only_its_proof_is_left() {
    let (pair, gone, stays) = one_settled().await;
    pair.world.pass(29 * DAY).await;
    // Whatever else is looked after in that time, the channel is there, also after a restart.
    let Pair { world, one, two } = pair;
    let one = one.stop().await.run(&world, Provenance::Untouched).await;
    one.until("it is connected", |node| node.engine.status().connected_peers == 1).await;
    assert!(one.knows(gone).await && two.knows(gone).await);
    assert!(!proof_file(&one, gone).exists());

    world.pass(2 * DAY).await;
    for node in [&one, &two] {
        node.until_forgotten(gone).await;
        assert!(proof_file(node, gone).exists());
        // Still handed out, to whoever asks for it by its whole id.
        let call = ExportProof { channel_id: Text(gone), equivocation: None };
        let proof = node.engine.export_proof(call).await.unwrap();
        assert!(proof.version >= 1);
        assert!(node.knows(stays).await);
    }
    // Payments of the other channel are where they were, and new ones go on.
    one.pay(stays, 40).await;
    let page = one.engine.payments(ListPayments::default()).await.unwrap();
    let amounts: Vec<_> = page.payments.iter().map(|payment| payment.amount).collect();
    assert_eq!(amounts, [amount(30), amount(40)]);
    assert!(page.payments.iter().all(|payment| payment.channel_id.0 == stays));

    // Nothing comes back after a restart.
    let one = one.stop().await.run(&world, Provenance::Untouched).await;
    assert!(!one.knows(gone).await && one.knows(stays).await);
    let call = ListEvents { kind: EventKind::Payments, from_index: Some(0), limit: None };
    let events = one.engine.events(call).await.unwrap();
    assert_eq!(events.events.iter().map(|event| event.index).collect::<Vec<_>>(), [1, 2]);
    one.pay_when_connected(stays).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_what_a_tower_promised_for_a_channel_is_kept_in_a_file_when_the_channel_is_forgotten() {
    let tower = Tower::start(Mood::Honest).await;
    let (pair, gone) = crate::tower::pair(with_policy(TowerRule::Async, 0), &[&tower]).await;
    pair.one.pay(gone, 100).await;
    until_protected(&pair.two, gone).await;
    let promised = pair.two.engine.receipts(ListReceipts::default());
    assert_eq!(promised.len(), 1);
    pair.one.close(gone).await;
    pair.two.until_channel(gone, "settled", |channel| channel.settled.is_some()).await;
    pair.two.until_channel(gone, "final", |channel| channel.waiting.is_empty()).await;
    pair.world.pass(31 * DAY).await;
    pair.two.until_forgotten(gone).await;
    assert!(pair.two.engine.receipts(ListReceipts::default()).is_empty());
    let file = pair.two.dir.path().join("proofs").join(format!("{gone}.receipt.1.json"));
    let kept: TowerReceipt = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(kept, promised[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p51_nothing_of_a_settled_channel_is_removed_while_its_proof_cannot_be_written() {
    let (pair, gone, _) = one_settled().await;
    // A file where the folder has to be.
    let in_the_way = pair.one.dir.path().join("proofs");
    std::fs::write(&in_the_way, "").unwrap();
    pair.world.pass(31 * DAY).await;
    pair.two.until_forgotten(gone).await;
    assert!(pair.one.knows(gone).await);
    let call = ListPayments::default();
    assert_eq!(pair.one.engine.payments(call).await.unwrap().payments.len(), 2);

    std::fs::remove_file(&in_the_way).unwrap();
    pair.one.until_forgotten(gone).await;
    assert!(proof_file(&pair.one, gone).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn p52_a_disk_that_fails_while_a_channel_is_forgotten_leaves_all_of_it_or_nothing() {
    let (pair, gone, stays) = one_settled().await;
    pair.one.faults.fail_reserve(Some(ENOSPC));
    pair.world.pass(31 * DAY).await;
    pair.two.until_forgotten(gone).await;
    assert!(pair.one.knows(gone).await);
    let Pair { world, one, two } = pair;
    let parts = one.stop().await;
    parts.faults.fail_reserve(None);
    let one = parts.run(&world, Provenance::Untouched).await;
    one.until_forgotten(gone).await;
    assert!(one.knows(stays).await && two.knows(stays).await);
    one.pay_when_connected(stays).await;
}

impl Node {
    async fn pay_when_connected(&self, id: ChannelId) {
        self.until_channel(id, "a link", |channel| channel.is_connected).await;
        self.pay(id, 1).await;
    }
}
