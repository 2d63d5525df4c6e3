// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {
    Channel,
    IPaymentChannel,
    State,
    Status,
    Take,
    Terms
} from "./interfaces/IPaymentChannel.sol";
import {ChannelBase, Config} from "./base/ChannelBase.sol";
import {ChannelEntry} from "./base/ChannelEntry.sol";
import {ChannelExit} from "./base/ChannelExit.sol";
import {Digests} from "./libraries/Digests.sol";
import {Held} from "./libraries/Held.sol";
import {Ledger} from "./libraries/Ledger.sol";
import {Point} from "./libraries/Point.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {StateRules} from "./libraries/StateRules.sol";
import {Transfers} from "./libraries/Transfers.sol";

/// Two-party payment channels; the rules are in IPaymentChannel.
contract PaymentChannel is ChannelEntry, ChannelExit {
    constructor(Config memory config) ChannelBase(config) {}

    // ------------------------------------------------------------------ credit

    /// @inheritdoc IPaymentChannel
    function withdraw(address token, address to, uint256 amount) external nonReentrant {
        _withdraw(token, msg.sender, to, amount);
    }

    /// @inheritdoc IPaymentChannel
    function withdrawFor(Take calldata order, bytes calldata signature) external nonReentrant {
        if (block.timestamp > order.deadline) revert Expired(order.deadline);
        address account = order.account;
        if (_usedOrders[account][order.id]) revert OrderUsed(account, order.id);
        bytes32 digest = Digests.take(DOMAIN, order);
        address recovered = Signatures.recover(digest, signature);
        bool signed = recovered != address(0) && recovered == account;
        if (!signed && !Signatures.isApprovedByContract(account, digest, signature)) {
            revert BadSignature(0);
        }
        _usedOrders[account][order.id] = true;
        emit OrderExecuted(account, order.id);
        _withdraw(order.token, account, order.to, order.amount);
    }

    function _withdraw(address token, address account, address to, uint256 amount) private {
        if (to == address(0) || to == address(this)) revert InvalidRecipient(to);
        uint256 available = _credits[token][account];
        if (amount > available) revert InsufficientCredit(available);
        _credits[token][account] = available - amount;
        if (!Transfers.trySend(token, to, amount, gasleft())) revert TransferFailed(token, to);
        emit Withdrawn(token, account, to, amount);
    }

    // ------------------------------------------------------------------ many calls

    /// @inheritdoc IPaymentChannel
    /// @dev Not payable, so no call can count a value that another has counted.
    function multicall(bytes[] calldata calls) external returns (bytes[] memory results) {
        results = new bytes[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool ok, bytes memory result) = address(this).delegatecall(calls[i]);
            if (!ok) {
                assembly ("memory-safe") {
                    revert(add(result, 0x20), mload(result))
                }
            }
            results[i] = result;
        }
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IPaymentChannel
    function channelIdOf(Terms calldata terms) external view returns (bytes32) {
        return _idOf(terms);
    }

    /// @inheritdoc IPaymentChannel
    function channelOf(bytes32 channelId) external view returns (Channel memory view_) {
        Slots storage channel = _channels[channelId];
        Ledger ledger = channel.ledger;
        Point point = channel.point;
        Held held = channel.held;
        view_.status = ledger.status();
        view_.locksRoot = channel.locksRoot;
        view_.held1 = held.held1();
        view_.held2 = held.held2();
        view_.resolved = held.resolved();
        if (view_.status == Status.Closed) {
            view_.version = ledger.tombstoneVersion();
            view_.closesAt = ledger.tombstoneClosesAt();
            view_.withdrawVersion = ledger.tombstoneWithdrawVersion();
            view_.mode = ledger.tombstoneMode();
            view_.initiatingSide = ledger.tombstoneSide();
            return view_;
        }
        view_.deposit1 = ledger.deposit1();
        view_.deposit2 = ledger.deposit2();
        view_.version = point.version();
        view_.kind = point.kind();
        view_.net = point.net();
        view_.closesAt = point.closesAt();
        view_.withdrawVersion = channel.withdrawVersion;
        view_.initiatingSide = point.initiatingSide();
    }

    /// @inheritdoc IPaymentChannel
    function balances(Terms calldata terms)
        external
        view
        returns (uint256 balance1, uint256 balance2, uint256 locked1, uint256 locked2)
    {
        Slots storage channel = _channels[_idOf(terms)];
        Ledger ledger = channel.ledger;
        locked1 = channel.held.held1();
        locked2 = channel.held.held2();
        if (ledger.status() == Status.Closed) return (0, 0, locked1, locked2);
        (balance1, balance2) = StateRules.balances(
            ledger.deposit1(), ledger.deposit2(), channel.point.net(), locked1, locked2
        );
    }

    /// @inheritdoc IPaymentChannel
    function creditOf(address token, address account) external view returns (uint256) {
        return _credits[token][account];
    }

    /// @inheritdoc IPaymentChannel
    function isOrderUsed(address account, uint256 id) external view returns (bool) {
        return _usedOrders[account][id];
    }

    /// @inheritdoc IPaymentChannel
    function stateDigest(bytes32 channelId, State calldata state) external view returns (bytes32) {
        return Digests.state(DOMAIN, channelId, state);
    }

    /// @inheritdoc IPaymentChannel
    function capsOf(address token) external view returns (uint256 perChannel, uint256 total) {
        return _capsOf(token);
    }

    /// @inheritdoc IPaymentChannel
    function domainSeparator() external view returns (bytes32) {
        return DOMAIN;
    }
}
