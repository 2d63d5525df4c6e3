//! What the signer is asked to sign: typed content, never bare bytes.

use crate::digest::SigningDomain;
use crate::ids::{ChannelId, Digest, Domain, NodeId, Side, Version};
use crate::state::{CloseIntent, Open, PartialWithdraw, State};
use alloy_primitives::{Address, B256};

/// What a channel's signing key is derived from, besides the seed.
///
/// Source: protocol §7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyContext {
    /// Chain and contract.
    pub domain: Domain,
    /// The counterparty's node key.
    pub peer: NodeId,
    /// The salt of the terms.
    pub salt: B256,
}

/// The content of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningContent {
    /// A channel state; takes a version.
    State(State),
    /// A partial withdrawal; takes a version in the same line.
    PartialWithdraw(PartialWithdraw),
    /// Consent to an open.
    Open(Open),
    /// An order to start a close.
    CloseIntent(CloseIntent),
}

impl SigningContent {
    /// The channel that is meant.
    pub fn channel_id(&self) -> ChannelId {
        match self {
            Self::State(state) => state.channel_id,
            Self::PartialWithdraw(withdraw) => withdraw.channel_id,
            Self::Open(open) => open.channel_id,
            Self::CloseIntent(intent) => intent.channel_id,
        }
    }

    /// The version that it takes in the channel's line, if it takes one.
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::State(state) => Some(state.version),
            Self::PartialWithdraw(withdraw) => Some(withdraw.version),
            Self::Open(_) | Self::CloseIntent(_) => None,
        }
    }

    /// Its EIP-712 digest.
    pub fn digest(&self, domain: &SigningDomain) -> Digest {
        match self {
            Self::State(state) => domain.state(state),
            Self::PartialWithdraw(withdraw) => domain.partial_withdraw(withdraw),
            Self::Open(open) => domain.open(open),
            Self::CloseIntent(intent) => domain.close_intent(intent),
        }
    }
}

/// An order to sign; worth nothing until a commit has made it [`crate::commit::Durable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SigningRequest {
    key: KeyContext,
    signer: Address,
    side: Side,
    content: SigningContent,
    digest: Digest,
}

impl SigningRequest {
    /// A request whose digest is computed here, so that it cannot differ from the content.
    pub fn new(
        domain: &SigningDomain,
        key: KeyContext,
        signer: Address,
        side: Side,
        content: SigningContent,
    ) -> Self {
        Self { key, signer, side, content, digest: content.digest(domain) }
    }

    /// What the key is derived from.
    pub fn key(&self) -> &KeyContext {
        &self.key
    }

    /// The address that the key must have.
    pub fn signer(&self) -> Address {
        self.signer
    }

    /// Which side signs.
    pub fn side(&self) -> Side {
        self.side
    }

    /// The channel.
    pub fn channel_id(&self) -> ChannelId {
        self.content.channel_id()
    }

    /// The version that is taken, if one is.
    pub fn version(&self) -> Option<Version> {
        self.content.version()
    }

    /// What is signed.
    pub fn content(&self) -> &SigningContent {
        &self.content
    }

    /// The digest that the key signs.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}
