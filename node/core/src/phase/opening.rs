//! Opening: the two sides agree on terms, and the chain makes the channel active.

use crate::chain::ChannelStatus;
use crate::change::Change;
use crate::commit::Transition;
use crate::digest::SigningDomain;
use crate::error::ProtocolError;
use crate::ids::{NodeId, Sequence, Side};
use crate::message::{OpenConsent, OpenRequest, PeerMessage, RejectReason, UnsignedMessage};
use crate::output::Notice;
use crate::record::{
    ChainFacts, ChannelRecord, ChannelSetup, Consent, Guard, Marks, OpeningStage, Phase,
    RecordParts, Sequences,
};
use crate::request::SigningContent;
use crate::session::Session;
use crate::signature::{SignerKey, StateSignature};
use crate::state::Open;
use crate::terms::Policy;
use crate::time::BlockTimestamp;
use std::collections::BTreeMap;

/// What side 1 needs to ask for a channel. Chain, terms and amounts are the caller's choice; the salt of
/// the terms must be fresh, since an id can be used once.
///
/// # Errors
/// If the terms break a rule or our policy.
///
/// Source: protocol §1.1.
pub fn request_open(setup: ChannelSetup) -> Result<Transition, ProtocolError> {
    if setup.side != Side::One || setup.deposit1 > setup.policy.max_own_deposit {
        return Err(ProtocolError::WrongPhase);
    }
    let request = OpenRequest {
        domain: setup.domain,
        terms: setup.terms,
        deposit1: setup.deposit1,
        deposit2: setup.deposit2,
        features: setup.features,
        signer_key: setup.own_key.to_compressed(),
    };
    let record = new_record(setup, Phase::Opening(OpeningStage::Requested))?;
    with_change(&record, |change| change.send(PeerMessage::OpenRequest(request)))
}

/// What side 2 makes of a request that its operator or its policy has agreed to. Before this, nothing of
/// a stranger's request is kept.
///
/// # Errors
/// If the request breaks a rule or our policy: answer it with [`PeerMessage::OpenReject`].
///
/// Source: protocol §1.1, P34, P63.
pub fn accept_open(
    request: &OpenRequest,
    peer: NodeId,
    policy: Policy,
    own_key: SignerKey,
    deadline: BlockTimestamp,
) -> Result<Transition, ProtocolError> {
    let counterparty = SignerKey::new(&request.signer_key, request.terms.signer1)?;
    if request.deposit1 < policy.min_counterparty_deposit
        || request.deposit2 > policy.max_own_deposit
    {
        return Err(ProtocolError::WrongPhase);
    }
    let setup = ChannelSetup {
        domain: request.domain,
        terms: request.terms,
        side: Side::Two,
        peer,
        own_key,
        counterparty_key: Some(counterparty),
        features: request.features.intersection(policy.features),
        policy,
        deposit1: request.deposit1,
        deposit2: request.deposit2,
    };
    let open = Open { channel_id: setup.channel_id(), min_deposit1: request.deposit1, deadline };
    let consent = Some(Consent { open, signature: None });
    let record = new_record(setup, Phase::Funding { consent })?;
    with_change(&record, |change| send_consent(change, open))
}

/// A record of a channel in which nothing has happened yet, as far as we know.
pub(crate) fn new_record(
    setup: ChannelSetup,
    phase: Phase,
) -> Result<ChannelRecord, ProtocolError> {
    let parts = RecordParts {
        setup,
        phase,
        marks: Marks::default(),
        guard: Guard::default(),
        base: None,
        base_sequences: Sequences::default(),
        in_flight: vec![],
        own_pending: vec![],
        peer_pending: vec![],
        own_sequence: Sequence::ZERO,
        peer_sequence: Sequence::ZERO,
        withdrawal: None,
        invoices: BTreeMap::new(),
        secrets: BTreeMap::new(),
        chain: ChainFacts::default(),
        equivocation: None,
    };
    Ok(ChannelRecord::from_parts(parts)?)
}

