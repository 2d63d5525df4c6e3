//! A channel's terms, from the log of its open: for whoever knows nothing but its id.

use crate::call::Contracts;
use crate::convert;
use crate::endpoint::{Endpoint, EndpointError};
use crate::endpoints::Endpoints;
use crate::error::ChainError;
use crate::rpc::BlockTag;
use alloy::rpc::types::Filter;
use alloy_sol_types::SolEvent;
use lockstep_contracts::bindings::PaymentChannel::ChannelOpened;
use lockstep_core::ids::{ChannelId, Domain};
use lockstep_core::terms::Terms;
use lockstep_core::time::BlockNumber;

impl Endpoints {
    /// The terms of a channel that was opened in a block from `from` on. The id is their hash, so that one
    /// endpoint's word is enough; none if no endpoint that answers shows an open.
    ///
    /// # Errors
    /// The last failure, if no endpoint shows it and one did not answer.
    pub async fn terms_of(
        &self,
        contracts: &Contracts,
        channel_id: ChannelId,
        from: BlockNumber,
    ) -> Result<Option<Terms>, ChainError> {
        let mut failure = None;
        let range = self.profile().max_log_range;
        for endpoint in self.iter() {
            match endpoint.terms_of(contracts, channel_id, from, range).await {
                Ok(Some(terms)) => return Ok(Some(terms)),
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(None),
        }
    }
}

impl Endpoint {
    async fn terms_of(
        &self,
        contracts: &Contracts,
        channel_id: ChannelId,
        from: BlockNumber,
        range: u64,
    ) -> Result<Option<Terms>, EndpointError> {
        let last = self.header(BlockTag::Latest, false).await?.number();
        let mut first = from.0;
        while first <= last {
            let end = last.min(first.saturating_add(range.saturating_sub(1)));
            let filter = Filter::new()
                .address(contracts.channel)
                .event_signature(ChannelOpened::SIGNATURE_HASH)
                .topic1(channel_id.0)
                .from_block(first)
                .to_block(end);
            for log in self.logs(&filter).await? {
                let Ok(event) = ChannelOpened::decode_log(&log.inner) else { continue };
                let terms = convert::core_terms(&event.terms);
                let (chain_id, contract) = (contracts.chain_id, contracts.channel);
                if terms.channel_id(Domain::Evm { chain_id, contract }) == channel_id {
                    return Ok(Some(terms));
                }
            }
            first = end.saturating_add(1);
        }
        Ok(None)
    }
}
