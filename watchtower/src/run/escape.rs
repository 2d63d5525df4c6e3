//! The way through L1, from the settings.

use std::path::Path;
use std::sync::Arc;

use lockstep_bridge::arbitrum::Arbitrum;
use lockstep_bridge::network::{BridgeNetwork, Stack};
use lockstep_bridge::optimism::Optimism;
use lockstep_bridge::rollup::Rollup;
use lockstep_chain::endpoint::{Endpoint, RequestLimits};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::port::{AccountSigner, LocalAccount};
use lockstep_chain::profile::Network;
use lockstep_signer::KeyRing;

use super::{RunError, escape_index};
use crate::config::L1Config;
use crate::watch::EscapeSetup;

/// The way through L1, and the account there that pays.
pub(super) fn setup(
    config: &L1Config,
    l2_chain_id: u64,
    l2: &Endpoints,
    keys: &KeyRing,
) -> Result<(EscapeSetup, String), RunError> {
    let network = read(&config.network)?;
    if network.l2_chain_id != l2_chain_id {
        let (expected, found) = (l2_chain_id, network.l2_chain_id);
        return Err(RunError::OtherRollup { expected, found });
    }
    let l1_chain_id = network.l1_chain_id;
    let kind = config.kind.map_or_else(|| Network::of_chain_id(l1_chain_id), Ok)?;
    let profile = kind.profile()?;
    let mut all = Vec::new();
    for (index, url) in config.endpoints.iter().enumerate() {
        let endpoint = Endpoint::new(url, RequestLimits::default());
        all.push(endpoint.map_err(|_| RunError::Endpoint { index })?);
    }
    let l1 = Endpoints::new(all, profile)?;
    let rollup: Arc<dyn Rollup> = match network.stack {
        Stack::Optimism => Arc::new(Optimism::new(l1.clone(), l2.clone(), network)),
        Stack::Arbitrum => Arc::new(Arbitrum::new(network, l1.clone(), l2.clone())),
    };
    let account = keys.account(escape_index(l2_chain_id))?;
    let shown = account.address().to_string();
    let account: Arc<dyn AccountSigner> =
        Arc::new(LocalAccount::from_secret(&account.expose_secret())?);
    let max_cost = config.max_cost();
    Ok((EscapeSetup { rollup, l1, l1_chain_id, account, max_cost }, shown))
}

fn read(path: &Path) -> Result<BridgeNetwork, RunError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| RunError::Record { path: path.into(), source })?;
    toml::from_str(&text)
        .map_err(|source| RunError::Network { path: path.into(), source: Box::new(source) })
}
