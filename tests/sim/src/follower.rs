//! What one node sees of the chain: heads as they come, final facts in order, each at least once.

use std::collections::BTreeMap;

use lockstep_core::chain::{ChainEvent, ChainFact, ChannelStatus, EventPosition};
use lockstep_core::input::Input;
use lockstep_core::record::{Phase, RecordParts};
use lockstep_core::time::{BlockNumber, Finality};

use crate::chain::{Block, Chain};

/// A log index above any real one, for what the follower itself concludes from a block.
const CONCLUSION: u32 = 1_000_000;

/// A node's place on the chain.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    /// Which block it saw at each height.
    seen: BTreeMap<u64, u64>,
    /// The last finalized block that was handed over in full.
    done: u64,
}

/// One thing to hand over, and the cursor once it is taken.
#[derive(Debug)]
pub struct News {
    /// The input.
    pub input: Input,
    /// Everything through this finalized block was handed over.
    pub cursor: Option<u64>,
}

impl From<Input> for News {
    fn from(input: Input) -> Self {
        Self { input, cursor: None }
    }
}

impl Follower {
    /// After a start, from the durable cursor.
    #[must_use]
    pub fn resume(cursor: u64) -> Self {
        Self { seen: BTreeMap::new(), done: cursor }
    }

    /// Everything new.
    pub fn poll(&mut self, chain: &Chain, parts: Option<&RecordParts>) -> Vec<News> {
        let finalized = chain.finalized().point.number.0;
        let mut news = vec![];
        for number in finalized + 1..=chain.head().point.number.0 {
            let Some(block) = chain.block(number) else { continue };
            if self.seen.insert(number, block.id) != Some(block.id) {
                news.push(Input::Head(block.point).into());
                news.extend(facts(block, Finality::Seen).map(News::from));
            }
        }
        for number in self.done + 1..=finalized {
            let Some(block) = chain.block(number) else { continue };
            news.extend(facts(block, Finality::Final).map(News::from));
            news.push(News { input: Input::Finalized(block.point), cursor: Some(number) });
        }
        self.done = self.done.max(finalized);
        if let Some(parts) = parts
            && has_close_vanished(chain, parts)
        {
            let position = EventPosition { block: BlockNumber(finalized), log_index: CONCLUSION };
            let timestamp = chain.finalized().point.timestamp;
            let fact = ChainFact::CloseVanished;
            let event = ChainEvent { position, timestamp, finality: Finality::Final, fact };
            news.push(Input::Chain(event).into());
        }
        news
    }
}

fn facts(block: &Block, finality: Finality) -> impl Iterator<Item = Input> + '_ {
    (1u32..).zip(&block.facts).map(move |(log_index, fact)| {
        let position = EventPosition { block: block.point.number, log_index };
        let timestamp = block.point.timestamp;
        Input::Chain(ChainEvent { position, timestamp, finality, fact: fact.clone() })
    })
}

/// A finalized block later than the sighting shows ACTIVE, as does the head, and nothing that closes
/// waits for a block.
fn has_close_vanished(chain: &Chain, parts: &RecordParts) -> bool {
    let sighted = match &parts.phase {
        Phase::Disputed(dispute) => dispute.sighting.position.block,
        Phase::Settled(settlement) if !settlement.is_final => settlement.position.block,
        Phase::Opening(_)
        | Phase::Funding { .. }
        | Phase::Open
        | Phase::Closing(_)
        | Phase::Settled(_) => return false,
    };
    let finalized = chain.finalized();
    finalized.point.number > sighted
        && finalized.books.status() == ChannelStatus::Active
        && chain.head().books.status() == ChannelStatus::Active
        && !chain.may_close_land()
}
