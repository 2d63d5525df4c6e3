//! The session key of this node with one tower, and its channels' word for it.

use crate::engine::wording;
use crate::keys::Keys;
use lockstep_core::appointment::{TowerAccess, TowerAction};
use lockstep_core::ids::{ChannelId, NodeId};
use lockstep_core::record::ChannelSetup;
use lockstep_core::signature::StateSignature;
use lockstep_p2p::handshake::Handshake;
use lockstep_p2p::port::{NodeKey, SigningRefused};
use lockstep_p2p::tower::message::Access;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_signer::derive::DeriveError;
use std::sync::Arc;

/// The key that names our account at one tower and nothing elsewhere.
pub(super) struct SessionKey {
    keys: Arc<Keys>,
    tower: NodeId,
    node_id: NodeId,
}

impl SessionKey {
    pub(super) fn new(keys: Arc<Keys>, tower: NodeId) -> Result<Self, DeriveError> {
        let node_id = NodeId(keys.keys().tower_session_key(&tower)?.to_compressed());
        Ok(Self { keys, tower, node_id })
    }
}

impl NodeKey for SessionKey {
    fn node_id(&self) -> NodeId {
        self.node_id
    }

    fn sign_handshake(&self, handshake: &Handshake) -> Result<StateSignature, SigningRefused> {
        let digest = handshake.digest();
        self.keys.keys().sign_tower_handshake(&self.tower, digest).map_err(|_| SigningRefused)
    }
}

/// Our side's word that our account at this tower may do this with a channel.
pub(super) fn word(
    keys: &Keys,
    setup: &ChannelSetup,
    channel_id: ChannelId,
    tower: &super::Known,
    action: TowerAction,
) -> Result<Access, Failure> {
    let internal = |error: &dyn std::error::Error| {
        Failure::new(FailureKind::Internal, wording::chain_of(error))
    };
    let ring = keys.keys();
    let session = ring.tower_session_key(&tower.address.key).map_err(|error| internal(&error))?;
    let access = TowerAccess {
        channel_id,
        side: setup.side,
        action,
        tower: tower.signer,
        account: session.address(),
    };
    let signed = ring.sign_tower_access(&setup.key_context(), &access);
    let signature = signed.map_err(|error| internal(&error))?;
    Ok(Access { channel_id, side: setup.side, signature })
}
