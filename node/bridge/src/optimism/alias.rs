//! Money that a contract of L1 has left on the rollup: at its alias, of which nobody has the key.
//!
//! A deposit that fails leaves its coin at its sender's address on the rollup. A contract has another address
//! there than on L1, so the contract alone can move it, by one more deposit that brings no coin.

use super::Optimism;
use super::deliver::REFUND_GAS;
use super::deposit::aliased;
use super::fund::{deposit_call, is_contract};
use crate::error::BridgeError;
use crate::rollup::AliasPurse;
use crate::step::{Call, Layer};
use alloy_primitives::{Address, Bytes, U256};
use lockstep_chain::call::Payload;

impl Optimism {
    pub(super) async fn find_alias(
        &self,
        contract: Address,
        to: Address,
    ) -> Result<AliasPurse, BridgeError> {
        let contracts = self.contracts().await?;
        if !is_contract(&self.l1.code(contract).await?) {
            return Err(BridgeError::NotContract { account: contract });
        }
        if to.is_zero() || is_contract(&self.l2.code(to).await?) {
            return Err(BridgeError::ContractRefund { refund_to: to });
        }
        let alias = aliased(contract);
        let balance = self.l2.balance(alias).await?;
        let call = (!balance.is_zero()).then(|| {
            // A deposit pays for its gas on L1, so all of it can go.
            let payload = Payload { to, value: balance, data: Bytes::new() };
            let data = deposit_call(&payload, REFUND_GAS);
            let (to, value) = (contracts.portal, U256::ZERO);
            Call { layer: Layer::L1, to, value, data, least_gas: 0 }
        });
        Ok(AliasPurse { alias, balance, call })
    }
}
