// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    ChallengeItem,
    Channel,
    IPaymentChannel,
    Signature,
    State,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {Vm} from "../support/Vm.sol";
import {GasScan} from "../support/GasScan.sol";

/// challengeClose, alone and in batches, and closeChannel at the deadline.
contract ChallengeTest is GasScan {
    Terms private terms;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        (terms, id) = active(1, 10 ether, 10 ether);
    }

    function test_p04_the_highest_version_of_the_window_is_what_is_paid() public {
        initiate(bob, terms, id, ordinary(2, 9 ether));
        challenge(terms, id, ordinary(4, 1 ether));
        challenge(terms, id, ordinary(9, -3 ether));
        vm.warp(START + PERIOD);
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        settle(terms);
        assertEq(alice.balance - aliceBefore, 13 ether, "alice by version 9");
        assertEq(bob.balance - bobBefore, 7 ether, "bob by version 9");
        Channel memory channel = channels.channelOf(id);
        assertEq(uint256(channel.version), 9, "the tombstone keeps the version");
        assertEq(uint256(channel.closesAt), START + PERIOD, "and the deadline");
        assertEq(uint256(channel.initiatingSide), 2, "and the side");
        assertEq(uint256(channel.mode), 2, "unilateral");
        assertEq(channel.deposit1 + channel.deposit2, int256(0), "nothing is left");
    }

    function test_p05_a_challenge_must_be_strictly_newer() public {
        initiate(bob, terms, id, ordinary(5, 1 ether));
        refused(
            stranger,
            challengeCall(terms, id, ordinary(4, 0)),
            err(IPaymentChannel.StaleVersion.selector, 5)
        );
        refused(
            stranger,
            challengeCall(terms, id, ordinary(5, 2 ether)),
            err(IPaymentChannel.VersionConflict.selector, 5)
        );
    }

    function test_p05_the_identical_state_succeeds_silently_and_any_other_field_conflicts() public {
        State memory stored = State(5, 0, 1 ether, 2 ether, 3 ether, keccak256("locks"));
        initiate(bob, terms, id, stored);
        vm.recordLogs();
        challenge(terms, id, stored);
        assertEq(vm.getRecordedLogs().length, 0, "no event");
        // Late too: a tower whose transaction lands after the deadline sees no error.
        vm.warp(START + PERIOD + 5);
        challenge(terms, id, stored);
        bytes memory conflict = err(IPaymentChannel.VersionConflict.selector, 5);
        for (uint256 field = 0; field < 5; ++field) {
            State memory other = State(5, 0, 1 ether, 2 ether, 3 ether, keccak256("locks"));
            if (field == 0) other.kind = 1;
            if (field == 1) other.net += 1;
            if (field == 2) other.locked1 += 1;
            if (field == 3) other.locked2 += 1;
            if (field == 4) other.locksRoot = keccak256("others");
            refused(stranger, challengeCall(terms, id, other), conflict);
        }
    }

    function test_p05_no_state_at_all_answers_a_bare_close_silently() public {
        initiateBare(bob, terms);
        challenge(terms, id, ordinary(0, 0));
        refused(
            stranger,
            challengeCall(terms, id, ordinary(0, 1)),
            err(IPaymentChannel.VersionConflict.selector, uint256(0))
        );
    }

    function test_p11_only_a_closing_channel_is_challenged() public {
        bytes memory call = challengeCall(terms, id, ordinary(1, 0));
        refused(stranger, call, wrongStatus(Status.Active));
        cooperate(terms, id, finalState(2, 0));
        refused(stranger, call, wrongStatus(Status.Closed));
    }

    function test_p20_a_tower_may_be_any_contract_or_an_aliased_account() public {
        initiate(bob, terms, id, ordinary(5, 1 ether));
        address aliased =
            address(uint160(alice) + uint160(0x1111000000000000000000000000000000001111));
        send(aliased, challengeCall(terms, id, ordinary(6, 0)));
        send(address(token), challengeCall(terms, id, ordinary(7, 0)));
        vm.warp(START + PERIOD);
        send(aliased, closeCall(terms));
        (Terms memory other, bytes32 otherId) = active(2, 1 ether, 1 ether);
        send(aliased, cooperateCall(other, otherId, finalState(1, 0)));
        vm.prank(aliased);
        registry.registerSecret(secrets("x"));
        assertEq(
            uint256(registry.revealedAt(sha256(abi.encode(bytes32("x"))))), START + PERIOD, "time"
        );
    }

    // ------------------------------------------------------------------ the deadline

    function test_p09_one_second_before_the_deadline_a_challenge_counts_and_no_close_settles()
        public
    {
        initiate(bob, terms, id, ordinary(5, 1 ether));
        vm.warp(START + PERIOD - 1);
        refused(
            stranger, closeCall(terms), err(IPaymentChannel.WindowOpen.selector, START + PERIOD)
        );
        challenge(terms, id, ordinary(6, 0));
    }

    function test_s24_at_the_deadline_a_challenge_is_too_late_and_the_close_settles() public {
        initiate(bob, terms, id, ordinary(5, 1 ether));
        vm.warp(START + PERIOD);
        bytes memory expected = err(IPaymentChannel.WindowClosed.selector, START + PERIOD);
        refused(stranger, challengeCall(terms, id, ordinary(6, 0)), expected);
        refused(alice, initiateCall(terms, id, ordinary(6, 0)), expected);
        refused(stranger, updateCall(terms, id, ordinary(6, 0)), wrongStatus(Status.Closing));
        settle(terms);
    }

    function test_p09_after_the_deadline_it_stays_so_for_ever() public {
        initiate(bob, terms, id, ordinary(5, 1 ether));
        vm.warp(START + PERIOD + 1);
        bytes memory expected = err(IPaymentChannel.WindowClosed.selector, START + PERIOD);
        refused(stranger, challengeCall(terms, id, ordinary(6, 0)), expected);
        vm.warp(START + 3650 days);
        refused(stranger, challengeCall(terms, id, ordinary(6, 0)), expected);
        settle(terms);
        refused(stranger, closeCall(terms), wrongStatus(Status.Closed));
    }

    function test_s07_fifty_prepared_challenges_move_the_deadline_by_nothing() public {
        initiate(bob, terms, id, ordinary(1, 0));
        for (uint64 version = 2; version <= 50; ++version) {
            vm.warp(START + uint256(version) * PERIOD / 51);
            challenge(terms, id, ordinary(version, 0));
            assertEq(uint256(channels.channelOf(id).closesAt), START + PERIOD, "deadline");
        }
        vm.warp(START + PERIOD);
        settle(terms);
    }

    function test_p11_a_channel_that_is_not_closing_is_not_settled() public {
        refused(stranger, closeCall(terms), wrongStatus(Status.Active));
        refused(stranger, closeCall(termsOf(address(0), 77)), wrongStatus(Status.None));
    }

    // ------------------------------------------------------------------ batches

    function item(uint256 salt, State memory state) private view returns (ChallengeItem memory) {
        Terms memory itsTerms = termsOf(address(0), salt);
        (Signature memory s1, Signature memory s2) = sign(channels.channelIdOf(itsTerms), state);
        return ChallengeItem(itsTerms, state, s1, s2);
    }

    /// Four channels: one to challenge, one stale, one that never was, one more to challenge.
    function mixed() private returns (ChallengeItem[] memory items) {
        items = new ChallengeItem[](4);
        for (uint256 i = 0; i < 4; ++i) {
            if (i == 2) continue;
            (Terms memory its, bytes32 itsId) = active(100 + i, 1 ether, 1 ether);
            initiate(bob, its, itsId, ordinary(5, 0));
        }
        items[0] = item(100, ordinary(6, 1 ether));
        items[1] = item(101, ordinary(4, 1 ether));
        items[2] = item(102, ordinary(6, 1 ether));
        items[3] = item(103, ordinary(7, -1 ether));
    }

    function test_p12_a_batch_skips_what_fails_and_says_why() public {
        ChallengeItem[] memory items = mixed();
        vm.recordLogs();
        vm.prank(stranger);
        bytes4[] memory reasons = channels.challengeCloseBatch(items);
        assertTrue(reasons[0] == 0 && reasons[3] == 0, "two challenged");
        assertTrue(reasons[1] == IPaymentChannel.StaleVersion.selector, "stale");
        assertTrue(reasons[2] == IPaymentChannel.WrongStatus.selector, "no such channel");
        assertEq(channels.channelOf(channels.channelIdOf(items[3].terms)).net, -1 ether, "adopted");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 4, "two closings and two skips");
        assertEq(logs[1].topics[0], IPaymentChannel.ChallengeSkipped.selector, "skip event");
        assertEq(logs[1].topics[1], channels.channelIdOf(items[1].terms), "of this channel");
        assertEq(logs[1].data, abi.encode(IPaymentChannel.StaleVersion.selector));
    }

    function assertEq(bytes memory actual, bytes memory expected) private pure {
        assertEq(keccak256(actual), keccak256(expected), "data");
    }

    function test_p12_an_item_that_can_not_be_decoded_is_skipped_with_a_reason_of_its_own() public {
        ChallengeItem[] memory items = mixed();
        bytes memory call = abi.encodeCall(IPaymentChannel.challengeCloseBatch, (items));
        // Offset word, length word, then items of 17 words each: dirty the first one's version.
        call[4 + 64 + 7 * 32] = 0x01;
        vm.prank(stranger);
        (bool ok, bytes memory result) = address(channels).call(call);
        assertTrue(ok, "the batch goes on");
        bytes4[] memory reasons = abi.decode(result, (bytes4[]));
        assertTrue(reasons[0] == 0xffffffff, "an error without a selector");
        assertTrue(reasons[3] == 0, "the last one is challenged");
    }

    function test_p12_an_empty_batch_is_harmless() public {
        assertEq(channels.challengeCloseBatch(new ChallengeItem[](0)).length, 0, "nothing");
    }

    function test_p27_a_batch_sent_with_little_gas_never_skips_an_item_for_it() public {
        ChallengeItem[] memory items = mixed();
        items[0] = item(100, State(6, 0, 0.5 ether, 0.1 ether, 0.2 ether, keccak256("locks")));
        items[3] = item(103, State(7, 0, 0.5 ether, 0, 0.2 ether, keccak256("locks")));
        bytes memory call = abi.encodeCall(IPaymentChannel.challengeCloseBatch, (items));
        sameOutcomeAtAnyGas(call, 20_000, 500_000, this.versionsNow);
        send(stranger, call);
        assertEq(versionOf(100), 6, "the first is challenged");
        assertEq(versionOf(103), 7, "and the last");
    }

    function versionOf(uint256 salt) private view returns (uint256) {
        return channels.channelOf(channels.channelIdOf(termsOf(address(0), salt))).version;
    }

    function versionsNow() external view returns (bytes32) {
        return keccak256(abi.encode(versionOf(100), versionOf(101), versionOf(103)));
    }

    function test_p18_a_batch_below_its_floor_names_the_floor() public {
        ChallengeItem[] memory items = mixed();
        bytes memory call = abi.encodeCall(IPaymentChannel.challengeCloseBatch, (items));
        (bool ok, bytes memory reason) = address(channels).call{gas: 120_000}(call);
        assertTrue(!ok, "refused");
        assertEq(reason, err(IPaymentChannel.InsufficientGas.selector, 150_000));
    }
}
