//! What is stored of every channel, asked now and then: a close that some endpoint's logs leave out is found
//! there. It is one endpoint's word, acted on like any other (P73), and taken back if a quorum never sees it.

use super::vanish::{self, VanishedClose};
use super::{Delivery, Follower, Sighting};
use crate::alarm::Alarm;
use crate::call::Contracts;
use crate::convert;
use crate::decode;
use crate::endpoint::Endpoint;
use crate::rpc::BlockTag;
use alloy_primitives::Bytes;
use futures::future::join_all;
use lockstep_core::chain::{ChainEvent, ChainFact, EventPosition};
use lockstep_core::ids::ChannelId;
use lockstep_core::time::Finality;
use std::collections::BTreeMap;

/// Calls that one batch of a sweep holds; public endpoints refuse much larger ones.
const CALLS_PER_BATCH: usize = 50;

/// A close that only a stored status has shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Swept {
    /// The place of the endpoint that did.
    place: usize,
    /// Up to which block its logs have to be read before it is said that none shows the close; none once it was.
    unread: Option<u64>,
}

impl Follower {
    /// Asks every endpoint for the stored status of every channel, and reports a close that no log has
    /// shown. To be called now and then, and at the start.
    ///
    /// A close is reported at once. That it has no log is said once the endpoint's logs are read as far as its
    /// status was asked for: after a start nothing is read yet.
    pub async fn sweep(&mut self) -> Vec<Delivery> {
        let channels: Vec<ChannelId> = self.scope.channels().collect();
        let contracts = *self.scope.contracts();
        let is_hashed = self.endpoints.profile().has_ethereum_hash;
        // All at once: one that is slow holds up no other.
        let asked = self
            .endpoints
            .iter()
            .map(|endpoint| stored(endpoint, &contracts, &channels, is_hashed));
        let answers = join_all(asked).await;
        let mut deliveries = Vec::new();
        self.tell_of_unread(&mut deliveries);
        for (place, (answers, height)) in answers.iter().enumerate() {
            if self.doubted.contains(&place) {
                continue;
            }
            for (id, data) in channels.iter().zip(answers) {
                self.note_stored((place, *height), *id, data, &mut deliveries);
            }
        }
        self.tell_of_unlogged(&mut deliveries);
        deliveries
    }

    /// Closes whose logs are read by now, and are not there.
    pub(super) fn tell_of_unlogged(&mut self, deliveries: &mut Vec<Delivery>) {
        let views = &self.views;
        let is_read = |swept: &Swept| {
            let view = views.get(swept.place).filter(|view| view.is_live);
            view.is_some_and(|view| swept.unread.is_some_and(|height| view.tip().0 >= height))
        };
        tell(&mut self.swept, is_read, deliveries);
    }

    /// Closes of an earlier sweep by an endpoint whose logs can't be read at all.
    fn tell_of_unread(&mut self, deliveries: &mut Vec<Delivery>) {
        let (views, head) = (&self.views, self.head.number.0);
        // Or by one that says it is higher than it shows logs for.
        let is_unreadable = |swept: &Swept| {
            views.get(swept.place).is_none_or(|view| !view.is_live || view.tip().0 >= head)
        };
        tell(&mut self.swept, is_unreadable, deliveries);
    }

    fn note_stored(
        &mut self,
        (place, height): (usize, u64),
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
        self.swept.insert(channel_id, Swept { place, unread: Some(height) });
        // Until its log is there it may be one endpoint's wrong word, and nobody else can take it back.
        self.expect(VanishedClose { channel_id, seen_at: self.head.number, origin: None });
        let position = EventPosition { block: self.head.number, log_index: 0 };
        let fact = ChainFact::Closing { point, closes_at, initiator, evidence: None };
        let timestamp = self.head.timestamp;
        let event = ChainEvent { position, timestamp, finality: Finality::Seen, fact };
        let sighting = Sighting { channel_id: Some(channel_id), event, origin: None };
        deliveries.push(Delivery::Fact(Box::new(sighting)));
    }

    /// A close of a channel never was: whoever alone has shown it is not believed again without a log.
    pub(super) fn doubt(&mut self, channel_id: ChannelId, deliveries: &mut Vec<Delivery>) {
        self.closes.remove(&channel_id);
        let Some(Swept { place, .. }) = self.swept.remove(&channel_id) else { return };
        self.doubted.insert(place);
        if let Some(endpoint) = self.names.get(place).cloned() {
            deliveries.push(Delivery::Alarm(Alarm::CloseNeverWas { channel_id, endpoint }));
        }
    }
}

/// Says once of each close that fits that it has no log.
fn tell(
    swept: &mut BTreeMap<ChannelId, Swept>,
    fits: impl Fn(&Swept) -> bool,
    deliveries: &mut Vec<Delivery>,
) {
    for (channel_id, swept) in swept {
        if swept.unread.is_some() && fits(swept) {
            swept.unread = None;
            let channel_id = *channel_id;
            deliveries.push(Delivery::Alarm(Alarm::CloseWithoutLog { channel_id }));
        }
    }
}

/// What an endpoint says is stored of channels, as far as it answers, and the height of a block that is no older.
async fn stored(
    endpoint: &Endpoint,
    contracts: &Contracts,
    channels: &[ChannelId],
    is_hashed: bool,
) -> (Vec<Bytes>, u64) {
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
    if answers.is_empty() {
        return (answers, 0);
    }
    // Whoever does not say how high it is has to be taken as read.
    let head = endpoint.header(BlockTag::Latest, is_hashed).await;
    (answers, head.map_or(0, |head| head.number()))
}
