// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentChannel, Lock} from "../interfaces/IPaymentChannel.sol";
import {IResolver} from "../interfaces/IResolver.sol";
import {ISecretRegistry} from "../interfaces/ISecretRegistry.sol";

/// When a conditional payment pays, goes back, or must wait.
library LockRules {
    enum Outcome {
        Undecided,
        Paid,
        Refunded
    }

    uint256 internal constant RESOLVER_GAS = 100_000;
    /// With this much left, 63/64 of it is enough for RESOLVER_GAS: a caller can't starve a resolver
    /// and so turn a payment into a refund.
    uint256 internal constant RESOLVER_GAS_FLOOR = 130_000;

    /// Met at or before its expiry: paid, whenever it is asked. Past its expiry and not met: refunded.
    function decide(Lock calldata lock, ISecretRegistry registry) internal view returns (Outcome) {
        if (_isMet(lock, registry)) return Outcome.Paid;
        return block.timestamp > lock.expiry ? Outcome.Refunded : Outcome.Undecided;
    }

    function _isMet(Lock calldata lock, ISecretRegistry registry) private view returns (bool) {
        if (lock.resolver == address(0)) {
            uint40 revealedAt = registry.revealedAt(lock.hash);
            return revealedAt != 0 && revealedAt <= lock.expiry;
        }
        (bool answered, uint256 done, uint256 ok, uint256 decidedAt) =
            _ask(lock.resolver, lock.hash);
        return answered && done == 1 && ok == 1 && decidedAt <= lock.expiry;
    }

    /// `outcome(id)` with capped gas and capped return data; a failing resolver has not answered.
    function _ask(address resolver, bytes32 id)
        private
        view
        returns (bool answered, uint256 done, uint256 ok, uint256 decidedAt)
    {
        if (gasleft() < RESOLVER_GAS_FLOOR) {
            revert IPaymentChannel.InsufficientGas(RESOLVER_GAS_FLOOR);
        }
        bytes memory data = abi.encodeCall(IResolver.outcome, (id));
        bytes memory answer = new bytes(96);
        assembly ("memory-safe") {
            answered := staticcall(
                RESOLVER_GAS,
                resolver,
                add(data, 0x20),
                mload(data),
                add(answer, 0x20),
                96
            )
            answered := and(answered, gt(returndatasize(), 95))
            done := mload(add(answer, 0x20))
            ok := mload(add(answer, 0x40))
            decidedAt := mload(add(answer, 0x60))
        }
    }
}
