//! What clients leave, ask for and take back, and what is refused.

use alloy_primitives::Address;
use lockstep_core::appointment::{Appointment, SealedLocks, TowerAction};
use lockstep_core::chain::ChainCall;
use lockstep_core::ids::{Domain, Side, Version};
use lockstep_core::signature::StateSignature;
use lockstep_p2p::tower::message::{Access, RefusalCode};
use lockstep_p2p::tower::{CallError, PutOutcome};
use lockstep_watchtower::intake::Policy;

use crate::kit::{
    Client, appointment, domain, head, is_at, leave, mine_until, policy, sent, tower, tower_with,
};
use crate::scene::{PERIOD, Scene};

fn code(error: &CallError) -> RefusalCode {
    let CallError::Refused(refusal) = error else { panic!("{error:?}") };
    refusal.code
}

async fn refused(client: &Client, left: Appointment, access: Access) -> RefusalCode {
    match client.link.put(left, access).await {
        Err(error) => code(&error),
        Ok(outcome) => panic!("{outcome:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p80_what_the_contract_would_not_take_is_refused_with_a_reason_and_nothing_is_stored() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, _) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    let access = client.watch(&scene, &channel, Side::Two);
    let good = appointment(&scene, &channel, 7, 20);

    let mut forged = good.clone();
    forged.signatures.one = forged.signatures.two;
    assert_eq!(refused(&client, forged, access).await, RefusalCode::BadSignature);
    let mut changed = good.clone();
    changed.state.version = Version(8);
    assert_eq!(refused(&client, changed, access).await, RefusalCode::BadSignature);
    for domain in [
        Domain::Evm { chain_id: 1, contract: scene.contracts.channel },
        Domain::Evm { chain_id: 31_337, contract: Address::repeat_byte(1) },
    ] {
        let foreign = Appointment { domain, ..good.clone() };
        assert_eq!(refused(&client, foreign, access).await, RefusalCode::UnsupportedChain);
    }
    // More than side 1 has: both signed it, and the contract refuses it.
    let poor = appointment(&scene, &channel, 7, 2_000_000);
    assert_eq!(refused(&client, poor, access).await, RefusalCode::NotActionable);
    let unopened = scene.channel(9);
    let early = appointment(&scene, &unopened, 7, 20);
    let word = client.watch(&scene, &unopened, Side::Two);
    assert_eq!(refused(&client, early, word).await, RefusalCode::UnknownChannel);
    let stranger = Access { signature: StateSignature([1; 64]), ..access };
    assert_eq!(refused(&client, good.clone(), stranger).await, RefusalCode::NotAuthorised);
    let other_side = Access { side: Side::One, ..access };
    assert_eq!(refused(&client, good.clone(), other_side).await, RefusalCode::NotAuthorised);
    let for_get = client.access(&scene, &channel, Side::Two, TowerAction::Get);
    assert_eq!(refused(&client, good, for_get).await, RefusalCode::NotAuthorised);

    let totals = tower.totals().await.unwrap();
    assert_eq!((totals.channels, totals.accounts), (0, 0));
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p80_a_short_window_and_a_closed_channel_are_refused() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let long = Policy { min_window_secs: PERIOD + 1, ..policy() };
    let (tower, address, _) = tower_with(&scene, dir.path(), long, None).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    let access = client.watch(&scene, &channel, Side::Two);
    let left = appointment(&scene, &channel, 7, 20);
    assert_eq!(refused(&client, left, access).await, RefusalCode::WindowTooShort);
    tower.stop().await;

    let dir = tempfile::tempdir().unwrap();
    let (tower, address, _) = crate::kit::tower(&scene, dir.path()).await;
    scene.close(&channel, 3).await;
    scene.anvil.ask("evm_increaseTime", (u64::from(PERIOD),)).await;
    scene.anvil.mine(1).await;
    let (to, data) =
        lockstep_chain::call::encode(&scene.contracts, &channel.terms, &ChainCall::Close, None)
            .unwrap();
    scene.anvil.send(scene.owner1, to, 0, data).await;
    scene.anvil.mine(1).await;
    let client = Client::connect(&address, 1).await;
    let access = client.watch(&scene, &channel, Side::Two);
    let left = appointment(&scene, &channel, 7, 20);
    assert_eq!(refused(&client, left, access).await, RefusalCode::ChannelClosed);
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_a_receipt_is_the_same_for_the_same_state_also_after_a_restart() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (first, address, _) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    let access = client.watch(&scene, &channel, Side::Two);
    let left = appointment(&scene, &channel, 7, 20);
    let PutOutcome::Promised(given) = client.link.put(left.clone(), access).await.unwrap() else {
        panic!("it is promised")
    };
    let key = address.signer_key().unwrap();
    assert_eq!(given.verify(domain(&scene), &channel.terms).unwrap(), key);
    assert_eq!(given.receipt.version, Version(7));
    assert_eq!(given.receipt.beneficiary, scene.owner2);
    scene.anvil.mine(3).await;
    let again = client.link.put(left.clone(), access).await.unwrap();
    assert_eq!(again, PutOutcome::Promised(given.clone()));
    first.stop().await;
    let (second, address, _) = tower(&scene, dir.path()).await;
    let client = Client::connect(&address, 1).await;
    let after = client.link.put(left, access).await;
    assert_eq!(after, Ok(PutOutcome::Promised(given)));
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_a_client_that_is_behind_is_told_what_is_held_and_gets_a_promise_for_it() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, _) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let one = Client::connect(&address, 1).await;
    let two = Client::connect(&address, 2).await;
    let mut newest = appointment(&scene, &channel, 9, 20);
    newest.sealed_locks = SealedLocks::new(vec![7; 4_096]).unwrap();
    let access = one.watch(&scene, &channel, Side::One);
    one.link.put(newest.clone(), access).await.unwrap();
    let older = appointment(&scene, &channel, 7, 20);
    let other = appointment(&scene, &channel, 9, 21);
    for behind in [older, other] {
        let access = two.watch(&scene, &channel, Side::Two);
        let PutOutcome::Held(held) = two.link.put(behind, access).await.unwrap() else {
            panic!("something else is held")
        };
        assert_eq!(held.appointment, newest);
        let receipt = held.receipt.unwrap().receipt;
        assert_eq!((receipt.version, receipt.beneficiary), (Version(9), scene.owner2));
    }
    assert_eq!(tower.totals().await.unwrap().channels, 1);
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p80_a_cheat_that_is_a_client_too_and_drops_the_channel_takes_nothing_from_the_other() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, _) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let (cheat, honest) = (Client::connect(&address, 1).await, Client::connect(&address, 2).await);
    let left = appointment(&scene, &channel, 7, 20);
    honest.link.put(left.clone(), honest.watch(&scene, &channel, Side::Two)).await.unwrap();
    cheat.link.put(left.clone(), cheat.watch(&scene, &channel, Side::One)).await.unwrap();
    let word = cheat.access(&scene, &channel, Side::One, TowerAction::Drop);
    cheat.link.drop_channel(word).await.unwrap();
    assert_eq!(cheat.link.list(None).await.unwrap(), []);
    assert_eq!(honest.link.list(None).await.unwrap(), [channel.id]);
    assert_eq!(honest.link.list(Some(channel.id)).await.unwrap(), []);
    // Nor with the other's own words, which name the other's account.
    let stolen = honest.access(&scene, &channel, Side::Two, TowerAction::Drop);
    let refused = cheat.link.drop_channel(stolen).await.unwrap_err();
    assert_eq!(code(&refused), RefusalCode::NotAuthorised);
    let word = honest.access(&scene, &channel, Side::Two, TowerAction::Get);
    let held = honest.link.get(word).await.unwrap();
    assert_eq!(held.appointment, left);
    assert!(held.receipt.is_some());
    let foreign = cheat.link.get(word).await.unwrap_err();
    assert_eq!(code(&foreign), RefusalCode::NotAuthorised);
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p84_slots_and_pace_are_each_accounts_own() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let tight = Policy { slots: 1, puts_per_minute: 5, ..policy() };
    let (tower, address, _) = tower_with(&scene, dir.path(), tight, None).await;
    let (first, second) = (scene.open(1).await, scene.open(2).await);
    let client = Client::connect(&address, 1).await;
    let put = async |client: &Client, channel, version| {
        let left = appointment(&scene, channel, version, 20);
        client.link.put(left, client.watch(&scene, channel, Side::Two)).await
    };
    assert_eq!(client.link.subscribe(5).await.unwrap().slots, 1);
    put(&client, &first, 1).await.unwrap();
    assert_eq!(code(&put(&client, &second, 1).await.unwrap_err()), RefusalCode::NoSlot);
    for version in 2..=4 {
        put(&client, &first, version).await.unwrap();
    }
    assert_eq!(code(&put(&client, &first, 5).await.unwrap_err()), RefusalCode::RateLimited);
    let other = Client::connect(&address, 2).await;
    put(&other, &second, 1).await.unwrap();
    assert_eq!(client.link.subscribe(5).await.unwrap().used, 1);
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p47_a_tower_says_which_life_of_the_journal_it_has_seen_and_p63_remembers_no_stranger() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, _) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let client = Client::connect_with(&address, 1, Some(head(5))).await;
    assert_eq!(client.link.subscribe(1).await.unwrap().seen_head, None);
    assert_eq!(tower.totals().await.unwrap().accounts, 0);
    let left = appointment(&scene, &channel, 7, 20);
    client.link.put(left, client.watch(&scene, &channel, Side::Two)).await.unwrap();
    let restored = Client::connect_with(&address, 1, Some(head(3))).await;
    assert_eq!(restored.link.subscribe(1).await.unwrap().seen_head, Some(head(5)));
    // The answer may have been lost on its way: it is the same until the client has put something.
    let again = Client::connect_with(&address, 1, Some(head(3))).await;
    assert_eq!(again.link.subscribe(1).await.unwrap().seen_head, Some(head(5)));
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p84_a_client_that_closes_and_leaves_newer_and_newer_states_costs_a_few_answers_and_no_more()
 {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, _) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    let access = client.watch(&scene, &channel, Side::Two);
    leave(&client, &scene, &channel, 7).await;
    scene.close(&channel, 3).await;
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    // A busy channel's last ones come one after the other: two that are free, and eight that the account has saved.
    for version in 8..=17 {
        leave(&client, &scene, &channel, version).await;
        mine_until(&scene, "the next answer", || is_at(&scene, &channel, version)).await;
    }
    let next = appointment(&scene, &channel, 18, 20);
    assert_eq!(refused(&client, next.clone(), access).await, RefusalCode::RateLimited);
    assert_eq!(refused(&client, next, access).await, RefusalCode::RateLimited);
    scene.anvil.mine(3).await;
    assert_eq!(sent(&scene).await, 11);
    // What is held is promised as before, to whoever asks.
    leave(&client, &scene, &channel, 17).await;
    // The chain's time brings the allowance back.
    scene.anvil.ask("evm_increaseTime", (600,)).await;
    scene.anvil.mine(1).await;
    leave(&client, &scene, &channel, 18).await;
    mine_until(&scene, "the last answer", || is_at(&scene, &channel, 18)).await;
    tower.stop().await;
}
