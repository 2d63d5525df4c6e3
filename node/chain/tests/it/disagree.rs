//! Endpoints that leave things out, contradict each other, or serve something else.

use crate::anvil::{Anvil, FINALITY};
use crate::proxy::{Lie, Proxy};
use crate::scene::{Scene, endpoints, facts, is_closing, profile};
use lockstep_chain::alarm::Alarm;
use lockstep_chain::endpoint::{Endpoint, RequestLimits};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::error::ChainError;
use lockstep_chain::follower::{Batch, Delivery};
use lockstep_chain::startup;
use lockstep_contracts::deployment::{Deployment, DeploymentError};
use lockstep_core::chain::ChainFact;
use lockstep_core::error::ErrorClass;
use lockstep_core::time::Finality;
use std::time::Duration;

fn alarms(deliveries: &[Delivery]) -> Vec<&Alarm> {
    let alarms = deliveries.iter().filter_map(|delivery| match delivery {
        Delivery::Alarm(alarm) => Some(alarm),
        Delivery::Fact(_)
        | Delivery::Retracted { .. }
        | Delivery::CloseRetracted(_)
        | Delivery::Head(_)
        | Delivery::Finalized(_) => None,
    });
    alarms.collect()
}

fn has_final(batch: &Batch) -> bool {
    !facts(batch, Finality::Final).is_empty()
}

#[tokio::test]
async fn p96_money_that_one_of_two_endpoints_hides_is_seen_but_not_credited() {
    let scene = Scene::start().await;
    let liar = Proxy::start(&scene.anvil.url, Lie::HideAll).await;
    let channel = scene.channel(1);
    let both = endpoints(&[&scene.anvil.url, &liar.url], 2);
    let mut follower = scene.follower(both, &[&channel]).await;
    scene.open(1).await;
    scene.anvil.mine(FINALITY + 1).await;
    let batch = follower.poll().await.unwrap();
    assert_eq!(facts(&batch, Finality::Seen).len(), 1, "{batch:?}");
    assert!(!has_final(&batch), "{batch:?}");
    assert!(
        alarms(&batch.deliveries).iter().any(|a| matches!(a, Alarm::LogsDiffer { .. })),
        "{batch:?}"
    );
    follower.acknowledge();
    // It stops lying: the very same view is read again and money counts.
    liar.set(Lie::None);
    follower.watch(scene.channel(2).id, None);
    let batch = follower.poll().await.unwrap();
    assert!(has_final(&batch), "{batch:?}");
}

#[tokio::test]
async fn p73_a_close_that_only_one_endpoint_shows_is_acted_on_with_an_alarm() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    let liar = Proxy::start(&scene.anvil.url, Lie::HideAll).await;
    let both = endpoints(&[&liar.url, &scene.anvil.url], 2);
    let mut follower = scene.follower(both, &[&channel]).await;
    scene.close(&channel, 3).await;
    let batch = follower.poll().await.unwrap();
    let seen = facts(&batch, Finality::Seen);
    assert_eq!(seen.len(), 1, "{batch:?}");
    assert!(is_closing(&seen[0].event.fact));
    assert_eq!(alarms(&batch.deliveries).len(), 1, "{batch:?}");
    // The alarm stands, and is not raised anew each time.
    follower.acknowledge();
    let batch = follower.poll().await.unwrap();
    assert!(alarms(&batch.deliveries).is_empty(), "{batch:?}");
}

#[tokio::test]
async fn p73_logs_that_a_query_leaves_out_are_found_by_bloom_and_receipts() {
    let scene = Scene::start().await;
    let forgetful = Proxy::start(&scene.anvil.url, Lie::HideLogs).await;
    let channel = scene.channel(1);
    let mut follower = scene.follower(endpoints(&[&forgetful.url], 1), &[&channel]).await;
    scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    let batch = follower.poll().await.unwrap();
    assert!(has_final(&batch), "{batch:?}");
    let found = alarms(&batch.deliveries);
    assert!(found.iter().any(|a| matches!(a, Alarm::LogsOmitted { .. })), "{batch:?}");
}

