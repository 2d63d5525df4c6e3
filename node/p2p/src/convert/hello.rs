//! The two frames of the handshake.

use lockstep_core::ids::NodeId;
use lockstep_core::signature::StateSignature;
use lockstep_proto::v1;

use super::{Malformed, fixed, hash, signature};
use crate::handshake::{Hello, JournalHead};

/// The form of a hello.
pub fn hello_to(hello: &Hello) -> v1::Hello {
    v1::Hello {
        protocol_version: hello.protocol_version,
        features_required: hello.features_required,
        features_optional: hello.features_optional,
        node_key: hello.node_id.0.to_vec(),
        nonce: hello.nonce.to_vec(),
        head: hello.head.as_ref().map(head_to),
        seen_head: hello.seen_head.as_ref().map(head_to),
    }
}

/// The hello of a form.
///
/// # Errors
/// [`Malformed`].
pub fn hello_from(proto: &v1::Hello) -> Result<Hello, Malformed> {
    Ok(Hello {
        protocol_version: proto.protocol_version,
        features_required: proto.features_required,
        features_optional: proto.features_optional,
        node_id: NodeId(fixed(&proto.node_key, "hello.node_key")?),
        nonce: hash(&proto.nonce, "hello.nonce")?,
        head: proto.head.as_ref().map(head_from).transpose()?,
        seen_head: proto.seen_head.as_ref().map(head_from).transpose()?,
    })
}

/// The form of a proof.
pub fn proof_to(signature: StateSignature) -> v1::HelloProof {
    v1::HelloProof { signature: signature.0.to_vec() }
}

/// The proof of a form.
///
/// # Errors
/// [`Malformed`].
pub fn proof_from(proto: &v1::HelloProof) -> Result<StateSignature, Malformed> {
    signature(&proto.signature, "hello_proof.signature")
}

pub(crate) fn head_to(head: &JournalHead) -> v1::JournalHead {
    v1::JournalHead {
        journal_id: head.journal_id.to_vec(),
        epoch: head.epoch,
        incarnation: head.incarnation.to_vec(),
    }
}

pub(crate) fn head_from(proto: &v1::JournalHead) -> Result<JournalHead, Malformed> {
    Ok(JournalHead {
        journal_id: fixed(&proto.journal_id, "head.journal_id")?,
        epoch: proto.epoch,
        incarnation: fixed(&proto.incarnation, "head.incarnation")?,
    })
}
