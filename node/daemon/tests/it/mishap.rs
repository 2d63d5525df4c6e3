//! Mishaps in between: a caller that leaves, a chain that is rewritten or out of reach, a peer that was put back to
//! an old copy of itself, strangers that ask for more than they use.

use crate::kit::{Node, PERIOD, Pair, Parts, amount, config, through};
use crate::proxy::{Lie, Proxy};
use lockstep_rpc::backend::{Backend, Spender};
use lockstep_rpc::failure::FailureKind;
use lockstep_rpc::types::{Channel, ChannelPhase, Pay, Recover};
use lockstep_store::open::Provenance;
use lockstep_store::write_set::{Binding, WriteSet};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Deeper than what is final, and not as deep as the channel's opening.
const REWRITTEN: u64 = 12;
/// Channels that are offered at once: one more than a stranger is consented to without a person.
const OFFERED: usize = 9;

fn is_open(channel: &Channel) -> bool {
    channel.phase == ChannelPhase::Open
}

#[tokio::test(flavor = "multi_thread")]
async fn p42_a_chain_that_is_rewritten_below_its_final_blocks_stops_signatures_and_not_the_watch() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    pair.one.pay(id, 100).await;
    let old = pair.two.export(id).await;
    pair.one.pay(id, 300).await;
    pair.two.until_channel(id, "the income", |it| it.own_balance == amount(1_400)).await;
    let opened = pair.two.engine.status().chain.processed_number.unwrap();
    let is_past =
        |node: &Node| node.engine.status().chain.processed_number > Some(opened + 2 * REWRITTEN);
    pair.two.until("many final blocks", is_past).await;
    pair.world.ask("anvil_reorg", json!([REWRITTEN, []])).await;
    let is_told =
        |node: &Node| node.engine.status().alarms.iter().any(|alarm| alarm.kind == "chainBroken");
    pair.two.until("an alarm", is_told).await;
    let refused = pair.two.engine.pay(Node::pay_call(id, 1), Spender::Operator).await;
    assert_eq!(refused.unwrap_err().kind, FailureKind::SigningStopped);
    // What it can't follow it looks at: a stale close is seen, and answered.
    let Pair { world, one, two } = pair;
    one.stop().await;
    crate::closing::send_call(&world, &old, "initiateClose", &old["terms"]["participant1"]).await;
    two.until_channel(id, "the answer", |it| {
        it.close.as_ref().is_some_and(|close| close.version == 2)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_whose_opener_does_not_wait_for_the_answer_is_opened_and_not_forgotten() {
    // The chain side has something to look for, so that it does look.
    let (pair, first) = Pair::open(500, 0).await;
    let slow = Proxy::start(pair.world.url(), Lie::None).await;
    let Pair { world, one, two } = pair;
    let one = one.stop().await.run_on(&world, through(&slow.url), Provenance::Untouched).await;
    one.connect(&two).await;
    // It is in the journal, and the chain side does not come to look for it: the caller has enough of that.
    slow.set(Lie::SilentLogs);
    let left = tokio::time::timeout(Duration::from_secs(3), one.open(&two, 1_000, 0)).await;
    println!("left: {left:?}");
    slow.set(Lie::None);
    one.until_count(2).await;
    let id = one.channels().await.into_iter().map(|it| it.channel_id.0).find(|id| *id != first);
    let id = id.unwrap();
    for node in [&one, &two] {
        node.until_channel(id, "an open channel", is_open).await;
    }
    one.pay(id, 10).await;
    let parts = one.stop().await;
    let one = parts.run(&world, Provenance::Untouched).await;
    assert_eq!(one.channels().await.len(), 2, "opened twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn p31_a_channel_that_the_journal_refuses_is_frozen_and_no_other_is() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    let other = pair.open_channel(1_000, 0).await;
    pair.one.pay(id, 100).await;
    let Pair { world, one, two } = pair;
    let parts = one.stop().await;
    let mut set = WriteSet::default();
    // Some other life of this key has bound what comes next.
    set.bind(Binding { channel: id.0.0, version: 2, digest: [9; 32] });
    parts.write(&set);
    let one = parts.run(&world, Provenance::Untouched).await;
    one.connect(&two).await;
    let call = Pay { wait_millis: Some(0), ..Node::pay_call(id, 1) };
    drop(one.engine.pay(call, Spender::Operator).await);
    one.until_channel(id, "the mark", |it| it.frozen.is_some()).await;
    assert_eq!(two.channel(id).await.version, 1);
    assert!(!one.engine.is_signing_stopped());
    one.pay(other, 10).await;
    // It ends like any other.
    one.force_close(id).await;
    one.until_phase(id, ChannelPhase::Disputed).await;
    world.pass(u64::from(PERIOD)).await;
    two.assert_settled(id, 1_100, 900).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p63_a_peer_is_consented_to_unasked_only_as_often_as_it_opens() {
    let pair = Pair::start().await;
    pair.world.halt();
    let mut ids = Vec::new();
    for _ in 0..OFFERED {
        ids.push(pair.one.open(&pair.two, 1_000, 0).await);
    }
    let last = ids.pop().unwrap();
    pair.one.until_channel(last, "a refusal", |it| it.problem.is_some()).await;
    for id in &ids {
        pair.one.until_phase(*id, ChannelPhase::Funding).await;
    }
    assert_eq!(pair.two.channels().await.len(), OFFERED - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn p47_a_peer_that_was_put_back_learns_it_from_who_stayed_up_although_nobody_has_paid() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    pair.one.pay(id, 100).await;
    let Pair { world, one, two } = pair;
    let parts = one.stop().await;
    let old = Copy::of(parts.dir.path());
    let one = parts.run(&world, Provenance::Untouched).await;
    one.connect(&two).await;
    two.until_channel(id, "the link", |it| it.is_connected).await;
    let parts = one.stop().await;
    // In place, as a snapshot of a machine is put back: no file of it looks like a copy.
    old.put_back();
    let one = parts.run(&world, Provenance::Untouched).await;
    one.connect(&two).await;
    one.until_channel(id, "the mark", |it| it.restored.is_some()).await;
    let refused = one.engine.pay(Node::pay_call(id, 1), Spender::Operator).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Restored);
}

#[tokio::test(flavor = "multi_thread")]
async fn p74_a_channel_that_was_taken_in_without_the_chain_is_read_after_the_next_start() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    pair.one.pay(id, 350).await;
    let proof = pair.one.export(id).await;
    let Pair { world, one, two } = pair;
    let lost = one.stop().await;
    let endpoint = Proxy::start(world.url(), Lie::None).await;
    let parts = Parts { words: lost.words.clone(), ..Parts::new(config()) };
    let one = parts.run_on(&world, through(&endpoint.url), Provenance::Untouched).await;
    one.connect(&two).await;
    endpoint.set(Lie::Down);
    let call = Recover { invite: None, proof: Some(proof), from_towers: None, wait_millis: None };
    let failed = one.engine.recover(call).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::ChainUnavailable, "{failed}");
    let parts = one.stop().await;
    let one = parts.run(&world, Provenance::Untouched).await;
    one.connect(&two).await;
    one.until_channel(id, "what the chain has", |it| is_open(it) && it.restored.is_some()).await;
    one.until_channel(id, "what the counterparty has", |it| it.version == 1).await;
    one.close(id).await;
    one.assert_settled(id, 650, 1_350).await;
}

impl Node {
    async fn until_count(&self, count: usize) {
        while self.channels().await.len() != count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What every file of a folder holds.
pub struct Copy(BTreeMap<PathBuf, Vec<u8>>);

impl Copy {
    pub fn of(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = std::fs::read(&path).unwrap();
                    files.insert(path, bytes);
                }
            }
        }
        Self(files)
    }

    pub fn put_back(&self) {
        for (path, bytes) in &self.0 {
            std::fs::write(path, bytes).unwrap();
        }
    }
}