#[tokio::test]
async fn p73_a_sweep_finds_a_close_that_no_log_shows() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    let liar = Proxy::start(&scene.anvil.url, Lie::HideAll).await;
    let mut follower = scene.follower(endpoints(&[&liar.url], 1), &[&channel]).await;
    scene.close(&channel, 3).await;
    let batch = follower.poll().await.unwrap();
    assert!(facts(&batch, Finality::Seen).is_empty());
    let deliveries = follower.sweep().await;
    let batch = Batch { deliveries, cursor: None };
    let seen = facts(&batch, Finality::Seen);
    assert_eq!(seen.len(), 1, "{batch:?}");
    assert!(is_closing(&seen[0].event.fact));
    assert_eq!(alarms(&batch.deliveries), [&Alarm::CloseWithoutLog { channel_id: channel.id }]);
    assert!(follower.sweep().await.is_empty());
}

#[tokio::test]
async fn p73_a_close_that_is_seen_before_any_log_is_read_is_acted_on_and_not_called_one_without_a_log()
 {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    let url = &scene.anvil.url;
    let mut follower = scene.follower(endpoints(&[url], 1), &[&channel]).await;
    scene.close(&channel, 3).await;
    // As after a start: the stored status is asked for first.
    let batch = Batch { deliveries: follower.sweep().await, cursor: None };
    assert_eq!(facts(&batch, Finality::Seen).len(), 1, "{batch:?}");
    assert!(alarms(&batch.deliveries).is_empty(), "{batch:?}");
    let batch = follower.poll().await.unwrap();
    assert_eq!(facts(&batch, Finality::Seen).len(), 1, "{batch:?}");
    assert!(alarms(&batch.deliveries).is_empty(), "{batch:?}");
    follower.acknowledge();
    assert!(follower.sweep().await.is_empty());
    // Where logs are left out it is said as soon as they should have shown it.
    let liar = Proxy::start(url, Lie::HideAll).await;
    let mut follower = scene.follower(endpoints(&[&liar.url], 1), &[&channel]).await;
    let batch = Batch { deliveries: follower.sweep().await, cursor: None };
    assert_eq!(facts(&batch, Finality::Seen).len(), 1, "{batch:?}");
    let mut told = alarms(&batch.deliveries).len();
    for _ in 0..3 {
        let batch = follower.poll().await.unwrap();
        follower.acknowledge();
        let without_log = Alarm::CloseWithoutLog { channel_id: channel.id };
        told += alarms(&batch.deliveries).iter().filter(|alarm| ***alarm == without_log).count();
    }
    assert_eq!(told, 1);
}

#[tokio::test]
async fn p73_endpoints_on_different_chains_raise_an_alarm_and_credit_nothing() {
    let scene = Scene::start().await;
    let channel = scene.channel(1);
    let liar = Proxy::start(&scene.anvil.url, Lie::None).await;
    let other = Anvil::start();
    let mut follower =
        scene.follower(endpoints(&[&scene.anvil.url, &liar.url], 2), &[&channel]).await;
    let start = lockstep_chain::follower::Start::Cursor(follower.cursor());
    scene.open(1).await;
    scene.anvil.mine(FINALITY + 1).await;
    other.mine(10).await;
    assert!(has_final(&follower.poll().await.unwrap()));
    let split = endpoints(&[&scene.anvil.url, &other.url], 2);
    let mut follower =
        lockstep_chain::follower::Follower::start(split, scene.contracts, start).await.unwrap();
    follower.watch(channel.id, None);
    let batch = follower.poll().await.unwrap();
    assert!(!has_final(&batch), "{batch:?}");
    assert_eq!(facts(&batch, Finality::Seen).len(), 1, "{batch:?}");
    assert!(!alarms(&batch.deliveries).is_empty(), "{batch:?}");
}

