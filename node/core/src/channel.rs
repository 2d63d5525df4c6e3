//! A channel: pure decisions over a record that is on disk.

use crate::balance;
use crate::chain::{ChannelStatus, Evidence};
use crate::change::Change;
use crate::commit::{Durable, Transition};
use crate::digest::SigningDomain;
use crate::duty;
use crate::error::{Invariant, ProtocolError};
use crate::ids::{ChannelId, Side, Version};
use crate::input::{Command, Input};
use crate::message::PeerMessage;
use crate::money::{Amount, Balances};
use crate::output::{Effect, Notice};
use crate::phase::{closing, disputed, open, opening, settled};
use crate::record::{ChannelRecord, FreezeReason, OpeningStage, Phase, RecordParts, RestoreReason};
use crate::recovery;
use crate::reestablish;
use crate::request::SigningRequest;
use crate::session::Session;
use crate::state::CloseIntent;

/// One channel of this node.
///
/// # Invariants
/// What it holds is what the journal has acknowledged: only [`Channel::adopt`] changes it.
#[derive(Debug)]
pub struct Channel {
    record: Durable<ChannelRecord>,
    domain: SigningDomain,
    session: Session,
}

/// The newest co-signed state, and the order for our half of it where nobody has shown it yet.
#[derive(Debug)]
pub struct EvidenceOrder {
    /// The state with the signatures that are at hand.
    pub evidence: Evidence,
    /// Signs our half again; none if it is there already.
    pub request: Option<Durable<SigningRequest>>,
}

impl Channel {
    /// A channel that the journal holds, after a start or right after it was created.
    pub fn resume(record: Durable<ChannelRecord>) -> Self {
        let domain = SigningDomain::new(record.get().parts().setup.domain);
        Self { record, domain, session: Session::default() }
    }

    /// A channel that was just created, with what its creation leads to.
    pub fn create(created: Durable<Transition>) -> (Self, Vec<Effect>) {
        let (record, effects) = created.into_parts();
        (Self::resume(record), effects)
    }

    /// What this input makes of the channel. Pure: nothing changes until the result is committed and
    /// [adopted](Self::adopt), and an error changes nothing at all.
    ///
    /// # Errors
    /// By [class](ProtocolError::class): the peer is at fault, the request is refused, it may work later,
    /// or the channel must freeze.
    pub fn handle(&self, input: Input) -> Result<Transition, ProtocolError> {
        let before = self.parts();
        let mut change = Change::new(&self.domain, self.record.get(), &self.session);
        let head = self.session.head.timestamp;
        match input {
            Input::Started => {
                open::secret::tell_again(&mut change);
                return Ok(change.finish_with_all_duties());
            }
            Input::Connected { now } => reestablish::connect(&mut change, now)?,
            // Nobody owes an answer on a connection that is gone; the next one asks again.
            Input::Disconnected => change.session.heard(false),
            Input::Tick { now } => tick(&mut change, now),
            Input::Peer(message) => handle_peer(&mut change, message)?,
            Input::Decline(message) => decline(&mut change, message)?,
            Input::Chain(event) => disputed::handle_chain(&mut change, event)?,
            Input::Finalized(block) => disputed::handle_finalized(&mut change, block)?,
            Input::Head(block) => change.session.head = block,
            Input::Command(command) => handle_command(&mut change, command)?,
        }
        Ok(change.finish(before, head))
    }

    /// Becomes what the journal has acknowledged, and says what may be done now, in order.
    ///
    /// # Errors
    /// If the transition is another channel's, or was made before another was adopted: then what is on
    /// disk is not what this channel knows, and it must be [resumed](Self::resume) from there.
    pub fn adopt(&mut self, transition: Durable<Transition>) -> Result<Vec<Effect>, ProtocolError> {
        let is_ours = transition.get().channel_id() == self.channel_id();
        let (record, session, effects) = transition.into_all();
        if !is_ours || session.generation != self.session.generation.wrapping_add(1) {
            return Err(ProtocolError::InvariantBroken(Invariant::OwnTransition));
        }
        self.record = record;
        self.session = session;
        Ok(effects)
    }

    /// The channel's id.
    pub fn channel_id(&self) -> ChannelId {
        self.record.get().channel_id()
    }

    /// Everything that is on disk.
    pub fn parts(&self) -> &RecordParts {
        self.record.get().parts()
    }

    /// Our side.
    pub fn side(&self) -> Side {
        self.parts().setup.side
    }

    /// The newest co-signed version; zero if there is none.
    pub fn version(&self) -> Version {
        self.parts().base.as_ref().map_or(Version::ZERO, |base| base.state.version)
    }

    /// What our side may still spend: the least over all that may be settled, less what waits.
    ///
    /// # Errors
    /// If the record's amounts do not add up.
    pub fn spendable(&self) -> Result<Amount, ProtocolError> {
        balance::spendable(self.parts())
    }

    /// Our balance at its worst over the newest co-signed state and everything in flight.
    ///
    /// # Errors
    /// If the record's amounts do not add up.
    pub fn least_own_balance(&self) -> Result<Amount, ProtocolError> {
        balance::least_own_balance(self.parts())
    }

    /// Both balances at the newest co-signed state, locks left out.
    ///
    /// # Errors
    /// If the record's amounts do not add up.
    pub fn balances(&self) -> Result<Balances, ProtocolError> {
        let base = self.parts().base.as_ref().map(|base| &base.state);
        balance::worst_balances(self.parts(), base)
    }

