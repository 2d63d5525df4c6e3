//! The rollup as its users see it: JSON-RPC that knows Arbitrum's hashes, blocks, and `NodeInterface`.

use super::abi::IArbSysDouble;
use super::arbos::ArbOs;
use alloy::rpc::types::Filter;
use alloy_primitives::{B256, Bytes, U64, U256};
use alloy_sol_types::{SolCall, SolEvent};
use lockstep_bridge::arbitrum::abi::{ARB_SYS, IArbSys, INodeInterface, NODE_INTERFACE};
use lockstep_bridge::arbitrum::alias::alias_of;
use lockstep_bridge::arbitrum::{exit, send_tree};
use lockstep_chain::endpoint::RequestError;
use lockstep_chain::rpc::BlockTag;
use serde_json::{Value, json};

/// A refusal in the words of JSON-RPC.
struct Refused {
    code: i64,
    message: String,
    data: Option<Bytes>,
}

impl Refused {
    fn because(message: &str) -> Self {
        Self { code: -32_000, message: message.to_owned(), data: None }
    }
}

/// Answers one request, or each of a batch.
pub(super) async fn answer(arbos: &mut ArbOs, request: &Value) -> Value {
    match request.as_array() {
        Some(batch) => {
            let mut answers = Vec::with_capacity(batch.len());
            for one in batch {
                answers.push(answer_one(arbos, one).await);
            }
            Value::Array(answers)
        }
        None => answer_one(arbos, request).await,
    }
}

async fn answer_one(arbos: &mut ArbOs, request: &Value) -> Value {
    arbos.catch_up().await;
    let method = request["method"].as_str().unwrap_or_default();
    let result = handle(arbos, method, request["params"].clone()).await;
    // What the request itself has set off is done before its answer is known.
    arbos.catch_up().await;
    match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": request["id"], "result": result}),
        Err(Refused { code, message, data }) => json!({"jsonrpc": "2.0", "id": request["id"],
            "error": {"code": code, "message": message, "data": data}}),
    }
}

async fn handle(arbos: &mut ArbOs, method: &str, mut params: Value) -> Result<Value, Refused> {
    let target = params[0]["to"].as_str().and_then(|to| to.parse().ok());
    match method {
        "web3_clientVersion" => return Ok(json!("nitro/local")),
        "eth_call" | "eth_estimateGas" if target == Some(NODE_INTERFACE) => {
            return node_interface(arbos, method, &params[0]).await;
        }
        "eth_sendRawTransaction" if arbos.knobs.is_paused => {
            return Err(Refused::because("the sequencer is paused"));
        }
        "devnet_pause" => {
            arbos.knobs.is_paused = params[0].as_bool().unwrap_or(true);
            return Ok(json!(arbos.knobs.is_paused));
        }
        "devnet_baseFee" => {
            arbos.knobs.base_fee = params[0].as_u64().unwrap_or(arbos.knobs.base_fee);
            return Ok(json!(arbos.knobs.base_fee));
        }
        "devnet_autoRedeemGas" => {
            arbos.knobs.auto_redeem_gas = params[0].as_u64();
            return Ok(json!(arbos.knobs.auto_redeem_gas));
        }
        _ => {}
    }
    if ["eth_sendRawTransaction", "eth_sendTransaction", "eth_estimateGas", "eth_call"]
        .contains(&method)
    {
        arbos.hold_base_fee().await;
    }
    settle_tags(arbos, &mut params).await;
    let asked: Option<B256> = params[0].as_str().and_then(|hash| hash.parse().ok());
    if let Some(first) = params.get_mut(0) {
        arbos.names.inward(first);
    }
    let mut result = forward(arbos, method, params).await?;
    match method {
        "eth_getBlockByNumber" | "eth_getBlockByHash" => add_block_fields(arbos, &mut result).await,
        _ => {}
    }
    arbos.names.outward(&mut result);
    match method {
        "eth_getTransactionReceipt" | "eth_getTransactionByHash" => {
            as_arbitrum_has_it(arbos, asked, &mut result);
        }
        "eth_getBlockReceipts" => {
            for receipt in result.as_array_mut().into_iter().flatten() {
                let hash = receipt["transactionHash"].as_str().and_then(|hash| hash.parse().ok());
                as_arbitrum_has_it(arbos, hash, receipt);
            }
        }
        _ => {}
    }
    Ok(result)
}

async fn forward(arbos: &ArbOs, method: &str, params: Value) -> Result<Value, Refused> {
    // Methods are a closed set that lives as long as the process.
    let method: &'static str = String::from(method).leak();
    arbos.l2.try_ask(method, params).await.map_err(|error| {
        if let RequestError::Refused { code, text, data } = error.cause {
            // The text is quoted where it is shown; callers look for words in it.
            let message = text.to_string().trim_matches('"').to_owned();
            return Refused { code, message, data };
        }
        Refused::because(&error.cause.to_string())
    })
}

/// What the block behind a tag is: the rollup is as final as the L1 block of the batch that holds it.
async fn settle_tags(arbos: &ArbOs, params: &mut Value) {
    let tags = [("finalized", BlockTag::Finalized), ("safe", BlockTag::Safe)];
    for (name, tag) in tags {
        let text = params.to_string();
        let quoted = format!("\"{name}\"");
        if text.contains(&quoted) {
            let settled = arbos.l1.header(tag).await.number();
            let covered = arbos.batches.iter().filter(|batch| batch.l1_block <= settled);
            let head = covered.map(|batch| batch.l2_head).max().unwrap_or(0);
            let changed = text.replace(&quoted, &format!("\"{:#x}\"", U64::from(head)));
            *params = serde_json::from_str(&changed).expect("still a document");
        }
    }
}

