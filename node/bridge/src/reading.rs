//! Contracts and transactions of both chains, read so that no single endpoint can make money appear (P96).

use crate::error::BridgeError;
use crate::step::Layer;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolCall;
use lockstep_chain::endpoint::{Endpoint, EndpointError};
use lockstep_chain::endpoints::{Endpoints, majority};
use lockstep_chain::error::ChainError;
use lockstep_chain::rpc::{At, BlockTag, CallRequest, Receipt};
use lockstep_core::time::{BlockPoint, BlockTimestamp};

/// One of the two chains, as several endpoints show it.
#[derive(Clone, Debug)]
pub struct Reader {
    layer: Layer,
    endpoints: Endpoints,
}

/// The newest irreversible block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finalized {
    /// Number and time.
    pub point: BlockPoint,
    /// Hash.
    pub hash: B256,
}

/// How a transaction stands.
#[derive(Clone, Debug)]
pub enum Landed {
    /// In no block that a quorum shows.
    Nowhere,
    /// In a block that may still vanish.
    Seen(Receipt),
    /// In a finalized block.
    Final(Receipt),
}

impl Landed {
    /// Its receipt, if a block holds it.
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Nowhere => None,
            Self::Seen(receipt) | Self::Final(receipt) => Some(receipt),
        }
    }
}

impl Reader {
    /// Of one chain.
    pub fn new(layer: Layer, endpoints: Endpoints) -> Self {
        Self { layer, endpoints }
    }

