//! Closes that a reorganisation has removed, until it is sure that they cannot come back.
//!
//! P42: signing resumes only when a finalized block later than the sighting shows ACTIVE, and the transaction
//! that closed can no longer land, because a finalized block counts another one with its nonce. Where no
//! endpoint can show a transaction, the channel must have stayed ACTIVE for long enough instead.

use crate::call::Contracts;
use crate::convert;
use crate::decode;
use crate::endpoints::Endpoints;
use crate::error::ChainError;
use crate::rpc::{At, CallRequest, Transaction};
use alloy_primitives::{Address, B256};
use alloy_sol_types::SolCall;
use lockstep_contracts::bindings::PaymentChannel::{Channel, channelOfCall};
use lockstep_core::chain::ChannelStatus;
use lockstep_core::ids::ChannelId;
use lockstep_core::time::{BlockNumber, BlockTimestamp};

/// Who sent a transaction, and what rules it out for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its hash.
    pub transaction: B256,
    /// Its sender.
    pub sender: Address,
    /// Its nonce; none for a rollup's own kinds of transaction, which no nonce rules out.
    pub nonce: Option<u64>,
}

impl Origin {
    pub(crate) fn of(transaction: &Transaction) -> Self {
        let is_ordered = transaction.is_ordered_by_nonce();
        Self {
            transaction: transaction.hash,
            sender: transaction.from,
            nonce: is_ordered.then(|| transaction.nonce()),
        }
    }
}

/// A close that was seen and is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VanishedClose {
    /// Of which channel.
    pub channel_id: ChannelId,
    /// Where it had been seen.
    pub seen_at: BlockNumber,
    /// By whom it was sent; none if no endpoint could show the transaction, or a stored status alone told of it.
    pub origin: Option<Origin>,
}

/// How a finalized block stands to a close that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It can never come back.
    RuledOut,
    /// The channel is open, and the close can come back for all that is known.
    Open,
    /// Nothing is known, or the channel is not open.
    Unknown,
}

/// A close that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vanished {
    pub(crate) close: VanishedClose,
    /// Since when finalized blocks have shown the channel as open without a break.
    open_since: Option<BlockTimestamp>,
    /// Whether somebody was told that it may come back.
    is_told: bool,
}

/// What follows from a finalized block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is waited for.
    Waits,
    /// It is waited for, and has been for so long that somebody should know.
    WaitsLong,
    /// It is gone for good.
    Gone,
}

/// For so long a quorum's finalized blocks must show a channel as open until a close that nobody can show a
/// transaction of is taken as never made, beside what L1 may take to force one in. Units: seconds.
const OPEN_SECS: u64 = 3_600;

impl Vanished {
    pub(crate) fn new(close: VanishedClose) -> Self {
        Self { close, open_since: None, is_told: false }
    }

    /// Takes note of a finalized block.
    ///
    /// A close whose transaction is known is gone when its nonce is used up: until then it may land, and nothing
    /// is signed (P42). One without such a transaction was a wrong word, or a block that is gone; it is believed
    /// no longer once the channel has stayed open. Should it land all the same, it is answered like any close.
    pub(crate) fn judge(
        &mut self,
        standing: Standing,
        now: BlockTimestamp,
        forced_secs: Option<u64>,
    ) -> Verdict {
        match standing {
            Standing::RuledOut => return Verdict::Gone,
            Standing::Unknown => {
                self.open_since = None;
                return Verdict::Waits;
            }
            Standing::Open => {}
        }
        let since = *self.open_since.get_or_insert(now);
        if now.secs_since(since) < OPEN_SECS.saturating_add(forced_secs.unwrap_or(0)) {
            return Verdict::Waits;
        }
        let has_nonce = self.close.origin.is_some_and(|origin| origin.nonce.is_some());
        match (has_nonce, self.is_told) {
            (false, _) => Verdict::Gone,
            (true, true) => Verdict::Waits,
            (true, false) => {
                self.is_told = true;
                Verdict::WaitsLong
            }
        }
    }
}

impl VanishedClose {
    /// How a finalized block stands to it.
    ///
    /// # Errors
    /// If no quorum of endpoints says so or so.
    pub(crate) async fn standing(
        &self,
        endpoints: &Endpoints,
        contracts: &Contracts,
        number: BlockNumber,
        hash: B256,
    ) -> Result<Standing, ChainError> {
        if number <= self.seen_at {
            return Ok(Standing::Unknown);
        }
        let at = At::Block(hash);
        let channel = channel_agreed(endpoints, contracts, self.channel_id, at).await?;
        if convert::status(channel.status) != Some(ChannelStatus::Active) {
            return Ok(Standing::Unknown);
        }
        let Some(Origin { sender, nonce: Some(nonce), .. }) = self.origin else {
            return Ok(Standing::Open);
        };
        let used = endpoints.ask_quorum(|endpoint| endpoint.nonce(sender, at)).await?;
        Ok(if used > nonce { Standing::RuledOut } else { Standing::Open })
    }
}

/// The call that asks for a channel.
pub(crate) fn channel_request(contracts: &Contracts, channel_id: ChannelId) -> CallRequest {
    let data = channelOfCall { channelId: channel_id.0 }.abi_encode().into();
    CallRequest::view(contracts.channel, data)
}

/// What a quorum says is stored about a channel.
pub(crate) async fn channel_agreed(
    endpoints: &Endpoints,
    contracts: &Contracts,
    channel_id: ChannelId,
    at: At,
) -> Result<Channel, ChainError> {
    let data = endpoints.call_agreed(&channel_request(contracts, channel_id), at).await?;
    decode::channel(&data).ok_or(ChainError::Unfit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600;

    fn close(origin: Option<Origin>) -> Vanished {
        let channel_id = ChannelId(B256::ZERO);
        Vanished::new(VanishedClose { channel_id, seen_at: BlockNumber(5), origin })
    }

    fn at(secs: u64) -> BlockTimestamp {
        BlockTimestamp(secs)
    }

    #[test]
    fn p42_a_close_without_a_transaction_is_gone_once_the_channel_has_stayed_open_without_a_break()
    {
        let mut wrong = close(None);
        assert_eq!(wrong.judge(Standing::Open, at(10), None), Verdict::Waits);
        assert_eq!(wrong.judge(Standing::Open, at(9 + HOUR), None), Verdict::Waits);
        assert_eq!(wrong.judge(Standing::Unknown, at(10 + HOUR), None), Verdict::Waits);
        assert_eq!(wrong.judge(Standing::Open, at(11 + HOUR), None), Verdict::Waits);
        assert_eq!(wrong.judge(Standing::Open, at(11 + 2 * HOUR), Some(1)), Verdict::Waits);
        assert_eq!(wrong.judge(Standing::Open, at(12 + 2 * HOUR), Some(1)), Verdict::Gone);
    }

    #[test]
    fn p42_a_close_whose_transaction_may_land_is_never_gone_by_time_and_is_told_of_once() {
        let origin = Origin { transaction: B256::ZERO, sender: Address::ZERO, nonce: Some(3) };
        let mut waits = close(Some(origin));
        assert_eq!(waits.judge(Standing::Open, at(0), None), Verdict::Waits);
        assert_eq!(waits.judge(Standing::Open, at(HOUR), None), Verdict::WaitsLong);
        assert_eq!(waits.judge(Standing::Open, at(1_000 * HOUR), None), Verdict::Waits);
        assert_eq!(waits.judge(Standing::RuledOut, at(1_001 * HOUR), None), Verdict::Gone);
    }
}
