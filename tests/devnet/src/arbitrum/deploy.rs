//! Arbitrum's production contracts on a local L1, as its own creator sets them up.

use super::Settings;
use super::abi::{
    AssertionState, BridgeTemplates, BufferConfig, Config, GlobalState, IRollupCreator,
    MaxTimeVariation, RollupDeploymentParams,
};
use super::package::{NITRO, READER_4844, UPGRADE_EXECUTOR, creation_code};
use crate::chain::LocalChain;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolEvent, SolValue};

/// Who owns what is deployed, and who posts batches and asserts: accounts that anvil unlocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crew {
    pub(super) owner: Address,
    pub(super) sequencer: Address,
}

/// Where the rollup's contracts are on L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Contracts {
    /// Assertions.
    pub rollup: Address,
    /// Where messages enter.
    pub inbox: Address,
    /// Where money leaves.
    pub outbox: Address,
    /// Where batches are posted.
    pub sequencer_inbox: Address,
    /// Holds the money and counts messages.
    pub bridge: Address,
    /// Who may upgrade them.
    pub proxy_admin: Address,
    /// What validators stake.
    pub stake_token: Address,
}

/// Largest data of a message. Source: nitro-contracts' deployment scripts.
const MAX_DATA_SIZE: u64 = 117_964;
/// L1 blocks between two assertions at least.
pub(super) const ASSERTION_PERIOD: u64 = 5;

/// Deploys with constructor arguments that are encoded already.
pub(super) async fn deploy(
    chain: &LocalChain,
    from: Address,
    code: Bytes,
    arguments: Vec<u8>,
) -> Address {
    let data: Bytes = [code.to_vec(), arguments].concat().into();
    let tx = chain.send_as(from, None, U256::ZERO, data).await;
    let receipt = chain.landed(tx).await;
    assert!(receipt.is_success(), "a deployment failed: {tx}");
    let nonce = chain.ask("eth_getTransactionByHash", serde_json::json!([tx])).await;
    let nonce: alloy_primitives::U64 =
        serde_json::from_value(nonce["nonce"].clone()).expect("a nonce");
    from.create(nonce.to::<u64>())
}

/// Sends a call that must succeed.
pub(super) async fn transact<C: SolCall>(
    chain: &LocalChain,
    from: Address,
    to: Address,
    value: U256,
    call: &C,
) -> lockstep_chain::rpc::Receipt {
    let tx = chain.send_as(from, Some(to), value, call.abi_encode().into()).await;
    let receipt = chain.landed(tx).await;
    assert!(receipt.is_success(), "{} failed", C::SIGNATURE);
    receipt
}

async fn nitro(chain: &LocalChain, from: Address, path: &str, arguments: Vec<u8>) -> Address {
    let name = path.rsplit('/').next().expect("a name");
    let code = creation_code(&format!("{NITRO}/{path}.sol/{name}.json"));
    deploy(chain, from, code, arguments).await
}

/// Both kinds of bridges: for ether, and for a token as the native coin.
async fn templates(chain: &LocalChain, from: Address, is_token: bool) -> BridgeTemplates {
    let max = U256::from(MAX_DATA_SIZE);
    let reader = deploy(chain, from, creation_code(READER_4844), Vec::new()).await;
    let sequencer =
        |is_bufferable: bool| (max, reader, is_token, is_bufferable).abi_encode_params();
    let kind = if is_token { "ERC20" } else { "" };
    let (inbox, bridge, outbox) = (
        format!("bridge/{kind}Inbox"),
        format!("bridge/{kind}Bridge"),
        format!("bridge/{kind}Outbox"),
    );
    let event_inbox = format!("rollup/{kind}RollupEventInbox");
    BridgeTemplates {
        bridge: nitro(chain, from, &bridge, Vec::new()).await,
        sequencerInbox: nitro(chain, from, "bridge/SequencerInbox", sequencer(false)).await,
        delayBufferableSequencerInbox: nitro(chain, from, "bridge/SequencerInbox", sequencer(true))
            .await,
        inbox: nitro(chain, from, &inbox, max.abi_encode()).await,
        rollupEventInbox: nitro(chain, from, &event_inbox, Vec::new()).await,
        outbox: nitro(chain, from, &outbox, Vec::new()).await,
    }
}

/// The contract that creates rollups, with all its templates.
async fn creator(chain: &LocalChain, from: Address) -> Address {
    let (ether, token) = (templates(chain, from, false).await, templates(chain, from, true).await);
    let bridges =
        nitro(chain, from, "rollup/BridgeCreator", (ether, token).abi_encode_params()).await;
    let none = Vec::new;
    let provers = (
        nitro(chain, from, "osp/OneStepProver0", none()).await,
        nitro(chain, from, "osp/OneStepProverMemory", none()).await,
        nitro(chain, from, "osp/OneStepProverMath", none()).await,
        nitro(chain, from, "osp/OneStepProverHostIo", Address::ZERO.abi_encode()).await,
    );
    let prover = nitro(chain, from, "osp/OneStepProofEntry", provers.abi_encode_params()).await;
    let arguments = (
        from,
        bridges,
        prover,
        nitro(chain, from, "challengeV2/EdgeChallengeManager", none()).await,
        nitro(chain, from, "rollup/RollupAdminLogic", none()).await,
        nitro(chain, from, "rollup/RollupUserLogic", none()).await,
        deploy(chain, from, creation_code(UPGRADE_EXECUTOR), none()).await,
        nitro(chain, from, "rollup/ValidatorWalletCreator", none()).await,
        nitro(chain, from, "rollup/DeployHelper", none()).await,
    );
    nitro(chain, from, "rollup/RollupCreator", arguments.abi_encode_params()).await
}

