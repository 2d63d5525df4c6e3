//! The canonical stream of facts: from a durable cursor, over several endpoints, through reorganisations.
//!
//! What any endpoint shows is `Seen`: a threat is acted on at one endpoint's word. What a quorum shows as
//! irreversible, with equal logs from the cursor on, is `Final`: only that gives credit (P85, P96). The
//! follower keeps no clock and no task: each [`Follower::poll`] is one step.

use crate::alarm::Alarm;
use crate::call::Contracts;
use crate::decode;
use crate::endpoint::{Endpoint, EndpointName};
use crate::endpoints::{Endpoints, LAG, majority, next_until};
use crate::error::ChainError;
use crate::rpc::BlockTag;
use alloy_primitives::B256;
use core::time::Duration;
use futures::stream::FuturesUnordered;
use lockstep_core::chain::{ChainEvent, ChainFact, CloseSighting, Cursor, EventPosition};
use lockstep_core::ids::{ChannelId, Version};
use lockstep_core::time::{BlockNumber, BlockPoint, BlockTimestamp, Finality};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

pub(crate) mod agree;
pub(crate) mod scope;
mod sweep;
pub(crate) mod vanish;
pub(crate) mod view;

use agree::{Agreed, agreed, differences, laggards};
use scope::Scope;
use sweep::Swept;
pub use vanish::{Origin, VanishedClose};
use vanish::{Vanished, Verdict};
use view::{Advance, Fact, View, ViewTrouble};

/// What an endpoint may take longer than another one for each block that it has to show. Far more than any that is
/// of use takes.
const PER_BLOCK: Duration = Duration::from_millis(20);
/// After all logs of its block: where the fact stands that a close is gone for good.
const AFTER_ALL_LOGS: u32 = u32::MAX;

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Where the last run stopped.
    Cursor(Cursor),
    /// At this block, to find again what an earlier life of this node did.
    Block(BlockNumber),
    /// At the newest finalized block: there is nothing of ours before it.
    Now,
}

/// A fact for a channel; without a channel it is a secret, for any channel that waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which channel.
    pub channel_id: Option<ChannelId>,
    /// What happened.
    pub event: ChainEvent,
    /// Who sent it, for closes; to be kept until the close is final or gone (see [`Follower::expect`]).
    pub origin: Option<Origin>,
}

/// One thing for the consumer, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A fact, new or at a higher finality.
    Fact(Box<Sighting>),
    /// A fact that was seen is on no endpoint's chain any more. For display; a close that is gone for good
    /// comes as [`ChainFact::CloseVanished`].
    Retracted {
        /// Of which channel.
        channel_id: Option<ChannelId>,
        /// Where it had stood.
        position: EventPosition,
        /// The block that is gone.
        block_hash: B256,
    },
    /// A closing fact is gone, and may come back.
    CloseRetracted(VanishedClose),
    /// The head that a quorum has reached.
    Head(BlockPoint),
    /// A block became final; all its facts were delivered before.
    Finalized(BlockPoint),
    /// Somebody must look.
    Alarm(Alarm),
}

/// What one step found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// In order.
    pub deliveries: Vec<Delivery>,
    /// To be stored with, or after, what follows from the deliveries; then acknowledged.
    pub cursor: Option<Cursor>,
}

#[derive(Clone, Debug)]
struct Delivered {
    fact: Fact,
    finality: Finality,
    origin: Option<Origin>,
}

/// The follower of one chain.
#[derive(Debug)]
pub struct Follower {
    endpoints: Endpoints,
    names: Vec<EndpointName>,
    scope: Scope,
    views: Vec<View>,
    cursor: Cursor,
    pending: Option<Cursor>,
    delivered: BTreeMap<(EventPosition, B256), Vec<Delivered>>,
    vanished: Vec<Vanished>,
    closes: BTreeMap<ChannelId, (Version, BlockTimestamp)>,
    /// Closes that only a stored status has shown.
    swept: BTreeMap<ChannelId, Swept>,
    /// Places of endpoints that have shown a close which never was.
    doubted: BTreeSet<usize>,
    standing: Vec<Alarm>,
    head: BlockPoint,
}

