//! Bugs that are planted in the bytecode itself: one instruction is another one.

use alloy_primitives::Bytes;
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
/// How many mutants are run.
const MUTANTS: usize = 40;
/// Steps that each of them gets.
const STEPS: u64 = 1_500;
/// The rest are in code that these runs don't reach (views, batches of opens, boxes, permits, caps), or
/// change nothing.
const LEAST_FOUND: usize = 20;

#[test]
fn p33_bugs_planted_in_the_bytecode_are_found() {
    let plan = Plan::new(11, STEPS, Build::Cancun);
    let mut random = Random::new(11);
    let places = places(&plan.code);
    let mut found = 0;
    for _ in 0..MUTANTS {
        let (at, instead) = random.pick(&places);
        let mut code = plan.code.to_vec();
        code[at] = instead;
        let mutant = Plan { code: code.into(), ..plan.clone() };
        // A mutant whose constructor fails is found as well.
        let ended = catch_unwind(AssertUnwindSafe(|| mutant.run()));
        let is_found = !matches!(ended, Ok(Ok(_)));
        println!("{:#04x} for {:#04x} at {at}: {is_found}", instead, plan.code[at]);
        found += usize::from(is_found);
    }
    println!("{found} of {MUTANTS} mutants found");
    assert!(found >= LEAST_FOUND, "only {found} of {MUTANTS} mutants were found");
}

/// Every place of an instruction that can be swapped; data of PUSH instructions is left alone.
fn places(code: &Bytes) -> Vec<(usize, u8)> {
    let mut places = vec![];
    let mut at = 0;
    while at < code.len() {
        let op = code[at];
        places.extend(SWAPS.iter().filter(|(from, _)| *from == op).map(|(_, to)| (at, *to)));
        at += 1 + usize::from(if (0x60..=0x7f).contains(&op) { op - 0x5f } else { 0 });
    }
    places
}
