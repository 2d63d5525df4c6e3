//! The chain as one endpoint shows it, from the cursor to the head: a line of blocks, each the child of the
//! one before, with the facts in them.
//!
//! Reorganisations are noticed by hashes alone (P75): an endpoint may re-announce a height without a word.

use super::scope::Scope;
use crate::decode::{self, Decoded};
use crate::endpoint::{Endpoint, EndpointError, RequestError};
use crate::profile::Profile;
use crate::rpc::{BlockTag, Header};
use alloy::rpc::types::Log;
use alloy_primitives::B256;
use lockstep_core::chain::{Cursor, EventPosition};
use lockstep_core::time::{BlockNumber, BlockPoint, BlockTimestamp};
use std::collections::BTreeMap;

/// Blocks that one step takes in at most, so that a step ends.
pub(crate) const MAX_BLOCKS_PER_STEP: u64 = 2_048;
/// Headers that are compared first when the head has moved aside; it doubles until the fork is found.
const FIRST_LOOK_BACK: u64 = 4;

/// A log, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) block: BlockPoint,
    pub(crate) block_hash: B256,
    pub(crate) position: EventPosition,
    pub(crate) transaction: B256,
    pub(crate) decoded: Decoded,
}

/// A block in the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenBlock {
    pub(crate) point: BlockPoint,
    pub(crate) hash: B256,
    pub(crate) facts: Vec<Fact>,
}

/// Why a view could not be brought up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ViewTrouble {
    /// The endpoint failed.
    Endpoint(EndpointError),
    /// The chain moved while it was read: the next step sees it whole.
    Moved,
    /// The endpoint has another block at the cursor.
    OtherChain,
}

impl From<EndpointError> for ViewTrouble {
    fn from(error: EndpointError) -> Self {
        // A block that was there a moment ago is no fault of the endpoint's.
        match error.cause {
            RequestError::Missing => Self::Moved,
            RequestError::Timeout { .. }
            | RequestError::Unreachable
            | RequestError::Resting
            | RequestError::Http { .. }
            | RequestError::Malformed
            | RequestError::Refused { .. } => Self::Endpoint(error),
        }
    }
}

/// What a step found beside blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Advance {
    /// A block whose logs the log query had left out.
    pub(crate) omitted: Option<BlockNumber>,
}

/// One endpoint's chain above the cursor.
#[derive(Clone, Debug)]
pub(crate) struct View {
    anchor: Cursor,
    blocks: BTreeMap<u64, SeenBlock>,
    pub(crate) safe: u64,
    pub(crate) finalized: u64,
    /// Whether the last step brought it up to date.
    pub(crate) is_live: bool,
    /// The time of its newest block, as it said when it last answered.
    pub(crate) head_time: BlockTimestamp,
}

impl View {
    /// Nothing but the cursor.
    pub(crate) fn new(anchor: Cursor) -> Self {
        let (blocks, head_time) = (BTreeMap::new(), BlockTimestamp::default());
        Self { anchor, blocks, safe: 0, finalized: 0, is_live: false, head_time }
    }

    /// Number and hash of the newest block.
    pub(crate) fn tip(&self) -> (u64, B256) {
        match self.blocks.last_key_value() {
            Some((number, block)) => (*number, block.hash),
            None => (self.anchor.block.number.0, self.anchor.hash),
        }
    }

    /// A block of the line.
    pub(crate) fn block(&self, number: u64) -> Option<&SeenBlock> {
        self.blocks.get(&number)
    }

    /// The line above the cursor, in order.
    pub(crate) fn blocks(&self) -> impl DoubleEndedIterator<Item = &SeenBlock> {
        self.blocks.values()
    }

    /// Whether a block is part of the line.
    pub(crate) fn contains(&self, number: u64, hash: B256) -> bool {
        self.block(number).is_some_and(|block| block.hash == hash)
    }

    /// Forgets what the cursor has passed.
    pub(crate) fn move_anchor(&mut self, cursor: Cursor) {
        self.anchor = cursor;
        self.blocks = self.blocks.split_off(&cursor.block.number.0.saturating_add(1));
    }

    /// Forgets everything above the cursor, to read it again.
    pub(crate) fn clear(&mut self) {
        self.blocks.clear();
        self.is_live = false;
    }

    /// Takes in what is new.
    pub(crate) async fn advance(
        &mut self,
        endpoint: &Endpoint,
        scope: &Scope,
        profile: &Profile,
    ) -> Result<Advance, ViewTrouble> {
        self.is_live = false;
        let is_hashed = profile.has_ethereum_hash;
        let head = endpoint.header(BlockTag::Latest, is_hashed).await?;
        self.head_time = head.point().timestamp;
        let safe = endpoint.header(profile.safe, is_hashed).await?.number();
        let finalized = endpoint.header(profile.finalized, is_hashed).await?.number();
        self.rewind(endpoint, &head, is_hashed).await?;
        let mut advance = Advance::default();
        let last = head.number().min(self.tip().0.saturating_add(MAX_BLOCKS_PER_STEP));
        while self.tip().0 < last {
            let from = self.tip().0.saturating_add(1);
            let to = last.min(from.saturating_add(profile.max_log_range.saturating_sub(1)));
            let omitted = self.extend(endpoint, scope, profile, from, to).await?;
            advance.omitted = advance.omitted.or(omitted);
        }
        // A node that says a height is final which it has not shown proves nothing.
        self.safe = safe.min(self.tip().0);
        self.finalized = finalized.min(self.tip().0);
        self.is_live = true;
        Ok(advance)
    }