impl Follower {
    /// A follower that has read nothing yet.
    ///
    /// # Errors
    /// If the endpoints do not agree on the block to start at.
    pub async fn start(
        endpoints: Endpoints,
        contracts: Contracts,
        start: Start,
    ) -> Result<Self, ChainError> {
        let cursor = match start {
            Start::Cursor(cursor) => cursor,
            Start::Block(number) => cursor_at(&endpoints, number.0).await?,
            Start::Now => {
                let profile = *endpoints.profile();
                let ask = |endpoint| async move {
                    let endpoint: &crate::endpoint::Endpoint = endpoint;
                    endpoint.header(profile.finalized, profile.has_ethereum_hash).await
                };
                // The lowest: every honest endpoint has it.
                let answers = endpoints.ask_all(ask).await.into_iter().filter_map(Result::ok);
                let number = answers.map(|header| header.number()).min();
                let needed = profile.quorum;
                let number = number.ok_or(ChainError::NoQuorum { agreeing: 0, needed })?;
                cursor_at(&endpoints, number).await?
            }
        };
        let names: Vec<_> = endpoints.iter().map(|endpoint| endpoint.name().clone()).collect();
        let views = names.iter().map(|_| View::new(cursor)).collect();
        Ok(Self {
            endpoints,
            names,
            scope: Scope::new(contracts),
            views,
            cursor,
            pending: None,
            delivered: BTreeMap::new(),
            vanished: Vec::new(),
            closes: BTreeMap::new(),
            swept: BTreeMap::new(),
            doubted: BTreeSet::new(),
            standing: Vec::new(),
            head: BlockPoint { number: cursor.block.number, ..BlockPoint::default() },
        })
    }

    /// Where it stands.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Follows a channel, with the close that its record knows of, if any. What lies above the cursor is
    /// read again.
    pub fn watch(&mut self, channel_id: ChannelId, known: Option<&CloseSighting>) {
        if let Some(known) = known {
            self.closes.insert(channel_id, (known.point.version, known.closes_at));
        }
        self.watch_name(channel_id.0);
    }

    /// Waits for a secret.
    pub fn watch_secret(&mut self, hash: B256) {
        self.watch_name(hash);
    }

    /// Follows every channel of the contract.
    pub fn watch_everything(&mut self) {
        self.scope.widen();
        self.views.iter_mut().for_each(View::clear);
    }

    /// No longer follows a channel or a secret.
    pub fn forget(&mut self, name: B256) {
        self.scope.remove(name);
        self.closes.remove(&ChannelId(name));
        self.swept.remove(&ChannelId(name));
        self.vanished.retain(|known| known.close.channel_id.0 != name);
    }

    fn watch_name(&mut self, name: B256) {
        if self.scope.insert(name) {
            self.views.iter_mut().for_each(View::clear);
        }
    }

    /// Takes up a close again that was retracted before a restart, or that a record holds as seen only.
    pub fn expect(&mut self, close: VanishedClose) {
        if !self.vanished.iter().any(|known| known.close == close) {
            self.vanished.push(Vanished::new(close));
        }
    }

    /// The consumer has made durable what followed from the last batch.
    pub fn acknowledge(&mut self) {
        let Some(cursor) = self.pending.take() else { return };
        self.cursor = cursor;
        for view in &mut self.views {
            view.move_anchor(cursor);
        }
        self.delivered.retain(|(position, _), _| position.block > cursor.block.number);
    }

