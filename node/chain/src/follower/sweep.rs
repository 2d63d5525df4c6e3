//! What is stored of every channel, asked now and then: a close that some endpoint's logs leave out is found
//! there. It is one endpoint's word, acted on like any other (P73), and taken back if a quorum never sees it.

use super::vanish::{self, VanishedClose};
use super::{Delivery, Follower, Sighting};
use crate::alarm::Alarm;
use crate::call::Contracts;
use crate::convert;
use crate::decode;
use crate::endpoint::Endpoint;
use alloy_primitives::Bytes;
use futures::future::join_all;
use lockstep_core::chain::{ChainEvent, ChainFact, EventPosition};
use lockstep_core::ids::ChannelId;
use lockstep_core::time::Finality;

/// Calls that one batch of a sweep holds; public endpoints refuse much larger ones.
const CALLS_PER_BATCH: usize = 50;

impl Follower {
    /// Asks every endpoint for the stored status of every channel, and reports a close that no log has
    /// shown. To be called now and then, and at the start.
    pub async fn sweep(&mut self) -> Vec<Delivery> {
        let channels: Vec<ChannelId> = self.scope.channels().collect();
        let contracts = *self.scope.contracts();
        // All at once: one that is slow holds up no other.
        let asked = self.endpoints.iter().map(|endpoint| stored(endpoint, &contracts, &channels));
        let answers = join_all(asked).await;
        let mut deliveries = Vec::new();
        for (place, answers) in answers.iter().enumerate() {
            if self.doubted.contains(&place) {
                continue;
            }
            for (id, data) in channels.iter().zip(answers) {
                self.note_stored(place, *id, data, &mut deliveries);
            }
        }
        deliveries
    }

    fn note_stored(
        &mut self,
        place: usize,
        channel_id: ChannelId,
        data: &Bytes,
        deliveries: &mut Vec<Delivery>,
    ) {
        let Some(found) = decode::channel(data) else { return };
        let Some((point, closes_at, initiator)) = convert::running_close(&found) else { return };
        if self.closes.get(&channel_id) == Some(&(point.version, closes_at)) {
            return;
        }
        self.closes.insert(channel_id, (point.version, closes_at));
        self.swept.insert(channel_id, place);
        // Until its log is there it may be one endpoint's wrong word, and nobody else can take it back.
        self.expect(VanishedClose { channel_id, seen_at: self.head.number, origin: None });
        let position = EventPosition { block: self.head.number, log_index: 0 };
        let fact = ChainFact::Closing { point, closes_at, initiator, evidence: None };
        let timestamp = self.head.timestamp;
        let event = ChainEvent { position, timestamp, finality: Finality::Seen, fact };
        deliveries.push(Delivery::Alarm(Alarm::CloseWithoutLog { channel_id }));
        let sighting = Sighting { channel_id: Some(channel_id), event, origin: None };
        deliveries.push(Delivery::Fact(Box::new(sighting)));
    }

    /// A close of a channel never was: whoever alone has shown it is not believed again without a log.
    pub(super) fn doubt(&mut self, channel_id: ChannelId, deliveries: &mut Vec<Delivery>) {
        self.closes.remove(&channel_id);
        let Some(place) = self.swept.remove(&channel_id) else { return };
        self.doubted.insert(place);
        if let Some(endpoint) = self.names.get(place).cloned() {
            deliveries.push(Delivery::Alarm(Alarm::CloseNeverWas { channel_id, endpoint }));
        }
    }
}

/// What an endpoint says is stored of channels, as far as it answers.
async fn stored(endpoint: &Endpoint, contracts: &Contracts, channels: &[ChannelId]) -> Vec<Bytes> {
    let params: Vec<_> =
        channels.iter().map(|id| (vanish::channel_request(contracts, *id), "latest")).collect();
    let mut answers = Vec::new();
    for chunk in params.chunks(CALLS_PER_BATCH) {
        match endpoint.batch("eth_call", chunk).await {
            Ok(found) => answers.extend::<Vec<_>>(found),
            Err(error) => {
                tracing::warn!(error = %error, "sweep is incomplete");
                break;
            }
        }
    }
    answers
}
