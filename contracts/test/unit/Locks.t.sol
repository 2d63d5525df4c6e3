// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Channel,
    IPaymentChannel,
    Lock,
    State,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {ISecretRegistry} from "../../src/interfaces/ISecretRegistry.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// resolveLocks on hash locks, and the registry that decides them.
contract LocksTest is ChannelCalls {
    bytes32 private constant SECRET = "one";
    bytes32 private constant OTHER = "two";
    uint40 private constant EXPIRY = uint40(START + 2 hours);

    Terms private terms;
    bytes32 private id;

    function reveal(bytes32 secret) private {
        vm.prank(stranger);
        registry.registerSecret(secrets(secret));
    }

    /// Side 1 pays 1 ether for SECRET, side 2 pays 2 ether for OTHER; nets are 0, deposits 10 each.
    function two() private pure returns (Lock[] memory) {
        return
            asArray(
                hashLock(SECRET, 1 ether, EXPIRY, true), hashLock(OTHER, 2 ether, EXPIRY, false)
            );
    }

    function closeOn(State memory state) private {
        terms = termsOf(address(0), 1);
        id = closedWith(terms, 10 ether, 10 ether, state);
    }

    function test_p25_a_lock_pays_its_receiver_if_revealed_by_its_expiry() public {
        vm.warp(EXPIRY);
        reveal(SECRET);
        vm.warp(EXPIRY + 1);
        reveal(OTHER);
        vm.warp(START);
        closeOn(withLocks(1, 0, two()));
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        send(stranger, resolveCall(terms, two(), 3));
        // SECRET in its last second pays; OTHER one second late goes back: both end with bob.
        assertEq(bob.balance - bobBefore, 3 ether, "bob: paid 1, refunded 2");
        assertEq(alice.balance, aliceBefore, "alice: nothing");
    }

    function test_p25_an_unrevealed_lock_waits_until_its_expiry_has_passed() public {
        Lock[] memory locks = asArray(hashLock(SECRET, 1 ether, uint40(START + PERIOD + 100), true));
        closeOn(withLocks(1, 0, locks));
        uint256 aliceBefore = alice.balance;
        vm.warp(START + PERIOD + 100);
        send(stranger, resolveCall(terms, locks, 1));
        assertEq(channels.channelOf(id).held1, 1 ether, "at its expiry it still waits");
        assertEq(uint256(channels.channelOf(id).resolved), 0, "undecided");
        vm.warp(START + PERIOD + 101);
        send(stranger, resolveCall(terms, locks, 1));
        assertEq(alice.balance - aliceBefore, 1 ether, "refunded to its sender");
    }

    function test_p25_a_revealed_lock_pays_before_its_expiry() public {
        Lock[] memory locks = asArray(hashLock(SECRET, 1 ether, uint40(START + 365 days), true));
        reveal(SECRET);
        closeOn(withLocks(1, 0, locks));
        uint256 before = bob.balance;
        send(stranger, resolveCall(terms, locks, 1));
        assertEq(bob.balance - before, 1 ether, "no need to wait");
    }

    function test_p25_each_lock_resolves_once_in_any_order() public {
        reveal(SECRET);
        reveal(OTHER);
        closeOn(withLocks(1, 0, two()));
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        send(stranger, resolveCall(terms, two(), 2));
        assertEq(alice.balance - aliceBefore, 2 ether, "the second first");
        send(stranger, resolveCall(terms, two(), 2));
        assertEq(alice.balance - aliceBefore, 2 ether, "not twice");
        assertEq(uint256(channels.channelOf(id).resolved), 2, "bit 1");
        send(stranger, resolveCall(terms, two(), 3));
        assertEq(bob.balance - bobBefore, 1 ether, "then the first");
        assertEq(address(channels).balance, 0, "the sum is conserved");
        refused(stranger, resolveCall(terms, two(), 3), err(IPaymentChannel.NothingHeld.selector));
    }

    function test_p25_one_far_lock_holds_up_nothing_but_itself() public {
        Lock[] memory locks = asArray(
            hashLock(SECRET, 1 ether, EXPIRY, true),
            hashLock(OTHER, 2 ether, uint40(START + 3650 days), false)
        );
        terms = termsOf(address(0), 1);
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        id = closedWith(terms, 10 ether, 10 ether, withLocks(1, 3 ether, locks));
        send(stranger, resolveCall(terms, locks, 3));
        // Alice: 10 - 3 - 1 at once, and 1 back. Bob: 10 + 3 - 2 at once.
        assertEq(int256(alice.balance) - int256(aliceBefore), -3 ether, "alice has all but net");
        assertEq(
            int256(bob.balance) - int256(bobBefore), 1 ether, "bob waits for his own lock only"
        );
    }

    function test_p25_locks_are_only_decided_once_the_channel_is_closed() public {
        (terms, id) = active(1, 10 ether, 10 ether);
        reveal(SECRET);
        update(terms, id, withLocks(1, 0, two()));
        refused(stranger, resolveCall(terms, two(), 3), wrongStatus(Status.Active));
        initiateBare(bob, terms);
        refused(stranger, resolveCall(terms, two(), 3), wrongStatus(Status.Closing));
        // So a newer state without these locks can't be robbed by resolving them first.
        challenge(terms, id, ordinary(2, 0));
        vm.warp(START + PERIOD);
        settle(terms);
        refused(stranger, resolveCall(terms, two(), 3), err(IPaymentChannel.NothingHeld.selector));
    }

    function test_p25_only_the_signed_locks_in_the_signed_order_are_taken() public {
        closeOn(withLocks(1, 0, two()));
        bytes32 root = keccak256(abi.encode(two()));
        bytes4 mismatch = IPaymentChannel.LocksMismatch.selector;
        Lock[] memory locks = two();
        (locks[0], locks[1]) = (locks[1], locks[0]);
        refused(
            stranger,
            resolveCall(terms, locks, 3),
            err(mismatch, root, keccak256(abi.encode(locks)))
        );
        for (uint256 field = 0; field < 5; ++field) {
            locks = two();
            if (field == 0) locks[0].hash = sha256(abi.encode(OTHER));
            if (field == 1) locks[0].resolver = address(registry);
            if (field == 2) locks[0].amount = 2 ether;
            if (field == 3) locks[0].expiry += 1;
            if (field == 4) locks[0].from1 = false;
            refused(
                stranger,
                resolveCall(terms, locks, 3),
                err(mismatch, root, keccak256(abi.encode(locks)))
            );
        }
        locks = new Lock[](0);
        refused(
            stranger,
            resolveCall(terms, locks, 3),
            err(mismatch, root, keccak256(abi.encode(locks)))
        );
        locks = new Lock[](33);
        refused(
            stranger, resolveCall(terms, locks, 3), err(IPaymentChannel.TooManyLocks.selector, 33)
        );
    }

    function test_p25_duplicate_locks_are_each_decided_for_themselves() public {
        Lock[] memory locks = asArray(
            hashLock(SECRET, 1 ether, EXPIRY, true), hashLock(SECRET, 1 ether, EXPIRY, true)
        );
        reveal(SECRET);
        closeOn(withLocks(1, 0, locks));
        uint256 before = bob.balance;
        send(stranger, resolveCall(terms, locks, 1));
        assertEq(bob.balance - before, 1 ether, "the first");
        send(stranger, resolveCall(terms, locks, 3));
        assertEq(bob.balance - before, 2 ether, "the second");
    }

    function test_p25_locks_that_claim_more_than_is_held_get_no_more_than_is_held() public {
        Lock[] memory locks = asArray(
            hashLock(SECRET, 5 ether, EXPIRY, true), hashLock(OTHER, 5 ether, EXPIRY, true)
        );
        State memory state = withLocks(1, 0, locks);
        state.locked1 = 6 ether;
        reveal(SECRET);
        reveal(OTHER);
        closeOn(state);
        uint256 before = bob.balance;
        uint256 theirs = 0;
        // Somebody else's channel keeps the contract rich.
        (, bytes32 rich) = active(99, 50 ether, 50 ether);
        theirs = uint256(channels.channelOf(rich).deposit1);
        send(stranger, resolveCall(terms, locks, 3));
        assertEq(bob.balance + 50 ether - before, 6 ether, "5 and then 1");
        assertEq(address(channels).balance, 2 * theirs, "others' money is untouched");
    }

    function test_p25_money_locked_beyond_the_locks_returns_to_its_own_side() public {
        Lock[] memory locks = two();
        State memory state = withLocks(1, 0, locks);
        state.locked1 = 4 ether;
        state.locked2 = 7 ether;
        reveal(SECRET);
        reveal(OTHER);
        closeOn(state);
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        send(stranger, resolveCall(terms, locks, 3));
        assertEq(alice.balance - aliceBefore, 2 ether + 3 ether, "paid by bob, and her own rest");
        assertEq(bob.balance - bobBefore, 1 ether + 5 ether, "paid by alice, and his own rest");
    }

    function test_p25_an_empty_list_of_locks_returns_all_that_was_held() public {
        State memory state = State(1, 0, 0, 2 ether, 3 ether, keccak256(abi.encode(new Lock[](0))));
        closeOn(state);
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        send(stranger, resolveCall(terms, new Lock[](0), 0));
        assertEq(alice.balance - aliceBefore, 2 ether, "own side");
        assertEq(bob.balance - bobBefore, 3 ether, "own side");
    }

    function test_p25_thirty_two_locks_fill_every_bit_of_the_map() public {
        // 32 locks, the most that can be decided, every bit of the map.
        Lock[] memory locks = new Lock[](32);
        for (uint256 i = 0; i < 32; ++i) {
            locks[i] = hashLock(bytes32(i), 0.1 ether, EXPIRY, i % 2 == 0);
        }
        closeOn(withLocks(1, 0, locks));
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        send(stranger, resolveCall(terms, locks, 0x80000001));
        assertEq(uint256(channels.channelOf(id).resolved), 0x80000001, "first and last bit");
        send(stranger, resolveCall(terms, locks, type(uint32).max));
        assertEq(alice.balance - aliceBefore, 1.6 ether, "alice's locks went back");
        assertEq(bob.balance - bobBefore, 1.6 ether, "bob's locks went back");
        Channel memory channel = channels.channelOf(id);
        assertEq(channel.locksRoot, bytes32(0), "slots are empty");
        assertEq(uint256(channel.resolved), 0, "slots are empty");
    }

    function test_p25_a_lock_resolved_under_an_old_state_pays_nothing_under_a_newer_one() public {
        // The order of things in which a naive contract pays twice: locks in the point, a reveal,
        // then a newer lock-free state in which the payment is already part of the net.
        (terms, id) = active(1, 10 ether, 10 ether);
        initiate(bob, terms, id, withLocks(1, 0, two()));
        reveal(SECRET);
        reveal(OTHER);
        challenge(terms, id, ordinary(2, -1 ether));
        vm.warp(START + PERIOD);
        uint256 aliceBefore = alice.balance;
        settle(terms);
        assertEq(alice.balance - aliceBefore, 11 ether, "by the newer state alone");
        refused(stranger, resolveCall(terms, two(), 3), err(IPaymentChannel.NothingHeld.selector));
    }

    // ------------------------------------------------------------------ registry

    function test_p26_the_first_reveal_time_never_changes() public {
        bytes32 hash = sha256(abi.encode(SECRET));
        assertEq(uint256(registry.revealedAt(hash)), 0, "unknown");
        reveal(SECRET);
        vm.warp(START + 99);
        vm.recordLogs();
        reveal(SECRET);
        assertEq(vm.getRecordedLogs().length, 0, "no second event");
        assertEq(uint256(registry.revealedAt(hash)), START, "first time wins");
    }

    function test_p26_one_known_secret_does_not_stop_the_others() public {
        reveal(SECRET);
        vm.warp(START + 9);
        bytes32[] memory list = new bytes32[](3);
        (list[0], list[1], list[2]) = (SECRET, OTHER, bytes32("three"));
        registry.registerSecret(list);
        assertEq(uint256(registry.revealedAt(sha256(abi.encode(SECRET)))), START, "kept");
        assertEq(uint256(registry.revealedAt(sha256(abi.encode(OTHER)))), START + 9, "recorded");
        assertEq(
            uint256(registry.revealedAt(sha256(abi.encode(bytes32("three"))))),
            START + 9,
            "recorded"
        );
    }

    function test_p26_a_reveal_says_the_secret() public {
        vm.expectEmit(true, true, true, true, address(registry));
        emit ISecretRegistry.SecretRevealed(sha256(abi.encode(SECRET)), SECRET);
        reveal(SECRET);
    }
}
