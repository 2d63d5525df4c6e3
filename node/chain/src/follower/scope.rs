//! Which logs are wanted.

use crate::call::Contracts;
use alloy::rpc::types::{Filter, Log};
use alloy_primitives::{B256, Bloom, BloomInput};
use lockstep_core::ids::ChannelId;
use std::collections::BTreeSet;

/// Above this many names the contracts' logs are all asked for: endpoints limit the length of a filter.
const MAX_TOPICS: usize = 256;

/// The channels and secrets that somebody waits for. Their names are topic 1 of every log about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    contracts: Contracts,
    names: BTreeSet<B256>,
    is_everything: bool,
}

impl Scope {
    /// Nothing yet.
    pub(crate) fn new(contracts: Contracts) -> Self {
        Self { contracts, names: BTreeSet::new(), is_everything: false }
    }

    /// The contracts.
    pub(crate) fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// Adds a channel or a secret's hash; whether it is new.
    pub(crate) fn insert(&mut self, name: B256) -> bool {
        self.names.insert(name)
    }

    /// Takes one away.
    pub(crate) fn remove(&mut self, name: B256) {
        self.names.remove(&name);
    }

    /// Every channel of the contract.
    pub(crate) fn widen(&mut self) {
        self.is_everything = true;
    }

    /// Whether nothing is wanted.
    pub(crate) fn is_empty(&self) -> bool {
        !self.is_everything && self.names.is_empty()
    }

    /// The channels and secrets that are named.
    pub(crate) fn channels(&self) -> impl Iterator<Item = ChannelId> {
        self.names.iter().copied().map(ChannelId)
    }

    fn is_filtered(&self) -> bool {
        !self.is_everything && self.names.len() <= MAX_TOPICS
    }

    /// The query for a range.
    pub(crate) fn filter(&self, from: u64, to: u64) -> Filter {
        let addresses = vec![self.contracts.channel, self.contracts.registry];
        let filter = Filter::new().address(addresses).from_block(from).to_block(to);
        if self.is_filtered() {
            filter.topic1(self.names.iter().copied().collect::<Vec<_>>())
        } else {
            filter
        }
    }

    /// Whether a log is wanted; also holds an endpoint to the query it was asked.
    pub(crate) fn wants(&self, log: &Log) -> bool {
        let is_ours = [self.contracts.channel, self.contracts.registry].contains(&log.address());
        let name = log.topics().get(1);
        is_ours && (self.is_everything || name.is_some_and(|name| self.names.contains(name)))
    }

    /// Whether a block may hold a wanted log.
    pub(crate) fn may_be_in(&self, bloom: &Bloom) -> bool {
        let has = |bytes: &[u8]| bloom.contains_input(BloomInput::Raw(bytes));
        let is_ours =
            has(self.contracts.channel.as_slice()) || has(self.contracts.registry.as_slice());
        let is_named = || self.is_everything || self.names.iter().any(|name| has(name.as_slice()));
        is_ours && is_named()
    }
}
