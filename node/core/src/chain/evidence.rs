//! Proofs as this node holds them.

use crate::ids::Side;
use crate::lock::Lock;
use crate::message::SignedState;
use crate::signature::StateSignature;
use crate::state::{PartialWithdraw, State};

/// A co-signed state as this node holds it: its own half may still have to be signed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The state.
    pub state: State,
    /// Its locks.
    pub locks: Vec<Lock>,
    /// By signer 1.
    pub signature1: Option<StateSignature>,
    /// By signer 2.
    pub signature2: Option<StateSignature>,
}

impl Evidence {
    /// Sets one side's signature.
    #[must_use]
    pub fn with_signature(mut self, side: Side, signature: StateSignature) -> Self {
        match side {
            Side::One => self.signature1 = Some(signature),
            Side::Two => self.signature2 = Some(signature),
        }
        self
    }

    /// The proof, if both signatures are there.
    pub fn complete(&self) -> Option<SignedState> {
        Some(SignedState {
            state: self.state,
            locks: self.locks.clone(),
            signature1: self.signature1?,
            signature2: self.signature2?,
        })
    }
}

/// A partial withdrawal as this node holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithdrawEvidence {
    /// The withdrawal.
    pub withdraw: PartialWithdraw,
    /// By signer 1.
    pub signature1: Option<StateSignature>,
    /// By signer 2.
    pub signature2: Option<StateSignature>,
}
