//! Questions to other nodes that are not about a channel yet: who would you be in one of this salt?

use crate::engine::lock;
use alloy_primitives::B256;
use lockstep_core::ids::NodeId;
use lockstep_core::message::OpenOffer;
use lockstep_rpc::failure::{Failure, FailureKind};
use std::collections::BTreeMap;
use std::sync::Mutex;
use tokio::sync::oneshot;

/// Questions that wait for an answer at a time.
const MAX_QUERIES: usize = 256;

/// Who was asked what.
#[derive(Debug, Default)]
pub(crate) struct Queries(Mutex<BTreeMap<(NodeId, B256), oneshot::Sender<OpenOffer>>>);

impl Queries {
    /// Notes that a peer is being asked.
    ///
    /// # Errors
    /// If too many questions wait.
    pub(crate) fn ask(
        &self,
        peer: NodeId,
        salt: B256,
    ) -> Result<oneshot::Receiver<OpenOffer>, Failure> {
        let mut queries = lock(&self.0);
        queries.retain(|_, answer| !answer.is_closed());
        if queries.len() >= MAX_QUERIES {
            return Err(Failure::new(
                FailureKind::Busy,
                "too many channels are being opened at once",
            )
            .safe("nothing was done"));
        }
        let (answer, answered) = oneshot::channel();
        queries.insert((peer, salt), answer);
        Ok(answered)
    }

    /// A peer has answered; whether it was asked.
    pub(crate) fn answer(&self, peer: NodeId, salt: B256, offer: OpenOffer) -> bool {
        let asked = lock(&self.0).remove(&(peer, salt));
        asked.is_some_and(|asked| asked.send(offer).is_ok())
    }
}