    /// Proof of the newest co-signed state, for towers, for an export, for a close by hand.
    ///
    /// Works in every phase and under every mark: showing what was bound before binds nothing new.
    pub fn evidence(&self) -> Option<EvidenceOrder> {
        let base = self.parts().base.as_ref()?;
        let (evidence, needs) = duty::evidence(self.side(), base);
        let request = match needs {
            Some(_) => Some(self.record.request_base_again(&self.domain)?),
            None => None,
        };
        Some(EvidenceOrder { evidence, request })
    }

    /// Our order to start the close at this version or a newer one, to be signed for whoever brings it to the chain.
    /// Needed where the owner of our side is not the account that sends it. None while nobody has ordered to leave.
    pub fn close_intent(
        &self,
        min_version: Version,
    ) -> Option<(CloseIntent, Durable<SigningRequest>)> {
        self.record.request_close_intent(&self.domain, min_version)
    }
}

/// Peer timeouts: the only thing that the engine's clock decides.
fn tick(change: &mut Change<'_>, now: crate::time::EngineTime) {
    change.session.now = now;
    let limit = change.parts.setup.policy.peer_timeout_millis;
    let waited = change.session.waiting_since.map(|since| now.millis_since(since));
    // spec §2: no answer within a time: stop proposing, warn, offer a close.
    if !change.session.is_silent && waited.is_some_and(|waited| waited >= limit) {
        change.session.is_silent = true;
        change.notify(Notice::PeerSilent);
    }
}

fn handle_peer(change: &mut Change<'_>, message: PeerMessage) -> Result<(), ProtocolError> {
    match message {
        // They are about a channel that nobody has yet, and travel under another name.
        PeerMessage::OpenQuery(_) | PeerMessage::OpenOffer(_) => Err(ProtocolError::WrongChannel),
        PeerMessage::OpenRequest(request) => opening::handle_request_again(change, &request),
        PeerMessage::OpenAccept { consent, signature } => {
            opening::handle_accept(change, &consent, signature)
        }
        PeerMessage::OpenReject { reason } => opening::handle_reject(change, reason),
        PeerMessage::Propose { proposal, signature } => {
            open::accept::handle_propose(change, &proposal, signature)
        }
        PeerMessage::Accept { version, signature } => {
            open::propose::handle_accept(change, version, signature)
        }
        PeerMessage::Reject { version, reason, update, base: _ } => {
            open::propose::handle_reject(change, version, reason, update)
        }
        PeerMessage::Intent { updates } => open::intent::handle_intent(change, updates),
        PeerMessage::Refuse { sequence, reason } => {
            open::intent::handle_refuse(change, sequence, reason)
        }
        PeerMessage::WithdrawRequest { out1, out2 } => {
            open::withdraw::handle_request(change, out1, out2)
        }
        PeerMessage::WithdrawPropose { withdraw, signature } => {
            open::withdraw::handle_propose(change, &withdraw, signature)
        }
        PeerMessage::WithdrawAccept { version, signature } => {
            open::withdraw::handle_accept(change, version, signature)
        }
        PeerMessage::WithdrawReject { version, reason } => {
            open::withdraw::handle_reject(change, version, reason)
        }
        PeerMessage::CloseRequest { min_version } => closing::handle_request(change, min_version),
        PeerMessage::Reestablish(body) => reestablish::handle(change, &body),
    }
}

/// Refuses income, by the protocol's own words for it; P81.
fn decline(change: &mut Change<'_>, message: PeerMessage) -> Result<(), ProtocolError> {
    if let PeerMessage::Propose { proposal, .. } = &message
        && open::accept::decline_propose(change, proposal)?
    {
        return Ok(());
    }
    if let PeerMessage::Intent { updates } = message {
        return open::intent::decline_intent(change, updates);
    }
    handle_peer(change, message)
}

fn handle_command(change: &mut Change<'_>, command: Command) -> Result<(), ProtocolError> {
    match command {
        Command::Update(actions) => open::intent::handle_own_updates(change, actions),
        Command::AddInvoice { id, amount, expiry, memo } => {
            open::invoice::add(change, id, amount, expiry, memo)
        }
        Command::LearnSecret { secret } => open::secret::learn(change, secret),
        Command::Withdraw { out1, out2 } => open::withdraw::order(change, out1, out2),
        Command::CancelOpen => opening::cancel(change),
        Command::Close => closing::order(change),
        Command::ForceClose => closing::force(change),
        Command::Freeze(reason) => {
            freeze(change, reason);
            Ok(())
        }
        Command::MarkImported => {
            recovery::mark_restored(change, RestoreReason::Import);
            Ok(())
        }
    }
}

/// Signs nothing more. The first reason stays; watching, challenging and closing go on.
pub(crate) fn freeze(change: &mut Change<'_>, reason: FreezeReason) {
    if change.parts.marks.frozen.is_none() {
        change.write().marks.frozen = Some(reason);
        change.notify(Notice::Frozen { reason });
    }
}

/// Whether the channel is over and its record may be dropped after the time it is kept.
pub fn is_over(parts: &RecordParts) -> bool {
    // By final facts alone: what was opened holds somebody's money.
    let is_unopened = parts.chain.status == ChannelStatus::None;
    match &parts.phase {
        Phase::Settled(settlement) => settled::is_over(settlement),
        Phase::Opening(OpeningStage::Rejected) => is_unopened,
        // P63: a consent that nobody used in time. Whoever gives consent to all who ask keeps no more
        // records than were asked for within the time that a consent is good for.
        Phase::Funding { consent: Some(consent) } => {
            is_unopened && parts.chain.finalized.timestamp > consent.open.deadline
        }
        Phase::Opening(OpeningStage::Requested)
        | Phase::Funding { consent: None }
        | Phase::Open
        | Phase::Closing(_)
        | Phase::Disputed(_) => false,
    }
}