    /// Drops blocks that are no longer part of the endpoint's chain.
    async fn rewind(
        &mut self,
        endpoint: &Endpoint,
        head: &Header,
        is_hashed: bool,
    ) -> Result<(), ViewTrouble> {
        self.blocks.split_off(&head.number().saturating_add(1));
        let (number, hash) = self.tip();
        let is_child = head.number() == number.saturating_add(1) && head.parent_hash == hash;
        let is_same = head.number() == number && head.hash == hash;
        if is_child || is_same {
            return Ok(());
        }
        let anchor = self.anchor.block.number.0;
        if head.number() < anchor {
            // Behind the cursor: it lags, and is asked again later.
            return Err(ViewTrouble::Moved);
        }
        let mut look_back = FIRST_LOOK_BACK;
        loop {
            let (top, _) = self.tip();
            let from = top.saturating_sub(look_back).max(anchor);
            for found in endpoint.headers(from, top, is_hashed).await?.iter().rev() {
                if found.number() == self.tip().0 && found.hash == self.tip().1 {
                    return Ok(());
                }
                if self.blocks.is_empty() {
                    return Err(ViewTrouble::OtherChain);
                }
                self.blocks.pop_last();
            }
            look_back = look_back.saturating_mul(2);
        }
    }

    /// Reads a range, checks that it hangs together, and appends it.
    async fn extend(
        &mut self,
        endpoint: &Endpoint,
        scope: &Scope,
        profile: &Profile,
        from: u64,
        to: u64,
    ) -> Result<Option<BlockNumber>, ViewTrouble> {
        let headers = endpoint.headers(from, to, profile.has_ethereum_hash).await?;
        let (mut number, mut parent) = self.tip();
        for header in &headers {
            number = number.saturating_add(1);
            if header.parent_hash != parent || header.number() != number {
                return Err(ViewTrouble::Moved);
            }
            parent = header.hash;
        }
        let mut logs = by_block(read_logs(endpoint, scope, from, to).await?);
        let mut omitted = None;
        let mut blocks = Vec::with_capacity(headers.len());
        for header in &headers {
            let mut own = logs.remove(&header.hash).unwrap_or_default();
            if own.is_empty() && profile.has_bloom && scope.may_be_in(&header.logs_bloom) {
                own = receipt_logs(endpoint, scope, header).await?;
                if !own.is_empty() {
                    omitted = Some(header.point().number);
                }
            }
            blocks.push(seen_block(scope, header, &own));
        }
        // Logs of blocks that are not in this line: the chain moved between the two questions.
        if !logs.is_empty() {
            return Err(ViewTrouble::Moved);
        }
        if !profile.has_bloom {
            // Without blooms only an unmoved end says that headers and logs are of one chain.
            let end = endpoint.header(BlockTag::Number(to), profile.has_ethereum_hash).await?;
            if end.hash != parent {
                return Err(ViewTrouble::Moved);
            }
        }
        self.blocks.extend(blocks.into_iter().map(|block| (block.point.number.0, block)));
        Ok(omitted)
    }
}

async fn read_logs(
    endpoint: &Endpoint,
    scope: &Scope,
    from: u64,
    to: u64,
) -> Result<Vec<Log>, EndpointError> {
    if scope.is_empty() {
        return Ok(Vec::new());
    }
    let mut logs = endpoint.logs(&scope.filter(from, to)).await?;
    logs.retain(|log| scope.wants(log));
    Ok(logs)
}

fn by_block(logs: Vec<Log>) -> BTreeMap<B256, Vec<Log>> {
    let mut blocks: BTreeMap<B256, Vec<Log>> = BTreeMap::new();
    for log in logs {
        blocks.entry(log.block_hash.unwrap_or_default()).or_default().push(log);
    }
    blocks
}

/// What the bloom promises and the log query left out (P73). An endpoint that serves no receipts is left
/// to the quorum.
async fn receipt_logs(
    endpoint: &Endpoint,
    scope: &Scope,
    header: &Header,
) -> Result<Vec<Log>, ViewTrouble> {
    match endpoint.block_receipts(header.hash).await {
        Ok(receipts) => Ok(receipts
            .into_iter()
            .flat_map(|receipt| receipt.logs)
            .filter(|log| scope.wants(log))
            .collect()),
        Err(error) if matches!(error.cause, RequestError::Refused { .. }) => {
            tracing::debug!(error = %error, "log completeness can't be checked here");
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

/// A block with the facts that its logs tell.
pub(crate) fn seen_block(scope: &Scope, header: &Header, logs: &[Log]) -> SeenBlock {
    let point = header.point();
    let mut facts: Vec<Fact> =
        logs.iter().filter_map(|log| fact(scope, point, header.hash, log)).collect();
    facts.sort_by_key(|fact| fact.position);
    facts.dedup_by_key(|fact| fact.position);
    SeenBlock { point, hash: header.hash, facts }
}

fn fact(scope: &Scope, block: BlockPoint, block_hash: B256, log: &Log) -> Option<Fact> {
    let decoded = decode::decode(scope.contracts(), log, block.timestamp)?;
    // Position 0 is before a block's first log, so indexes count from 1.
    let log_index = u32::try_from(log.log_index?).ok()?.checked_add(1)?;
    let position = EventPosition { block: block.number, log_index };
    Some(Fact { block, block_hash, position, transaction: log.transaction_hash?, decoded })
}
