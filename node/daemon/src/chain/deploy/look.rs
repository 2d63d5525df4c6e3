//! What a deployment would do: looked at, nothing sent and nothing written.

use super::{DEPLOYER, DeployError, DeployOrder, Wanted, plan, read_record};
use crate::chain::deployment::file_name;
use alloy_primitives::{Address, U256};
use lockstep_chain::endpoint::Endpoint;
use lockstep_contracts::deployment::ContractRole;
use std::path::PathBuf;

/// A contract of the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub role: ContractRole,
    /// Where it is, or will be.
    pub address: Address,
    /// Whether it is there.
    pub is_there: bool,
}

/// What a deployment finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The chain.
    pub chain_id: u64,
    /// Whether the deterministic deployer is there.
    pub has_deployer: bool,
    /// The contracts, in the order in which they are created.
    pub contracts: Vec<Seen>,
    /// Where the record is, or will be.
    pub path: PathBuf,
    /// What the account holds. Units: wei.
    pub balance: U256,
}

/// Looks at a chain as [`super::deploy`] would.
///
/// # Errors
/// What the deployment itself would be refused for, as far as it can be seen before.
pub async fn look(order: &DeployOrder) -> Result<Found, DeployError> {
    let path = order.folder.join(file_name(&order.network)?);
    let chain_id = order.endpoints.ask_quorum(Endpoint::chain_id).await?;
    let deployment = plan(order, chain_id)?;
    read_record(&path, &deployment)?;
    let deployer = order.endpoints.ask_quorum(|endpoint| endpoint.code(DEPLOYER)).await?;
    let mut contracts = Vec::new();
    for role in [ContractRole::Registry, ContractRole::Channel] {
        let wanted = Wanted::new(order, &deployment, role)?;
        let is_there = wanted.is_there(&order.endpoints).await?;
        contracts.push(Seen { role, address: wanted.creation.address, is_there });
    }
    let balance = order.endpoints.balance(order.account.address()).await?;
    Ok(Found { chain_id, has_deployer: !deployer.is_empty(), contracts, path, balance })
}
