//! The few Ethereum JSON-RPC methods that are used, with only the fields that every rollup serves.

use crate::endpoint::{Endpoint, EndpointError, RequestError};
use alloy::rpc::types::{Filter, Log};
use alloy_primitives::{Address, B256, Bloom, Bytes, U64, U128, U256};
use lockstep_core::time::{BlockNumber, BlockPoint, BlockTimestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Headers that are asked for in one batch; public endpoints refuse much larger ones.
const HEADERS_PER_BATCH: usize = 50;

/// A block by its place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockTag {
    /// The newest.
    Latest,
    /// The newest that L1 holds the data of, or that is justified.
    Safe,
    /// The newest irreversible one.
    Finalized,
    /// By number.
    Number(u64),
}

impl BlockTag {
    fn to_param(self) -> Value {
        match self {
            Self::Latest => json!("latest"),
            Self::Safe => json!("safe"),
            Self::Finalized => json!("finalized"),
            Self::Number(number) => json!(U64::from(number)),
        }
    }
}

/// Which state a call sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The newest.
    Latest,
    /// Exactly this block's.
    Block(B256),
}

impl At {
    fn to_param(self) -> Value {
        match self {
            Self::Latest => json!("latest"),
            Self::Block(hash) => json!({ "blockHash": hash }),
        }
    }
}

/// What is needed of a block header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Hash, as the endpoint says.
    pub hash: B256,
    /// Hash of the block before.
    pub parent_hash: B256,
    number: U64,
    timestamp: U64,
    /// Which addresses and topics may have logs in the block.
    pub logs_bloom: Bloom,
    base_fee_per_gas: Option<U128>,
}

impl Header {
    /// Number of the block.
    pub fn number(&self) -> u64 {
        self.number.to::<u64>()
    }

    /// Number and time.
    pub fn point(&self) -> BlockPoint {
        let timestamp = BlockTimestamp(self.timestamp.to::<u64>());
        BlockPoint { number: BlockNumber(self.number()), timestamp }
    }

    /// Base fee; zero where the chain has none. Units: wei per gas.
    pub fn base_fee(&self) -> u128 {
        self.base_fee_per_gas.map_or(0, |fee| fee.to::<u128>())
    }
}

/// What is needed of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// Its hash.
    pub hash: B256,
    /// Who sent it.
    pub from: Address,
    /// Whom it calls; none creates a contract.
    pub to: Option<Address>,
    /// Its calldata.
    pub input: Bytes,
    /// Native coin that it moves. Units: wei.
    #[serde(default)]
    pub value: U256,
    nonce: U64,
    #[serde(rename = "type")]
    kind: Option<U64>,
    max_fee_per_gas: Option<U128>,
    max_priority_fee_per_gas: Option<U128>,
    gas: U64,
}

/// Types above these are a rollup's own and may have no order by nonce. Source: EIP-2718 registry.
const LAST_ETHEREUM_TYPE: u64 = 4;

impl Transaction {
    /// Its nonce.
    pub fn nonce(&self) -> u64 {
        self.nonce.to::<u64>()
    }

    /// Gas limit.
    pub fn gas(&self) -> u64 {
        self.gas.to::<u64>()
    }

    /// Fees offered, `(maximum, priority)`. Units: wei per gas.
    pub fn fees(&self) -> (u128, u128) {
        let number = |fee: Option<U128>| fee.map_or(0, |fee| fee.to::<u128>());
        (number(self.max_fee_per_gas), number(self.max_priority_fee_per_gas))
    }

    /// Whether the sender's nonce orders it, so that a later one with this nonce rules it out for ever.
    pub fn is_ordered_by_nonce(&self) -> bool {
        self.kind.is_none_or(|kind| kind.to::<u64>() <= LAST_ETHEREUM_TYPE)
    }
}

/// What is needed of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Of which transaction.
    pub transaction_hash: B256,
    /// In which block.
    pub block_hash: B256,
    block_number: U64,
    status: U64,
    gas_used: U64,
    /// What it logged.
    pub logs: Vec<Log>,
}

impl Receipt {
    /// In which block.
    pub fn block_number(&self) -> BlockNumber {
        BlockNumber(self.block_number.to::<u64>())
    }

    /// Whether it did what it was for.
    pub fn is_success(&self) -> bool {
        self.status == U64::from(1)
    }

    /// What it used.
    pub fn gas_used(&self) -> u64 {
        self.gas_used.to::<u64>()
    }
}

/// A call to simulate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallRequest {
    /// Who calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Address>,
    /// Whom.
    pub to: Address,
    /// With what.
    pub data: Bytes,
    /// What comes with it. Units: wei.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<U256>,
}

impl CallRequest {
    /// Asks for something; nobody in particular calls, and nothing is sent.
    pub fn view(to: Address, data: Bytes) -> Self {
        Self { from: None, to, data, value: None }
    }
}

impl Endpoint {
    /// Which chain it serves.
    ///
    /// # Errors
    /// If the endpoint fails.
    pub async fn chain_id(&self) -> Result<u64, EndpointError> {
        let id: U64 = self.request("eth_chainId", ()).await?;
        Ok(id.to::<u64>())
    }

    /// The code of an account.
    ///
    /// # Errors
    /// If the endpoint fails.
    pub async fn code(&self, address: Address) -> Result<Bytes, EndpointError> {
        self.request("eth_getCode", (address, "latest")).await
    }

    /// The code that an account had at a block.
    ///
    /// # Errors
    /// If the endpoint fails, or does not remember the block.
    pub async fn code_at(&self, address: Address, block: BlockTag) -> Result<Bytes, EndpointError> {
        self.request("eth_getCode", (address, block.to_param())).await
    }

