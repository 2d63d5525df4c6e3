//! Persist, then sign, then send — held by the compiler.
//!
//! [`Durable`] has a private field and this module is the only one that fills it, after the journal has
//! said that the bytes survive a power cut. Everything that leaves the node is reached through it.
//!
//! ```compile_fail
//! // A durable value cannot be made outside `commit`.
//! let forged = lockstep_core::commit::Durable(7u8);
//! ```
//!
//! ```compile_fail
//! // Nor can a transition: only a channel makes one.
//! fn forge(next: lockstep_core::record::ChannelRecord) {
//!     let forged = lockstep_core::commit::Transition { next, outputs: vec![], bindings: vec![] };
//! }
//! ```

use crate::digest::SigningDomain;
use crate::ids::{ChannelId, Digest, Version};
use crate::output::{Effect, Output};
use crate::record::{ChannelRecord, ClosingStage, Phase};
use crate::request::{SigningContent, SigningRequest};
use crate::session::Session;
use crate::signature::StateSignature;
use crate::state::CloseIntent;
use crate::time::BlockTimestamp;

/// A version that a transition binds to a digest, for the store's second lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binding {
    /// The version.
    pub version: Version,
    /// The only digest that this version will ever have.
    pub digest: Digest,
}

/// What a channel wants to become, and what follows from it. Worth nothing until it is committed.
#[must_use = "a transition changes nothing until it is committed and adopted"]
#[derive(Debug, PartialEq, Eq)]
pub struct Transition {
    next: ChannelRecord,
    session: Session,
    bindings: Vec<Binding>,
    outputs: Vec<Output>,
    needs_write: bool,
}

impl Transition {
    /// From its parts; bindings are checked again by the journal.
    pub(crate) fn new(
        next: ChannelRecord,
        session: Session,
        bindings: Vec<Binding>,
        outputs: Vec<Output>,
        needs_write: bool,
    ) -> Self {
        Self { next, session, bindings, outputs, needs_write }
    }

    /// A transition with any content, for tests of adapters.
    #[cfg(feature = "testing")]
    pub fn for_test(next: ChannelRecord, bindings: Vec<Binding>, outputs: Vec<Output>) -> Self {
        Self::new(next, Session::default(), bindings, outputs, true)
    }

    /// Whether anything must reach the disk: not for a repeated answer, nor for a clock that the next
    /// block brings again.
    ///
    /// # Invariants
    /// If this is false, bindings are empty and every output follows from what is on disk already.
    pub fn needs_write(&self) -> bool {
        self.needs_write
    }

    /// The channel.
    pub fn channel_id(&self) -> ChannelId {
        self.next.channel_id()
    }

    /// The record to write.
    pub fn next(&self) -> &ChannelRecord {
        &self.next
    }

    /// The versions to bind in the same write.
    ///
    /// # Invariants
    /// The journal refuses the whole batch if one of them is bound to another digest.
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// What follows, in order.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }
}

/// Proof that a value is on disk.
#[derive(Debug, PartialEq, Eq)]
pub struct Durable<T>(T);

impl<T> Durable<T> {
    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// The value without its proof.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl Durable<Transition> {
    /// The record that is on disk now, and what may be done now, in order.
    pub fn into_parts(self) -> (Durable<ChannelRecord>, Vec<Effect>) {
        let (record, _, effects) = self.into_all();
        (record, effects)
    }

    /// The same, with what is known only while the node runs.
    pub(crate) fn into_all(self) -> (Durable<ChannelRecord>, Session, Vec<Effect>) {
        let effects = self.0.outputs.into_iter().map(release).collect();
        (Durable(self.0.next), self.0.session, effects)
    }
}

impl Durable<ChannelRecord> {
    /// Orders a signature on the record's newest state once more: the same bytes come out.
    ///
    /// The state was bound before the record was written, so this releases nothing new.
    pub(crate) fn request_base_again(
        &self,
        domain: &SigningDomain,
    ) -> Option<Durable<SigningRequest>> {
        let parts = self.0.parts();
        let base = parts.base.as_ref()?;
        let digest = domain.state(&base.state);
        if parts.guard.bound.get(&base.state.version) != Some(&digest) {
            return None;
        }
        let setup = &parts.setup;
        let content = SigningContent::State(base.state);
        let (key, signer) = (setup.key_context(), setup.own_signer());
        Some(Durable(SigningRequest::new(domain, key, signer, setup.side, content)))
    }

