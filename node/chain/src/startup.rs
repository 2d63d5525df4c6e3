//! Before anything is believed: the right chain, and exactly our code (P93).

use crate::endpoint::{Endpoint, EndpointError};
use crate::endpoints::Endpoints;
use crate::error::ChainError;
use alloy_primitives::Bytes;
use lockstep_contracts::deployment::{ContractRole, Deployment};

/// Compares what the endpoints serve with the deployment record. One that answers is enough to begin, since
/// nothing is credited without a quorum, and a stale close must be answered while an endpoint is down too.
///
/// # Errors
/// If any endpoint serves another chain or other code, or none answers.
pub async fn check(endpoints: &Endpoints, deployment: &Deployment) -> Result<(), ChainError> {
    let mut answering = 0usize;
    let mut failure = None;
    let answers = endpoints.ask_all(|endpoint| served(endpoint, deployment)).await;
    for (answer, endpoint) in answers.into_iter().zip(endpoints.iter()) {
        let (chain_id, channel, registry) = match answer {
            Ok(served) => served,
            Err(error) => {
                tracing::warn!(error = %error, "endpoint does not answer at the start");
                failure = Some(error);
                continue;
            }
        };
        for (role, code) in [(ContractRole::Channel, channel), (ContractRole::Registry, registry)] {
            deployment.check_chain(role, chain_id, &code).map_err(|source| {
                ChainError::Deployment { endpoint: endpoint.name().clone(), source }
            })?;
        }
        answering = answering.saturating_add(1);
    }
    match failure {
        Some(error) if answering == 0 => Err(error.into()),
        Some(_) | None => Ok(()),
    }
}

async fn served(
    endpoint: &Endpoint,
    deployment: &Deployment,
) -> Result<(u64, Bytes, Bytes), EndpointError> {
    let chain_id = endpoint.chain_id().await?;
    let channel = endpoint.code(deployment.channel.address).await?;
    let registry = endpoint.code(deployment.registry.address).await?;
    Ok((chain_id, channel, registry))
}
