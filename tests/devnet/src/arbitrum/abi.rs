//! What only a local network calls: the contracts that set up the rollup, and our stand-ins of the precompiles.
//!
//! Source: nitro-contracts 3.2.0 and token-bridge-contracts 1.2.5 (npm).
#![allow(missing_docs, clippy::too_many_arguments, reason = "named and explained by their source")]

alloy_sol_types::sol! {
    #![sol(all_derives)]

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

    struct BridgeTemplates {
        address bridge;
        address sequencerInbox;
        address delayBufferableSequencerInbox;
        address inbox;
        address rollupEventInbox;
        address outbox;
    }

    struct MaxTimeVariation {
        uint256 delayBlocks;
        uint256 futureBlocks;
        uint256 delaySeconds;
        uint256 futureSeconds;
    }

    struct BufferConfig {
        uint64 threshold;
        uint64 max;
        uint64 replenishRateInBasis;
    }

    struct Config {
        uint64 confirmPeriodBlocks;
        address stakeToken;
        uint256 baseStake;
        bytes32 wasmModuleRoot;
        address owner;
        address loserStakeEscrow;
        uint256 chainId;
        string chainConfig;
        uint256 minimumAssertionPeriod;
        uint64 validatorAfkBlocks;
        uint256[] miniStakeValues;
        MaxTimeVariation sequencerInboxMaxTimeVariation;
        uint256 layerZeroBlockEdgeHeight;
        uint256 layerZeroBigStepEdgeHeight;
        uint256 layerZeroSmallStepEdgeHeight;
        AssertionState genesisAssertionState;
        uint256 genesisInboxCount;
        address anyTrustFastConfirmer;
        uint8 numBigStepLevel;
        uint64 challengeGracePeriodBlocks;
        BufferConfig bufferConfig;
        uint256 dataCostEstimate;
    }

    struct RollupDeploymentParams {
        Config config;
        address[] validators;
        uint256 maxDataSize;
        address nativeToken;
        bool deployFactoriesToL2;
        uint256 maxFeePerGasForRetryables;
        address[] batchPosters;
        address batchPosterManager;
        address feeTokenPricer;
        address customOsp;
    }

    interface IRollupCreator {
        function createRollup(RollupDeploymentParams memory deployParams) external payable returns (address);

        event RollupCreated(
            address indexed rollupAddress,
            address indexed nativeToken,
            address inboxAddress,
            address outbox,
            address rollupEventInbox,
            address challengeManager,
            address adminProxy,
            address sequencerInbox,
            address bridge,
            address upgradeExecutor,
            address validatorWalletCreator
        );
    }

    interface IBatchPoster {
        function addSequencerL2BatchFromOrigin(
            uint256 sequenceNumber,
            bytes calldata data,
            uint256 afterDelayedMessagesRead,
            address gasRefunder,
            uint256 prevMessageCount,
            uint256 newMessageCount
        ) external;
    }

    interface IValidator {
        function isStaked(address staker) external view returns (bool);
        function newStakeOnNewAssertion(uint256 tokenAmount, AssertionInputs calldata assertion, bytes32 expectedAssertionHash) external;
        function stakeOnNewAssertion(AssertionInputs calldata assertion, bytes32 expectedAssertionHash) external;
        function confirmAssertion(
            bytes32 assertionHash,
            bytes32 prevAssertionHash,
            AssertionState calldata confirmState,
            bytes32 winningEdgeId,
            ConfigData calldata prevConfig,
            bytes32 inboxAcc
        ) external;

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
    }

    interface IWeth {
        function deposit() external payable;
        function approve(address spender, uint256 amount) external returns (bool);
    }

    interface IL1Router {
        function initialize(address owner, address defaultGateway, address whitelist, address counterpartGateway, address inbox) external;
    }
    interface IL1Erc20Gateway {
        function initialize(address l2Counterpart, address router, address inbox, bytes32 cloneableProxyHash, address l2BeaconProxyFactory) external;
    }
    interface IL2Router {
        function initialize(address counterpartGateway, address defaultGateway) external;
    }
    interface IL2Erc20Gateway {
        function initialize(address l1Counterpart, address router, address beaconProxyFactory) external;
    }
    interface IBeaconProxyFactory {
        function initialize(address beacon) external;
        function cloneableProxyHash() external view returns (bytes32);
    }

    struct Attempt {
        uint64 gas;
        uint256 price;
        address refundTo;
        uint256 maxRefund;
        uint256 submissionFeeRefund;
    }

    interface IArbSysDouble {
        function setL1Block(uint64 number) external;
        function l1Block() external view returns (uint64);
        function sendMerkleTreeState() external view returns (uint256 size, bytes32 root, bytes32[] memory partials);
    }

    interface IArbRetryableTxDouble {
        function create(
            bytes32 ticketId,
            address from,
            address to,
            address beneficiary,
            uint256 callValue,
            bytes calldata data,
            Attempt calldata attempt
        ) external;
        function failSubmission() external view;
        function setRedeemer(address account) external;
        function remove(bytes32 ticketId) external;
    }
}