/// Type, sender and receiver of ArbOS' own transactions, and the fields that each receipt has.
fn as_arbitrum_has_it(arbos: &ArbOs, hash: Option<B256>, document: &mut Value) {
    let Some(fields) = document.as_object_mut() else { return };
    fields.insert("gasUsedForL1".to_owned(), json!("0x0"));
    if let Some(known) = hash.and_then(|hash| arbos.names.get(hash)) {
        fields.insert("type".to_owned(), json!(U64::from(known.kind)));
        fields.insert("from".to_owned(), json!(known.from));
        fields.insert("to".to_owned(), json!(known.to));
    }
}

/// The root of all messages to L1 as it was after the block.
async fn add_block_fields(arbos: &ArbOs, block: &mut Value) {
    let number: Option<U64> = serde_json::from_value(block["number"].clone()).ok();
    let (Some(number), Some(fields)) = (number, block.as_object_mut()) else { return };
    let (mut size, mut root, mut l1_block) = (U256::ZERO, B256::ZERO, 0);
    if number.to::<u64>() >= arbos.genesis {
        let state = ask_at(arbos, number, &IArbSysDouble::sendMerkleTreeStateCall {}).await;
        (size, root) = (state.size, state.root);
        l1_block = ask_at(arbos, number, &IArbSysDouble::l1BlockCall {}).await;
    }
    fields.insert("sendCount".to_owned(), json!(size));
    fields.insert("sendRoot".to_owned(), json!(root));
    fields.insert("l1BlockNumber".to_owned(), json!(U64::from(l1_block)));
}

async fn ask_at<C: SolCall>(arbos: &ArbOs, block: U64, call: &C) -> C::Return {
    let request = json!([{"to": ARB_SYS, "data": Bytes::from(call.abi_encode())}, block]);
    let answer: Bytes =
        serde_json::from_value(arbos.l2.ask("eth_call", request).await).expect("bytes");
    C::abi_decode_returns(&answer).expect("our own stand-in answers")
}

/// What the node itself answers in place of a contract.
async fn node_interface(arbos: &ArbOs, method: &str, call: &Value) -> Result<Value, Refused> {
    let data = call.get("data").or_else(|| call.get("input")).cloned().unwrap_or_default();
    let data: Bytes =
        serde_json::from_value(data).map_err(|_| Refused::because("calldata is no bytes"))?;
    if let Ok(asked) = INodeInterface::estimateRetryableTicketCall::abi_decode(&data) {
        if method != "eth_estimateGas" {
            return Ok(json!("0x"));
        }
        let sender = alias_of(asked.sender);
        let balance = arbos.l2.balance(sender).await + asked.deposit;
        let request = json!([
            {"from": sender, "to": asked.to, "value": asked.l2CallValue, "data": asked.data},
            "latest",
            {sender.to_string(): {"balance": balance}}
        ]);
        return forward(arbos, "eth_estimateGas", request).await;
    }
    let base_fee = U256::from(arbos.knobs.base_fee);
    let l1_base_fee = U256::from(arbos.l1.header(BlockTag::Latest).await.base_fee());
    let encoded = if let Ok(asked) = INodeInterface::constructOutboxProofCall::abi_decode(&data) {
        outbox_proof(arbos, asked.size, asked.leaf).await?
    } else if let Ok(asked) = INodeInterface::gasEstimateComponentsCall::abi_decode(&data) {
        let request = json!([{"from": call["from"], "to": asked.to, "data": asked.data}]);
        let gas = forward(arbos, "eth_estimateGas", request).await?;
        let gas: U64 = serde_json::from_value(gas).expect("a number");
        (gas.to::<u64>(), 0_u64, base_fee, l1_base_fee).abi_encode_as_params()
    } else if INodeInterface::gasEstimateL1ComponentCall::abi_decode(&data).is_ok() {
        (0_u64, base_fee, l1_base_fee).abi_encode_as_params()
    } else {
        return Err(Refused::because("the local network does not answer this of NodeInterface"));
    };
    Ok(json!(Bytes::from(encoded)))
}

async fn outbox_proof(arbos: &ArbOs, size: u64, leaf: u64) -> Result<Vec<u8>, Refused> {
    let filter = Filter::new().from_block(arbos.genesis).address(ARB_SYS);
    let filter = filter.event_signature(IArbSys::L2ToL1Tx::SIGNATURE_HASH);
    let logs = arbos.l2.endpoint().logs(&filter).await.expect("logs of the rollup");
    let items: Vec<B256> = logs
        .iter()
        .map(|log| IArbSys::L2ToL1Tx::decode_log(&log.inner).expect("an event"))
        .map(|event| B256::from(event.hash))
        .take(usize::try_from(size).unwrap_or(usize::MAX))
        .collect();
    let leaves: Vec<B256> = items.iter().copied().map(exit::leaf_of).collect();
    let proof = send_tree::proof(&leaves, leaf).ok_or_else(|| Refused::because("no such leaf"))?;
    let item = items[usize::try_from(leaf).expect("it has a proof")];
    Ok(INodeInterface::constructOutboxProofCall::abi_encode_returns(
        &INodeInterface::constructOutboxProofReturn {
            send: item,
            root: send_tree::root(&leaves),
            proof,
        },
    ))
}

/// Encodes answers of several values.
trait EncodeParams {
    fn abi_encode_as_params(&self) -> Vec<u8>;
}

impl<T: alloy_sol_types::SolValue> EncodeParams for T
where
    for<'a> <T::SolType as alloy_sol_types::SolType>::Token<'a>: alloy_sol_types::abi::TokenSeq<'a>,
{
    fn abi_encode_as_params(&self) -> Vec<u8> {
        self.abi_encode_params()
    }
}
