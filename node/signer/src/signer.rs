//! The only way to a channel signature: a durable, typed request that the marks allow.
//!
//! A request that is not durable, or bare bytes, can't be handed in (P32, P53):
//!
//! ```compile_fail,E0308
//! use lockstep_core::{commit::Signer, request::SigningRequest};
//! use lockstep_signer::{ChannelSigner, mark::file::MarkFile};
//! fn sign(signer: &ChannelSigner<MarkFile>, request: SigningRequest) {
//!     let _ = signer.sign_state(request);
//! }
//! ```
//! ```compile_fail,E0308
//! use lockstep_core::commit::Signer;
//! use lockstep_signer::{ChannelSigner, mark::file::MarkFile};
//! fn sign(signer: &ChannelSigner<MarkFile>, digest: alloy_primitives::B256) {
//!     let _ = signer.sign_state(digest);
//! }
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use alloy_primitives::Address;
use lockstep_core::commit::{Durable, Signer};
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::Digest;
use lockstep_core::request::{SigningContent, SigningRequest};
use lockstep_core::signature::{SignerKey, StateSignature};

use crate::derive::DeriveError;
use crate::key_ring::{CONTEXT_BYTES, KeyError, KeyRing, channel_context};
use crate::mark::book::{MarkBook, MarkRefusal, Verdict};
use crate::mark::log::MarkLog;
use crate::mark::{Mark, Taker};

/// How many public keys are remembered, so that checking a signature does not derive its key anew: some 5 MB.
const KNOWN_KEYS_MAX: usize = 16_384;

/// Why a request was not signed. `E` is the error of the mark log.
#[derive(Debug, thiserror::Error)]
pub enum SignerError<E: std::error::Error + 'static> {
    /// The request was made under another domain than the one its key belongs to.
    #[error("the request's digest is {asked}, its content gives {computed} under its key's domain")]
    DigestMismatch {
        /// The digest in the request.
        asked: Digest,
        /// The digest of its content.
        computed: Digest,
    },
    /// The channel's key comes from another seed.
    #[error("the terms name signer {expected}, this seed gives {derived}")]
    ForeignKey {
        /// The signer in the terms.
        expected: Address,
        /// The address of our key for this channel.
        derived: Address,
    },
    /// Signing would contradict what was signed before.
    #[error(transparent)]
    Refused(#[from] MarkRefusal),
    /// The mark could not be kept.
    #[error("the signer's mark could not be kept")]
    Log(#[source] E),
    /// An earlier mark could not be kept, so nothing new is signed until the next start.
    #[error("the signer is stopped since a mark could not be kept")]
    Poisoned,
    /// The node has stopped, and its marks may be another process' by now.
    #[error("the signer is closed: the node has stopped")]
    Closed,
    /// No signature by this key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl<E: std::error::Error + 'static> SignerError<E> {
    /// What to do about it: a foreign key concerns whoever put this seed and this database together; everything else
    /// means that a promise of ours is in doubt.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::ForeignKey { .. } => ErrorClass::Refused,
            Self::DigestMismatch { .. } | Self::Log(_) | Self::Poisoned => ErrorClass::Fatal,
            Self::Closed => ErrorClass::Transient,
            Self::Refused(refusal) => refusal.class(),
            Self::Key(error) => error.class(),
        }
    }

    /// Whether only this request's channel is concerned, so that others may go on signing.
    #[must_use]
    pub fn is_limited_to_channel(&self) -> bool {
        match self {
            Self::DigestMismatch { .. } | Self::ForeignKey { .. } | Self::Refused(_) => true,
            Self::Log(_) | Self::Poisoned | Self::Closed | Self::Key(_) => false,
        }
    }
}

/// What has been signed, and where that is kept.
struct Marks<L> {
    book: MarkBook,
    /// Nowhere once the signer is closed.
    log: Option<L>,
    /// The marks that the log failed to keep, if it has failed. From then on no mark is taken up any more.
    in_doubt: Option<Vec<Mark>>,
}

/// Signs for the channels of one seed.
///
/// # Invariants
/// For each channel and version at most one digest is ever signed, across restarts, as long as the log is not lost.
pub struct ChannelSigner<L: MarkLog> {
    keys: KeyRing,
    marks: Mutex<Marks<L>>,
    known: Mutex<BTreeMap<[u8; CONTEXT_BYTES], SignerKey>>,
}

impl<L: MarkLog> ChannelSigner<L> {
    /// A signer that goes on from the marks in `book`, which came out of `log`.
    #[must_use]
    pub fn new(keys: KeyRing, book: MarkBook, log: L) -> Self {
        let marks = Marks { book, log: Some(log), in_doubt: None };
        Self { keys, marks: Mutex::new(marks), known: Mutex::new(BTreeMap::new()) }
    }

