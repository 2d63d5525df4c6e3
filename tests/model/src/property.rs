//! What must hold in every state of the search.

use stateright::{Model, Property};

use crate::chain;
use crate::ledger::{Side, State};
use crate::plan::Plan;
use crate::world::{Chain, World};

/// P12.
pub const EXIT: &str = "p12 an honest side gets its entitlement in time";
/// P31.
pub const ONE_CONTENT: &str = "p31 no version is signed for two contents";
/// P39.
pub const LIVE: &str = "p39 both directions end up in one state that both hold";
/// P40.
pub const PIPELINE: &str = "p40 whatever is signed of the pipeline, nobody is worse off";
/// That the search gets where pipelining matters.
pub const REACH_PIPELINE: &str = "several proposals are in flight and the newest alone is signed";
/// That the search gets where locks matter.
pub const REACH_LOCK: &str = "a lock is settled by the chain";
/// That the search gets where a challenge is needed.
pub const REACH_DEFENCE: &str = "a stale close ends at the newest state";

/// All properties, those that must never fail first.
#[must_use]
pub fn all() -> Vec<Property<Plan>> {
    vec![
        Property::always(EXIT, exits_with_entitlement),
        Property::always(ONE_CONTENT, signs_one_content),
        Property::always(LIVE, never_stops_halfway),
        Property::always(PIPELINE, keeps_the_worst_case),
        Property::sometimes(REACH_PIPELINE, skips_a_proposal),
        Property::sometimes(REACH_LOCK, settles_a_lock),
        Property::sometimes(REACH_DEFENCE, defends),
    ]
}

/// The newest of several proposals in flight is signed; the older ones never are. Searches in which the
/// adversary proposes have no pipeline.
fn skips_a_proposal(plan: &Plan, world: &World) -> bool {
    if plan.adversary == Some(Side::One) {
        return true;
    }
    let node = world.node(Side::One);
    let older = node.guard.keys().filter(|version| **version < node.base.version).count();
    older > 0 && node.base.version > 0 && node.in_flight.is_empty()
}

fn settles_a_lock(plan: &Plan, world: &World) -> bool {
    plan.adversary.is_none() || chain::outcome(world).is_some_and(|(_, is_paid, _)| is_paid)
}

fn defends(plan: &Plan, world: &World) -> bool {
    let Some(honest) = plan.adversary.map(Side::other) else { return true };
    let best = world.best[honest.index()];
    best.version > 0 && chain::outcome(world).is_some_and(|(point, ..)| point == best)
}

/// Never two different states of one version by one honest key.
fn signs_one_content(plan: &Plan, world: &World) -> bool {
    [Side::One, Side::Two].into_iter().filter(|side| plan.is_honest(*side)).all(|side| {
        let signed = &world.signed[side.index()];
        signed.iter().zip(signed.iter().skip(1)).all(|(a, b)| a.version != b.version)
    })
}

/// What was settled is at least the newest full state, its money and its lock went where they belong,
/// and it was over by the end of the window or just after the lock's expiry.
fn exits_with_entitlement(plan: &Plan, world: &World) -> bool {
    let Some(honest) = plan.adversary.map(Side::other) else { return true };
    if let Chain::Stuck { .. } = world.chain {
        return false;
    }
    let Some((point, is_paid, clock)) = chain::outcome(world) else { return true };
    let best = world.best[honest.index()];
    let fair = State { skims: false, ..point };
    let due = plan.payout(&fair, honest, is_paid);
    let got = plan.payout(&point, honest, is_paid);
    // A lock to the honest side is paid: it knows the secret.
    let payer = plan.content(&point).and_then(|content| content.payer);
    let is_lock_kept = payer != Some(honest.other()) || is_paid;
    let in_time = clock <= plan.window.max(plan.expiry + 1);
    point.version >= best.version && got >= due && is_lock_kept && in_time
}

/// The honest side never ends below the worst of what may have been signed since its newest full state.
fn keeps_the_worst_case(plan: &Plan, world: &World) -> bool {
    let Some(honest) = plan.adversary.map(Side::other) else { return true };
    let Some((point, is_paid, _)) = chain::outcome(world) else { return true };
    let best = world.best[honest.index()];
    let maybe = world.signed[honest.index()].iter().filter(|s| s.version > best.version);
    let worst = maybe.chain([&best]).filter_map(|state| plan.worst(state, honest)).min();
    let got = plan.payout(&point, honest, is_paid);
    got >= worst
}

/// Where nothing more can happen, everything has happened.
fn never_stops_halfway(plan: &Plan, world: &World) -> bool {
    let mut actions = vec![];
    plan.actions(world, &mut actions);
    let has_next = actions.iter().any(|action| plan.next_state(world, *action).is_some());
    if has_next {
        return true;
    }
    match plan.adversary {
        None => world.is_complete(plan),
        Some(_) => match world.chain {
            Chain::Done { .. } | Chain::Stuck { .. } => true,
            Chain::Open | Chain::Closing(_) | Chain::Holding(_) => false,
        },
    }
}
