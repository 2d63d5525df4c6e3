//! What calls would cost, without sending anything.

use super::gas::{self, Bounds, Need};
use super::now::Now;
use crate::call::{self, Contracts};
use crate::endpoints::Endpoints;
use crate::error::ChainError;
use crate::rpc::CallRequest;
use alloy_primitives::{Address, U256};
use lockstep_core::chain::{ChainCall, ObligationKind};
use lockstep_core::money::Amount;
use lockstep_core::terms::Terms;

/// What calls are expected to cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallEstimate {
    /// Of all calls together.
    pub gas: u64,
    /// What would be offered now. Units: wei per gas.
    pub max_fee_per_gas: u128,
    /// At the present price, with what is paid for data. Units: wei.
    pub expected: Amount,
    /// At the most that would be offered now, with what is paid for data. Units: wei.
    pub most: Amount,
    /// Whether every call was simulated; else some are estimated by what such calls usually take.
    pub is_simulated: bool,
}

/// What calls for a channel would cost from an account now.
///
/// # Errors
/// If no endpoint answers, or a call lacks a signature.
pub async fn estimate(
    endpoints: &Endpoints,
    contracts: &Contracts,
    from: Address,
    terms: &Terms,
    calls: &[ChainCall],
) -> Result<CallEstimate, ChainError> {
    let now = Now::look(endpoints).await?;
    let price = now.most.base_fee.saturating_add(now.most.fees.priority);
    let mut total = CallEstimate {
        max_fee_per_gas: now.most.fees.max_fee,
        is_simulated: true,
        ..CallEstimate::default()
    };
    let (mut expected, mut most) = (U256::ZERO, U256::ZERO);
    for chain_call in calls {
        let (to, data) = call::encode(contracts, terms, chain_call, None)?;
        let request = CallRequest { from: Some(from), ..CallRequest::view(to, data) };
        let need = match gas::need(endpoints, &request, Bounds::of_payment(endpoints)).await {
            Err(ChainError::Endpoint(error)) if error.revert().is_some() => {
                total.is_simulated = false;
                gas::usual_need(endpoints, &request, usual_gas(chain_call.kind())).await?
            }
            answer => answer?,
        };
        let Need { gas, data_fee } = need;
        let at = |price: u128| {
            U256::from(gas).saturating_mul(U256::from(price)).saturating_add(data_fee)
        };
        total.gas = total.gas.saturating_add(gas);
        expected = expected.saturating_add(at(price));
        most = most.saturating_add(at(now.most.fees.max_fee));
    }
    total.expected = Amount::from_u256(expected);
    total.most = Amount::from_u256(most);
    Ok(total)
}

/// What a close with its challenge takes from its start to its end.
pub(super) fn gas_of_a_close() -> u64 {
    usual_gas(ObligationKind::InitiateClose)
        .saturating_add(usual_gas(ObligationKind::Challenge))
        .saturating_add(usual_gas(ObligationKind::Close))
}

/// Whole-transaction gas of a call, rounded up with room for a costly token.
///
/// Source: `contracts/snapshots`.
pub(super) fn usual_gas(kind: ObligationKind) -> u64 {
    match kind {
        ObligationKind::InitiateClose => 120_000,
        ObligationKind::Challenge => 90_000,
        ObligationKind::Close => 100_000,
        ObligationKind::CooperativeClose => 120_000,
        ObligationKind::PartialWithdraw => 130_000,
        ObligationKind::RegisterSecret => 60_000,
        ObligationKind::ResolveLocks => 450_000,
    }
}