    /// Signs nothing any more, and lets go of the log: the next life may take it, whoever still holds this signer.
    pub fn close(&self) {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).log = None;
    }

    /// The keys, for what is no channel signature.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Signs a group of requests with one write to the log. Each has its own outcome: a refused channel does not
    /// stop the others.
    pub fn sign_batch(
        &self,
        requests: &[Durable<SigningRequest>],
    ) -> Vec<Result<StateSignature, SignerError<L::Error>>> {
        let keys: Vec<_> = requests.iter().map(|request| self.check(request.get())).collect();
        let outcomes = self.raise_marks(requests, keys);
        outcomes
            .into_iter()
            .zip(requests)
            .map(|(outcome, request)| {
                let request = request.get();
                let key = outcome?;
                Ok(self.keys.sign_for_channel(request.key(), &key, request.digest())?)
            })
            .collect()
    }

    /// The public key to sign with, if the request is what it says.
    fn check(&self, request: &SigningRequest) -> Result<SignerKey, SignerError<L::Error>> {
        let computed = request.content().digest(&SigningDomain::new(request.key().domain));
        let asked = request.digest();
        if computed != asked {
            return Err(SignerError::DigestMismatch { asked, computed });
        }
        let key = self.key_of(request).map_err(KeyError::from)?;
        let (expected, derived) = (request.signer(), key.address());
        if derived != expected {
            return Err(SignerError::ForeignKey { expected, derived });
        }
        Ok(key)
    }

    fn key_of(&self, request: &SigningRequest) -> Result<SignerKey, DeriveError> {
        let context = channel_context(request.key());
        // A lock that another thread left by panicking costs the cache, not the signature.
        if let Ok(known) = self.known.lock()
            && let Some(key) = known.get(&context)
        {
            return Ok(*key);
        }
        let key = self.keys.channel_key(request.key())?;
        if let Ok(mut known) = self.known.lock() {
            if known.len() >= KNOWN_KEYS_MAX {
                known.pop_first();
            }
            known.insert(context, key);
        }
        Ok(key)
    }

    /// Decides each request in order and makes all new marks durable with one append.
    fn raise_marks(
        &self,
        requests: &[Durable<SigningRequest>],
        keys: Vec<Result<SignerKey, SignerError<L::Error>>>,
    ) -> Vec<Result<SignerKey, SignerError<L::Error>>> {
        // A thread that panicked while it held the marks may have entered one and not kept it.
        let Ok(mut marks) = self.marks.lock() else {
            return keys.into_iter().map(|_| Err(SignerError::Poisoned)).collect();
        };
        if marks.log.is_none() {
            return keys.into_iter().map(|_| Err(SignerError::Closed)).collect();
        }
        let mut raised = Vec::new();
        let outcomes: Vec<Result<_, SignerError<L::Error>>> = keys
            .into_iter()
            .zip(requests)
            .map(|(key, request)| {
                let (key, taking) = (key?, taking_of(request.get()));
                marks.admit(taking, &mut raised)?;
                Ok((key, taking))
            })
            .collect();
        let mut reason = marks.keep(raised).err();
        outcomes
            .into_iter()
            .map(|outcome| {
                let (key, taking) = outcome?;
                if marks.is_free_of_doubt(taking) {
                    return Ok(key);
                }
                // The first hears what happened, the others that the signer is stopped.
                Err(reason.take().map_or(SignerError::Poisoned, SignerError::Log))
            })
            .collect()
    }
}

impl<L: MarkLog> Marks<L> {
    /// Enters a request's mark; what is new goes to `raised`, to be kept before anything is signed.
    fn admit(
        &mut self,
        taking: Taking,
        raised: &mut Vec<Mark>,
    ) -> Result<(), SignerError<L::Error>> {
        if self.in_doubt.is_some() {
            return if self.is_free_of_doubt(taking) { Ok(()) } else { Err(SignerError::Poisoned) };
        }
        if let Taking::Version(mark) = taking
            && self.book.raise(mark)? == Verdict::Raise
        {
            raised.push(mark);
        }
        Ok(())
    }

    fn keep(&mut self, raised: Vec<Mark>) -> Result<(), L::Error> {
        let (Some(log), false) = (&mut self.log, raised.is_empty()) else { return Ok(()) };
        let kept = log.append(&raised).and_then(|()| log.shed(&self.book));
        if kept.is_err() {
            self.in_doubt = Some(raised);
        }
        kept
    }

    /// Whether a request may be signed as far as the log is concerned. Once that has failed (P49), only what was
    /// bound and kept before is signed again: the very same bytes, for a challenge that can't wait. And the way out
    /// stays open (P46).
    fn is_free_of_doubt(&self, taking: Taking) -> bool {
        let Some(in_doubt) = &self.in_doubt else { return true };
        match taking {
            Taking::Version(mark) => {
                !in_doubt.contains(&mark) && self.book.decide(mark) == Ok(Verdict::Again)
            }
            Taking::Leave => true,
            Taking::Nothing => false,
        }
    }
}

/// What a request takes in its channel's line of versions.
#[derive(Clone, Copy)]
enum Taking {
    /// A version, for one content.
    Version(Mark),
    /// Nothing: it starts a close, and promises nobody anything.
    Leave,
    /// Nothing, and it begins something new.
    Nothing,
}

fn taking_of(request: &SigningRequest) -> Taking {
    let (version, taker) = match request.content() {
        SigningContent::State(state) => (state.version, Taker::State),
        SigningContent::PartialWithdraw(withdraw) => (withdraw.version, Taker::Withdrawal),
        SigningContent::Open(_) => return Taking::Nothing,
        SigningContent::CloseIntent(_) => return Taking::Leave,
    };
    let (channel_id, digest) = (request.channel_id(), request.digest());
    Taking::Version(Mark { channel_id, version, digest, taker })
}

impl<L: MarkLog> Signer for ChannelSigner<L> {
    type Error = SignerError<L::Error>;

    fn sign_state(&self, request: Durable<SigningRequest>) -> Result<StateSignature, Self::Error> {
        // One request gives one outcome; the empty case can't be and signs nothing.
        self.sign_batch(&[request]).pop().unwrap_or(Err(SignerError::Poisoned))
    }
}

impl<L: MarkLog> fmt::Debug for ChannelSigner<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelSigner(redacted)")
    }
}