#[tokio::test]
async fn one_endpoint_that_is_down_holds_up_nothing_but_credit() {
    let scene = Scene::start().await;
    let proxy = Proxy::start(&scene.anvil.url, Lie::None).await;
    let channel = scene.channel(1);
    let both = endpoints(&[&scene.anvil.url, &proxy.url], 2);
    let mut follower = scene.follower(both, &[&channel]).await;
    proxy.set(Lie::Down);
    scene.open(1).await;
    scene.anvil.mine(FINALITY + 1).await;
    let batch = follower.poll().await.unwrap();
    assert_eq!(facts(&batch, Finality::Seen).len(), 1, "{batch:?}");
    assert!(batch.cursor.is_none() && !has_final(&batch), "{batch:?}");
    proxy.set(Lie::None);
    let batch = follower.poll().await.unwrap();
    assert!(has_final(&batch), "{batch:?}");
}

#[test]
fn p96_fewer_endpoints_than_must_agree_are_refused_with_what_to_do() {
    let refused = Endpoints::new(vec![], profile(2)).unwrap_err();
    assert!(matches!(refused, ChainError::TooFewEndpoints { found: 0, needed: 2 }));
    assert!(refused.to_string().contains("add one"), "{refused}");
    assert_eq!(refused.class(), ErrorClass::Refused);
}

#[tokio::test]
async fn p93_a_chain_without_exactly_our_code_is_refused() {
    let scene = Scene::start().await;
    startup::check(&scene.endpoints(), &scene.deployment).await.unwrap();
    let check = async |change: fn(&mut Deployment), is_right: fn(&DeploymentError) -> bool| {
        let mut deployment = scene.deployment.clone();
        change(&mut deployment);
        let refused = startup::check(&scene.endpoints(), &deployment).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Refused);
        let ChainError::Deployment { source, .. } = refused else { panic!("{refused:?}") };
        assert!(is_right(&source), "{source:?}");
    };
    check(|d| d.chain_id = 10, |e| matches!(e, DeploymentError::WrongChain { .. })).await;
    check(
        |d| d.channel.address = d.registry.address,
        |e| matches!(e, DeploymentError::CodeMismatch { .. }),
    )
    .await;
    check(
        |d| d.registry.address = alloy_primitives::Address::repeat_byte(9),
        |e| matches!(e, DeploymentError::NoCode { .. }),
    )
    .await;
}

#[tokio::test]
async fn a_node_begins_with_the_endpoint_that_answers_but_not_without_any() {
    let scene = Scene::start().await;
    let down = Proxy::start(&scene.anvil.url, Lie::Down).await;
    let both = endpoints(&[&down.url, &scene.anvil.url], 2);
    startup::check(&both, &scene.deployment).await.unwrap();
    startup::usable(&both, &scene.deployment).await.unwrap();
    let alone = endpoints(&[&down.url], 1);
    let waits = startup::check(&alone, &scene.deployment).await.unwrap_err();
    assert_eq!(waits.class(), ErrorClass::Transient);
}

#[tokio::test]
async fn p70_p93_one_endpoint_of_another_chain_is_left_out_and_keeps_no_node_from_its_channels() {
    let scene = Scene::start().await;
    let other = Anvil::start();
    let mixed = endpoints(&[&other.url, &scene.anvil.url], 2);
    let checked = startup::usable(&mixed, &scene.deployment).await.unwrap();
    assert_eq!(checked.left_out.len(), 1);
    assert_eq!(checked.endpoints.count(), 1);
    // What is left still believes nothing about money alone.
    let block = |endpoint| async move {
        let endpoint: &Endpoint = endpoint;
        endpoint.chain_id().await
    };
    let refused = checked.endpoints.ask_quorum(block).await.unwrap_err();
    assert!(matches!(refused, ChainError::NoQuorum { .. }), "{refused:?}");
    // As many as would be believed, or all that there are.
    let two = endpoints(&[&other.url, &scene.anvil.url, &other.url], 2);
    for wrong in [two, endpoints(&[&other.url], 1)] {
        let refused = startup::usable(&wrong, &scene.deployment).await.unwrap_err();
        assert!(matches!(refused, ChainError::Deployment { .. }), "{refused:?}");
    }
}

