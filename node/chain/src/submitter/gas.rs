//! How much gas a call needs, and what it pays for its data beside gas.

use crate::endpoints::Endpoints;
use crate::error::ChainError;
use crate::profile::DataFee;
use crate::rpc::{At, CallRequest};
use alloy_primitives::{Address, Bytes, U256, address};
use alloy_sol_types::{SolCall, sol};

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

/// Estimates a call. An endpoint that says that it would fail does not decide alone.
pub(super) async fn need(endpoints: &Endpoints, call: &CallRequest) -> Result<Need, ChainError> {
    let estimate = endpoints.ask_any(|endpoint| endpoint.estimate_gas(call)).await?;
    let padded = estimate.saturating_add(estimate.div_ceil(8)).saturating_add(SPARE_GAS);
    match endpoints.profile().data_fee {
        DataFee::None => Ok(Need { gas: padded, data_fee: U256::ZERO }),
        DataFee::OptimismOracle => {
            let data_fee = optimism_fee(endpoints, &call.data).await?;
            Ok(Need { gas: padded, data_fee })
        }
        DataFee::ArbitrumNode => {
            // The estimate holds the data's share already; once more of it, since L1's price may double.
            let share = arbitrum_share(endpoints, call).await?;
            Ok(Need { gas: padded.saturating_add(share), data_fee: U256::ZERO })
        }
    }
}

async fn optimism_fee(endpoints: &Endpoints, data: &Bytes) -> Result<U256, ChainError> {
    let envelope = core::iter::repeat_n(0xff, ENVELOPE_BYTES);
    let bytes: Bytes = data.iter().copied().chain(envelope).collect();
    let data = getL1FeeCall { data: bytes }.abi_encode().into();
    let request = CallRequest { from: None, to: GAS_PRICE_ORACLE, data };
    let answer = endpoints.ask_any(|endpoint| endpoint.call(&request, At::Latest)).await?;
    getL1FeeCall::abi_decode_returns_validate(&answer).map_err(|_| ChainError::Unfit)
}

async fn arbitrum_share(endpoints: &Endpoints, call: &CallRequest) -> Result<u64, ChainError> {
    let inner =
        gasEstimateComponentsCall { to: call.to, contractCreation: false, data: call.data.clone() };
    let data = inner.abi_encode().into();
    let request = CallRequest { from: call.from, to: NODE_INTERFACE, data };
    let answer = endpoints.ask_any(|endpoint| endpoint.call(&request, At::Latest)).await?;
    let parts = gasEstimateComponentsCall::abi_decode_returns_validate(&answer);
    parts.map(|parts| parts.gasEstimateForL1).map_err(|_| ChainError::Unfit)
}
