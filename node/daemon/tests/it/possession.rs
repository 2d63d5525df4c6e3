//! A tower that promised must prove, with each heartbeat, that it still holds what it promised.

use crate::kit::{CHAIN_ID, World, amount};
use crate::tower::{Mood, Tower, has_alarm, pair, until_protected, with_policy};
use lockstep::config::TowerRule;
use lockstep_chain::rpc::BlockTag;
use lockstep_core::appointment::{Appointment, record_hash};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::ChannelId;
use lockstep_core::money::Amount;
use lockstep_core::possession::{PossessionProof, PossessionRoot, SumNode, levels, path};
use lockstep_p2p::tower::TowerAddress;
use lockstep_p2p::tower::message::{Heartbeat, Push};
use lockstep_rpc::backend::Backend;
use lockstep_rpc::types::{AddTower, ListReceipts, TowerCall};

/// What a root is made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// What it was left last.
    Newest,
    /// What it was left first.
    Oldest,
    /// Everything, but as of a block that never was.
    OtherBlock,
    /// Nothing: it shows no root at all.
    Nothing,
}

impl Tower {
    /// One heartbeat.
    async fn beat(&self, world: &World, sequence: u64, over: Over) {
        let root = match over {
            Over::Nothing => None,
            Over::Newest | Over::Oldest | Over::OtherBlock => self.prove_all(world, over).await,
        };
        let beat = Heartbeat { sequence, chains: vec![], root };
        self.server.broadcast(&Push::Heartbeat(Box::new(beat)));
    }

    async fn prove_all(
        &self,
        world: &World,
        over: Over,
    ) -> Option<lockstep_core::possession::SignedRoot> {
        let block = world.rpc.header(BlockTag::Finalized, true).await.unwrap();
        let mut block_hash = block.hash;
        if over == Over::OtherBlock {
            block_hash.0[0] ^= 1;
        }
        let kept = self.kept.lock().unwrap().clone();
        let (mut ids, mut leaves): (Vec<ChannelId>, Vec<SumNode>) = (vec![], vec![]);
        for (id, given) in kept {
            let shown = if over == Over::Oldest { given.first() } else { given.last() };
            let Appointment { domain, state, signatures, .. } = shown.unwrap();
            let record = record_hash(id, SigningDomain::new(*domain).state(state), signatures);
            ids.push(id);
            leaves.push(SumNode::leaf(record, block_hash, Amount::ZERO));
        }
        let levels = levels(leaves).unwrap();
        let address: TowerAddress = self.address.parse().unwrap();
        let root = PossessionRoot {
            tower: address.signer_key().unwrap().address(),
            epoch: 1,
            chain_id: CHAIN_ID,
            block_number: block.point().number,
            block_hash,
            root: *levels.last()?.first()?,
            channels: u64::try_from(ids.len()).unwrap(),
        };
        let signed = self.key.0.sign_possession_root(&root).unwrap();
        let mut proofs = self.proofs.lock().unwrap();
        for (place, id) in ids.into_iter().enumerate() {
            let path = path(&levels, place).unwrap();
            proofs.insert(id, PossessionProof { signed, insured: Amount::ZERO, path });
        }
        Some(signed)
    }
}

/// Heartbeats until the node says something.
async fn beat_until(tower: &Tower, world: &World, over: Over, is_so: impl Fn() -> bool) {
    for sequence in 0..600 {
        if is_so() {
            return;
        }
        tower.beat(world, sequence, over).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{over:?} made no difference");
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_a_tower_that_lost_what_it_promised_protects_nothing_until_it_proves_it_again() {
    let tower = Tower::start(Mood::Honest).await;
    let (pair, id) = pair(with_policy(TowerRule::Bounded, 1_000), &[&tower]).await;
    pair.one.pay(id, 50).await;
    until_protected(&pair.two, id).await;
    pair.one.pay(id, 400).await;
    until_protected(&pair.two, id).await;
    for sequence in 0..5 {
        tower.beat(&pair.world, sequence, Over::Newest).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(!has_alarm(&pair.two, "towerUnproven"));
    for lie in [Over::Oldest, Over::OtherBlock, Over::Nothing] {
        beat_until(&tower, &pair.world, lie, || has_alarm(&pair.two, "towerUnproven")).await;
        let exposed = |channel: &lockstep_rpc::types::Channel| channel.unprotected == amount(450);
        pair.two.until_channel(id, "it protects nothing", exposed).await;
        // Its receipt is evidence all the same.
        assert_eq!(pair.two.engine.receipts(ListReceipts::default()).len(), 1);
        beat_until(&tower, &pair.world, Over::Newest, || !has_alarm(&pair.two, "towerUnproven"))
            .await;
        until_protected(&pair.two, id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_removed_tower_holds_and_a_settled_channel_are_dropped_there() {
    let (stays, goes) = (Tower::start(Mood::Honest).await, Tower::start(Mood::Honest).await);
    let (pair, id) = pair(with_policy(TowerRule::Bounded, 1_000), &[&stays, &goes]).await;
    pair.one.pay(id, 50).await;
    until_protected(&pair.two, id).await;
    pair.two
        .until("both hold it", |_| goes.newest(id).is_some() && stays.newest(id).is_some())
        .await;
    let known = pair.two.engine.towers();
    let tower = known.iter().find(|tower| tower.address == goes.address).unwrap().tower;
    pair.two
        .until("its receipt", |node| node.engine.receipts(ListReceipts::default()).len() == 2)
        .await;
    pair.two.engine.remove_tower(TowerCall { tower }).await.unwrap();
    pair.two.until("it is dropped", |_| *goes.dropped.lock().unwrap() == [id]).await;
    assert!(stays.dropped.lock().unwrap().is_empty());
    pair.one.close(id).await;
    pair.two.assert_settled(id, 10_050, 9_950).await;
    beat_until(&stays, &pair.world, Over::Newest, || *stays.dropped.lock().unwrap() == [id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_a_tower_that_is_removed_and_added_again_protects_nothing_until_it_promises_anew() {
    let tower = Tower::start(Mood::Honest).await;
    let (pair, id) = pair(with_policy(TowerRule::Bounded, 1_000), &[&tower]).await;
    pair.one.pay(id, 50).await;
    until_protected(&pair.two, id).await;
    let key = pair.two.engine.towers()[0].tower;
    pair.two.engine.remove_tower(TowerCall { tower: key }).await.unwrap();
    pair.two.until("it is dropped", |_| *tower.dropped.lock().unwrap() == [id]).await;
    let times = tower.times(id);
    let address = tower.address.clone();
    pair.two.engine.add_tower(AddTower { address }).await.unwrap();
    pair.two.until("it is given the channel again", |_| tower.times(id) > times).await;
    until_protected(&pair.two, id).await;
}
