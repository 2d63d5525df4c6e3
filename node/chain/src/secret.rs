//! Secrets that were registered before anybody waited for them.
//!
//! A lock whose secret is public already must not be taken as if it were not: the contract would pay it.

use crate::call::Contracts;
use crate::endpoint::{Endpoint, EndpointError};
use crate::endpoints::Endpoints;
use crate::error::ChainError;
use crate::rpc::{At, BlockTag, CallRequest};
use alloy::rpc::types::Filter;
use alloy_primitives::B256;
use alloy_sol_types::{SolCall, SolEvent};
use lockstep_contracts::bindings::SecretRegistry;
use lockstep_core::hash_of;
use lockstep_core::time::BlockTimestamp;

/// Blocks of one time that are searched: a rollup may make several in a second.
const SAME_TIME_BLOCKS: u64 = 64;

/// A secret that the registry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revealed {
    /// The secret.
    pub secret: B256,
    /// When the registry took it.
    pub at: BlockTimestamp,
}

impl Endpoints {
    /// Whether the registry holds the secret of a hash, in the newest finalized block that a quorum shows.
    /// What is newer than that comes as a fact to whoever follows.
    ///
    /// # Errors
    /// [`ChainError::NoQuorum`] if too few agree, [`ChainError::SecretNotFound`] if the registry holds it and
    /// no endpoint shows it.
    pub async fn revealed(
        &self,
        contracts: &Contracts,
        hash: B256,
    ) -> Result<Option<Revealed>, ChainError> {
        let needed = self.profile().quorum;
        let none = ChainError::NoQuorum { agreeing: 0, needed };
        let (_, block_hash) = self.finalized().await.ok_or(none)?;
        let data = SecretRegistry::revealedAtCall { hash }.abi_encode().into();
        let request = CallRequest::view(contracts.registry, data);
        let answer = self.call_agreed(&request, At::Block(block_hash)).await?;
        let at = SecretRegistry::revealedAtCall::abi_decode_returns_validate(&answer)
            .map_err(|_| ChainError::Unfit)?
            .to::<u64>();
        if at == 0 {
            return Ok(None);
        }
        // The hash vouches for the secret, so one endpoint's word is enough.
        for endpoint in self.iter() {
            match endpoint.secret_at(contracts, hash, at).await {
                Ok(Some(secret)) => {
                    return Ok(Some(Revealed { secret, at: BlockTimestamp(at) }));
                }
                Ok(None) => {}
                Err(error) => tracing::info!(error = %error, "an endpoint does not show a secret"),
            }
        }
        Err(ChainError::SecretNotFound { hash })
    }
}

impl Endpoint {
    /// The secret that was registered in a block of this time.
    async fn secret_at(
        &self,
        contracts: &Contracts,
        hash: B256,
        at: u64,
    ) -> Result<Option<B256>, EndpointError> {
        let first = self.first_block_at(at).await?;
        let topic = SecretRegistry::SecretRevealed::SIGNATURE_HASH;
        let last = first.saturating_add(SAME_TIME_BLOCKS);
        let filter = Filter::new()
            .address(contracts.registry)
            .event_signature(topic)
            .topic1(hash)
            .from_block(first)
            .to_block(last);
        let logs = self.logs(&filter).await?;
        let secrets = logs
            .iter()
            .filter_map(|log| SecretRegistry::SecretRevealed::decode_log(&log.inner).ok())
            .map(|event| event.secret);
        Ok(secrets.into_iter().find(|secret| hash_of(*secret) == hash))
    }

    /// The lowest block whose time is not before this, by halving: times never fall from block to block.
    async fn first_block_at(&self, at: u64) -> Result<u64, EndpointError> {
        let (mut low, mut high) = (0, self.header(BlockTag::Latest, false).await?.number());
        while low < high {
            let middle = low.midpoint(high);
            let header = self.header(BlockTag::Number(middle), false).await?;
            if header.point().timestamp.0 < at {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}
