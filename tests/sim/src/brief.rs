//! Inputs and messages in one readable line each, for the story of a run.

use lockstep_core::chain::{ChainCall, ChainFact};
use lockstep_core::ids::Sequence;
use lockstep_core::input::{Command, Input};
use lockstep_core::message::PeerMessage;
use lockstep_core::output::Notice;
use lockstep_core::state::State;
use lockstep_core::time::Finality;
use lockstep_core::update::{Action, Update};

use crate::chain::Want;

/// An input.
#[must_use]
pub fn input(input: &Input) -> String {
    match input {
        Input::Peer(message) => self::message(message),
        Input::Decline(message) => format!("declined: {}", self::message(message)),
        Input::Chain(event) => {
            let class = match event.finality {
                Finality::Seen => "seen",
                Finality::Safe => "safe",
                Finality::Final => "final",
            };
            format!("block {} {class}: {}", event.position.block.0, fact(&event.fact))
        }
        Input::Command(Command::Update(actions)) => {
            let actions: Vec<String> = actions.iter().map(action).collect();
            format!("order {}", actions.join(", "))
        }
        Input::Head(point) => format!("head {} at {}", point.number.0, point.timestamp),
        Input::Finalized(point) => format!("finalized {} at {}", point.number.0, point.timestamp),
        Input::Started
        | Input::Connected { .. }
        | Input::Disconnected
        | Input::Tick { .. }
        | Input::Command(_) => format!("{input:?}"),
    }
}

/// A message between the nodes.
#[must_use]
pub fn message(message: &PeerMessage) -> String {
    match message {
        PeerMessage::OpenRequest(_) => "OpenRequest".to_owned(),
        PeerMessage::OpenAccept { .. } => "OpenAccept".to_owned(),
        PeerMessage::Propose { proposal, .. } => format!(
            "Propose {} on {}: {}, intents to {}, refused {:?}",
            state(&proposal.state),
            proposal.base_version,
            updates(&proposal.updates),
            proposal.intents_through,
            proposal.refused.iter().map(|sequence| sequence.0).collect::<Vec<_>>(),
        ),
        PeerMessage::Accept { version, .. } => format!("Accept v{version}"),
        PeerMessage::Intent { updates } => format!("Intent {}", self::updates(updates)),
        PeerMessage::WithdrawPropose { withdraw, .. } => format!(
            "WithdrawPropose v{} out {} and {} until {}",
            withdraw.version, withdraw.out1, withdraw.out2, withdraw.deadline
        ),
        PeerMessage::WithdrawAccept { version, .. } => format!("WithdrawAccept v{version}"),
        PeerMessage::Reestablish(body) => format!(
            "Reestablish {}, bound {}, sequences {} and {}",
            body.newest.as_ref().map_or_else(|| "none".to_owned(), |newest| state(&newest.state)),
            body.highest_bound,
            body.sequence1,
            body.sequence2,
        ),
        PeerMessage::OpenQuery(_)
        | PeerMessage::OpenOffer(_)
        | PeerMessage::OpenReject { .. }
        | PeerMessage::Reject { .. }
        | PeerMessage::Refuse { .. }
        | PeerMessage::WithdrawRequest { .. }
        | PeerMessage::WithdrawReject { .. }
        | PeerMessage::CloseRequest { .. } => format!("{message:?}"),
    }
}

/// What a node tells its user.
#[must_use]
pub fn notice(notice: &Notice) -> String {
    match notice {
        Notice::Applied { id, action, version } => {
            format!("final in v{version}: {:?} #{} {}", id.payer, id.sequence, self::action(action))
        }
        Notice::Queued { id } => format!("queued #{}", id.sequence),
        Notice::Failed { id, reason } => format!("failed #{}: {reason:?}", id.sequence),
        other => format!("{other:?}"),
    }
}

/// What somebody wants from the chain.
#[must_use]
pub fn want(want: &Want) -> String {
    match want {
        Want::Call(ChainCall::InitiateClose(Some(evidence))) => {
            format!("initiateClose {}", state(&evidence.state))
        }
        Want::Call(ChainCall::Challenge(evidence)) => {
            format!("challengeClose {}", state(&evidence.state))
        }
        Want::Call(ChainCall::CooperativeClose(evidence)) => {
            format!("cooperativeClose {}", state(&evidence.state))
        }
        Want::Call(ChainCall::PartialWithdraw(evidence)) => {
            format!("partialWithdraw v{}", evidence.withdraw.version)
        }
        Want::Checkpoint(shown) => format!("updateState {}", state(&shown.state)),
        Want::Open { .. }
        | Want::Join { .. }
        | Want::Deposit { .. }
        | Want::Cancel
        | Want::Call(_) => format!("{want:?}"),
    }
}

fn state(state: &State) -> String {
    let (locked1, locked2) = (state.locked1, state.locked2);
    format!(
        "v{} {:?} net {} locked {locked1}/{locked2}",
        state.version,
        state.kind,
        state.net.get()
    )
}

fn updates(updates: &[Update]) -> String {
    let all = updates.iter().map(|update| {
        let Sequence(sequence) = update.sequence;
        format!("#{sequence} {}", action(&update.action))
    });
    format!("[{}]", all.collect::<Vec<_>>().join(", "))
}

fn action(action: &Action) -> String {
    match action {
        Action::Pay(payment) => {
            let invoice = if payment.invoice.is_some() { " by invoice" } else { "" };
            format!("pay {}{invoice}", payment.amount)
        }
        Action::AddLock(lock) => {
            format!("lock {} as {} until {}", lock.amount, short(lock.hash), lock.expiry)
        }
        Action::SettleLock { hash, .. } => format!("settle {}", short(*hash)),
        Action::FailLock { hash } => format!("fail {}", short(*hash)),
        Action::ExpireLock { hash } => format!("expire {}", short(*hash)),
    }
}

fn fact(fact: &ChainFact) -> String {
    match fact {
        ChainFact::Closing { point, closes_at, initiator, evidence } => format!(
            "Closing v{} net {} until {closes_at} by {initiator:?}, evidence {}",
            point.version,
            point.net.get(),
            evidence.is_some()
        ),
        ChainFact::Checkpoint { point, .. } => format!("Checkpoint v{}", point.version),
        other => format!("{other:?}"),
    }
}

fn short(hash: alloy_primitives::B256) -> String {
    hash.to_string().chars().take(8).collect()
}