fn with_change(
    record: &ChannelRecord,
    act: impl FnOnce(&mut Change<'_>),
) -> Result<Transition, ProtocolError> {
    let domain = SigningDomain::new(record.parts().setup.domain);
    let mut change = Change::new(&domain, record, &Session::default());
    change.write();
    act(&mut change);
    Ok(change.finish_with_all_duties())
}

fn send_consent(change: &mut Change<'_>, open: Open) {
    let setup = &change.parts.setup;
    let consent =
        OpenConsent { open, features: setup.features, signer_key: setup.own_key.to_compressed() };
    change.sign_and_send(SigningContent::Open(open), UnsignedMessage::OpenAccept(consent));
}

/// The same request again: the same consent again.
pub(crate) fn handle_request_again(
    change: &mut Change<'_>,
    request: &OpenRequest,
) -> Result<(), ProtocolError> {
    let setup = &change.parts.setup;
    if setup.side != Side::Two {
        return Err(ProtocolError::WrongRole { side: Side::Two });
    }
    let is_same = request.domain == setup.domain
        && request.terms == setup.terms
        && request.deposit1 == setup.deposit1
        && request.deposit2 == setup.deposit2;
    if !is_same {
        return Err(ProtocolError::WrongChannel);
    }
    match &change.parts.phase {
        Phase::Funding { consent: Some(consent) } => {
            let open = consent.open;
            send_consent(change, open);
            Ok(())
        }
        Phase::Opening(_)
        | Phase::Funding { consent: None }
        | Phase::Open
        | Phase::Closing(_)
        | Phase::Disputed(_)
        | Phase::Settled(_) => Err(ProtocolError::WrongPhase),
    }
}

/// Spec §1.1: side 2 consents; from here on the channel may be opened on chain.
pub(crate) fn handle_accept(
    change: &mut Change<'_>,
    consent: &OpenConsent,
    signature: StateSignature,
) -> Result<(), ProtocolError> {
    let setup = &change.parts.setup;
    if setup.side != Side::One {
        return Err(ProtocolError::WrongRole { side: Side::One });
    }
    match &change.parts.phase {
        Phase::Opening(OpeningStage::Requested) => {}
        // The link may repeat.
        Phase::Funding { .. } => return Ok(()),
        Phase::Opening(OpeningStage::Rejected)
        | Phase::Open
        | Phase::Closing(_)
        | Phase::Disputed(_)
        | Phase::Settled(_) => return Err(ProtocolError::WrongPhase),
    }
    if consent.open.channel_id != change.channel_id {
        return Err(ProtocolError::WrongChannel);
    }
    let is_usable =
        consent.open.min_deposit1 <= setup.deposit1 && setup.features.contains(consent.features);
    if !is_usable {
        return Err(ProtocolError::Malformed);
    }
    let key = SignerKey::new(&consent.signer_key, setup.terms.signer2)?;
    key.verify(change.domain.open(&consent.open), signature)?;
    let parts = change.write();
    parts.setup.counterparty_key = Some(key);
    parts.setup.features = consent.features;
    let consent = Consent { open: consent.open, signature: Some(signature) };
    parts.phase = Phase::Funding { consent: Some(consent) };
    change.notify(Notice::OpenConsented);
    become_open(change);
    Ok(())
}

/// Side 2 says no.
pub(crate) fn handle_reject(
    change: &mut Change<'_>,
    reason: RejectReason,
) -> Result<(), ProtocolError> {
    if change.parts.phase != Phase::Opening(OpeningStage::Requested) {
        return Err(ProtocolError::WrongPhase);
    }
    change.write().phase = Phase::Opening(OpeningStage::Rejected);
    change.notify(Notice::OpenRejected { reason });
    Ok(())
}

/// Our operator takes the offer back, or it has stood for too long. Nothing was signed for it and nothing paid; a
/// consent that comes later is refused.
pub(crate) fn cancel(change: &mut Change<'_>) -> Result<(), ProtocolError> {
    if change.parts.phase != Phase::Opening(OpeningStage::Requested) {
        return Err(ProtocolError::WrongPhase);
    }
    change.write().phase = Phase::Opening(OpeningStage::Rejected);
    change.notify(Notice::OpenRejected { reason: RejectReason::NotNow });
    Ok(())
}

/// Spec §1.2: open once the chain's finality class shows ACTIVE, both keys are known, and not before.
pub(crate) fn become_open(change: &mut Change<'_>) {
    let is_ready = change.parts.chain.status == ChannelStatus::Active
        && change.parts.setup.counterparty_key.is_some()
        && matches!(change.parts.phase, Phase::Funding { .. });
    if is_ready {
        change.write().phase = Phase::Open;
        change.notify(Notice::Opened);
    }
}