    /// One step: reads what is new and says what follows.
    ///
    /// # Errors
    /// If the last batch is not acknowledged, no endpoint answers, or a quorum denies the cursor.
    pub async fn poll(&mut self) -> Result<Batch, ChainError> {
        if let Some(pending) = self.pending {
            return Err(ChainError::NotAcknowledged { number: pending.block.number });
        }
        let mut deliveries = Vec::new();
        let mut alarms = self.advance_views().await?;
        alarms.extend(differences(&self.views, &self.names));
        alarms.extend(laggards(&self.views, &self.names));
        self.raise(alarms, &mut deliveries);
        self.deliver_seen(&mut deliveries).await;
        self.tell_of_unlogged(&mut deliveries);
        self.deliver_retracted(&mut deliveries);
        self.deliver_safe(&mut deliveries);
        self.deliver_head(&mut deliveries);
        let quorum = self.endpoints.profile().quorum;
        let Some(end) = agreed(&self.views, quorum, |view| view.finalized) else {
            return Ok(Batch { deliveries, cursor: None });
        };
        self.deliver_final(&end, &mut deliveries).await;
        let cursor = self.cursor.advance(end.block, end.hash);
        self.pending = cursor;
        Ok(Batch { deliveries, cursor })
    }

    async fn advance_views(&mut self) -> Result<Vec<Alarm>, ChainError> {
        let results = self.advance_each().await;
        let profile = self.endpoints.profile();
        let mut alarms = Vec::new();
        let (mut strangers, mut failure) = (0usize, None);
        for (result, name) in results.into_iter().zip(&self.names) {
            let endpoint = name.clone();
            match result {
                Ok(advance) => alarms
                    .extend(advance.omitted.map(|number| Alarm::LogsOmitted { endpoint, number })),
                Err(ViewTrouble::Moved) => {}
                Err(ViewTrouble::Endpoint(error)) => {
                    alarms.push(Alarm::EndpointDown { endpoint });
                    failure = Some(error);
                }
                Err(ViewTrouble::OtherChain) => {
                    strangers = strangers.saturating_add(1);
                    let number = self.cursor.block.number;
                    alarms.push(Alarm::EndpointOnOtherChain { endpoint, number });
                }
            }
        }
        if strangers >= profile.quorum && strangers.saturating_mul(2) > self.views.len() {
            let (number, expected) = (self.cursor.block.number, self.cursor.hash);
            return Err(ChainError::CursorGone { number, expected });
        }
        match failure {
            Some(error) if alarms.len() == self.views.len() => Err(error.into()),
            Some(_) | None => Ok(alarms),
        }
    }

    /// Brings every view up to date at once. Once one is, the others have as long as their blocks may take: what
    /// one endpoint has shown must not wait for another that is slow.
    async fn advance_each(&mut self) -> Vec<Result<Advance, ViewTrouble>> {
        let lowest = self.views.iter().map(|view| view.tip().0).min().unwrap_or(0);
        let (scope, profile) = (&self.scope, self.endpoints.profile());
        let late = |endpoint: &Endpoint| Err(ViewTrouble::Endpoint(endpoint.late_error(LAG)));
        let mut results: Vec<_> = self.endpoints.iter().map(late).collect();
        let mut waiting: BTreeSet<usize> = (0..results.len()).collect();
        let views = self.views.iter_mut().zip(self.endpoints.iter()).enumerate();
        let mut open: FuturesUnordered<_> = views
            .map(|(place, (view, endpoint))| async move {
                let result = view.advance(endpoint, scope, profile).await;
                (place, result, view.tip().0)
            })
            .collect();
        let mut deadline = None;
        while let Some((place, result, tip)) = next_until(&mut open, deadline).await {
            let blocks = u32::try_from(tip.saturating_sub(lowest)).unwrap_or(u32::MAX);
            let patience = LAG.saturating_add(PER_BLOCK.saturating_mul(blocks));
            let until = Instant::now().checked_add(patience).filter(|_| result.is_ok());
            deadline = [deadline, until].into_iter().flatten().min();
            waiting.remove(&place);
            if let Some(slot) = results.get_mut(place) {
                *slot = result;
            }
        }
        drop(open);
        let slow = self.endpoints.iter().enumerate().filter(|(place, _)| waiting.contains(place));
        slow.for_each(|(_, endpoint)| endpoint.note_late());
        results
    }

