//! How much gas a call needs, and what it pays for its data beside gas.

use super::estimate::usual_gas;
use crate::endpoints::{Answers, Endpoints, highest, middle};
use crate::error::ChainError;
use crate::profile::{DataFee, Network};
use crate::rpc::{At, CallRequest};
use alloy_primitives::{Address, Bytes, U256, address};
use alloy_sol_types::{SolCall, sol};
use lockstep_core::chain::ObligationKind;

sol! {
    /// Source: OP Stack predeploy `GasPriceOracle`.
    function getL1Fee(bytes data) external view returns (uint256);
    /// Source: Arbitrum's virtual contract `NodeInterface`.
    function gasEstimateComponents(address to, bool contractCreation, bytes data)
        external payable
        returns (uint64 gasEstimate, uint64 gasEstimateForL1, uint256 baseFee, uint256 l1BaseFeeEstimate);
}

const GAS_PRICE_ORACLE: Address = address!("420000000000000000000000000000000000000F");
const NODE_INTERFACE: Address = address!("00000000000000000000000000000000000000C8");

/// Beside an eighth, for a state that differs when the call lands: a first write to cold storage.
const SPARE_GAS: u64 = 25_000;
/// What a signed transaction adds to its calldata on L1. Units: bytes; they are not zero, so the estimate is
/// high.
const ENVELOPE_BYTES: usize = 180;

/// Gas of a plain transfer. Source: yellow paper, `G_transaction`.
pub(super) const TRANSFER_GAS: u64 = 21_000;

/// What a call will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) gas: u64,
    /// Paid on top of gas. Units: wei.
    pub(super) data_fee: U256,
}

/// The most that any call of ours takes where gas has Ethereum's prices: 32 locks of a costly token.
const MAX_CALL_GAS: u64 = 4_000_000;
/// The same where gas pays for data as well. Source: Arbitrum's limit per transaction is 32 million.
const MAX_DATA_GAS: u64 = 32_000_000;

/// The most for a batch where gas has Ethereum's prices. No transaction may take more than 16,777,216 (EIP-7825).
const MAX_BATCH_GAS: u64 = 15_000_000;

/// Estimates that differ by more than this many times contradict each other.
const WIDELY: u64 = 2;
/// A challenge with as many locks as a state may hold takes less than this many times what one without takes.
const PLAUSIBLE_FACTOR: u64 = 4;
/// The same where gas pays for data as well, whose price moves by itself.
const PLAUSIBLE_FACTOR_WITH_DATA: u64 = 40;

/// What a row of a batch takes where gas has Ethereum's prices, rounded up. Source: `contracts/snapshots`.
pub(super) const ROW_GAS: u64 = 45_000;
/// What the contract asks to be left before each row. Source: `ChannelExit.BATCH_ITEM_GAS`.
pub(super) const LEFT_OVER_GAS: u64 = 150_000;

/// What no honest estimate exceeds, or falls below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// What it takes in any case: the newest state may say that there is little to do, and the block that it lands in
    /// may build on another one.
    pub(super) least: u64,
    /// Where endpoints contradict each other; none where it is not known.
    pub(super) plausible: Option<u64>,
    /// In any case.
    pub(super) most: u64,
}

impl Bounds {
    /// Of what is not owed: it may call a token, which takes what it takes.
    pub(super) fn of_payment(endpoints: &Endpoints) -> Self {
        Self { least: 0, plausible: None, most: ceiling(endpoints) }
    }

    /// Of a call that is owed.
    pub(super) fn of_call(endpoints: &Endpoints, kind: ObligationKind) -> Self {
        Self { least: 0, plausible: plausible(endpoints, kind), most: ceiling(endpoints) }
    }

    /// Of many challenges in one transaction.
    pub(super) fn of_batch(endpoints: &Endpoints, rows: usize) -> Self {
        let one = plausible(endpoints, ObligationKind::Challenge);
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let most = batch_gas(endpoints);
        let plausible = one.map(|gas| gas.saturating_mul(rows).min(most));
        let least = rows.saturating_mul(ROW_GAS).saturating_add(LEFT_OVER_GAS);
        Self { least, plausible, most }
    }
}

/// Estimates a call, so that no endpoint alone can let it run out of gas, or make it so dear that the budget or
/// the account does not suffice: the upper middle of what they say. Where only two say something, and widely
/// differ, the higher one counts up to what is plausible. An endpoint that says that
/// it would fail does not decide alone.
///
/// # Errors
/// If no endpoint estimates it: the revert, if one of them tells of one.
pub(super) async fn need(
    endpoints: &Endpoints,
    call: &CallRequest,
    bounds: Bounds,
) -> Result<Need, ChainError> {
    let answers = endpoints.ask_all(|endpoint| endpoint.estimate_gas(call)).await;
    let estimate = settled_estimate(answers, bounds.plausible)?;
    let padded = estimate.saturating_add(estimate.div_ceil(8)).saturating_add(SPARE_GAS);
    finish(endpoints, call, padded.max(bounds.least), bounds.most).await
}

/// The same for a call that can't be simulated yet, from what such calls usually take.
///
/// # Errors
/// If no endpoint answers.
pub(super) async fn usual_need(
    endpoints: &Endpoints,
    call: &CallRequest,
    usual_gas: u64,
) -> Result<Need, ChainError> {
    finish(endpoints, call, usual_gas, ceiling(endpoints)).await
}

