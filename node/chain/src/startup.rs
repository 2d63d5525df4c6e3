//! Before anything is believed: the right chain, and exactly our code (P93).

use crate::endpoint::{Endpoint, EndpointError, EndpointName};
use crate::endpoints::Endpoints;
use crate::error::ChainError;
use alloy_primitives::Bytes;
use lockstep_contracts::deployment::{ContractRole, Deployment};

/// The endpoints that may be used.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Those that serve the deployment, and those that do not answer now.
    pub endpoints: Endpoints,
    /// Those that serve something else. They are asked nothing any more: the next start asks them again.
    pub left_out: Vec<EndpointName>,
}

/// Compares what the endpoints serve with the deployment record. One that answers is enough.
///
/// # Errors
/// If any endpoint serves another chain or other code, or none answers.
pub async fn check(endpoints: &Endpoints, deployment: &Deployment) -> Result<(), ChainError> {
    let found = Found::ask(endpoints, deployment).await;
    match found.wrong.into_iter().next() {
        Some((_, error)) => Err(error),
        None => found.failure.filter(|_| found.serving == 0).map_or(Ok(()), Err),
    }
}

/// The same for a node that has channels to watch: an endpoint that serves something else is left out. One that
/// is right is enough to begin: nothing is credited without a quorum, and a stale close must be answered while
/// an endpoint is down or wrong.
///
/// # Errors
/// If none serves the deployment, or as many serve something else as would be believed.
pub async fn usable(endpoints: &Endpoints, deployment: &Deployment) -> Result<Checked, ChainError> {
    let Found { serving, wrong, failure } = Found::ask(endpoints, deployment).await;
    let places = wrong.iter().map(|(place, _)| *place).collect();
    let is_believed = wrong.len() >= endpoints.profile().quorum;
    match wrong.into_iter().next() {
        Some((_, error)) if is_believed || serving == 0 => return Err(error),
        Some(_) | None => {}
    }
    match failure {
        Some(error) if serving == 0 => Err(error),
        Some(_) | None => {
            let (endpoints, left_out) = endpoints.without(&places);
            Ok(Checked { endpoints, left_out })
        }
    }
}

/// What the endpoints serve.
struct Found {
    /// How many serve the deployment.
    serving: usize,
    /// The places of those that serve something else, and what differs.
    wrong: Vec<(usize, ChainError)>,
    /// Why another one did not answer.
    failure: Option<ChainError>,
}

impl Found {
    async fn ask(endpoints: &Endpoints, deployment: &Deployment) -> Self {
        let mut found = Self { serving: 0, wrong: Vec::new(), failure: None };
        let answers = endpoints.ask_all(|endpoint| served(endpoint, deployment)).await;
        for (place, (answer, endpoint)) in answers.into_iter().zip(endpoints.iter()).enumerate() {
            match answer.map(|served| compare(endpoint, &served, deployment)) {
                Ok(Ok(())) => found.serving = found.serving.saturating_add(1),
                Ok(Err(error)) => {
                    tracing::error!(error = %error, "endpoint serves something else");
                    found.wrong.push((place, error));
                }
                Err(error) => {
                    tracing::warn!(error = %error, "endpoint does not answer at the start");
                    found.failure = Some(error.into());
                }
            }
        }
        found
    }
}

struct Served {
    chain_id: u64,
    channel: Bytes,
    registry: Bytes,
}

fn compare(
    endpoint: &Endpoint,
    served: &Served,
    deployment: &Deployment,
) -> Result<(), ChainError> {
    let codes =
        [(ContractRole::Channel, &served.channel), (ContractRole::Registry, &served.registry)];
    for (role, code) in codes {
        deployment.check_chain(role, served.chain_id, code).map_err(|source| {
            ChainError::Deployment { endpoint: endpoint.name().clone(), source }
        })?;
    }
    Ok(())
}

async fn served(endpoint: &Endpoint, deployment: &Deployment) -> Result<Served, EndpointError> {
    let chain_id = endpoint.chain_id().await?;
    let channel = endpoint.code(deployment.channel.address).await?;
    let registry = endpoint.code(deployment.registry.address).await?;
    Ok(Served { chain_id, channel, registry })
}