    /// What the last look was alarmed of, and is told only when it begins.
    pub fn standing(&self) -> &[Alarm] {
        &self.standing
    }

    /// An alarm is raised when it begins, not again while it stands.
    fn raise(&mut self, alarms: Vec<Alarm>, deliveries: &mut Vec<Delivery>) {
        for alarm in &alarms {
            if !self.standing.contains(alarm) {
                tracing::warn!(?alarm, "chain needs attention");
                deliveries.push(Delivery::Alarm(alarm.clone()));
            }
        }
        self.standing = alarms;
    }

    /// Whatever any endpoint shows, once.
    async fn deliver_seen(&mut self, deliveries: &mut Vec<Delivery>) {
        let facts = self.views.iter().flat_map(View::blocks).flat_map(|block| &block.facts);
        let mut new: Vec<Fact> = Vec::new();
        for fact in facts {
            let known = self.delivered.get(&(fact.position, fact.block_hash));
            let is_known = known.is_some_and(|list| list.iter().any(|d| d.fact == *fact));
            if !is_known && !new.contains(fact) {
                new.push(fact.clone());
            }
        }
        new.sort_by_key(|fact| fact.position);
        for fact in new {
            let (fact, origin) = self.enrich(fact).await;
            self.note_close(&fact);
            deliveries.push(sighting(&fact, Finality::Seen, origin));
            let key = (fact.position, fact.block_hash);
            let bare = Fact { decoded: strip(fact.decoded), ..fact };
            let delivered = Delivered { fact: bare, finality: Finality::Seen, origin };
            self.delivered.entry(key).or_default().push(delivered);
        }
    }

    fn note_close(&mut self, fact: &Fact) {
        let (Some(channel_id), ChainFact::Closing { point, closes_at, .. }) =
            (fact.decoded.channel_id, &fact.decoded.fact)
        else {
            return;
        };
        self.closes.insert(channel_id, (point.version, *closes_at));
        // Its log stands for it from now on, and says who sent it.
        self.swept.remove(&channel_id);
        self.vanished
            .retain(|known| known.close.channel_id != channel_id || known.close.origin.is_some());
    }

    /// Adds what only the transaction shows: the evidence, and who sent it.
    async fn enrich(&self, mut fact: Fact) -> (Fact, Option<Origin>) {
        let channel_id = fact.decoded.channel_id;
        let (is_close, has_point) = match &fact.decoded.fact {
            ChainFact::Closing { .. } => (true, true),
            ChainFact::Closed { .. } => (true, false),
            ChainFact::Checkpoint { .. } => (false, true),
            ChainFact::Opened { .. }
            | ChainFact::Joined { .. }
            | ChainFact::Funded { .. }
            | ChainFact::PartialWithdrawn { .. }
            | ChainFact::LockResolved { .. }
            | ChainFact::CloseVanished
            | ChainFact::SecretRevealed { .. } => (false, false),
        };
        if !is_close && !has_point {
            return (fact, None);
        }
        let found = self.endpoints.transaction(fact.transaction).await.ok().flatten();
        let Some(transaction) = found else { return (fact, None) };
        if let (
            Some(channel_id),
            ChainFact::Closing { point, evidence, .. } | ChainFact::Checkpoint { point, evidence },
        ) = (channel_id, &mut fact.decoded.fact)
        {
            let contracts = self.scope.contracts();
            *evidence = decode::evidence(contracts, &transaction, channel_id, point).map(Box::new);
        }
        (fact, is_close.then(|| Origin::of(&transaction)))
    }

    /// Facts that no endpoint shows any more.
    fn deliver_retracted(&mut self, deliveries: &mut Vec<Delivery>) {
        let views = self.views.clone();
        self.retract(deliveries, |fact| {
            let blocks = views.iter().filter_map(|view| view.block(fact.position.block.0));
            let mut same = blocks.filter(|block| block.hash == fact.block_hash);
            !same.any(|block| block.facts.contains(fact))
        });
    }

