//! Every connection begins with what each side holds; then everything unanswered goes out again.

use crate::chain::Evidence;
use crate::change::Change;
use crate::duty;
use crate::error::ProtocolError;
use crate::ids::{Sequence, Side, Version};
use crate::message::{OpenRequest, PeerMessage, ReestablishBody, SignedState, UnsignedMessage};
use crate::output::Notice;
use crate::phase::closing;
use crate::phase::open::{intent, propose, secret, withdraw};
use crate::record::{ClosingStage, OpeningStage, Phase};
use crate::recovery;
use crate::session::Session;
use crate::signature::StateSignature;
use crate::time::EngineTime;
use crate::update::Update;

/// Stands where our half of a signature goes until the signer has made it.
const PLACEHOLDER: StateSignature = StateSignature([0; 64]);

/// Spec §4: says what we hold.
pub(crate) fn connect(change: &mut Change<'_>, now: EngineTime) -> Result<(), ProtocolError> {
    change.session = Session {
        now,
        generation: change.session.generation,
        head: change.session.head,
        wanted: change.session.wanted,
        withdraw_pause: change.session.withdraw_pause,
        refused_withdrawal: change.session.refused_withdrawal,
        certain_point: change.session.certain_point,
        ..Session::default()
    };
    match &change.parts.phase {
        Phase::Opening(OpeningStage::Requested) => {
            let request = open_request(change);
            change.send(PeerMessage::OpenRequest(request));
        }
        Phase::Opening(OpeningStage::Rejected) | Phase::Funding { .. } => {}
        Phase::Open | Phase::Closing(_) | Phase::Disputed(_) | Phase::Settled(_) => {
            send_body(change);
        }
    }
    Ok(())
}

fn open_request(change: &Change<'_>) -> OpenRequest {
    let setup = &change.parts.setup;
    OpenRequest {
        domain: setup.domain,
        terms: setup.terms,
        deposit1: setup.deposit1,
        deposit2: setup.deposit2,
        features: setup.features,
        signer_key: setup.own_key.to_compressed(),
    }
}

fn send_body(change: &mut Change<'_>) {
    let parts = &change.parts;
    let side = parts.setup.side;
    let (newest, needs) = parts.base.as_ref().map(|base| duty::evidence(side, base)).unzip();
    let body = ReestablishBody {
        newest: newest.map(signed_state),
        highest_bound: parts.guard.highest,
        sequence1: sequence_of(change, Side::One),
        sequence2: sequence_of(change, Side::Two),
    };
    match needs.flatten() {
        Some(content) => {
            change.sign_and_send(content, UnsignedMessage::Reestablish { body, side });
        }
        None => change.send(PeerMessage::Reestablish(body)),
    }
}

/// How far we know one side's line: our own in full, the other's as far as we have taken it in.
fn sequence_of(change: &Change<'_>, side: Side) -> Sequence {
    let parts = &change.parts;
    let included = parts.base_sequences.of(side);
    if side == parts.setup.side { parts.own_sequence } else { included.max(parts.peer_sequence) }
}

fn signed_state(evidence: Evidence) -> SignedState {
    SignedState {
        state: evidence.state,
        locks: evidence.locks,
        signature1: evidence.signature1.unwrap_or(PLACEHOLDER),
        signature2: evidence.signature2.unwrap_or(PLACEHOLDER),
    }
}

/// Spec §4: learns what the counterparty holds, then replays what it may have missed.
pub(crate) fn handle(change: &mut Change<'_>, body: &ReestablishBody) -> Result<(), ProtocolError> {
    match &change.parts.phase {
        Phase::Opening(_) | Phase::Funding { .. } => return Err(ProtocolError::WrongPhase),
        Phase::Open | Phase::Closing(_) | Phase::Disputed(_) | Phase::Settled(_) => {}
    }
    let claimed = change.parts.guard.highest;
    if let Some(newest) = &body.newest {
        recovery::show(change, newest)?;
    }
    if change.parts.marks.restored.is_some() && change.parts.guard.highest > claimed {
        // The counterparty must know above which version we still sign a final state: further up than
        // we said, since we have just been shown what we had lost.
        send_body(change);
    }
    note_claim(change, body.highest_bound);
    if change.parts.marks.frozen.is_some() {
        return Ok(());
    }
    secret::settle_again(change)?;
    match change.side() {
        Side::One => replay_proposer(change),
        Side::Two => {
            replay_acceptor(change, body.sequence2);
            Ok(())
        }
    }
}

/// A claim without proof is logged, nothing more. The acceptor binds only what we proposed, so a
/// version above ours is such a claim; the proposer is ahead of us in the normal course of things.
fn note_claim(change: &mut Change<'_>, highest_bound: Version) {
    // The newest word counts, and the link may reorder: what was bound once stays so.
    change.session.claimed_by_peer = change.session.claimed_by_peer.max(highest_bound);
    if change.side() == Side::One && highest_bound > change.parts.guard.highest {
        change.notify(Notice::UnprovenClaim { version: highest_bound });
    }
}

/// The newest proposal covers all since the base, so it alone goes out again.
fn replay_proposer(change: &mut Change<'_>) -> Result<(), ProtocolError> {
    if matches!(change.parts.phase, Phase::Settled(_)) {
        return Ok(());
    }
    let newest = change.parts.in_flight.iter().rev().find(|entry| !entry.is_rejected);
    // A final state stays on offer: nothing else ever will be.
    if let Some(in_flight) = newest.or(closing::bound_final(&change.parts)).cloned() {
        propose::send_proposal(change, &in_flight);
        change.session.asked();
    }
    if let Some(outstanding) = change.parts.withdrawal
        && outstanding.counterparty_signature.is_none()
    {
        withdraw::resend(change, &outstanding.withdraw);
        change.session.asked();
    }
    propose::propose_more(change)
}

/// Intents that the proposer has not taken in, and the wish to close.
fn replay_acceptor(change: &mut Change<'_>, taken_in: Sequence) {
    if change.permit().is_err() {
        return;
    }
    let unseen: Vec<Update> = change
        .parts
        .own_pending
        .iter()
        .filter(|entry| entry.left_out.is_none() && entry.update.sequence > taken_in)
        .map(|entry| entry.update.clone())
        .collect();
    intent::send_intents(change, &unseen);
    if !change.parts.own_pending.is_empty() {
        change.session.asked();
    }
    withdraw::ask_again(change);
    if change.parts.phase == Phase::Closing(ClosingStage::Requested) {
        closing::send_request(change);
    }
}
