//! Entries, closes, cursors and broken disks, through the tasks.

use super::kit::{Disk, Node, PAYER, rich, watched};
use crate::anvil::FINALITY;
use crate::proxy::{Lie, Proxy};
use crate::scene::{DEPOSIT, Scene, endpoints, is_closing, is_opened, key, profile};
use alloy_primitives::{Bytes, U256};
use lockstep::chain::{
    ChainNews, ChainSetup, ChainTask, ChainTaskError, EntryOrder, WatchedChannel,
};
use lockstep_chain::alarm::Alarm;
use lockstep_chain::endpoint::Endpoint;
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::error::ChainError;
use lockstep_chain::follower::{Delivery, Start};
use lockstep_chain::port::LocalAccount;
use lockstep_chain::profile::Profile;
use lockstep_chain::submitter::SubmitterEvent;
use lockstep_core::chain::{ChainCall, ChainFact, Obligation, ObligationKind};
use lockstep_core::entry::{EntryCall, EntryId, EntryKind, EntryStage};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::Side;
use lockstep_core::money::Amount;
use lockstep_core::time::{BlockNumber, Finality};
use lockstep_store::journal::DiskJournal;
use lockstep_store::open::Options;
use lockstep_store::writer::JournalThread;
use serde_json::json;
use std::sync::Arc;

