//! Bugs that are planted in the reference, each of which a run must find.

use lockstep_differential::fault::Fault;
use lockstep_differential::run::Plan;
use lockstep_differential::world::Build;

/// A run that needs longer than this would find nothing in CI's own.
const STEPS: u64 = 12_000;

#[test]
fn p33_every_bug_planted_in_the_reference_is_found() {
    for fault in Fault::ALL {
        let plan = Plan::new(7, STEPS, Build::Cancun).with_fault(fault);
        let found = plan.run().expect_err(&format!("{fault:?} was not found in {STEPS} steps"));
        println!("{fault:?}: step {}, in {}", found.step, found.difference.what);
    }
}

#[test]
fn a_difference_shows_again_at_the_same_step_of_the_same_seed() {
    let plan = Plan::new(7, STEPS, Build::Cancun).with_fault(Fault::UnitLost);
    let [first, second] = [(); 2].map(|()| plan.run().expect_err("a planted bug"));
    assert_eq!(first.step, second.step);
    assert_eq!(first.to_string(), second.to_string());
    assert!(first.to_string().contains("LOCKSTEP_SEED=7"), "{first}");
}