    fn retract(&mut self, deliveries: &mut Vec<Delivery>, is_gone: impl Fn(&Fact) -> bool) {
        let mut gone: Vec<Delivered> = Vec::new();
        self.delivered.retain(|_, list| {
            gone.extend(list.extract_if(.., |known| is_gone(&known.fact)));
            !list.is_empty()
        });
        for Delivered { fact, origin, .. } in gone {
            let (position, block_hash) = (fact.position, fact.block_hash);
            let channel_id = fact.decoded.channel_id;
            deliveries.push(Delivery::Retracted { channel_id, position, block_hash });
            if let (Some(channel_id), true) = (channel_id, is_close(&fact)) {
                let close = VanishedClose { channel_id, seen_at: position.block, origin };
                self.closes.remove(&channel_id);
                self.expect(close);
                deliveries.push(Delivery::CloseRetracted(close));
            }
        }
    }

    fn deliver_safe(&mut self, deliveries: &mut Vec<Delivery>) {
        let quorum = self.endpoints.profile().quorum;
        let Some(end) = agreed(&self.views, quorum, |view| view.safe) else { return };
        for fact in agreed_facts(&self.views, &end) {
            let key = (fact.position, fact.block_hash);
            let Some(list) = self.delivered.get_mut(&key) else { continue };
            let Some(known) = list.iter_mut().find(|known| known.fact == fact) else { continue };
            if known.finality < Finality::Safe {
                known.finality = Finality::Safe;
                deliveries.push(sighting(&fact, Finality::Safe, known.origin));
            }
        }
    }

    /// The head that a quorum has reached: one endpoint alone could otherwise pretend that a challenge
    /// period is over.
    fn deliver_head(&mut self, deliveries: &mut Vec<Delivery>) {
        let live = self.views.iter().filter(|view| view.is_live);
        let mut tips: Vec<BlockPoint> =
            live.filter_map(|view| view.blocks().next_back()).map(|block| block.point).collect();
        tips.sort_by_key(|point| core::cmp::Reverse(point.timestamp));
        let place = self.endpoints.profile().quorum.saturating_sub(1);
        match tips.get(place) {
            Some(head) if *head != self.head => {
                self.head = *head;
                deliveries.push(Delivery::Head(*head));
            }
            Some(_) | None => {}
        }
    }

    async fn deliver_final(&mut self, end: &Agreed, deliveries: &mut Vec<Delivery>) {
        let facts = agreed_facts(&self.views, end);
        // What only a minority has shown up to here was never true.
        self.retract(deliveries, |fact| {
            fact.position.block <= end.block.number && !facts.contains(fact)
        });
        for fact in facts {
            let (fact, origin) = self.enrich(fact).await;
            if let Some(channel_id) = fact.decoded.channel_id {
                self.settle_vanished(channel_id, &fact.decoded.fact);
            }
            deliveries.push(sighting(&fact, Finality::Final, origin));
        }
        self.deliver_ruled_out(end, deliveries).await;
        deliveries.push(Delivery::Finalized(end.block));
    }

    /// A final close makes it pointless to wait for an older one to be ruled out.
    fn settle_vanished(&mut self, channel_id: ChannelId, fact: &ChainFact) {
        if matches!(fact, ChainFact::Closing { .. } | ChainFact::Closed { .. }) {
            self.vanished.retain(|known| known.close.channel_id != channel_id);
        }
    }

