//! A smaller number of seeds for each property, with the faults that threaten it turned up.
//!
//! Each test also demands that what it is about has really happened: a search that no longer gets there
//! fails. The long run is the binary's.

use lockstep_core::ids::Side;
use lockstep_core::money::Amount;
use lockstep_core::protection::TowerPolicy;
use lockstep_sim::run::{run, run_scenario};
use lockstep_sim::scenario::{Ending, GuardPlan, LinkFaults, Scenario, Vice};
use lockstep_sim::stats::Stats;
use lockstep_sim::tower::Make;
use lockstep_sim::trace::Trace;

/// Runs seeds with their scenarios changed; prints the seed of a failure.
fn check(seeds: std::ops::Range<u64>, change: impl Fn(&mut Scenario)) -> Stats {
    let mut all = Stats::default();
    for seed in seeds {
        let mut scenario = Scenario::of_seed(seed);
        change(&mut scenario);
        scenario.fit_guard();
        match run_scenario(scenario.clone(), Trace::default()) {
            Ok((stats, _)) => all.merge(&stats),
            Err(failure) => {
                // The story of the same run once more: a scenario of a test is no seed of the binary.
                let again = run_scenario(scenario, Trace::kept());
                again.err().into_iter().flat_map(|again| again.trace).for_each(|l| println!("{l}"));
                panic!("{failure}")
            }
        }
    }
    all
}

fn assert_happened(stats: &Stats, what: &str, at_least: u64) {
    let times = stats.of(what);
    assert!(times >= at_least, "{what} happened only {times} times:\n{stats}");
}

fn honest(scenario: &mut Scenario) {
    scenario.hostile = None;
    scenario.restored = None;
}

fn hostile(side: Side, vice: Vice) -> impl Fn(&mut Scenario) {
    move |scenario| {
        scenario.hostile = Some((side, vice));
        scenario.restored = None;
    }
}

fn bad_link(scenario: &mut Scenario) {
    scenario.link = LinkFaults { drop: 80, repeat: 150, reorder: 150 };
    scenario.cut = 40;
}

