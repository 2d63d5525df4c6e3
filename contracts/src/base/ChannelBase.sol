// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IPaymentChannel, Mode, Status, Terms} from "../interfaces/IPaymentChannel.sol";
import {ISecretRegistry} from "../interfaces/ISecretRegistry.sol";
import {IPermit2} from "../interfaces/external/IPermit2.sol";
import {Digests} from "../libraries/Digests.sol";
import {Held} from "../libraries/Held.sol";
import {LaunchCaps, LaunchSchedule} from "../libraries/LaunchCaps.sol";
import {Ledger, LedgerLib} from "../libraries/Ledger.sol";
import {Point} from "../libraries/Point.sol";
import {ReentrancyGuard} from "../libraries/ReentrancyGuard.sol";
import {Transfers} from "../libraries/Transfers.sol";

/// What a deployment fixes for its chain, for ever.
struct Config {
    /// Shortest challenge period, from the chain's forced inclusion delay. Seconds.
    uint32 minChallengePeriod;
    /// Longest challenge period, below 7 days. Seconds.
    uint32 maxChallengePeriod;
    ISecretRegistry secretRegistry;
    /// 0 where the chain has no Permit2.
    IPermit2 permit2;
    LaunchSchedule launch;
}

/// Storage, and how money leaves.
abstract contract ChannelBase is IPaymentChannel, ReentrancyGuard, LaunchCaps {
    /// @dev Slots after the first stay empty until they are needed, and are emptied at the close.
    struct Slots {
        Ledger ledger;
        Point point;
        bytes32 locksRoot;
        Held held;
        uint64 withdrawVersion;
    }

    uint256 public constant MAX_LOCKS = 32;
    uint32 public constant CHALLENGE_PERIOD_LIMIT = 7 days;

    /// What a receiver of ETH may burn.
    uint256 internal constant ETH_PUSH_GAS = 50_000;
    /// What a token may burn while it is pushed out.
    uint256 internal constant TOKEN_PUSH_GAS = 300_000;
    /// What is left after a push that burns all: enough to book the credit.
    uint256 internal constant PUSH_GAS_RESERVE = 50_000;

    /// Part of every channel id and of the EIP-712 domain. The value at deployment: a later change
    /// of the chain's id changes neither, so that no signed state is lost by it.
    uint256 public immutable CHAIN_ID;
    uint32 public immutable MIN_CHALLENGE_PERIOD;
    uint32 public immutable MAX_CHALLENGE_PERIOD;
    ISecretRegistry public immutable SECRET_REGISTRY;
    IPermit2 public immutable PERMIT2;
    bytes32 internal immutable DOMAIN;

    mapping(bytes32 channelId => Slots) internal _channels;
    mapping(address token => mapping(address account => uint256)) internal _credits;
    mapping(address account => mapping(uint256 id => bool)) internal _usedOrders;

    constructor(Config memory config) LaunchCaps(config.launch) {
        uint32 min = config.minChallengePeriod;
        uint32 max = config.maxChallengePeriod;
        if (min == 0 || min > max || max >= CHALLENGE_PERIOD_LIMIT) {
            revert InvalidPeriodBounds(min, max);
        }
        if (address(config.secretRegistry).code.length == 0) {
            revert NoCode(address(config.secretRegistry));
        }
        CHAIN_ID = block.chainid;
        MIN_CHALLENGE_PERIOD = min;
        MAX_CHALLENGE_PERIOD = max;
        SECRET_REGISTRY = config.secretRegistry;
        PERMIT2 = config.permit2;
        DOMAIN = Digests.domainSeparator(block.chainid);
    }

    function _idOf(Terms calldata terms) internal view returns (bytes32) {
        return Digests.channelId(CHAIN_ID, terms);
    }

    function _participant(Terms calldata terms, uint8 side) internal pure returns (address) {
        if (side == 1) return terms.participant1;
        if (side == 2) return terms.participant2;
        revert InvalidSide(side);
    }

    /// Ends a channel: its ledger becomes the tombstone, the stored point goes.
    function _bury(Slots storage channel, Ledger ledger, Point point, uint64 version, Mode mode)
        internal
    {
        uint64 withdrawVersion = point.hasWithdrawn() ? channel.withdrawVersion : 0;
        channel.ledger = LedgerLib.tombstone(
            version, point.closesAt(), withdrawVersion, mode, point.initiatingSide()
        );
        if (ledger.hasPoint()) channel.point = Point.wrap(0);
        if (withdrawVersion != 0) channel.withdrawVersion = 0;
    }

    /// Pays, and credits what can't be paid: a receiver never holds up a close or the other side.
    /// @dev The caller can't turn a payment into a credit by sending too little gas.
    function _push(bytes32 id, address token, address to, uint256 amount) internal {
        if (amount == 0) return;
        uint256 gasLimit = token == address(0) ? ETH_PUSH_GAS : TOKEN_PUSH_GAS;
        // A call passes on at most 63/64 of what is left.
        uint256 needed = gasLimit + gasLimit / 32 + PUSH_GAS_RESERVE;
        if (gasleft() < needed) revert InsufficientGas(needed);
        if (!Transfers.trySend(token, to, amount, gasLimit)) _credit(id, token, to, amount);
    }

    function _credit(bytes32 id, address token, address account, uint256 amount) internal {
        _credits[token][account] += amount;
        emit Credited(token, account, id, amount);
    }

    function _requireStatus(Ledger ledger, Status wanted) internal pure {
        Status status = ledger.status();
        if (status != wanted) revert WrongStatus(status);
    }
}
