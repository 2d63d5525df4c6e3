//! Searches the larger sizes and prints how much was looked at: `lockstep-model [small|large]`.

use lockstep_model::ledger::{Side, Step};
use lockstep_model::plan::Plan;
use stateright::{Checker, Model};

fn main() {
    let is_large = std::env::args().nth(1).is_some_and(|size| size == "large");
    let mut failed = false;
    for (name, plan) in plans(is_large) {
        let checker = plan.checker().threads(2).spawn_bfs().join();
        let violated: Vec<_> =
            checker.discoveries().into_keys().filter(|name| name.starts_with('p')).collect();
        println!(
            "{name}: {} states, {} different, depth {}, violated {violated:?}",
            checker.state_count(),
            checker.unique_state_count(),
            checker.max_depth(),
        );
        failed |= !violated.is_empty();
    }
    assert!(!failed, "a property is violated");
}

fn plans(is_large: bool) -> Vec<(&'static str, Plan)> {
    let plans = [
        ("honest proposer, hostile acceptor", Plan::hostile(Side::Two)),
        ("the same, the acceptor locks", Plan::hostile(Side::Two).mirrored()),
        ("honest acceptor, hostile proposer", Plan::hostile(Side::One)),
        ("the same, the acceptor locks", Plan::hostile(Side::One).mirrored()),
        ("both honest, hostile network", Plan::honest()),
        ("the same, the acceptor locks", Plan::honest().mirrored()),
        ("both honest, with crashes and rejections", Plan::troubled()),
    ];
    plans.map(|(name, plan)| (name, if is_large { enlarge(plan) } else { plan })).into()
}

/// One more payment, proposal in flight and tick where there is an adversary; one more crash where
/// there is none.
fn enlarge(mut plan: Plan) -> Plan {
    if plan.adversary.is_none() {
        plan.crashes += 1;
        return plan;
    }
    plan.script_one.push(Step::Pay);
    plan.script_two.push(Step::Pay);
    plan.width += 1;
    plan.max_version += 1;
    plan.window += 1;
    plan.outage += 1;
    plan.expiry += 2;
    plan
}