#[test]
fn one_seed_is_one_story() {
    for seed in 0..8 {
        let told =
            |()| run(seed, Trace::kept()).map(|(stats, trace)| (stats, trace.lines().to_vec()));
        let (first, second) = (told(()).unwrap(), told(()).unwrap());
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn p02_money_is_conserved_on_chain_through_reorganisations() {
    let stats = check(0..60, |scenario| scenario.reorg = 60);
    assert_happened(&stats, "reorgs", 100);
}

#[test]
fn p12_a_close_by_force_pays_what_the_history_says() {
    let stats = check(0..60, |scenario| {
        honest(scenario);
        let side = if scenario.seed % 2 == 0 { Side::One } else { Side::Two };
        scenario.ending = Ending::Force(side);
    });
    assert_happened(&stats, "chain: initiate close", 50);
    assert_happened(&stats, "ends: fair, paid in full", 50);
}

#[test]
fn p25_locks_end_by_their_secret_or_after_their_expiry() {
    let stats = check(0..60, |scenario| {
        honest(scenario);
        scenario.has_locks = true;
    });
    for end in ["told: lock settled", "told: lock failed", "told: lock expired"] {
        assert_happened(&stats, end, 10);
    }
}

#[test]
fn p31_no_crash_makes_a_version_signed_for_two_contents() {
    let stats = check(0..80, |scenario| {
        honest(scenario);
        scenario.crash = 25;
    });
    assert_happened(&stats, "crashes", 300);
}

#[test]
fn p32_nothing_leaves_before_it_is_on_disk() {
    let stats = check(100..180, |scenario| {
        scenario.crash = 25;
    });
    assert_happened(&stats, "crash: at a write", 100);
}

#[test]
fn p33_p36_a_proposer_that_takes_too_much_is_refused() {
    let stats = check(0..60, hostile(Side::One, Vice::Skimmer));
    assert_happened(&stats, "hostile: bent proposal", 60);
}

#[test]
fn p34_nothing_is_signed_before_the_channel_is_finally_active() {
    let stats = check(0..40, |scenario| {
        hostile(Side::One, Vice::Skimmer)(scenario);
        scenario.finality = 6;
        scenario.reorg = 60;
    });
    assert_happened(&stats, "hostile: first state out of turn", 40);
}

#[test]
fn p35_versions_only_rise() {
    let stats = check(0..40, hostile(Side::One, Vice::Replayer));
    assert_happened(&stats, "hostile: replayed", 40);
}

#[test]
fn p36_an_acceptor_that_spends_too_much_is_refused() {
    let stats = check(0..60, hostile(Side::Two, Vice::Skimmer));
    assert_happened(&stats, "hostile: bent intent", 20);
}

#[test]
fn p37_an_intent_that_is_replayed_pays_once() {
    let stats = check(0..60, hostile(Side::Two, Vice::IntentReplayer));
    assert_happened(&stats, "hostile: replayed", 60);
}

#[test]
fn p37_repeated_messages_change_nothing() {
    let stats = check(0..60, |scenario| {
        honest(scenario);
        scenario.link = LinkFaults { drop: 0, repeat: 400, reorder: 0 };
    });
    assert_happened(&stats, "link: repeated", 500);
}

#[test]
fn p38_both_sides_come_to_one_state_after_any_link() {
    let stats = check(0..80, |scenario| {
        honest(scenario);
        bad_link(scenario);
    });
    assert_happened(&stats, "link: dropped", 200);
    assert_happened(&stats, "link: reordered", 200);
    assert_happened(&stats, "ends: converged and paid both ways", 40);
}

#[test]
fn p39_payments_from_both_sides_at_once_are_all_made() {
    let stats = check(200..260, honest);
    assert_happened(&stats, "ends: converged and paid both ways", 40);
    assert_happened(&stats, "told: payment final", 3_000);
}

#[test]
fn p40_an_acceptor_that_withholds_and_closes_at_the_best_version_gains_nothing() {
    let stats = check(0..80, hostile(Side::Two, Vice::Withholder));
    assert_happened(&stats, "hostile: accept withheld", 80);
    assert_happened(&stats, "hostile: close or checkpoint", 20);
    assert_happened(&stats, "steps with several proposals in flight", 200);
}

#[test]
fn p41_nothing_follows_a_final_state() {
    let stats = check(0..60, |scenario| {
        honest(scenario);
        bad_link(scenario);
        scenario.ending = Ending::Cooperative(Side::Two);
    });
    assert_happened(&stats, "chain: cooperative close", 40);
}

#[test]
fn p42_a_close_that_is_seen_ends_all_binding_until_it_has_vanished() {
    let stats = check(0..80, |scenario| {
        hostile(Side::Two, Vice::StaleCloser)(scenario);
        scenario.reorg = 60;
        scenario.finality = 6;
    });
    assert_happened(&stats, "told: close seen", 80);
    assert_happened(&stats, "told: close vanished", 1);
    assert_happened(&stats, "chain: challenge", 20);
}

#[test]
fn p42_a_close_between_a_proposal_and_its_answer_ends_at_a_state_that_counts() {
    let stats = check(0..120, |scenario| {
        honest(scenario);
        scenario.early_close = 12;
        scenario.max_in_flight = 64;
        bad_link(scenario);
    });
    assert_happened(&stats, "close seen with a proposal in flight", 5);
}

#[test]
fn p43_states_beside_an_outstanding_withdrawal_hold_with_and_without_it() {
    let stats = check(0..120, |scenario| {
        honest(scenario);
        scenario.has_withdrawals = true;
    });
    assert_happened(&stats, "bound while a withdrawal is outstanding", 50);
    assert_happened(&stats, "told: withdrawn", 50);
}

#[test]
fn p45_a_secret_that_is_known_reaches_the_registry_in_time() {
    let stats = check(0..80, |scenario| {
        hostile(Side::One, Vice::Silent)(scenario);
        scenario.has_locks = true;
    });
    assert_happened(&stats, "chain: register secret", 5);
}

#[test]
fn p46_two_states_of_one_version_freeze_the_channel_and_leave_proof() {
    let stats = check(0..60, hostile(Side::One, Vice::Equivocator));
    assert_happened(&stats, "hostile: equivocation", 60);
    assert_happened(&stats, "told: equivocation", 10);
}

#[test]
fn p46_a_claim_without_proof_changes_nothing() {
    for side in [Side::One, Side::Two] {
        let stats = check(0..30, hostile(side, Vice::Claimer));
        assert_happened(&stats, "hostile: bent reestablish", 30);
    }
}

#[test]
fn p46_lies_about_what_is_held_change_nothing() {
    for side in [Side::One, Side::Two] {
        let stats = check(0..40, hostile(side, Vice::Liar));
        assert_happened(&stats, "hostile: bent reestablish", 40);
    }
}

#[test]
fn p46_a_restored_backup_signs_only_final_states_while_its_peer_hides_the_newest() {
    for side in [Side::One, Side::Two] {
        let stats = check(0..60, |scenario| {
            hostile(side, Vice::Hider)(scenario);
            scenario.restored = Some(side.other());
            scenario.steps = 240;
        });
        assert_happened(&stats, "restores", 20);
    }
}

#[test]
fn p46_a_restored_backup_and_an_honest_peer_still_close_for_the_right_sums() {
    for side in [Side::One, Side::Two] {
        let stats = check(0..60, |scenario| {
            honest(scenario);
            scenario.restored = Some(side);
            scenario.steps = 240;
        });
        assert_happened(&stats, "restores", 20);
        assert_happened(&stats, "ends: honest side paid what it is due", 20);
    }
}

#[test]
fn p57_jumps_of_the_wall_clock_sign_and_expire_nothing() {
    let stats = check(0..60, |scenario| {
        honest(scenario);
        scenario.clock_jump = 500;
    });
    assert_happened(&stats, "clock jumps", 60);
}

#[test]
fn p59_a_node_that_dies_between_persist_and_send_goes_on() {
    let stats = check(300..380, |scenario| {
        honest(scenario);
        scenario.crash = 30;
    });
    assert_happened(&stats, "crash: between sign and send", 20);
    assert_happened(&stats, "crash: before an effect", 50);
    assert_happened(&stats, "ends: converged and paid both ways", 40);
}

#[test]
fn p65_a_silent_peer_is_noticed_by_the_engine_clock() {
    let stats = check(0..60, |scenario| {
        hostile(Side::Two, Vice::Silent)(scenario);
        scenario.clock_jump = 500;
    });
    assert_happened(&stats, "told: peer silent", 10);
}

#[test]
fn p40_signatures_that_come_after_a_refusal_cost_nobody_anything() {
    for side in [Side::One, Side::Two] {
        let stats = check(0..60, hostile(side, Vice::Haunter));
        assert_happened(&stats, "hostile: sent late", 60);
    }
}

#[test]
fn p36_a_withdrawal_that_nobody_asked_for_is_not_signed() {
    let stats = check(0..80, hostile(Side::One, Vice::Haunter));
    assert_happened(&stats, "hostile: withdrawal nobody asked for", 60);
}

fn guarded(side: Side, policy: TowerPolicy, makes: &[Make]) -> impl Fn(&mut Scenario) {
    let plan = GuardPlan { side, policy, makes: makes.to_vec(), is_absent: false };
    move |scenario| scenario.guard = Some(plan.clone())
}

/// The side with the towers goes away, and the other closes with something old.
fn absent(side: Side, makes: &[Make]) -> impl Fn(&mut Scenario) {
    let plan =
        GuardPlan { side, policy: TowerPolicy::Async, makes: makes.to_vec(), is_absent: true };
    move |scenario| {
        hostile(side.other(), Vice::StaleCloser)(scenario);
        scenario.has_locks = false;
        scenario.early_close = 0;
        scenario.guard = Some(plan.clone());
    }
}

const BOUNDED: TowerPolicy = TowerPolicy::Bounded { max_unprotected: Amount::ZERO };

fn bounded(max: u64) -> TowerPolicy {
    TowerPolicy::Bounded { max_unprotected: Amount::from(max) }
}

#[test]
fn p70_a_tower_answers_a_stale_close_while_its_client_is_away() {
    for side in [Side::One, Side::Two] {
        let stats = check(0..80, absent(side, &[Make::Honest]));
        assert_happened(&stats, "absences", 40);
        assert_happened(&stats, "absences: fully protected", 5);
        assert_happened(&stats, "tower: challenge", 5);
    }
}

#[test]
fn p82_one_tower_that_acts_is_enough_among_liars_and_idlers() {
    let makes = [Make::Liar, Make::Silent, Make::Honest, Make::Idle, Make::Forgetful];
    for side in [Side::One, Side::Two] {
        let stats = check(100..180, absent(side, &makes));
        assert_happened(&stats, "absences", 40);
        assert_happened(&stats, "tower: receipt refused", 100);
        assert_happened(&stats, "tower: challenge", 5);
    }
}

#[test]
fn p71_several_towers_and_their_client_answer_one_close_without_harm() {
    let makes = [Make::Honest, Make::Honest, Make::Slow];
    for side in [Side::One, Side::Two] {
        let stats = check(0..40, |scenario| {
            hostile(side.other(), Vice::StaleCloser)(scenario);
            guarded(side, TowerPolicy::Async, &makes)(scenario);
            scenario.reorg = 60;
        });
        assert_happened(&stats, "tower: challenge", 10);
    }
}

#[test]
fn p80_a_tower_that_lost_its_disk_is_found_out_and_given_everything_again() {
    let stats = check(0..60, |scenario| {
        guarded(Side::Two, TowerPolicy::Async, &[Make::Forgetful])(scenario);
        scenario.hostile = None;
    });
    assert_happened(&stats, "tower: lost its disk", 20);
    assert_happened(&stats, "tower: proof missing", 20);
}

#[test]
fn p81_async_keeps_paying_whatever_its_towers_do() {
    for makes in [&[Make::Silent][..], &[Make::Liar, Make::Slow], &[]] {
        for side in [Side::One, Side::Two] {
            let stats = check(0..30, |scenario| {
                honest(scenario);
                guarded(side, TowerPolicy::Async, makes)(scenario);
            });
            assert_happened(&stats, "ends: converged and paid both ways", 20);
            assert_eq!(stats.of("tower: income waits"), 0);
        }
    }
}

#[test]
fn p81_bounded_stops_at_the_bound_where_no_tower_answers_and_still_closes() {
    for side in [Side::One, Side::Two] {
        let stats = check(0..40, |scenario| {
            honest(scenario);
            guarded(side, bounded(300), &[Make::Silent])(scenario);
        });
        assert_happened(&stats, "tower: income declined", 15);
        assert_happened(&stats, "ends: fair, paid in full", 30);
    }
}

#[test]
fn p81_bounded_goes_on_where_towers_answer() {
    for side in [Side::One, Side::Two] {
        for policy in [BOUNDED, bounded(300)] {
            let stats = check(0..40, |scenario| {
                honest(scenario);
                guarded(side, policy, &[Make::Silent, Make::Honest])(scenario);
            });
            assert_happened(&stats, "tower: income released", 40);
            assert_happened(&stats, "ends: fair, paid in full", 30);
        }
    }
}

#[test]
fn p81_quorum_degrades_to_the_bound_where_too_few_towers_answer() {
    let policy = TowerPolicy::Quorum {
        receipts: 2,
        max_unprotected: Amount::from(300u64),
        patience_millis: 8_000,
    };
    for side in [Side::One, Side::Two] {
        let stats = check(0..40, |scenario| {
            honest(scenario);
            guarded(side, policy, &[Make::Silent, Make::Honest])(scenario);
        });
        assert_happened(&stats, "tower: quorum degraded", 10);
        assert_happened(&stats, "ends: fair, paid in full", 30);
    }
}