    /// The endpoints.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    fn failed(&self, source: impl Into<ChainError>) -> BridgeError {
        BridgeError::Chain { layer: self.layer, source: source.into() }
    }

    /// What a quorum says that a contract answers.
    ///
    /// # Errors
    /// If it reverts, there is no quorum, or the answer is not of its interface.
    pub async fn read_at<C: SolCall + Sync>(
        &self,
        to: Address,
        call: &C,
        at: At,
    ) -> Result<C::Return, BridgeError> {
        let request = CallRequest::view(to, call.abi_encode().into());
        let answer = self.call(&request, at).await?;
        C::abi_decode_returns_validate(&answer).map_err(|_| BridgeError::Unreadable { address: to })
    }

    /// The same on the newest state.
    ///
    /// # Errors
    /// As [`Reader::read_at`].
    pub async fn read<C: SolCall + Sync>(
        &self,
        to: Address,
        call: &C,
    ) -> Result<C::Return, BridgeError> {
        self.read_at(to, call, At::Latest).await
    }

    /// What a call returns to most of those that answer. Where all refuse it, the refusal.
    async fn call(&self, request: &CallRequest, at: At) -> Result<Bytes, BridgeError> {
        let answers = self.endpoints.ask_all(|endpoint| endpoint.call(request, at)).await;
        let needed = self.endpoints.profile().quorum;
        let refusals: Vec<&EndpointError> =
            answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        let reverts = refusals.iter().filter(|error| error.revert().is_some()).count();
        if let (Some(first), true) = (refusals.first(), reverts >= needed) {
            return Err(self.failed((*first).clone()));
        }
        match majority(answers.iter().flatten().cloned(), needed) {
            Ok(answer) => Ok(answer),
            Err(error) => match refusals.first() {
                Some(first) if answers.iter().all(Result::is_err) => {
                    Err(self.failed((*first).clone()))
                }
                Some(_) | None => Err(self.failed(error)),
            },
        }
    }

    /// The code of an account, on a quorum's word.
    ///
    /// # Errors
    /// If there is no quorum.
    pub async fn code(&self, address: Address) -> Result<Bytes, BridgeError> {
        let code = self.endpoints.ask_quorum(|endpoint| endpoint.code(address)).await;
        code.map_err(|error| self.failed(error))
    }

    /// Where a proxy leads, and the hash of its own code.
    ///
    /// # Errors
    /// If there is no contract, or no quorum.
    pub async fn proxy(&self, address: Address) -> Result<(B256, B256), BridgeError> {
        let code = self.code(address).await?;
        if code.is_empty() {
            return Err(BridgeError::NoCode { layer: self.layer, address });
        }
        let slot = self.endpoints.ask_quorum(|endpoint| {
            endpoint.request("eth_getStorageAt", (address, IMPLEMENTATION, "latest"))
        });
        Ok((slot.await.map_err(|error| self.failed(error))?, keccak256(&code)))
    }

    /// Which chain is served: all that answer say the same.
    ///
    /// # Errors
    /// If another one is.
    pub async fn check_chain(&self, expected: u64) -> Result<(), BridgeError> {
        let mut failure = None;
        let mut answered = false;
        for answer in self.endpoints.ask_all(Endpoint::chain_id).await {
            match answer {
                Ok(found) if found != expected => {
                    return Err(BridgeError::WrongChain { layer: self.layer, expected, found });
                }
                Ok(_) => answered = true,
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if !answered => Err(self.failed(error)),
            Some(_) | None => Ok(()),
        }
    }

    /// The newest finalized block that a quorum shows.
    ///
    /// # Errors
    /// If too few agree.
    pub async fn finalized(&self) -> Result<Finalized, BridgeError> {
        let needed = self.endpoints.profile().quorum;
        let found = self.endpoints.finalized().await;
        let (point, hash) =
            found.ok_or_else(|| self.failed(ChainError::NoQuorum { agreeing: 0, needed }))?;
        Ok(Finalized { point, hash })
    }

    /// The newest block's place.
    ///
    /// # Errors
    /// If none answers.
    pub async fn head(&self) -> Result<BlockPoint, BridgeError> {
        let header = self.endpoints.newest_header().await.map_err(|error| self.failed(error))?;
        Ok(header.point())
    }

    /// How far finality lags behind the newest block now. Units: seconds.
    ///
    /// # Errors
    /// If too few agree.
    pub async fn lag_secs(&self) -> Result<u64, BridgeError> {
        let (head, finalized) = (self.head().await?, self.finalized().await?);
        Ok(head.timestamp.0.saturating_sub(finalized.point.timestamp.0))
    }

    /// When a transaction's block is final, if finality goes on to lag as it does now; none while no block
    /// holds it.
    ///
    /// # Errors
    /// If no endpoint answers.
    pub async fn final_by(&self, tx: B256) -> Result<Option<BlockTimestamp>, BridgeError> {
        let landed = self.landed(tx).await?;
        let Some(receipt) = landed.receipt() else { return Ok(None) };
        let is_hashed = self.endpoints.profile().has_ethereum_hash;
        let tag = BlockTag::Number(receipt.block_number().0);
        let header = self.endpoints.ask_any(|endpoint| endpoint.header(tag, is_hashed)).await;
        let then = header.map_err(|error| self.failed(error))?.point().timestamp;
        Ok(Some(BlockTimestamp(then.0.saturating_add(self.lag_secs().await?))))
    }

    /// The hash of a block on a quorum's word.
    ///
    /// # Errors
    /// If too few agree.
    pub async fn block_hash(&self, number: u64) -> Result<B256, BridgeError> {
        let is_hashed = self.endpoints.profile().has_ethereum_hash;
        let tag = BlockTag::Number(number);
        let header = self.endpoints.ask_quorum(|endpoint| endpoint.header(tag, is_hashed)).await;
        Ok(header.map_err(|error| self.failed(error))?.hash)
    }

    /// The last block that is not later than a time.
    ///
    /// # Errors
    /// If none answers.
    pub async fn block_at(&self, time: BlockTimestamp) -> Result<u64, BridgeError> {
        let is_hashed = self.endpoints.profile().has_ethereum_hash;
        let (mut low, mut high) = (0_u64, self.head().await?.number.0);
        while low < high {
            // Upwards, or the last two would never meet.
            let middle = high.saturating_sub(high.saturating_sub(low) / 2);
            let tag = BlockTag::Number(middle);
            let header = self.endpoints.ask_any(|endpoint| endpoint.header(tag, is_hashed)).await;
            let header = header.map_err(|error| self.failed(error))?;
            if header.point().timestamp <= time {
                low = middle;
            } else {
                high = middle.saturating_sub(1);
            }
        }
        Ok(low)
    }

    /// Native coin of an account. Units: wei.
    ///
    /// # Errors
    /// If none answers.
    pub async fn balance(&self, account: Address) -> Result<U256, BridgeError> {
        self.endpoints.balance(account).await.map_err(|error| self.failed(error))
    }

    /// A token's balance of an account on a quorum's word. Units: base units.
    ///
    /// # Errors
    /// If there is no quorum, or the address is no token.
    pub async fn token_balance(
        &self,
        token: Address,
        account: Address,
    ) -> Result<U256, BridgeError> {
        self.endpoints.token_balance(token, account).await.map_err(|error| self.failed(error))
    }

    /// Where a transaction is, on a quorum's word and by finality.
    ///
    /// # Errors
    /// If no endpoint answers.
    pub async fn landed(&self, tx: B256) -> Result<Landed, BridgeError> {
        let answers = self.endpoints.ask_all(|endpoint| endpoint.receipt(tx)).await;
        if answers.iter().all(Result::is_err) {
            let failure = answers.into_iter().find_map(Result::err);
            let none = || ChainError::TooFewEndpoints { found: 0, needed: 1 };
            return Err(self.failed(failure.map_or_else(none, ChainError::from)));
        }
        let needed = self.endpoints.profile().quorum;
        let receipts = answers.into_iter().flatten();
        let Ok(Some(receipt)) = majority(receipts, needed) else { return Ok(Landed::Nowhere) };
        if receipt.transaction_hash != tx {
            return Ok(Landed::Nowhere);
        }
        let Ok(finalized) = self.finalized().await else { return Ok(Landed::Seen(receipt)) };
        if receipt.block_number() > finalized.point.number {
            return Ok(Landed::Seen(receipt));
        }
        let is_hashed = self.endpoints.profile().has_ethereum_hash;
        let tag = BlockTag::Number(receipt.block_number().0);
        let header = self.endpoints.ask_quorum(|endpoint| endpoint.header(tag, is_hashed)).await;
        match header {
            Ok(header) if header.hash == receipt.block_hash => Ok(Landed::Final(receipt)),
            Ok(_) | Err(_) => Ok(Landed::Seen(receipt)),
        }
    }

    /// An upper estimate of a call's gas; the refusal if none gives one.
    ///
    /// # Errors
    /// If it would revert, or no endpoint answers.
    pub async fn estimate(&self, request: &CallRequest) -> Result<u64, BridgeError> {
        let answers = self.endpoints.ask_all(|endpoint| endpoint.estimate_gas(request)).await;
        let best = answers.iter().flatten().copied().max();
        match (best, answers.into_iter().find_map(Result::err)) {
            (Some(gas), _) => Ok(gas),
            (None, Some(error)) => Err(self.failed(error)),
            (None, None) => Err(self.failed(ChainError::TooFewEndpoints { found: 0, needed: 1 })),
        }
    }

    /// Base fee of the newest block. Units: wei per gas.
    ///
    /// # Errors
    /// If none answers.
    pub async fn base_fee(&self) -> Result<u128, BridgeError> {
        let header = self.endpoints.newest_header().await.map_err(|error| self.failed(error))?;
        Ok(header.base_fee())
    }
}

/// Where a proxy keeps its implementation. Source: EIP-1967.
const IMPLEMENTATION: B256 =
    alloy_primitives::b256!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");