    /// Orders a signature on our order to start the close, for an account that is none of the channel's. None while
    /// nobody has ordered to leave.
    ///
    /// It takes no version. An order to leave is never taken back, so what is signed holds until the channel is
    /// closed, however long the chain takes no transaction.
    pub(crate) fn request_close_intent(
        &self,
        domain: &SigningDomain,
        min_version: Version,
    ) -> Option<(CloseIntent, Durable<SigningRequest>)> {
        let parts = self.0.parts();
        let is_leaving = match &parts.phase {
            Phase::Closing(stage) => *stage == ClosingStage::Unilateral,
            Phase::Disputed(dispute) => dispute.interrupted == Some(ClosingStage::Unilateral),
            Phase::Opening(_) | Phase::Funding { .. } | Phase::Open | Phase::Settled(_) => false,
        };
        if !is_leaving {
            return None;
        }
        let setup = &parts.setup;
        let (channel_id, side) = (self.0.channel_id(), setup.side);
        let intent =
            CloseIntent { channel_id, side, min_version, deadline: BlockTimestamp(u64::MAX) };
        let content = SigningContent::CloseIntent(intent);
        let (key, signer) = (setup.key_context(), setup.own_signer());
        Some((intent, Durable(SigningRequest::new(domain, key, signer, side, content))))
    }
}

/// Carries the proof from a transition over to one of its outputs.
fn release(output: Output) -> Effect {
    match output {
        Output::Send(message) => Output::Send(message),
        Output::Sign { request, then } => Output::Sign { request: Durable(request), then },
        Output::Submit(obligation) => Output::Submit(obligation),
        Output::Protect { version } => Output::Protect { version },
        Output::Watch { hash } => Output::Watch { hash },
        Output::Notify(notice) => Output::Notify(notice),
    }
}

/// Where records become durable.
pub trait Journal {
    /// What can go wrong: a refusal, which wrote nothing and leaves the journal as it was, or a failure,
    /// after which nobody knows what is on disk: then the journal is poisoned and takes no further batch.
    type Error;

    /// Writes a batch in one go: records, bindings and history, all or nothing.
    ///
    /// A transition that does not [need a write](Transition::needs_write) may be left out. Returns only
    /// when the rest survives a power cut. Refuses a binding whose version is bound to
    /// another digest.
    ///
    /// # Errors
    /// If the batch is refused, or if any of it is not certain.
    fn write_through(&mut self, batch: &[&Transition]) -> Result<(), Self::Error>;

    /// Reads the record of a channel as it was last acknowledged.
    ///
    /// # Errors
    /// If it cannot be read or does not hold.
    fn read(&mut self, channel_id: ChannelId) -> Result<Option<ChannelRecord>, Self::Error>;
}

/// Makes a group of transitions durable with one write.
///
/// A group holds at most one transition of each channel: a second one was made from a record that the
/// first replaces, and would be refused by [`crate::channel::Channel::adopt`].
///
/// # Errors
/// Whatever the journal says; then nothing of the batch may be signed or sent.
pub fn commit<J: Journal>(
    journal: &mut J,
    batch: Vec<Transition>,
) -> Result<Vec<Durable<Transition>>, J::Error> {
    let borrowed: Vec<&Transition> = batch.iter().collect();
    journal.write_through(&borrowed)?;
    Ok(batch.into_iter().map(Durable).collect())
}

/// Reads a channel back after a start; what the journal returns is durable already.
///
/// # Errors
/// Whatever the journal says.
pub fn recover<J: Journal>(
    journal: &mut J,
    channel_id: ChannelId,
) -> Result<Option<Durable<ChannelRecord>>, J::Error> {
    Ok(journal.read(channel_id)?.map(Durable))
}

/// Holds keys, and signs only what is durable.
pub trait Signer {
    /// What can go wrong.
    type Error;

    /// Signs; the same request always gives the same bytes (RFC 6979).
    ///
    /// # Errors
    /// If the key is not there, or the version was signed for another digest.
    fn sign_state(&self, request: Durable<SigningRequest>) -> Result<StateSignature, Self::Error>;
}
