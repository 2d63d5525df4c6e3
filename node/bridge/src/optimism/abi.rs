//! The functions and events of the OP Stack's bridge that are used. Names and types as in its contracts; they
//! are the same in all versions since portal 4.6 and on Base.
#![allow(missing_docs, clippy::too_many_arguments)]

use alloy_primitives::{Address, B256, address, b256};
use alloy_sol_types::sol;

sol! {
    #[derive(Debug, PartialEq, Eq)]
    struct WithdrawalTransaction {
        uint256 nonce;
        address sender;
        address target;
        uint256 value;
        uint256 gasLimit;
        bytes data;
    }

    #[derive(Debug, PartialEq, Eq)]
    struct OutputRootProof {
        bytes32 version;
        bytes32 stateRoot;
        bytes32 messagePasserStorageRoot;
        bytes32 latestBlockhash;
    }

    interface ISystemConfig {
        function optimismPortal() external view returns (address);
        function l1StandardBridge() external view returns (address);
        function l1CrossDomainMessenger() external view returns (address);
        function disputeGameFactory() external view returns (address);
        function l2ChainId() external view returns (uint256);
        function isCustomGasToken() external view returns (bool);
    }

    interface IPortal {
        event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData);
        event WithdrawalProven(bytes32 indexed withdrawalHash, address indexed from, address indexed to);
        event WithdrawalFinalized(bytes32 indexed withdrawalHash, bool success);
        error OptimismPortal_ProofNotOldEnough();
        error OptimismPortal_InvalidRootClaim();
        error OptimismPortal_AlreadyFinalized();
        error OptimismPortal_Unproven();
        error OptimismPortal_InvalidProofTimestamp();
        error OptimismPortal_ImproperDisputeGame();
        error OptimismPortal_InvalidDisputeGame();
        error OptimismPortal_CallPaused();
        function depositTransaction(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes data) external payable;
        function proveWithdrawalTransaction(WithdrawalTransaction tx_, uint256 disputeGameIndex, OutputRootProof outputRootProof, bytes[] withdrawalProof) external;
        function finalizeWithdrawalTransactionExternalProof(WithdrawalTransaction tx_, address proofSubmitter) external;
        function checkWithdrawal(bytes32 withdrawalHash, address proofSubmitter) external view;
        function provenWithdrawals(bytes32 withdrawalHash, address submitter) external view returns (address disputeGameProxy, uint64 timestamp);
        function finalizedWithdrawals(bytes32 withdrawalHash) external view returns (bool);
        function proofMaturityDelaySeconds() external view returns (uint256);
        function disputeGameFinalityDelaySeconds() external view returns (uint256);
        function respectedGameType() external view returns (uint32);
        function disputeGameFactory() external view returns (address);
        function anchorStateRegistry() external view returns (address);
        function systemConfig() external view returns (address);
        function paused() external view returns (bool);
        function minimumGasLimit(uint64 byteCount) external pure returns (uint64);
    }

    interface IDisputeGameFactory {
        struct GameSearchResult { uint256 index; bytes32 metadata; uint64 timestamp; bytes32 rootClaim; bytes extraData; }
        event DisputeGameCreated(address indexed disputeProxy, uint32 indexed gameType, bytes32 indexed rootClaim);
        function gameCount() external view returns (uint256);
        function gameAtIndex(uint256 index) external view returns (uint32 gameType, uint64 timestamp, address proxy);
        function findLatestGames(uint32 gameType, uint256 start, uint256 n) external view returns (GameSearchResult[] memory games);
        function create(uint32 gameType, bytes32 rootClaim, bytes extraData) external payable returns (address proxy);
        function initBonds(uint32 gameType) external view returns (uint256 bond);
    }

    interface IAnchorStateRegistry {
        function isGameProper(address game) external view returns (bool);
        function isGameRespected(address game) external view returns (bool);
        function isGameBlacklisted(address game) external view returns (bool);
        function isGameRetired(address game) external view returns (bool);
        function blacklistDisputeGame(address game) external;
    }

    interface IDisputeGame {
        function status() external view returns (uint8);
        function createdAt() external view returns (uint64);
        function resolvedAt() external view returns (uint64);
        function rootClaim() external view returns (bytes32);
        function rootClaimByChainId(uint256 chainId) external view returns (bytes32);
        function l2SequenceNumber() external view returns (uint256);
        function maxClockDuration() external view returns (uint64);
        function proposer() external view returns (address);
        function resolveClaim(uint256 claimIndex, uint256 numToResolve) external;
        function resolve() external returns (uint8 status);
    }

    interface IMessagePasser {
        event MessagePassed(uint256 indexed nonce, address indexed sender, address indexed target, uint256 value, uint256 gasLimit, bytes data, bytes32 withdrawalHash);
        function initiateWithdrawal(address target, uint256 gasLimit, bytes data) external payable;
        function sentMessages(bytes32 withdrawalHash) external view returns (bool);
    }

    interface IStandardBridge {
        event ERC20BridgeFinalized(address indexed localToken, address indexed remoteToken, address indexed from, address to, uint256 amount, bytes extraData);
        function bridgeERC20To(address localToken, address remoteToken, address to, uint256 amount, uint32 minGasLimit, bytes extraData) external;
    }

    interface IMessenger {
        event RelayedMessage(bytes32 indexed msgHash);
        event FailedRelayedMessage(bytes32 indexed msgHash);
    }

    interface IMintableToken {
        function remoteToken() external view returns (address);
        function bridge() external view returns (address);
    }

    interface IMintableFactory {
        event OptimismMintableERC20Created(address indexed localToken, address indexed remoteToken, address deployer);
        function createOptimismMintableERC20(address remoteToken, string name, string symbol) external returns (address);
        function deployments(address localToken) external view returns (address remoteToken);
    }

    interface IGasPriceOracle {
        function getL1Fee(bytes data) external view returns (uint256);
    }
}

/// Keeps every message to L1. Source: OP Stack predeploys.
pub const MESSAGE_PASSER: Address = address!("4200000000000000000000000000000000000016");
/// The rollup's side of the standard bridge. Source: OP Stack predeploys.
pub const L2_BRIDGE: Address = address!("4200000000000000000000000000000000000010");
/// Makes the bridge's own form of L1 tokens. Source: OP Stack predeploys.
pub const L2_TOKEN_FACTORY: Address = address!("4200000000000000000000000000000000000012");
/// What L1 data costs. Source: OP Stack predeploys.
pub const GAS_PRICE_ORACLE: Address = address!("420000000000000000000000000000000000000F");
/// First topic of `TransactionDeposited`.
pub const DEPOSITED: B256 =
    b256!("b3813568d9991fc951961fcb4c784893574240a28925604d09fc577c55bb7c32");
