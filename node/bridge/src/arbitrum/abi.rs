//! The few functions and events of Arbitrum's contracts that are used.
//!
//! Source: nitro-contracts 3.2.0 and token-bridge-contracts 1.2.5 (npm); ArbOS precompiles' published interfaces.
#![allow(missing_docs, clippy::too_many_arguments, reason = "named and explained by their source")]

use alloy_primitives::{Address, address};

/// ArbOS' door to L1.
pub const ARB_SYS: Address = address!("0000000000000000000000000000000000000064");
/// ArbOS' tickets.
pub const ARB_RETRYABLE_TX: Address = address!("000000000000000000000000000000000000006e");
/// Answers questions in `eth_call` and `eth_estimateGas`; no contract.
pub const NODE_INTERFACE: Address = address!("00000000000000000000000000000000000000c8");

alloy_sol_types::sol! {
    #![sol(all_derives)]

    interface IInbox {
        function bridge() external view returns (address);
        function sequencerInbox() external view returns (address);
        function calculateRetryableSubmissionFee(uint256 dataLength, uint256 baseFee) external view returns (uint256);
        function createRetryableTicket(
            address to,
            uint256 l2CallValue,
            uint256 maxSubmissionCost,
            address excessFeeRefundAddress,
            address callValueRefundAddress,
            uint256 gasLimit,
            uint256 maxFeePerGas,
            bytes calldata data
        ) external payable returns (uint256);
        function depositEth() external payable returns (uint256);
        function sendL2Message(bytes calldata messageData) external returns (uint256);
        function paused() external view returns (bool);

        event InboxMessageDelivered(uint256 indexed messageNum, bytes data);

        error InsufficientValue(uint256 expected, uint256 actual);
        error InsufficientSubmissionCost(uint256 expected, uint256 actual);
        error RetryableData(
            address from, address to, uint256 l2CallValue, uint256 deposit, uint256 maxSubmissionCost,
            address excessFeeRefundAddress, address callValueRefundAddress, uint256 gasLimit, uint256 maxFeePerGas,
            bytes data
        );
    }

    interface IBridge {
        function rollup() external view returns (address);
        function sequencerInbox() external view returns (address);
        function activeOutbox() external view returns (address);
        function allowedOutboxes(address outbox) external view returns (bool);
        function allowedDelayedInboxes(address inbox) external view returns (bool);
        function delayedMessageCount() external view returns (uint256);
        function delayedInboxAccs(uint256 index) external view returns (bytes32);
        function sequencerMessageCount() external view returns (uint256);

        event MessageDelivered(
            uint256 indexed messageIndex,
            bytes32 indexed beforeInboxAcc,
            address inbox,
            uint8 kind,
            address sender,
            bytes32 messageDataHash,
            uint256 baseFeeL1,
            uint64 timestamp
        );
    }

    interface ISequencerInbox {
        function bridge() external view returns (address);
        function totalDelayedMessagesRead() external view returns (uint256);
        function maxTimeVariation() external view returns (uint256 delayBlocks, uint256 futureBlocks, uint256 delaySeconds, uint256 futureSeconds);
        function forceInclusionDeadline(uint64 blockNumber) external view returns (uint64);
        function forceInclusion(
            uint256 totalDelayedMessagesRead,
            uint8 kind,
            uint64[2] calldata l1BlockAndTime,
            uint256 baseFeeL1,
            address sender,
            bytes32 messageDataHash
        ) external;

        error ForceIncludeBlockTooSoon();
        error DelayedBackwards();
        error IncorrectMessagePreimage();
    }

    struct GlobalState {
        bytes32[2] bytes32Vals;
        uint64[2] u64Vals;
    }

    struct AssertionState {
        GlobalState globalState;
        uint8 machineStatus;
        bytes32 endHistoryRoot;
    }

    struct ConfigData {
        bytes32 wasmModuleRoot;
        uint256 requiredStake;
        address challengeManager;
        uint64 confirmPeriodBlocks;
        uint64 nextInboxPosition;
    }

    struct BeforeStateData {
        bytes32 prevPrevAssertionHash;
        bytes32 sequencerBatchAcc;
        ConfigData configData;
    }

    struct AssertionInputs {
        BeforeStateData beforeStateData;
        AssertionState beforeState;
        AssertionState afterState;
    }

    struct AssertionNode {
        uint64 firstChildBlock;
        uint64 secondChildBlock;
        uint64 createdAtBlock;
        bool isFirstChild;
        uint8 status;
        bytes32 configHash;
    }

    interface IRollup {
        function bridge() external view returns (address);
        function outbox() external view returns (address);
        function chainId() external view returns (uint256);
        function paused() external view returns (bool);
        function confirmPeriodBlocks() external view returns (uint64);
        function latestConfirmed() external view returns (bytes32);
        function getAssertion(bytes32 assertionHash) external view returns (AssertionNode memory);

        event AssertionCreated(
            bytes32 indexed assertionHash,
            bytes32 indexed parentAssertionHash,
            AssertionInputs assertion,
            bytes32 afterInboxBatchAcc,
            uint256 inboxMaxCount,
            bytes32 wasmModuleRoot,
            uint256 requiredStake,
            address challengeManager,
            uint64 confirmPeriodBlocks
        );
        event AssertionConfirmed(bytes32 indexed assertionHash, bytes32 blockHash, bytes32 sendRoot);
    }

    interface IOutbox {
        function bridge() external view returns (address);
        function rollup() external view returns (address);
        function roots(bytes32 root) external view returns (bytes32);
        function isSpent(uint256 index) external view returns (bool);
        function executeTransaction(
            bytes32[] calldata proof,
            uint256 index,
            address l2Sender,
            address to,
            uint256 l2Block,
            uint256 l1Block,
            uint256 l2Timestamp,
            uint256 value,
            bytes calldata data
        ) external;

        event SendRootUpdated(bytes32 indexed outputRoot, bytes32 indexed l2BlockHash);
        event OutBoxTransactionExecuted(
            address indexed to, address indexed l2Sender, uint256 indexed zero, uint256 transactionIndex
        );

        error AlreadySpent(uint256 index);
        error UnknownRoot(bytes32 root);
    }

    interface IArbSys {
        function withdrawEth(address destination) external payable returns (uint256);
        function sendTxToL1(address destination, bytes calldata data) external payable returns (uint256);

        event L2ToL1Tx(
            address caller,
            address indexed destination,
            uint256 indexed hash,
            uint256 indexed position,
            uint256 arbBlockNum,
            uint256 ethBlockNum,
            uint256 timestamp,
            uint256 callvalue,
            bytes data
        );
    }

    interface IArbRetryableTx {
        function redeem(bytes32 ticketId) external returns (bytes32);
        function keepalive(bytes32 ticketId) external returns (uint256);
        function cancel(bytes32 ticketId) external;
        function getTimeout(bytes32 ticketId) external view returns (uint256);
        function getBeneficiary(bytes32 ticketId) external view returns (address);

        event TicketCreated(bytes32 indexed ticketId);
        event LifetimeExtended(bytes32 indexed ticketId, uint256 newTimeout);
        event RedeemScheduled(
            bytes32 indexed ticketId,
            bytes32 indexed retryTxHash,
            uint64 indexed sequenceNum,
            uint64 donatedGas,
            address gasDonor,
            uint256 maxRefund,
            uint256 submissionFeeRefund
        );
        event Canceled(bytes32 indexed ticketId);

        error NoTicketWithID();
    }

    interface INodeInterface {
        function estimateRetryableTicket(
            address sender,
            uint256 deposit,
            address to,
            uint256 l2CallValue,
            address excessFeeRefundAddress,
            address callValueRefundAddress,
            bytes calldata data
        ) external;
        function constructOutboxProof(uint64 size, uint64 leaf)
            external view returns (bytes32 send, bytes32 root, bytes32[] memory proof);
        function gasEstimateComponents(address to, bool contractCreation, bytes calldata data)
            external payable returns (uint64 gasEstimate, uint64 gasEstimateForL1, uint256 baseFee, uint256 l1BaseFeeEstimate);
        function gasEstimateL1Component(address to, bool contractCreation, bytes calldata data)
            external payable returns (uint64 gasEstimateForL1, uint256 baseFee, uint256 l1BaseFeeEstimate);
    }

    interface IL1GatewayRouter {
        function getGateway(address token) external view returns (address);
        function calculateL2TokenAddress(address token) external view returns (address);
        function inbox() external view returns (address);
        function counterpartGateway() external view returns (address);
        function outboundTransferCustomRefund(
            address token,
            address refundTo,
            address to,
            uint256 amount,
            uint256 maxGas,
            uint256 gasPriceBid,
            bytes calldata data
        ) external payable returns (bytes memory);
    }

    interface IGateway {
        function counterpartGateway() external view returns (address);
        function getOutboundCalldata(address token, address from, address to, uint256 amount, bytes calldata data)
            external view returns (bytes memory);
        function finalizeInboundTransfer(address token, address from, address to, uint256 amount, bytes calldata data)
            external payable;
    }

    interface IL2GatewayRouter {
        function getGateway(address token) external view returns (address);
        function calculateL2TokenAddress(address token) external view returns (address);
        function counterpartGateway() external view returns (address);
        function outboundTransfer(address token, address to, uint256 amount, bytes calldata data)
            external payable returns (bytes memory);
    }

    interface IArbToken {
        function l1Address() external view returns (address);
        function decimals() external view returns (uint8);
    }
}