async fn finish(
    endpoints: &Endpoints,
    call: &CallRequest,
    gas: u64,
    most: u64,
) -> Result<Need, ChainError> {
    match endpoints.profile().data_fee {
        DataFee::None => Ok(Need { gas: gas.min(most), data_fee: U256::ZERO }),
        DataFee::OptimismOracle => {
            let data_fee = optimism_fee(endpoints, &call.data).await?;
            Ok(Need { gas: gas.min(most), data_fee })
        }
        DataFee::ArbitrumNode => {
            // The estimate holds the data's share already; once more of it, since L1's price may double.
            let share = arbitrum_share(endpoints, call).await?.min(gas);
            let gas = gas.saturating_add(share).min(most);
            Ok(Need { gas, data_fee: U256::ZERO })
        }
    }
}

/// What no call of ours needs more of, whatever an endpoint says.
fn ceiling(endpoints: &Endpoints) -> u64 {
    match endpoints.profile().network {
        Network::Ethereum | Network::Optimism | Network::Polygon | Network::Development => {
            MAX_CALL_GAS
        }
        Network::Arbitrum | Network::Zksync | Network::Starknet => MAX_DATA_GAS,
    }
}

/// What a batch may take at most.
pub(super) fn batch_gas(endpoints: &Endpoints) -> u64 {
    match ceiling(endpoints) {
        MAX_CALL_GAS => MAX_BATCH_GAS,
        _ => MAX_DATA_GAS,
    }
}

/// What no honest estimate of a call exceeds, where that is known: a multiple of what such calls usually take.
/// Calls that pay out may call a token, which takes what it takes.
fn plausible(endpoints: &Endpoints, kind: ObligationKind) -> Option<u64> {
    let factor = match ceiling(endpoints) {
        MAX_CALL_GAS => PLAUSIBLE_FACTOR,
        _ => PLAUSIBLE_FACTOR_WITH_DATA,
    };
    match kind {
        ObligationKind::InitiateClose
        | ObligationKind::Challenge
        | ObligationKind::RegisterSecret => Some(usual_gas(kind).saturating_mul(factor)),
        ObligationKind::Close
        | ObligationKind::CooperativeClose
        | ObligationKind::PartialWithdraw
        | ObligationKind::ResolveLocks => None,
    }
}

fn settled_estimate(answers: Answers<u64>, plausible: Option<u64>) -> Result<u64, ChainError> {
    let mut failures = Vec::new();
    let mut found = Vec::new();
    for answer in answers {
        match answer {
            Ok(gas) => found.push(gas),
            Err(error) => failures.push(error),
        }
    }
    if let (Some((_, gas)), Some(lowest)) = (middle(found.iter().copied()), found.iter().min()) {
        let is_disputed = gas > lowest.saturating_mul(WIDELY);
        let most = plausible.filter(|_| is_disputed).unwrap_or(u64::MAX);
        return Ok(gas.min(most).max(*lowest));
    }
    // A revert says more than a dead line.
    let reverts = failures.iter().position(|error| error.revert().is_some()).unwrap_or(0);
    match failures.into_iter().nth(reverts) {
        Some(error) => Err(error.into()),
        None => Err(ChainError::TooFewEndpoints { found: 0, needed: 1 }),
    }
}

/// The lowest that any endpoint says. The chain charges what it charges; the estimate only tells whether the
/// account and the budget suffice, and one endpoint's invented fee must hold nothing back.
async fn optimism_fee(endpoints: &Endpoints, data: &Bytes) -> Result<U256, ChainError> {
    let envelope = core::iter::repeat_n(0xff, ENVELOPE_BYTES);
    let bytes: Bytes = data.iter().copied().chain(envelope).collect();
    let data = getL1FeeCall { data: bytes }.abi_encode().into();
    let request = CallRequest::view(GAS_PRICE_ORACLE, data);
    let answers = endpoints.ask_all(|endpoint| endpoint.call_number(&request, At::Latest)).await;
    highest(answers, |fee| core::cmp::Reverse(*fee))
}

async fn arbitrum_share(endpoints: &Endpoints, call: &CallRequest) -> Result<u64, ChainError> {
    let inner =
        gasEstimateComponentsCall { to: call.to, contractCreation: false, data: call.data.clone() };
    let data = inner.abi_encode().into();
    let request = CallRequest { from: call.from, ..CallRequest::view(NODE_INTERFACE, data) };
    let answers = endpoints.ask_all(|endpoint| endpoint.call(&request, At::Latest)).await;
    let read = |answer: Bytes| gasEstimateComponentsCall::abi_decode_returns_validate(&answer).ok();
    let shares = answers.into_iter().flatten().filter_map(read).map(|parts| parts.gasEstimateForL1);
    shares.max().ok_or(ChainError::Unfit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p73_p76_no_endpoint_alone_makes_a_call_run_out_of_gas_or_far_too_dear() {
        let need = |answers: &[u64]| {
            settled_estimate(answers.iter().copied().map(Ok).collect(), Some(360_000)).unwrap()
        };
        assert_eq!(need(&[200_000]), 200_000);
        assert_eq!(need(&[200_000, 210_000]), 210_000);
        // One of two lies: whichever it is, the honest need is covered and nothing absurd is.
        assert_eq!(need(&[21_000, 200_000]), 200_000);
        assert_eq!(need(&[200_000, 4_000_000]), 360_000);
        // One of three.
        assert_eq!(need(&[200_000, 4_000_000, 200_000]), 200_000);
        assert_eq!(need(&[200_000, 21_000, 200_000]), 200_000);
        // Both of two say so: then it is so.
        assert_eq!(need(&[900_000, 950_000]), 950_000);
    }
}
