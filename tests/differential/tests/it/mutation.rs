//! Bugs that are planted in the bytecode itself: one instruction is another one.

use lockstep_contracts::artifact::Artifact;
use lockstep_differential::random::Random;
use lockstep_differential::run::Plan;
use lockstep_differential::world::Build;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Instructions, and what stands in their place.
const SWAPS: [(u8, u8); 10] = [
    (0x01, 0x03), // ADD, SUB
    (0x03, 0x01), // SUB, ADD
    (0x10, 0x11), // LT, GT
    (0x11, 0x10), // GT, LT
    (0x12, 0x13), // SLT, SGT
    (0x13, 0x12), // SGT, SLT
    (0x14, 0x10), // EQ, LT
    (0x15, 0x19), // ISZERO, NOT
    (0x16, 0x17), // AND, OR
    (0x17, 0x16), // OR, AND
];
/// Ends the call: where this changes nothing, a run never comes by.
const INVALID: u8 = 0xfe;
/// How many places are tried.
const PLACES: usize = 40;
/// Steps that each run gets.
const STEPS: u64 = 1_200;
/// Of the mutants that a run comes by, so many in a hundred must be found. Others change nothing: a mask
/// of bits that are clean already, a check of the compiler that another check has made before.
const LEAST_FOUND_PERCENT: usize = 70;

#[test]
fn p33_bugs_planted_in_the_bytecode_are_found() {
    let artifact = Artifact::committed(Build::Cancun.artifact()).expect("an artifact");
    let code = artifact.creation_code.clone();
    let plan = Plan { code, ..Plan::new(11, STEPS, Build::Cancun) };
    let mut random = Random::new(11);
    let places = places(&artifact);
    let (mut reached, mut found) = (0, 0);
    for _ in 0..PLACES {
        let (at, instead) = random.pick(&places);
        if !is_found(&plan, at, INVALID) {
            continue;
        }
        reached += 1;
        if is_found(&plan, at, instead) {
            found += 1;
        } else {
            println!(
                "{instead:#04x} for {:#04x} at {at} of the runtime code: not found",
                plan.code[at]
            );
        }
    }
    println!("{found} of {reached} mutants found; {} places are not reached", PLACES - reached);
    assert!(reached * 2 >= PLACES, "runs come by only {reached} of {PLACES} places");
    assert!(found * 100 >= reached * LEAST_FOUND_PERCENT, "only {found} of {reached} were found");
}

/// Whether a run finds that one byte of the code is another one.
fn is_found(plan: &Plan, at: usize, instead: u8) -> bool {
    let mut code = plan.code.to_vec();
    code[at] = instead;
    let mutant = Plan { code: code.into(), ..plan.clone() };
    // A view that fails ends the run by a panic, which is a find too.
    !matches!(catch_unwind(AssertUnwindSafe(|| mutant.run())), Ok(Ok(_)))
}

/// Every place of an instruction of the runtime code that can be swapped; data of PUSH is left alone.
fn places(artifact: &Artifact) -> Vec<(usize, u8)> {
    let code = &artifact.creation_code;
    let mut at = artifact.creation_code.len() - artifact.runtime_template.len();
    assert_eq!(code[at..at + 64], artifact.runtime_template[..64], "the runtime code comes last");
    let mut places = vec![];
    while at < code.len() {
        let op = code[at];
        places.extend(SWAPS.iter().filter(|(from, _)| *from == op).map(|(_, to)| (at, *to)));
        at += 1 + usize::from(if (0x60..=0x7f).contains(&op) { op - 0x5f } else { 0 });
    }
    places
}