/// `EIO`.
const BROKEN: i32 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn p86_an_entry_that_was_ordered_before_a_restart_is_paid_once_and_told_of_after_it() {
    let scene = Scene::start().await;
    let disk = Disk::new();
    let channel = scene.open(1).await;
    let hole = Proxy::start(&scene.anvil.url, Lie::Swallow).await;
    let through = endpoints(&[&hole.url], 1);
    let node = Node::start_on(&scene, &disk, through, vec![watched(&channel, None)]).await;
    let id = EntryId::named(EntryKind::Deposit, channel.id.0, b"one");
    let order = EntryOrder {
        id,
        from: key(PAYER).address(),
        call: EntryCall::Deposit {
            terms: channel.terms,
            side: Side::One,
            amount: Amount::from_u256(U256::from(7)),
        },
        max_cost: rich(),
    };
    let entry = node.chain.enter(order.clone()).await.unwrap();
    assert!(matches!(entry.stage(), EntryStage::Signed(_)));
    node.stop().await;
    let mut node = Node::start(&scene, &disk, vec![watched(&channel, None)]).await;
    assert_eq!(node.chain.enter(order).await.unwrap().tx(), entry.tx());
    node.until_news_while_mining(&scene, "the deposit is done", |news| {
        matches!(news, ChainNews::Entry(entry) if matches!(entry.stage(), EntryStage::Done { .. }))
    })
    .await;
    let stored = scene.stored(&channel).await;
    assert_eq!(u64::try_from(stored.deposit1).unwrap(), DEPOSIT + 7);
    assert_eq!(node.chain.entries().await.unwrap().len(), 1);
    node.chain.forget_entry(id).await.unwrap();
    assert_eq!(node.chain.entry(id).await.unwrap(), None);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p42_a_close_that_vanishes_while_the_node_is_down_is_reported_after_its_restart() {
    let scene = Scene::start().await;
    let disk = Disk::new();
    let channel = scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    let mut node = Node::start(&scene, &disk, vec![watched(&channel, None)]).await;
    scene.close(&channel, 3).await;
    node.until_fact("the close is seen", Finality::Seen, is_closing).await;
    node.stop().await;
    // The close is gone, and its sender has used the nonce for something else.
    scene.anvil.reorg(1).await;
    scene.anvil.send(scene.owner1, scene.owner2, 1, Bytes::new()).await;
    scene.anvil.mine(1 + FINALITY).await;
    assert_eq!(scene.stored(&channel).await.status, 2);
    for is_first in [true, false] {
        let mut node = Node::start(&scene, &disk, vec![watched(&channel, None)]).await;
        scene.anvil.mine(1).await;
        if is_first {
            let is_gone = |fact: &ChainFact| *fact == ChainFact::CloseVanished;
            node.until_fact("the close is gone for good", Finality::Final, is_gone).await;
            // Acknowledged: a later life need not hear of it.
            let head = node.chain.status().head.unwrap().number.0;
            scene.anvil.mine(3).await;
            node.until_final(head).await;
        } else {
            scene.anvil.mine(3).await;
            let news = node.batches(1).await;
            let is_told = |news: &ChainNews| format!("{news:?}").contains("CloseVanished");
            assert!(!news.iter().any(is_told), "told twice");
        }
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p74_what_was_not_acknowledged_is_delivered_again_after_a_restart() {
    let scene = Scene::start().await;
    let disk = Disk::new();
    let channel = scene.channel(1);
    let mut node = Node::start(&scene, &disk, vec![watched(&channel, None)]).await;
    node.stop_acknowledging();
    scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    node.until("a batch ends", |news| matches!(news, ChainNews::Checkpoint(_))).await;
    scene.anvil.mine(2).await;
    node.stop().await;
    let mut node = Node::start(&scene, &disk, vec![watched(&channel, None)]).await;
    node.until_fact("the open is final", Finality::Final, is_opened).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p49_with_a_broken_disk_the_node_still_sees_a_stale_close_and_challenges_it() {
    let scene = Scene::start().await;
    let disk = Disk::new();
    let channel = scene.open(1).await;
    let other = scene.open(2).await;
    let both = vec![watched(&channel, None), watched(&other, None)];
    let mut node = Node::start(&scene, &disk, both).await;
    node.faults.fail_sync(Some(BROKEN));
    scene.close(&channel, 3).await;
    node.until_fact("the close is seen", Finality::Seen, is_closing).await;
    let closes_at = scene.stored(&channel).await.closesAt.to::<u64>();
    node.chain.submit(channel.challenge(5, closes_at), None).await.unwrap();
    // What is not urgent, and what moves money, waits for a disk.
    let close = other.key(ObligationKind::InitiateClose, 0);
    let close = Obligation::new(close, ChainCall::InitiateClose(None), None);
    let refused = node.chain.submit(close, None).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Fatal);
    let order = EntryOrder {
        id: EntryId::named(EntryKind::Deposit, other.id.0, b"broken"),
        from: key(PAYER).address(),
        call: EntryCall::Deposit {
            terms: other.terms,
            side: Side::One,
            amount: Amount::from_u256(U256::from(7)),
        },
        max_cost: rich(),
    };
    assert_eq!(node.chain.enter(order).await.unwrap_err().class(), ErrorClass::Fatal);
    node.until("the challenge is sent", |news| {
        matches!(news, ChainNews::Call(SubmitterEvent::Sent { .. }))
    })
    .await;
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.version, 5);
    assert_eq!(u64::try_from(scene.stored(&other).await.deposit1).unwrap(), DEPOSIT);
    // Facts still come, batch after batch, although no cursor is kept.
    scene.anvil.mine(FINALITY).await;
    node.until_fact(
        "the challenge is final",
        Finality::Final,
        |fact| matches!(fact, ChainFact::Closing { point, .. } if point.version.0 == 5),
    )
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_older_than_the_cursor_is_read_from_where_it_began() {
    let scene = Scene::start().await;
    let disk = Disk::new();
    let channel = scene.open(1).await;
    scene.anvil.mine(5 + FINALITY).await;
    let mut node = Node::start(&scene, &disk, Vec::new()).await;
    scene.anvil.mine(1).await;
    node.until_final(3).await;
    let terms = node.chain.terms_of(channel.id, lockstep_core::time::BlockNumber(0)).await.unwrap();
    assert_eq!(terms, Some(channel.terms));
    node.chain.watch(watched(&channel, None)).await.unwrap();
    node.chain.rescan(lockstep_core::time::BlockNumber(0)).await.unwrap();
    node.until_fact("the open is found", Finality::Final, is_opened).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p93_other_code_than_the_deployment_s_is_refused_before_anything_starts() {
    let scene = Scene::start().await;
    let disk = Disk::new();
    scene.anvil.ask("anvil_setCode", (scene.contracts.channel, "0x00")).await;
    let (journal, _) = DiskJournal::open(disk.path(), &Options::default()).unwrap();
    let (journal, handle) = JournalThread::start(journal).unwrap();
    let setup = ChainSetup {
        endpoints: scene.endpoints(),
        deployment: scene.deployment.clone(),
        start: Start::Now,
        journal: handle,
        accounts: vec![Arc::new(LocalAccount::from_secret(&[PAYER; 32]).unwrap())],
        channels: Vec::new(),
        secrets: Vec::new(),
    };
    let refused = ChainTask::start(setup).await.map(|_| ()).unwrap_err();
    assert!(matches!(refused, ChainTaskError::Chain(ChainError::Deployment { .. })), "{refused:?}");
    assert_eq!(refused.class(), ErrorClass::Refused);
    drop(journal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_for_a_channel_that_nobody_watches_is_refused_and_status_answers_from_memory() {
    let scene = Scene::start().await;
    let disk = Disk::new();
    let channel = scene.open(1).await;
    let mut node = Node::start(&scene, &disk, Vec::new()).await;
    let refused = node.chain.submit(channel.challenge(5, 99), None).await.unwrap_err();
    assert!(matches!(refused, ChainTaskError::NotWatched { .. }), "{refused:?}");
    scene.anvil.mine(FINALITY + 1).await;
    node.until_final(1).await;
    // Not even a dead endpoint keeps it from answering.
    drop(scene);
    let status = node.chain.status();
    assert_eq!(status.chain_id, 31_337);
    assert!(status.head.is_some() && status.owed.is_empty(), "{status:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p47_a_restored_node_reads_the_chain_anew_whatever_cursor_was_restored_with_it() {
    let scene = Scene::start().await;
    let disk = Disk::new();
    let channel = scene.open(1).await;
    let number = scene.anvil.ask("eth_blockNumber", json!([])).await;
    let opened =
        u64::from_str_radix(number.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    scene.anvil.mine(5 + FINALITY).await;
    let mut node = Node::start(&scene, &disk, Vec::new()).await;
    node.until_news_while_mining(
        &scene,
        "a cursor past the open is kept",
        |news| matches!(news, ChainNews::Checkpoint(cursor) if cursor.block.number.0 > opened),
    )
    .await;
    node.stop().await;
    let order = vec![watched(&channel, None)];
    let start = Start::Block(BlockNumber(0));
    let mut node = Node::start_at(&scene, &disk, scene.endpoints(), order, start).await;
    node.until_fact("the open is found", Finality::Final, is_opened).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p42_a_chain_that_stands_still_is_told_of_until_it_moves_again() {
    let scene = Scene::start().await;
    let disk = Disk::new();
    let profile = Profile { max_silence_secs: Some(1), ..profile(1) };
    let endpoint = Endpoint::new(&scene.anvil.url, crate::anvil::limits()).unwrap();
    let through = Endpoints::new(vec![endpoint], profile).unwrap();
    let mut node = Node::start_on(&scene, &disk, through, Vec::new()).await;
    node.until("the silence is told of", |news| {
        matches!(news, ChainNews::Delivery(Delivery::Alarm(Alarm::ChainStandsStill { .. })))
    })
    .await;
    assert!(node.chain.is_blind() && !node.chain.status().is_following);
    scene.anvil.mine(1).await;
    node.until("the head moves", |news| matches!(news, ChainNews::Delivery(Delivery::Head(_))))
        .await;
    // The head is handed over after it is known that the chain moves.
    assert!(!node.chain.is_blind());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p76_a_call_may_cost_what_is_at_risk_when_it_is_ordered() {
    let scene = Scene::start().await;
    let disk = Disk::new();
    let channel = scene.open(1).await;
    let poor = WatchedChannel { max_cost: Amount::ZERO, ..watched(&channel, None) };
    let mut node = Node::start(&scene, &disk, vec![poor]).await;
    scene.close(&channel, 3).await;
    let closes_at = scene.stored(&channel).await.closesAt.to::<u64>();
    node.chain.allow(channel.id, rich()).await.unwrap();
    node.chain.submit(channel.challenge(5, closes_at), None).await.unwrap();
    node.until("the challenge is sent", |news| {
        matches!(news, ChainNews::Call(SubmitterEvent::Sent { fees, .. }) if fees.max_fee > 0)
    })
    .await;
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.version, 5);
    node.stop().await;
}
