// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Channel,
    IPaymentChannel,
    Lock,
    PartialWithdraw,
    State,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// updateState and partialWithdraw: points that are stored while the channel stays active.
contract CheckpointTest is ChannelCalls {
    Terms private terms;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        (terms, id) = active(1, 10 ether, 10 ether);
    }

    function stale(uint64 current) private pure returns (bytes memory) {
        return err(IPaymentChannel.StaleVersion.selector, current);
    }

    function test_p05_a_checkpoint_must_be_newer_than_the_stored_point() public {
        refused(stranger, updateCall(terms, id, ordinary(0, 0)), stale(0));
        update(terms, id, ordinary(5, 1 ether));
        refused(stranger, updateCall(terms, id, ordinary(4, 1 ether)), stale(5));
        refused(stranger, updateCall(terms, id, ordinary(5, 1 ether)), stale(5));
        refused(stranger, updateCall(terms, id, ordinary(5, 2 ether)), stale(5));
        update(terms, id, ordinary(6, -1 ether));
        Channel memory channel = channels.channelOf(id);
        assertEq(uint256(channel.version), 6, "version");
        assertEq(channel.net, -1 ether, "net");
    }

    function test_p08_a_checkpoint_opens_no_window_and_pays_nobody() public {
        uint256 held = address(channels).balance;
        update(terms, id, finalState(5, 1 ether));
        Channel memory channel = channels.channelOf(id);
        assertTrue(channel.status == Status.Active, "active");
        assertEq(uint256(channel.closesAt), 0, "no deadline");
        assertEq(uint256(channel.initiatingSide), 0, "nobody closes");
        assertEq(uint256(channel.kind), 1, "the kind is kept");
        assertEq(address(channels).balance, held, "nothing was paid");
    }

    function test_s05_no_state_is_taken_before_the_channel_is_active() public {
        Terms memory pending = termsOf(address(0), 2);
        bytes32 pendingId = channels.channelIdOf(pending);
        refused(stranger, updateCall(pending, pendingId, ordinary(1, 0)), wrongStatus(Status.None));
        open(pending, 10 ether);
        bytes memory expected = wrongStatus(Status.Pending);
        refused(stranger, updateCall(pending, pendingId, ordinary(1, 0)), expected);
        refused(alice, initiateCall(pending, pendingId, ordinary(1, 0)), expected);
        refused(stranger, challengeCall(pending, pendingId, ordinary(1, 0)), expected);
        refused(stranger, cooperateCall(pending, pendingId, finalState(1, 0)), expected);
        refused(stranger, withdrawCall(pending, pendingId, orderOf(1, 0, 1, 0)), expected);
        refused(stranger, closeCall(pending), expected);
        refused(stranger, resolveCall(pending, new Lock[](0), 1), expected);
        // So the join can erase nothing: it only ever starts from the deposits.
        join(pending, 1);
        update(pending, pendingId, ordinary(1, 6 ether));
        send(bob, 1, joinCall(pending, 1, ""));
        assertEq(channels.channelOf(pendingId).net, 6 ether, "a second join is a deposit");
    }

    function test_s08_no_checkpoint_once_a_close_has_begun() public {
        initiate(bob, terms, id, ordinary(1, 0));
        bytes memory expected = wrongStatus(Status.Closing);
        refused(stranger, updateCall(terms, id, ordinary(2, 0)), expected);
        refused(stranger, withdrawCall(terms, id, orderOf(2, 0, 1, 0)), expected);
        vm.warp(START + PERIOD);
        refused(stranger, updateCall(terms, id, ordinary(2, 0)), expected);
        settle(terms);
        expected = wrongStatus(Status.Closed);
        refused(stranger, updateCall(terms, id, ordinary(2, 0)), expected);
        refused(stranger, withdrawCall(terms, id, orderOf(2, 0, 1, 0)), expected);
    }

    function test_p05_locks_of_a_newer_state_replace_those_of_the_older() public {
        State memory locked = State(1, 0, 0, 1 ether, 2 ether, keccak256("locks"));
        update(terms, id, locked);
        Channel memory channel = channels.channelOf(id);
        assertEq(channel.held1, 1 ether, "locked 1");
        assertEq(channel.held2, 2 ether, "locked 2");
        assertEq(channel.locksRoot, keccak256("locks"), "root");
        update(terms, id, ordinary(2, 0));
        channel = channels.channelOf(id);
        assertEq(channel.held1 + channel.held2, 0, "nothing is locked any more");
        assertEq(channel.locksRoot, bytes32(0), "no root");
    }

    function test_p02_balances_shows_what_a_close_would_pay() public {
        update(terms, id, State(1, 0, 3 ether, 1 ether, 2 ether, keccak256("locks")));
        (uint256 b1, uint256 b2, uint256 l1, uint256 l2) = channels.balances(terms);
        assertEq(b1, 6 ether, "10 - 3 - 1");
        assertEq(b2, 11 ether, "10 + 3 - 2");
        assertEq(l1, 1 ether, "locked 1");
        assertEq(l2, 2 ether, "locked 2");
    }

    // ------------------------------------------------------------------ partialWithdraw

    function test_p23_after_a_withdrawal_no_older_state_can_be_adopted() public {
        send(stranger, withdrawCall(terms, id, orderOf(5, 1 ether, 2 ether, 3 ether)));
        refused(stranger, updateCall(terms, id, ordinary(4, 0)), stale(5));
        refused(stranger, updateCall(terms, id, ordinary(5, 0)), stale(5));
        refused(stranger, cooperateCall(terms, id, finalState(4, 0)), stale(5));
        refused(stranger, withdrawCall(terms, id, orderOf(5, 1 ether, 2 ether, 3 ether)), stale(5));
        initiate(alice, terms, id, ordinary(4, 0));
        Channel memory channel = channels.channelOf(id);
        assertEq(uint256(channel.version), 5, "an older state is ignored by a close");
        assertEq(channel.net, 1 ether, "the withdrawal's net stands");
        refused(stranger, challengeCall(terms, id, ordinary(4, 0)), stale(5));
        vm.warp(START + PERIOD);
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        settle(terms);
        assertEq(alice.balance - aliceBefore, 7 ether, "10 - 2 - 1");
        assertEq(bob.balance - bobBefore, 8 ether, "10 - 3 + 1");
        assertEq(uint256(channels.channelOf(id).withdrawVersion), 5, "evidence is kept");
    }

    function test_p02_a_withdrawal_pays_both_sides_and_keeps_the_rest() public {
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        send(stranger, withdrawCall(terms, id, orderOf(5, 4 ether, 6 ether, 9 ether)));
        assertEq(alice.balance - aliceBefore, 6 ether, "out 1");
        assertEq(bob.balance - bobBefore, 9 ether, "out 2");
        Channel memory channel = channels.channelOf(id);
        assertEq(channel.deposit1, 4 ether, "deposit 1");
        assertEq(channel.deposit2, 1 ether, "deposit 2");
        assertEq(uint256(channel.withdrawVersion), 5, "withdraw version");
        (uint256 b1, uint256 b2,,) = channels.balances(terms);
        assertEq(b1, 0, "all of side 1 is out");
        assertEq(b2, 5 ether, "10 + 4 - 9");
    }

    function test_p21_a_withdrawal_dies_at_its_deadline_and_works_once() public {
        PartialWithdraw memory order = orderOf(5, 0, 1 ether, 0);
        order.deadline = uint64(START + 10);
        vm.warp(START + 11);
        bytes memory call = withdrawCall(terms, id, order);
        refused(stranger, call, err(IPaymentChannel.Expired.selector, START + 10));
        vm.warp(START + 10);
        send(stranger, call);
        refused(stranger, call, stale(5));
    }

    function test_p23_a_withdrawal_older_than_the_stored_point_is_refused() public {
        update(terms, id, ordinary(6, 0));
        refused(stranger, withdrawCall(terms, id, orderOf(5, 0, 1 ether, 0)), stale(6));
        refused(stranger, withdrawCall(terms, id, orderOf(6, 0, 1 ether, 0)), stale(6));
    }

    function test_p23_a_withdrawal_keeps_the_locks_it_names() public {
        PartialWithdraw memory order = orderOf(5, 0, 1 ether, 0);
        order.locked1 = 2 ether;
        order.locksRoot = keccak256("locks");
        send(stranger, withdrawCall(terms, id, order));
        Channel memory channel = channels.channelOf(id);
        assertEq(channel.held1, 2 ether, "locked");
        assertEq(channel.locksRoot, keccak256("locks"), "root");
        send(stranger, withdrawCall(terms, id, orderOf(6, 0, 1 ether, 0)));
        channel = channels.channelOf(id);
        assertEq(channel.held1, 0, "gone with the next point");
        assertEq(channel.locksRoot, bytes32(0), "no root");
    }

    function test_p24_a_top_up_after_a_withdrawal_still_goes_one_for_one() public {
        send(stranger, withdrawCall(terms, id, orderOf(5, 9 ether, 0, 19 ether)));
        assertEq(channels.channelOf(id).deposit2, -9 ether, "below zero");
        send(bob, 2 ether, depositCall(terms, 2, 2 ether));
        uint256 before = bob.balance;
        cooperate(terms, id, finalState(6, 9 ether));
        assertEq(bob.balance - before, 2 ether, "the top-up");
    }
}
