//! A way into the rollup past its sequencer: a deposit without money (P77).

use super::Optimism;
use super::fund::deposit_call;
use crate::error::BridgeError;
use crate::order::ForceOrder;
use crate::step::{Call, Layer};
use alloy_primitives::U256;
use lockstep_chain::call::Payload;
use lockstep_chain::rpc::CallRequest;

/// What an L1 transaction, which may take 2^24 gas, can buy on the rollup while the price is at its floor.
const MOST_GAS: u64 = 16_000_000;
/// Beside half of the estimate.
const SPARE_GAS: u64 = 50_000;

impl Optimism {
    pub(super) async fn plan_force(&self, order: &ForceOrder) -> Result<Call, BridgeError> {
        let contracts = self.contracts().await?;
        let request = CallRequest {
            from: Some(order.payer),
            to: order.to,
            data: order.data.clone(),
            value: None,
        };
        // The rollup may be the very thing that does not answer.
        let gas = match self.l2.estimate(&request).await {
            Ok(gas) => gas.saturating_add(gas.div_ceil(2)).saturating_add(SPARE_GAS),
            Err(_) => order.usual_gas,
        };
        if gas > MOST_GAS {
            return Err(BridgeError::TooLargeToForce { gas, most: MOST_GAS });
        }
        let payload = Payload { to: order.to, value: U256::ZERO, data: order.data.clone() };
        let (to, value, data) = (contracts.portal, U256::ZERO, deposit_call(&payload, gas));
        let (least_gas, _) = self.l1_cost(order.payer, to, value, &data).await?;
        Ok(Call { layer: Layer::L1, to, value, data, least_gas })
    }
}