    /// A header, its hash recomputed where the chain hashes headers as Ethereum does.
    ///
    /// # Errors
    /// If there is no such block, or its hash is not its own.
    pub async fn header(&self, tag: BlockTag, is_hashed: bool) -> Result<Header, EndpointError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let found: Value = self.request(METHOD, (tag.to_param(), false)).await?;
        self.read_header(METHOD, &found, is_hashed)
    }

    /// Headers of a contiguous range, in order.
    ///
    /// # Errors
    /// If one is missing, or its hash is not its own.
    pub async fn headers(
        &self,
        from: u64,
        to: u64,
        is_hashed: bool,
    ) -> Result<Vec<Header>, EndpointError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let params: Vec<_> =
            (from..=to).map(|number| (BlockTag::Number(number).to_param(), false)).collect();
        let mut headers = Vec::with_capacity(params.len());
        for chunk in params.chunks(HEADERS_PER_BATCH) {
            for found in self.batch::<_, Value>(METHOD, chunk).await? {
                headers.push(self.read_header(METHOD, &found, is_hashed)?);
            }
        }
        Ok(headers)
    }

    fn read_header(
        &self,
        method: &'static str,
        found: &Value,
        is_hashed: bool,
    ) -> Result<Header, EndpointError> {
        if found.is_null() {
            return Err(self.error(method, RequestError::Missing));
        }
        let malformed = |_| self.error(method, RequestError::Malformed);
        let header = Header::deserialize(found).map_err(malformed)?;
        if is_hashed {
            let full = alloy::consensus::Header::deserialize(found).map_err(malformed)?;
            if full.hash_slow() != header.hash {
                return Err(self.error(method, RequestError::Malformed));
            }
        }
        Ok(header)
    }

    /// A whole header, its hash recomputed.
    ///
    /// # Errors
    /// If it can't be read, or its hash is not its own.
    pub fn full_header(
        &self,
        method: &'static str,
        found: &Value,
    ) -> Result<alloy::consensus::Header, EndpointError> {
        let malformed = |_| self.error(method, RequestError::Malformed);
        let shown = self.read_header(method, found, false)?;
        let full = alloy::consensus::Header::deserialize(found).map_err(malformed)?;
        match full.hash_slow() == shown.hash {
            true => Ok(full),
            false => Err(self.error(method, RequestError::Malformed)),
        }
    }

    /// Logs that match.
    ///
    /// # Errors
    /// If the endpoint fails.
    pub async fn logs(&self, filter: &Filter) -> Result<Vec<Log>, EndpointError> {
        self.request("eth_getLogs", (filter,)).await
    }

    /// All receipts of a block.
    ///
    /// # Errors
    /// If the endpoint fails, or does not serve the method.
    pub async fn block_receipts(&self, block: B256) -> Result<Vec<Receipt>, EndpointError> {
        const METHOD: &str = "eth_getBlockReceipts";
        let found: Option<Vec<Receipt>> = self.request(METHOD, (block,)).await?;
        found.ok_or_else(|| self.error(METHOD, RequestError::Missing))
    }

    /// The receipt of a transaction, if a block holds it.
    ///
    /// # Errors
    /// If the endpoint fails.
    pub async fn receipt(&self, tx: B256) -> Result<Option<Receipt>, EndpointError> {
        self.request("eth_getTransactionReceipt", (tx,)).await
    }

    /// A transaction, if the node knows it.
    ///
    /// # Errors
    /// If the endpoint fails.
    pub async fn transaction(&self, tx: B256) -> Result<Option<Transaction>, EndpointError> {
        self.request("eth_getTransactionByHash", (tx,)).await
    }

    /// What a call returns.
    ///
    /// # Errors
    /// If the endpoint fails, or the call reverts.
    pub async fn call(&self, call: &CallRequest, at: At) -> Result<Bytes, EndpointError> {
        self.request("eth_call", (call, at.to_param())).await
    }

    /// Gas that a call would use.
    ///
    /// # Errors
    /// If the endpoint fails, or the call would revert.
    pub async fn estimate_gas(&self, call: &CallRequest) -> Result<u64, EndpointError> {
        let gas: U64 = self.request("eth_estimateGas", (call,)).await?;
        Ok(gas.to::<u64>())
    }

    /// How many transactions of an account the state counts.
    ///
    /// # Errors
    /// If the endpoint fails.
    pub async fn nonce(&self, account: Address, at: At) -> Result<u64, EndpointError> {
        let nonce: U64 = self.request("eth_getTransactionCount", (account, at.to_param())).await?;
        Ok(nonce.to::<u64>())
    }

    /// Native coin of an account. Units: wei.
    ///
    /// # Errors
    /// If the endpoint fails.
    pub async fn balance(&self, account: Address) -> Result<U256, EndpointError> {
        self.request("eth_getBalance", (account, "latest")).await
    }

    /// The priority fee that the node suggests. Units: wei per gas.
    ///
    /// # Errors
    /// If the endpoint fails.
    pub async fn priority_fee(&self) -> Result<u128, EndpointError> {
        let fee: U128 = self.request("eth_maxPriorityFeePerGas", ()).await?;
        Ok(fee.to::<u128>())
    }

    /// Hands over a signed transaction.
    ///
    /// # Errors
    /// If the node does not take it.
    pub async fn send_raw(&self, raw: &Bytes) -> Result<B256, EndpointError> {
        self.request("eth_sendRawTransaction", (raw,)).await
    }
}
