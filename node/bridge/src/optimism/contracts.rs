//! The bridge's contracts, found from the one address that is configured.

use super::Optimism;
use super::abi::{IPortal, ISystemConfig};
use crate::error::BridgeError;
use crate::step::Layer;
use alloy_primitives::{Address, B256, U256, keccak256};

/// Where everything is on L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contracts {
    pub(super) portal: Address,
    pub(super) bridge: Address,
    pub(super) factory: Address,
    pub(super) registry: Address,
}

impl Optimism {
    /// Chain ids, code and mutual references (P93).
    pub(super) async fn check_contracts(&self) -> Result<(), BridgeError> {
        self.l1.check_chain(self.network.l1_chain_id).await?;
        self.l2.check_chain(self.network.l2_chain_id).await?;
        let entry = self.network.entry;
        let (_, code_hash) = self.l1.proxy(entry).await?;
        if let Some(pinned) = self.network.entry_code_hash
            && pinned != code_hash
        {
            return Err(BridgeError::OtherCode { address: entry, pinned, found: code_hash });
        }
        let found = self.l1.read(entry, &ISystemConfig::l2ChainIdCall {}).await?;
        let expected = self.network.l2_chain_id;
        if found != U256::from(expected) {
            return Err(BridgeError::WrongPair { entry, expected, found });
        }
        let contracts = self.contracts().await?;
        let address = contracts.portal;
        if self.l1.read(address, &IPortal::systemConfigCall {}).await? != entry {
            return Err(BridgeError::Stranger { entry, address });
        }
        let fingerprint = self.fingerprint(&contracts).await?;
        let mut accepted = self.accepted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        accepted.get_or_insert(fingerprint);
        Ok(())
    }

    /// Where everything is, read once: proxies keep their addresses.
    pub(super) async fn contracts(&self) -> Result<Contracts, BridgeError> {
        if let Some(found) = self.found.get() {
            return Ok(*found);
        }
        let entry = self.network.entry;
        let portal = self.l1.read(entry, &ISystemConfig::optimismPortalCall {}).await?;
        let found = Contracts {
            portal,
            bridge: self.l1.read(entry, &ISystemConfig::l1StandardBridgeCall {}).await?,
            factory: self.l1.read(portal, &IPortal::disputeGameFactoryCall {}).await?,
            registry: self.l1.read(portal, &IPortal::anchorStateRegistryCall {}).await?,
        };
        for address in [found.portal, found.bridge, found.factory, found.registry] {
            if self.l1.code(address).await?.is_empty() {
                return Err(BridgeError::NoCode { layer: Layer::L1, address });
            }
        }
        Ok(*self.found.get_or_init(|| found))
    }

    /// What the proxies lead to now.
    async fn fingerprint(&self, contracts: &Contracts) -> Result<B256, BridgeError> {
        let mut all = Vec::new();
        for proxy in [self.network.entry, contracts.portal, contracts.bridge] {
            let (implementation, code_hash) = self.l1.proxy(proxy).await?;
            all.extend_from_slice(implementation.as_slice());
            all.extend_from_slice(code_hash.as_slice());
        }
        Ok(keccak256(all))
    }

    /// Whether new transfers may begin: the bridge is as it was when it was accepted (P99), pays out, and takes
    /// the coin of L1.
    pub(super) async fn check_open(&self) -> Result<Contracts, BridgeError> {
        let contracts = self.contracts().await?;
        let fingerprint = self.fingerprint(&contracts).await?;
        let accepted = {
            let mut held = self.accepted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *held.get_or_insert(fingerprint)
        };
        if accepted != fingerprint {
            return Err(BridgeError::Upgraded);
        }
        if self.is_paused(&contracts).await? {
            return Err(BridgeError::Paused);
        }
        let custom = self.l1.read(self.network.entry, &ISystemConfig::isCustomGasTokenCall {});
        match custom.await {
            Ok(true) => Err(BridgeError::CustomGasToken),
            Ok(false) => Ok(contracts),
            // Versions without such chains do not have the function.
            Err(error) if error.is_revert() => Ok(contracts),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn is_paused(&self, contracts: &Contracts) -> Result<bool, BridgeError> {
        self.l1.read(contracts.portal, &IPortal::pausedCall {}).await
    }
}
