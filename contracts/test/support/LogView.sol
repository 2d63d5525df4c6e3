// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Channel,
    IPaymentChannel,
    Mode,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {Vm} from "./Vm.sol";

/// P28: everything the contract stores, rebuilt from its logs and from nothing else.
contract LogView {
    /// The data of ChannelCheckpoint.
    struct Checkpoint {
        int256 net;
        uint8 kind;
        uint256 locked1;
        uint256 locked2;
        bytes32 locksRoot;
    }

    /// The data of ChannelClosing.
    struct Closing {
        Checkpoint point;
        uint40 closesAt;
        uint8 initiatingSide;
    }

    /// The data of PartialWithdrawn.
    struct Withdrawal {
        int256 net;
        uint256 out1;
        uint256 out2;
        int256 deposit1;
        int256 deposit2;
        uint256 locked1;
        uint256 locked2;
        bytes32 locksRoot;
    }

    mapping(bytes32 id => Channel) private _channels;
    mapping(address token => mapping(address account => uint256)) public credits;
    mapping(address account => mapping(uint256 id => bool)) public executed;

    error UnknownEvent(bytes32 topic);

    function channel(bytes32 id) external view returns (Channel memory) {
        return _channels[id];
    }

    /// Takes the logs of one call, in order, and of one contract.
    function apply_(Vm.Log[] calldata logs, address emitter) external {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != emitter) continue;
            _applyEntry(logs[i]);
        }
    }

    function _applyEntry(Vm.Log calldata log) private {
        bytes32 topic = log.topics[0];
        Channel storage c = _channels[log.topics.length > 1 ? log.topics[1] : bytes32(0)];
        if (topic == IPaymentChannel.ChannelOpened.selector) {
            (, uint256 deposit1, bool active) = abi.decode(log.data, (Terms, uint256, bool));
            c.status = active ? Status.Active : Status.Pending;
            c.deposit1 = int256(deposit1);
        } else if (topic == IPaymentChannel.ChannelJoined.selector) {
            c.status = Status.Active;
            c.deposit2 = int256(abi.decode(log.data, (uint256)));
        } else if (topic == IPaymentChannel.ChannelFunded.selector) {
            int256 amount = int256(abi.decode(log.data, (uint256)));
            if (uint256(log.topics[2]) == 1) c.deposit1 += amount;
            else c.deposit2 += amount;
        } else {
            _applyPoint(topic, c, log);
        }
    }

    function _applyPoint(bytes32 topic, Channel storage c, Vm.Log calldata log) private {
        if (topic == IPaymentChannel.ChannelCheckpoint.selector) {
            _store(c, log, abi.decode(log.data, (Checkpoint)));
        } else if (topic == IPaymentChannel.ChannelClosing.selector) {
            Closing memory closing = abi.decode(log.data, (Closing));
            _store(c, log, closing.point);
            c.status = Status.Closing;
            c.closesAt = closing.closesAt;
            c.initiatingSide = closing.initiatingSide;
        } else if (topic == IPaymentChannel.PartialWithdrawn.selector) {
            Withdrawal memory w = abi.decode(log.data, (Withdrawal));
            _store(c, log, Checkpoint(w.net, 0, w.locked1, w.locked2, w.locksRoot));
            c.withdrawVersion = c.version;
            (c.deposit1, c.deposit2) = (w.deposit1, w.deposit2);
        } else {
            _applyEnd(topic, c, log);
        }
    }

    function _store(Channel storage c, Vm.Log calldata log, Checkpoint memory point) private {
        c.version = uint64(uint256(log.topics[2]));
        c.net = point.net;
        c.kind = point.kind;
        c.held1 = point.locked1;
        c.held2 = point.locked2;
        c.locksRoot = point.locksRoot;
    }

    function _applyEnd(bytes32 topic, Channel storage c, Vm.Log calldata log) private {
        if (topic == IPaymentChannel.ChannelClosed.selector) {
            c.status = Status.Closed;
            c.version = uint64(uint256(log.topics[2]));
            (,, c.held1, c.held2, c.mode) =
                abi.decode(log.data, (uint256, uint256, uint256, uint256, Mode));
            (c.deposit1, c.deposit2, c.net, c.kind) = (0, 0, 0, 0);
            if (c.held1 + c.held2 == 0) c.locksRoot = 0;
        } else if (topic == IPaymentChannel.LockResolved.selector) {
            (bool from1, uint256 amount) = _resolved(log);
            if (from1) c.held1 -= amount;
            else c.held2 -= amount;
            c.resolved |= uint32(1 << uint256(log.topics[2]));
            if (c.held1 + c.held2 == 0) (c.locksRoot, c.resolved) = (0, 0);
        } else if (topic == IPaymentChannel.RemainderReturned.selector) {
            (c.held1, c.held2, c.locksRoot, c.resolved) = (0, 0, 0, 0);
        } else {
            _applyMoney(topic, log);
        }
    }

    function _resolved(Vm.Log calldata log) private pure returns (bool from1, uint256 amount) {
        (, from1,, amount) = abi.decode(log.data, (bytes32, bool, bool, uint256));
    }

    function _applyMoney(bytes32 topic, Vm.Log calldata log) private {
        if (topic == IPaymentChannel.Credited.selector) {
            address account = address(uint160(uint256(log.topics[2])));
            credits[
                address(uint160(uint256(log.topics[1])))
            ][account] += abi.decode(log.data, (uint256));
        } else if (topic == IPaymentChannel.Withdrawn.selector) {
            address account = address(uint160(uint256(log.topics[2])));
            credits[
                address(uint160(uint256(log.topics[1])))
            ][account] -= abi.decode(log.data, (uint256));
        } else if (topic == IPaymentChannel.OrderExecuted.selector) {
            executed[address(uint160(uint256(log.topics[1])))][uint256(log.topics[2])] = true;
        } else if (topic != IPaymentChannel.ChallengeSkipped.selector) {
            revert UnknownEvent(topic);
        }
    }
}
