// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Lock} from "../../src/interfaces/IPaymentChannel.sol";
import {SymbolicTest} from "./SymbolicTest.sol";

/// Conditional payments after the close (P25).
contract LockProofs is SymbolicTest {
    /// A lock with a free amount, expiry and direction.
    struct AnyLock {
        uint112 amount;
        uint40 expiry;
        bool from1;
    }

    /// P25: one lock pays its receiver iff it was revealed by its expiry, goes back iff that has
    /// passed, waits otherwise; whatever it leaves of what is held returns to its own side.
    function check_p25_a_lock_pays_iff_revealed_by_its_expiry(
        AnyLock memory any,
        uint112 held1,
        uint112 held2,
        uint40 revealedAt,
        uint32 mask,
        uint40 time
    ) public {
        begin(false, false, time);
        Lock[] memory locks = new Lock[](1);
        locks[0] = _lock(1, any, revealedAt);
        _plantClosed(locks, held1, held2, 0);
        Money memory before = money();
        (bool ok,) =
            address(channels).call(abi.encodeCall(channels.resolveLocks, (terms, locks, mask)));
        if (!ok) return;
        bool isMet = revealedAt != 0 && revealedAt <= any.expiry;
        if (mask & 1 == 0 || (!isMet && time <= any.expiry)) {
            assertPayouts(before, money(), 0, 0);
            assert(load(3) == uint256(held1) | uint256(held2) << 112);
            return;
        }
        uint256 held = any.from1 ? held1 : held2;
        uint256 moved = isMet ? (any.amount < held ? any.amount : held) : 0;
        int256 to2 = any.from1 ? int256(moved) : -int256(moved);
        assertPayouts(before, money(), int256(uint256(held1)) - to2, int256(uint256(held2)) + to2);
        assert(load(2) | load(3) == 0);
    }

    /// P25, P2: two locks of one side are paid out of the same sum: never more than is held, and
    /// nothing is left behind.
    function check_p25_two_locks_pay_no_more_and_no_less_than_is_held(
        uint112[2] memory amounts,
        uint40[2] memory expiries,
        uint40[2] memory revealedAt,
        uint112 held1,
        uint40 time
    ) public {
        begin(false, false, time);
        Lock[] memory locks = new Lock[](2);
        locks[0] = _lock(1, AnyLock(amounts[0], expiries[0], true), revealedAt[0]);
        locks[1] = _lock(2, AnyLock(amounts[1], expiries[1], true), revealedAt[1]);
        _plantClosed(locks, held1, 0, 0);
        Money memory a = money();
        (bool ok,) =
            address(channels).call(abi.encodeCall(channels.resolveLocks, (terms, locks, 3)));
        if (!ok) return;
        Money memory b = money();
        uint256 word = load(3);
        uint256 paid = b.paid1 - a.paid1 + b.paid2 - a.paid2;
        assert(held1 == uint256(uint112(word)) + uint112(word >> 112) + paid);
        assert(a.inContract - b.inContract == paid);
        assert(word >> 224 != 3);
        assert(bit(word == 0) == bit(load(2) == 0));
    }

    /// P25: what was decided is not decided again.
    function check_p25_a_decided_lock_is_never_paid_again(
        AnyLock memory any1,
        AnyLock memory any2,
        uint112 held1,
        uint112 held2,
        uint40 revealedAt1,
        uint40 time
    ) public {
        begin(false, false, time);
        Lock[] memory locks = new Lock[](2);
        locks[0] = _lock(1, any1, revealedAt1);
        locks[1] = _lock(2, any2, 0);
        _plantClosed(locks, held1, held2, 1);
        Money memory before = money();
        (bool ok,) =
            address(channels).call(abi.encodeCall(channels.resolveLocks, (terms, locks, 1)));
        if (!ok) return;
        assertPayouts(before, money(), 0, 0);
        assert(load(3) == uint256(held1) | uint256(held2) << 112 | 1 << 224);
    }

    /// A hash lock whose secret came out at `revealedAt`, 0 for never.
    function _lock(uint256 hash, AnyLock memory any, uint40 revealedAt)
        private
        returns (Lock memory)
    {
        vm.store(
            address(registry), keccak256(abi.encode(hash, uint256(0))), bytes32(uint256(revealedAt))
        );
        assert(registry.revealedAt(bytes32(hash)) == revealedAt);
        return Lock(bytes32(hash), address(0), any.amount, any.expiry, any.from1);
    }

    function _plantClosed(Lock[] memory locks, uint112 held1, uint112 held2, uint8 resolved)
        private
    {
        vm.assume(bit(held1 == 0) & bit(held2 == 0) == 0);
        store(0, CLOSED << 240);
        store(2, uint256(keccak256(abi.encode(locks))));
        store(3, uint256(held1) | uint256(held2) << 112 | uint256(resolved) << 224);
        vm.deal(address(channels), MONEY_OF_OTHERS + held1 + held2);
    }
}