    /// Channels all of whose vanished closes are ruled out, while no other close is in sight.
    async fn deliver_ruled_out(&mut self, end: &Agreed, deliveries: &mut Vec<Delivery>) {
        let forced_secs = self.endpoints.profile().forced_inclusion_secs;
        let mut left = Vec::new();
        for mut known in core::mem::take(&mut self.vanished) {
            let (number, contracts) = (end.block.number, self.scope.contracts());
            let standing = known.close.standing(&self.endpoints, contracts, number, end.hash).await;
            let verdict = standing.map_or(Verdict::Waits, |standing| {
                known.judge(standing, end.block.timestamp, forced_secs)
            });
            let channel_id = known.close.channel_id;
            if verdict == Verdict::WaitsLong {
                deliveries.push(Delivery::Alarm(Alarm::CloseMayComeBack { channel_id }));
            }
            left.push((known, verdict == Verdict::Gone));
        }
        let waits = |id: ChannelId| {
            left.iter().any(|(known, is_out)| known.close.channel_id == id && !is_out)
        };
        let mut done: Vec<ChannelId> = Vec::new();
        for (known, _) in &left {
            let id = known.close.channel_id;
            if !waits(id) && !self.has_close_in_sight(id) && !done.contains(&id) {
                done.push(id);
            }
        }
        for id in &done {
            let position = EventPosition { block: end.block.number, log_index: AFTER_ALL_LOGS };
            let event = ChainEvent {
                position,
                timestamp: end.block.timestamp,
                finality: Finality::Final,
                fact: ChainFact::CloseVanished,
            };
            let channel_id = Some(*id);
            deliveries.push(Delivery::Fact(Box::new(Sighting { channel_id, event, origin: None })));
        }
        let closes = left.into_iter().map(|(known, _)| known);
        self.vanished = closes.filter(|known| !done.contains(&known.close.channel_id)).collect();
        done.iter().for_each(|id| self.doubt(*id, deliveries));
    }

    fn has_close_in_sight(&self, id: ChannelId) -> bool {
        let facts = self.delivered.values().flatten().map(|known| &known.fact);
        facts.filter(|fact| is_close(fact)).any(|fact| fact.decoded.channel_id == Some(id))
    }
}

fn sighting(fact: &Fact, finality: Finality, origin: Option<Origin>) -> Delivery {
    let event = ChainEvent {
        position: fact.position,
        timestamp: fact.block.timestamp,
        finality,
        fact: fact.decoded.fact.clone(),
    };
    Delivery::Fact(Box::new(Sighting { channel_id: fact.decoded.channel_id, event, origin }))
}

fn is_close(fact: &Fact) -> bool {
    matches!(fact.decoded.fact, ChainFact::Closing { .. } | ChainFact::Closed { .. })
}

/// A fact as the log alone tells it, to be compared with other views.
fn strip(mut decoded: decode::Decoded) -> decode::Decoded {
    if let ChainFact::Closing { evidence, .. } | ChainFact::Checkpoint { evidence, .. } =
        &mut decoded.fact
    {
        *evidence = None;
    }
    decoded
}

/// The facts up to an agreed block, in order.
fn agreed_facts(views: &[View], end: &Agreed) -> Vec<Fact> {
    let number = end.block.number.0;
    let holder = views.iter().find(|view| view.is_live && view.contains(number, end.hash));
    let blocks = holder.into_iter().flat_map(View::blocks);
    let blocks = blocks.take_while(|block| block.point.number.0 <= number);
    blocks.flat_map(|block| &block.facts).cloned().collect()
}

/// The block at a height that is final, on a quorum's word.
///
/// # Errors
/// If there is no quorum.
pub async fn block_at(
    endpoints: &Endpoints,
    number: BlockNumber,
) -> Result<BlockPoint, ChainError> {
    Ok(cursor_at(endpoints, number.0).await?.block)
}

/// The cursor at a height, on a quorum's word.
async fn cursor_at(endpoints: &Endpoints, number: u64) -> Result<Cursor, ChainError> {
    let is_hashed = endpoints.profile().has_ethereum_hash;
    let headers =
        endpoints.ask_all(|endpoint| endpoint.header(BlockTag::Number(number), is_hashed)).await;
    let headers = headers.into_iter().filter_map(Result::ok);
    let header = majority(headers, endpoints.profile().quorum)?;
    Ok(Cursor { block: header.point(), hash: header.hash })
}