#[tokio::test]
async fn p42_p12_a_close_that_one_endpoint_invents_ends_once_the_channel_has_stayed_open() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    let liar = Proxy::start(&scene.anvil.url, Lie::Closing(3)).await;
    let both = endpoints(&[&liar.url, &scene.anvil.url], 2);
    let mut follower = scene.follower(both, &[&channel]).await;
    follower.poll().await.unwrap();
    follower.acknowledge();
    let seen = Batch { deliveries: follower.sweep().await, cursor: None };
    assert!(is_closing(&facts(&seen, Finality::Seen)[0].event.fact), "a threat needs one word");
    let gone = async |follower: &mut lockstep_chain::follower::Follower| {
        scene.anvil.mine(FINALITY + 1).await;
        let batch = follower.poll().await.unwrap();
        follower.acknowledge();
        let is_gone = facts(&batch, Finality::Final)
            .iter()
            .any(|sighting| sighting.event.fact == ChainFact::CloseVanished);
        let is_told = alarms(&batch.deliveries)
            .iter()
            .any(|alarm| matches!(alarm, Alarm::CloseNeverWas { .. }));
        assert_eq!(is_gone, is_told);
        is_gone
    };
    assert!(!gone(&mut follower).await, "at once");
    scene.anvil.ask("evm_increaseTime", (1_800,)).await;
    assert!(!gone(&mut follower).await, "too soon");
    scene.anvil.ask("evm_increaseTime", (1_900,)).await;
    assert!(gone(&mut follower).await, "never");
    // Whoever invented it is not believed again without a log.
    assert!(follower.sweep().await.is_empty());
    scene.close(&channel, 3).await;
    let batch = follower.poll().await.unwrap();
    assert_eq!(facts(&batch, Finality::Seen).len(), 1, "a real close is seen");
}

#[tokio::test]
async fn p70_a_close_is_seen_although_another_endpoint_never_answers() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    let silent = Proxy::start(&scene.anvil.url, Lie::None).await;
    let slow = RequestLimits { timeout: Duration::from_secs(600), ..crate::anvil::limits() };
    let urls = [&silent.url, &scene.anvil.url];
    let all = urls.map(|url| Endpoint::new(url, slow).unwrap());
    let all = Endpoints::new(all.into(), profile(2)).unwrap();
    let mut follower = scene.follower(all, &[&channel]).await;
    silent.set(Lie::Silent);
    scene.close(&channel, 3).await;
    // It would wait for ten minutes.
    let batch = follower.poll().await.unwrap();
    assert_eq!(facts(&batch, Finality::Seen).len(), 1, "{batch:?}");
    let is_named = |alarm: &&Alarm| matches!(alarm, Alarm::EndpointDown { .. });
    assert_eq!(alarms(&batch.deliveries).into_iter().filter(is_named).count(), 1, "{batch:?}");
}

#[tokio::test]
async fn p96_an_endpoint_that_answers_and_stands_still_is_named() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    let stuck = Proxy::start(&scene.anvil.url, Lie::None).await;
    let all = endpoints(&[&scene.anvil.url, &scene.anvil.url, &stuck.url], 2);
    let mut follower = scene.follower(all, &[&channel]).await;
    follower.poll().await.unwrap();
    follower.acknowledge();
    stuck.set(Lie::FarHead);
    let batch = follower.poll().await.unwrap();
    let is_named = |alarm: &&Alarm| matches!(alarm, Alarm::EndpointBehind { .. });
    assert_eq!(alarms(&batch.deliveries).into_iter().filter(is_named).count(), 1, "{batch:?}");
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_asked_now_and_then_only_and_is_back_soon_after_it_does()
 {
    let scene = Scene::start().await;
    let proxy = Proxy::start(&scene.anvil.url, Lie::Down).await;
    let endpoint = Endpoint::new(&proxy.url, crate::anvil::limits()).unwrap();
    while endpoint.is_healthy() {
        endpoint.chain_id().await.unwrap_err();
    }
    let before = proxy.asked();
    for _ in 0..40 {
        endpoint.chain_id().await.unwrap_err();
    }
    assert_eq!(proxy.asked() - before, 10);
    proxy.set(Lie::None);
    let mut failures = 0;
    while endpoint.chain_id().await.is_err() {
        failures += 1;
    }
    assert!(failures < 4 && endpoint.is_healthy(), "{failures}");
}
