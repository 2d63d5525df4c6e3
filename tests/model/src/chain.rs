//! The contract, its clock, and how both sides use it: highest version wins, one deadline, set once.

use crate::action::Action;
use crate::ledger::{Side, State};
use crate::plan::Plan;
use crate::world::{Chain, Close, World};

/// What can happen on chain.
pub fn actions(plan: &Plan, world: &World, adversary: Side, actions: &mut Vec<Action>) {
    let honest = adversary.other();
    match world.chain {
        Chain::Open => {
            actions.push(Action::Close(honest, world.node(honest).base));
            let held = world.usable_by_adversary(honest);
            actions.extend(held.into_iter().map(|state| Action::Close(adversary, state)));
        }
        Chain::Closing(close) => {
            watching(plan, world, &close, honest, actions);
            if close.clock < plan.window {
                let newer = world.usable_by_adversary(honest);
                let newer = newer.into_iter().filter(|s| s.version > close.point.version);
                actions.extend(newer.map(Action::Challenge));
            } else {
                actions.push(Action::Settle);
            }
        }
        Chain::Holding(close) => {
            watching(plan, world, &close, honest, actions);
            let is_decided = close.is_registered || close.clock > plan.expiry;
            if is_decided {
                actions.push(Action::Resolve);
            }
        }
        Chain::Done { .. } | Chain::Stuck { .. } => {}
    }
}

/// Outages, duties of the honest side, the adversary's secret, and time, which waits for duties.
fn watching(plan: &Plan, world: &World, close: &Close, honest: Side, actions: &mut Vec<Action>) {
    if close.down == 0 && !world.spent.outage && plan.outage > 0 {
        actions.push(Action::Outage);
    }
    let duty = duty(plan, world, close, honest);
    if close.down == 0 {
        actions.extend(duty);
    }
    let payee = payee(plan, close);
    let may_register = !close.is_registered && close.clock <= plan.expiry;
    if may_register && payee == Some(honest.other()) {
        actions.push(Action::Register(honest.other()));
    }
    let is_idle = close.down > 0 || duty.is_none();
    let has_reason = close.clock < plan.window || close.clock <= plan.expiry;
    if is_idle && has_reason {
        actions.push(Action::Tick);
    }
}

fn payee(plan: &Plan, close: &Close) -> Option<Side> {
    plan.content(&close.point)?.payer.map(Side::other)
}

/// What the honest side, or its tower, owes now.
fn duty(plan: &Plan, world: &World, close: &Close, honest: Side) -> Option<Action> {
    if !close.is_seen {
        return Some(Action::See);
    }
    let is_open = matches!(world.chain, Chain::Closing(_)) && close.clock < plan.window;
    if is_open && world.node(honest).base.version > close.point.version {
        return Some(Action::Defend);
    }
    let may_register = !close.is_registered && close.clock <= plan.expiry;
    if may_register && payee(plan, close) == Some(honest) {
        return Some(Action::Register(honest));
    }
    None
}

/// Carries one of them out.
pub fn apply(plan: &Plan, world: &mut World, action: Action) -> Option<()> {
    let honest = plan.adversary?.other();
    if let Action::Close(side, state) = action {
        world.chain = Close::begin(state, side == honest);
        return Some(());
    }
    let newest = world.node(honest).base;
    let (Chain::Closing(close) | Chain::Holding(close)) = &mut world.chain else { return None };
    match action {
        Action::Challenge(state) => close.point = state,
        Action::Outage => {
            close.down = plan.outage;
            world.spent.outage = true;
        }
        Action::See => close.is_seen = true,
        Action::Defend => close.point = newest,
        Action::Register(_) => close.is_registered = true,
        Action::Tick => {
            close.clock += 1;
            close.down = close.down.saturating_sub(1);
        }
        Action::Settle | Action::Resolve => {
            let close = *close;
            world.chain = settle(plan, world, close, honest, action == Action::Resolve)?;
        }
        _ => return None,
    }
    Some(())
}

/// Pays what is free; a lock waits, and is released only by somebody who has its list.
fn settle(plan: &Plan, world: &World, close: Close, honest: Side, releases: bool) -> Option<Chain> {
    let Close { point, clock, is_registered: is_paid, .. } = close;
    let has_lock = plan.content(&point)?.payer.is_some();
    if !has_lock {
        return Some(Chain::Done { point, is_paid: false, clock });
    }
    if !releases {
        return Some(Chain::Holding(close));
    }
    if world.node(honest).knows_locks_of(&point) {
        Some(Chain::Done { point, is_paid, clock })
    } else {
        // The adversary has the list and no reason to use it.
        Some(Chain::Stuck { point })
    }
}

/// The state that is or would be settled, and when, once nothing more can happen to it.
#[must_use]
pub fn outcome(world: &World) -> Option<(State, bool, u8)> {
    match world.chain {
        Chain::Done { point, is_paid, clock } => Some((point, is_paid, clock)),
        Chain::Open | Chain::Closing(_) | Chain::Holding(_) | Chain::Stuck { .. } => None,
    }
}
