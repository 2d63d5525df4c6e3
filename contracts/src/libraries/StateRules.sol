// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentChannel, State, Terms} from "../interfaces/IPaymentChannel.sol";

/// Which terms and states are possible at all. The Rust node applies the same rules before
/// it signs.
library StateRules {
    uint8 internal constant ORDINARY = 0;
    uint8 internal constant FINAL = 1;

    /// |net| and every deposit stay below this, so that all sums of them fit int120 storage.
    int256 internal constant MAGNITUDE_LIMIT = 2 ** 119;
    uint256 internal constant LOCKED_LIMIT = 2 ** 112;

    /// Both sides are somebody who can use the money, and nobody is on both.
    function requireParties(Terms calldata terms) internal view {
        address participant1 = terms.participant1;
        address participant2 = terms.participant2;
        address signer1 = terms.signer1;
        address signer2 = terms.signer2;
        if (participant1 == address(0) || participant1 == address(this)) {
            revert IPaymentChannel.InvalidParticipant(1);
        }
        if (participant2 == address(0) || participant2 == address(this)) {
            revert IPaymentChannel.InvalidParticipant(2);
        }
        if (signer1 == address(0)) revert IPaymentChannel.InvalidSigner(1);
        if (signer2 == address(0)) revert IPaymentChannel.InvalidSigner(2);
        if (participant1 == participant2 || participant1 == signer2) {
            revert IPaymentChannel.SharedAddress(participant1);
        }
        if (signer1 == participant2 || signer1 == signer2) {
            revert IPaymentChannel.SharedAddress(signer1);
        }
    }

    /// Kind and locks fit together. Bounds come before any cast.
    function requireShape(State calldata state) internal pure {
        if (state.kind > FINAL) revert IPaymentChannel.InvalidKind(state.kind);
        requireLocks(state.locked1, state.locked2, state.locksRoot);
        if (state.kind == FINAL && state.locksRoot != 0) {
            revert IPaymentChannel.FinalStateHasLocks();
        }
    }

    /// Locked sums fit their slots, and there is a root exactly if something is locked: a sum
    /// without a root could never be released.
    function requireLocks(uint256 locked1, uint256 locked2, bytes32 locksRoot) internal pure {
        if (locked1 >= LOCKED_LIMIT) revert IPaymentChannel.LockedOutOfRange(locked1);
        if (locked2 >= LOCKED_LIMIT) revert IPaymentChannel.LockedOutOfRange(locked2);
        if (((locked1 | locked2) == 0) != (locksRoot == 0)) {
            revert IPaymentChannel.LocksRootMismatch(locksRoot);
        }
    }

    /// What each side owns beside its locks; refuses a state that leaves a side with less than
    /// nothing. The deposits fit int120, so with `net` and the locked sums in range nothing here
    /// can overflow int256.
    function balances(
        int256 deposit1,
        int256 deposit2,
        int256 net,
        uint256 locked1,
        uint256 locked2
    ) internal pure returns (uint256, uint256) {
        if (net <= -MAGNITUDE_LIMIT || net >= MAGNITUDE_LIMIT) {
            revert IPaymentChannel.NetOutOfRange(net);
        }
        int256 balance1;
        int256 balance2;
        unchecked {
            balance1 = deposit1 - net - int256(locked1);
            balance2 = deposit2 + net - int256(locked2);
        }
        if (balance1 < 0) revert IPaymentChannel.InsufficientBalance(1, balance1);
        if (balance2 < 0) revert IPaymentChannel.InsufficientBalance(2, balance2);
        return (uint256(balance1), uint256(balance2));
    }

    /// A side's deposit after adding to it; both deposits together stay within int120 too.
    function addDeposit(int256 deposit, int256 otherDeposit, uint256 amount)
        internal
        pure
        returns (int256 sum)
    {
        if (amount >= uint256(MAGNITUDE_LIMIT)) revert IPaymentChannel.AmountTooLarge(amount);
        sum = deposit + int256(amount);
        if (sum >= MAGNITUDE_LIMIT || sum + otherDeposit >= MAGNITUDE_LIMIT) {
            revert IPaymentChannel.AmountTooLarge(amount);
        }
    }

    /// A side's deposit after paying out of it; may fall below zero, since that side may have been paid.
    function subtractWithdrawal(int256 deposit, uint256 amount) internal pure returns (int256) {
        if (amount >= uint256(MAGNITUDE_LIMIT)) revert IPaymentChannel.AmountTooLarge(amount);
        return deposit - int256(amount);
    }
}
