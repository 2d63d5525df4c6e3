//! Each property over the whole space at the stated size; each planted fault found, with its trace.

use std::collections::BTreeSet;

use lockstep_model::action::Action;
use lockstep_model::ledger::Side;
use lockstep_model::plan::{Fault, Plan};
use lockstep_model::property::{EXIT, LIVE, ONE_CONTENT, PIPELINE};
use lockstep_model::property::{REACH_DEFENCE, REACH_LOCK, REACH_PIPELINE};
use lockstep_model::size::{self, Size};
use stateright::{Checker, Model};

/// Searches everything; every `always` holds, every `sometimes` is reached, and the page says how much that was.
fn check_holds(name: &str) {
    let size = Size::named(name).unwrap_or_else(|| panic!("no search is called {name}"));
    let checker = size.plan.clone().checker().threads(2).spawn_bfs().join();
    for property in [EXIT, ONE_CONTENT, LIVE, PIPELINE] {
        if let Some(path) = checker.discovery(property) {
            panic!("{name} violates {property}: {:?}", path.into_actions());
        }
    }
    for reached in [REACH_PIPELINE, REACH_LOCK, REACH_DEFENCE] {
        assert!(checker.discovery(reached).is_some(), "{name} never gets where {reached}");
    }
    assert!(checker.is_done(), "{name} was not searched to the end");
    let row = size.row(checker.unique_state_count());
    println!("{row}");
    assert!(page().lines().any(|line| line == row), "docs/spec/model.md does not have\n{row}");
}

/// What the documents say of these searches.
fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/spec/model.md");
    std::fs::read_to_string(path).unwrap()
}

/// Searches until the property breaks; the shortest trace is printed and returned.
fn check_breaks(plan: Plan, property: &'static str) -> Vec<Action> {
    let fault = plan.fault;
    let wanted = BTreeSet::from([property]);
    let when = stateright::HasDiscoveries::AllOf(wanted);
    let checker = plan.checker().threads(2).finish_when(when).spawn_bfs().join();
    let path = checker.discovery(property);
    let actions = path.map(stateright::Path::into_actions);
    let actions = actions.unwrap_or_else(|| panic!("{fault:?} does not break {property}"));
    println!("{fault:?} breaks {property}: {actions:?}");
    actions
}

#[test]
fn p12_an_honest_proposer_gets_its_entitlement_from_every_state() {
    check_holds("hostile acceptor");
    check_holds("hostile acceptor that locks");
}

#[test]
fn p12_an_honest_acceptor_gets_its_entitlement_from_every_state() {
    check_holds("hostile proposer");
    check_holds("hostile proposer, acceptor locks");
}

#[test]
fn p39_both_directions_end_in_one_state_after_losses_repeats_and_reorders() {
    check_holds("hostile network");
    check_holds("hostile network, acceptor locks");
}

#[test]
fn p31_no_crash_or_rejection_makes_a_version_signed_twice() {
    check_holds("hostile network with crashes");
}

#[test]
fn p40_a_deeper_pipeline_leaves_nobody_worse_off() {
    check_holds("hostile acceptor, three in flight");
}

#[test]
fn the_page_has_one_line_for_each_search_and_no_other() {
    let page = page();
    let rows = page.lines().filter(|line| line.starts_with("| hostile"));
    let names: Vec<_> = rows.filter_map(|row| row.split('|').nth(1)).map(str::trim).collect();
    assert_eq!(names, size::all().map(|size| size.name));
}

#[test]
fn p31_sending_before_persisting_signs_a_version_twice() {
    check_breaks(Plan::hostile(Side::Two).with(Fault::NoPersist), ONE_CONTENT);
    check_breaks(Plan::hostile(Side::One).with(Fault::NoPersist), ONE_CONTENT);
}

#[test]
fn p31_a_rejected_version_that_is_used_again_is_signed_twice() {
    let trace = check_breaks(Plan::hostile(Side::Two).with(Fault::VersionReuse), ONE_CONTENT);
    assert!(trace.iter().filter(|action| matches!(action, Action::Release(..))).count() >= 2);
    check_breaks(Plan::troubled().with(Fault::VersionReuse), ONE_CONTENT);
}

#[test]
fn p12_an_older_signature_after_a_newer_one_costs_the_acceptor() {
    check_breaks(Plan::hostile(Side::One).with(Fault::OlderAfterNewer), EXIT);
}

#[test]
fn p12_an_acceptor_that_does_not_check_money_loses_it() {
    check_breaks(Plan::hostile(Side::One).with(Fault::NoValidation), EXIT);
}

#[test]
fn p12_an_outage_as_long_as_the_window_loses_money() {
    for adversary in [Side::One, Side::Two] {
        let plan = Plan::hostile(adversary);
        let outage = plan.window;
        let trace = check_breaks(Plan { outage, ..plan }, EXIT);
        assert!(trace.contains(&Action::Outage));
    }
}

#[test]
fn p12_a_lost_list_of_locks_holds_the_money_for_ever() {
    for adversary in [Side::One, Side::Two] {
        check_breaks(Plan::hostile(adversary).with(Fault::LostLocks), EXIT);
    }
}

#[test]
fn p12_forgetting_what_is_in_flight_loses_its_lock() {
    check_breaks(Plan::hostile(Side::Two).with(Fault::ForgetsInFlight), EXIT);
}

#[test]
fn p39_without_replay_a_loss_stops_the_channel() {
    check_breaks(Plan::honest().with(Fault::NoReplay), LIVE);
}

#[test]
fn p39_a_proposer_that_ignores_intents_stops_one_direction() {
    check_breaks(Plan::honest().with(Fault::DeafProposer), LIVE);
}

#[test]
fn p40_what_a_skimmed_state_takes_shows_as_a_loss() {
    check_breaks(Plan::hostile(Side::One).with(Fault::NoValidation), PIPELINE);
}
