// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    CloseIntent,
    IPaymentChannel,
    Lock,
    PartialWithdraw,
    Signature,
    State,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {Token} from "../mocks/Token.sol";
import {ChannelTest} from "./ChannelTest.sol";

/// Calls as data, so that a test can say who sends which call, and exactly how it is answered.
abstract contract ChannelCalls is ChannelTest {
    error Refused(bytes reason);
    error NotRefused(bytes call);
    error OtherRefusal(bytes actual, bytes expected);

    // ------------------------------------------------------------------ sending

    /// The call must succeed.
    function send(address sender, bytes memory call) internal returns (bytes memory) {
        return send(sender, 0, call);
    }

    function send(address sender, uint256 value, bytes memory call)
        internal
        returns (bytes memory result)
    {
        bool ok;
        vm.prank(sender);
        (ok, result) = address(channels).call{value: value}(call);
        if (!ok) revert Refused(result);
    }

    /// The call must fail with exactly this error and these values.
    function refused(address sender, bytes memory call, bytes memory expected) internal {
        refused(sender, 0, call, expected);
    }

    function refused(address sender, uint256 value, bytes memory call, bytes memory expected)
        internal
    {
        vm.prank(sender);
        (bool ok, bytes memory reason) = address(channels).call{value: value}(call);
        if (ok) revert NotRefused(call);
        if (keccak256(reason) != keccak256(expected)) revert OtherRefusal(reason, expected);
    }

    /// Whether the call succeeds, with a gas limit as a transaction has one: what burns all of it must
    /// not take the test along.
    function attempt(address sender, uint256 value, bytes memory call) internal returns (bool ok) {
        vm.prank(sender);
        (ok,) = address(channels).call{value: value, gas: 16_000_000}(call);
    }

    // ------------------------------------------------------------------ errors

    function err(bytes4 selector) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector);
    }

    function err(bytes4 selector, uint256 a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a);
    }

    function err(bytes4 selector, address a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a);
    }

    function err(bytes4 selector, bytes32 a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a);
    }

    function err(bytes4 selector, uint256 a, uint256 b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function err(bytes4 selector, address a, uint256 b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function err(bytes4 selector, address a, address b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function err(bytes4 selector, bytes32 a, bytes32 b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function wrongStatus(Status status) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IPaymentChannel.WrongStatus.selector, status);
    }

    // ------------------------------------------------------------------ calls

    function openCall(Terms memory terms, uint256 amount, bytes memory accept)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(IPaymentChannel.openChannel, (terms, amount, accept));
    }

    function joinCall(Terms memory terms, uint256 amount, bytes memory accept)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(IPaymentChannel.joinChannel, (terms, amount, accept));
    }

    function depositCall(Terms memory terms, uint8 side, uint256 amount)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(IPaymentChannel.deposit, (terms, side, amount));
    }

    function cancelCall(Terms memory terms) internal pure returns (bytes memory) {
        return abi.encodeCall(IPaymentChannel.cancelOpen, (terms, noIntent()));
    }

    function updateCall(Terms memory terms, bytes32 id, State memory state)
        internal
        view
        returns (bytes memory)
    {
        (Signature memory s1, Signature memory s2) = sign(id, state);
        return abi.encodeCall(IPaymentChannel.updateState, (terms, state, s1, s2));
    }

    function withdrawCall(Terms memory terms, bytes32 id, PartialWithdraw memory order)
        internal
        view
        returns (bytes memory)
    {
        (Signature memory s1, Signature memory s2) = signWithdraw(id, order);
        return abi.encodeCall(IPaymentChannel.partialWithdraw, (terms, order, s1, s2));
    }

    function initiateCall(
        Terms memory terms,
        bytes32 id,
        State memory state,
        CloseIntent memory intent
    ) internal view returns (bytes memory) {
        (Signature memory s1, Signature memory s2) = sign(id, state);
        return abi.encodeCall(IPaymentChannel.initiateClose, (terms, state, s1, s2, intent));
    }

    /// A close by the sender's own right.
    function initiateCall(Terms memory terms, bytes32 id, State memory state)
        internal
        view
        returns (bytes memory)
    {
        return initiateCall(terms, id, state, noIntent());
    }

    function challengeCall(Terms memory terms, bytes32 id, State memory state)
        internal
        view
        returns (bytes memory)
    {
        (Signature memory s1, Signature memory s2) = sign(id, state);
        return abi.encodeCall(IPaymentChannel.challengeClose, (terms, state, s1, s2));
    }

    function cooperateCall(Terms memory terms, bytes32 id, State memory state)
        internal
        view
        returns (bytes memory)
    {
        (Signature memory s1, Signature memory s2) = sign(id, state);
        return abi.encodeCall(IPaymentChannel.cooperativeClose, (terms, short(state), s1, s2));
    }

    function closeCall(Terms memory terms) internal pure returns (bytes memory) {
        return abi.encodeCall(IPaymentChannel.closeChannel, (terms));
    }

    function resolveCall(Terms memory terms, Lock[] memory locks, uint32 mask)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(IPaymentChannel.resolveLocks, (terms, locks, mask));
    }

    // ------------------------------------------------------------------ money

    function balanceOf(address token_, address account) internal view returns (uint256) {
        return token_ == address(0) ? account.balance : Token(token_).balanceOf(account);
    }

    /// What an account has in hand and as credit.
    function worth(address token_, address account) internal view returns (uint256) {
        return balanceOf(token_, account) + channels.creditOf(token_, account);
    }

    function orderOf(uint64 version, int256 net, uint256 out1, uint256 out2)
        internal
        pure
        returns (PartialWithdraw memory)
    {
        return PartialWithdraw(version, net, 0, 0, 0, out1, out2, uint64(START + 365 days));
    }

    /// An active channel after a close of participant 1 that rests on no state.
    function closing(uint256 salt, uint256 deposit1, uint256 deposit2)
        internal
        returns (Terms memory terms, bytes32 id)
    {
        (terms, id) = active(salt, deposit1, deposit2);
        initiateBare(alice, terms);
    }

    /// A channel closed unilaterally on this state; time has moved by the challenge period.
    function closedWith(Terms memory terms, uint256 deposit1, uint256 deposit2, State memory state)
        internal
        returns (bytes32 id)
    {
        (, id) = activeWith(terms, deposit1, deposit2);
        initiate(alice, terms, id, state);
        vm.warp(vm.getBlockTimestamp() + terms.challengePeriod);
        settle(terms);
    }

    function asArray(Lock memory lock) internal pure returns (Lock[] memory locks) {
        locks = new Lock[](1);
        locks[0] = lock;
    }

    function asArray(Lock memory a, Lock memory b) internal pure returns (Lock[] memory locks) {
        locks = new Lock[](2);
        locks[0] = a;
        locks[1] = b;
    }
}