/// The genesis document that is hashed into the first message; nothing here reads it.
fn chain_config(chain_id: u64, owner: Address) -> String {
    format!(
        r#"{{"chainId":{chain_id},"homesteadBlock":0,"daoForkSupport":true,"eip150Block":0,"eip155Block":0,"eip158Block":0,"byzantiumBlock":0,"constantinopleBlock":0,"petersburgBlock":0,"istanbulBlock":0,"muirGlacierBlock":0,"berlinBlock":0,"londonBlock":0,"clique":{{"period":0,"epoch":0}},"arbitrum":{{"EnableArbOS":true,"AllowDebugPrecompiles":false,"DataAvailabilityCommittee":false,"InitialArbOSVersion":51,"InitialChainOwner":"{owner}","GenesisBlockNum":0,"MaxCodeSize":24576,"MaxInitCodeSize":49152}}}}"#
    )
}

fn config(settings: &Settings, crew: Crew, stake_token: Address) -> Config {
    let never = 1_u64 << 32;
    let buffer = match settings.is_delay_buffered {
        true => BufferConfig { threshold: 150, max: 14_400, replenishRateInBasis: 500 },
        false => BufferConfig { threshold: never, max: never, replenishRateInBasis: 500 },
    };
    let empty = GlobalState { bytes32Vals: [B256::ZERO; 2], u64Vals: [0; 2] };
    Config {
        confirmPeriodBlocks: settings.confirm_blocks,
        stakeToken: stake_token,
        baseStake: U256::from(10).pow(U256::from(18)),
        wasmModuleRoot: keccak256("a local network proves nothing"),
        owner: crew.owner,
        loserStakeEscrow: crew.owner,
        chainId: U256::from(settings.l2_chain_id),
        chainConfig: chain_config(settings.l2_chain_id, crew.owner),
        minimumAssertionPeriod: U256::from(ASSERTION_PERIOD),
        validatorAfkBlocks: 201_600,
        miniStakeValues: vec![U256::from(1); 3],
        sequencerInboxMaxTimeVariation: MaxTimeVariation {
            delayBlocks: U256::from(settings.delay_blocks),
            futureBlocks: U256::from(64),
            delaySeconds: U256::from(86_400),
            futureSeconds: U256::from(768),
        },
        layerZeroBlockEdgeHeight: U256::from(1_u64 << 26),
        layerZeroBigStepEdgeHeight: U256::from(1_u64 << 19),
        layerZeroSmallStepEdgeHeight: U256::from(1_u64 << 23),
        genesisAssertionState: AssertionState {
            globalState: empty,
            machineStatus: 1,
            endHistoryRoot: B256::ZERO,
        },
        genesisInboxCount: U256::ZERO,
        anyTrustFastConfirmer: Address::ZERO,
        numBigStepLevel: 1,
        challengeGracePeriodBlocks: 14_400,
        bufferConfig: buffer,
        dataCostEstimate: U256::ZERO,
    }
}

/// Deploys everything and creates one rollup.
pub(super) async fn rollup(chain: &LocalChain, settings: &Settings, crew: Crew) -> L1Contracts {
    let creator = creator(chain, crew.owner).await;
    let names = ("Wrapped Ether".to_owned(), "WETH".to_owned()).abi_encode_params();
    let stake_token = nitro(chain, crew.owner, "mocks/TestWETH9", names).await;
    let params = RollupDeploymentParams {
        config: config(settings, crew, stake_token),
        validators: vec![crew.sequencer],
        maxDataSize: U256::from(MAX_DATA_SIZE),
        nativeToken: Address::ZERO,
        deployFactoriesToL2: false,
        maxFeePerGasForRetryables: U256::from(1_000_000_000),
        batchPosters: vec![crew.sequencer],
        batchPosterManager: crew.owner,
        feeTokenPricer: Address::ZERO,
        customOsp: Address::ZERO,
    };
    let call = IRollupCreator::createRollupCall { deployParams: params };
    let receipt = transact(chain, crew.owner, creator, U256::ZERO, &call).await;
    let created = receipt
        .logs
        .iter()
        .find_map(|log| IRollupCreator::RollupCreated::decode_log(&log.inner).ok())
        .expect("the creator says what it made");
    L1Contracts {
        rollup: created.rollupAddress,
        inbox: created.inboxAddress,
        outbox: created.outbox,
        sequencer_inbox: created.sequencerInbox,
        bridge: created.bridge,
        proxy_admin: created.adminProxy,
        stake_token,
    }
}
