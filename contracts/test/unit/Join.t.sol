// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Channel, IPaymentChannel, Status, Terms} from "../../src/interfaces/IPaymentChannel.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// joinChannel, deposit and cancelOpen.
contract JoinTest is ChannelCalls {
    uint64 private constant DEADLINE = uint64(START + 1 days);

    function test_p11_participant_2_joins_with_or_without_money() public {
        (, bytes32 id) = active(1, 1 ether, 2 ether);
        assertEq(channels.channelOf(id).deposit2, 2 ether, "with money");
        (, id) = active(2, 1 ether, 0);
        assertTrue(statusOf(id) == Status.Active, "one-sided channels exist");
        assertEq(channels.channelOf(id).deposit2, int256(0), "without");
    }

    function test_p11_anyone_joins_with_the_acceptance_of_side_2() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        open(terms, 1 ether);
        send(stranger, 2 ether, joinCall(terms, 2 ether, acceptance(id, 1 ether, DEADLINE)));
        assertTrue(statusOf(id) == Status.Active, "active");
        assertEq(channels.channelOf(id).deposit2, 2 ether, "booked for side 2");
    }

    function test_p21_joining_by_an_acceptance_keeps_its_minimum_and_deadline() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        open(terms, 1 ether);
        bytes memory expected = err(IPaymentChannel.DepositTooSmall.selector, 1 ether, 1 ether + 1);
        refused(stranger, joinCall(terms, 0, acceptance(id, 1 ether + 1, DEADLINE)), expected);
        vm.warp(DEADLINE + 1);
        refused(
            stranger,
            joinCall(terms, 0, acceptance(id, 0, DEADLINE)),
            err(IPaymentChannel.NotAuthorized.selector, stranger)
        );
    }

    function test_p11_a_stranger_does_not_join() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        open(terms, 1 ether);
        refused(
            stranger, joinCall(terms, 0, ""), err(IPaymentChannel.NotAuthorized.selector, stranger)
        );
        refused(alice, joinCall(terms, 0, ""), err(IPaymentChannel.NotAuthorized.selector, alice));
        send(stranger, 1 ether, joinCall(terms, 1 ether, ""));
        assertTrue(statusOf(id) == Status.Pending, "still pending");
        assertEq(channels.creditOf(address(0), bob), 1 ether, "the gift is participant 2's");
    }

    function test_p11_joining_where_there_is_no_channel_is_refused() public {
        Terms memory terms = termsOf(address(0), 1);
        refused(bob, 1 ether, joinCall(terms, 1 ether, ""), wrongStatus(Status.None));
        refused(bob, 1 ether, depositCall(terms, 1, 1 ether), wrongStatus(Status.None));
    }

    function test_p11_joining_again_is_a_deposit_to_side_2() public {
        (Terms memory terms, bytes32 id) = active(1, 1 ether, 1 ether);
        send(stranger, 2 ether, joinCall(terms, 2 ether, ""));
        assertEq(channels.channelOf(id).deposit2, 3 ether, "added");
        refused(bob, joinCall(terms, 0, ""), err(IPaymentChannel.NothingReceived.selector));
    }

    function test_p24_deposits_go_to_the_side_they_name_whoever_sends_them() public {
        (Terms memory terms, bytes32 id) = active(1, 1 ether, 1 ether);
        send(stranger, 2 ether, depositCall(terms, 1, 2 ether));
        send(alice, 3 ether, depositCall(terms, 2, 3 ether));
        Channel memory channel = channels.channelOf(id);
        assertEq(channel.deposit1, 3 ether, "side 1");
        assertEq(channel.deposit2, 4 ether, "side 2");
        bytes memory expected = err(IPaymentChannel.InvalidSide.selector, uint256(0));
        refused(alice, 1, depositCall(terms, 0, 1), expected);
        expected = err(IPaymentChannel.InvalidSide.selector, 3);
        refused(alice, 1, depositCall(terms, 3, 1), expected);
        refused(alice, depositCall(terms, 1, 0), err(IPaymentChannel.NothingReceived.selector));
    }

    function test_p24_a_top_up_the_peer_never_saw_goes_back_to_its_depositor() public {
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 10 ether);
        // Both signed before the top-up: 4 ether have moved.
        send(alice, 7 ether, depositCall(terms, 1, 7 ether));
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        initiate(bob, terms, id, ordinary(5, 4 ether));
        vm.warp(START + PERIOD);
        settle(terms);
        assertEq(alice.balance - aliceBefore, 13 ether, "10 - 4 + 7");
        assertEq(bob.balance - bobBefore, 14 ether, "10 + 4");
    }

    function test_p24_a_top_up_before_a_final_state_goes_back_too() public {
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 10 ether);
        send(stranger, 7 ether, depositCall(terms, 2, 7 ether));
        uint256 bobBefore = bob.balance;
        cooperate(terms, id, finalState(5, 4 ether));
        assertEq(bob.balance - bobBefore, 21 ether, "10 + 4 + 7");
    }

    function test_p02_money_for_a_closing_or_closed_channel_becomes_credit() public {
        (Terms memory terms, bytes32 id) = closing(1, 10 ether, 10 ether);
        send(stranger, 1 ether, depositCall(terms, 1, 1 ether));
        send(stranger, 2 ether, depositCall(terms, 2, 2 ether));
        send(stranger, 4 ether, openCall(terms, 4 ether, ""));
        send(stranger, 8 ether, joinCall(terms, 8 ether, ""));
        assertEq(channels.creditOf(address(0), alice), 5 ether, "side 1 while closing");
        assertEq(channels.creditOf(address(0), bob), 10 ether, "side 2 while closing");
        assertEq(channels.channelOf(id).deposit1, 10 ether, "the channel is untouched");
        vm.warp(START + PERIOD);
        settle(terms);
        send(stranger, 1 ether, depositCall(terms, 1, 1 ether));
        send(stranger, 2 ether, joinCall(terms, 2 ether, ""));
        assertEq(channels.creditOf(address(0), alice), 6 ether, "side 1 when closed");
        assertEq(channels.creditOf(address(0), bob), 12 ether, "side 2 when closed");
        refused(alice, depositCall(terms, 1, 0), err(IPaymentChannel.IdUsed.selector, id));
    }

    function test_p02_money_for_side_2_of_a_pending_channel_becomes_credit() public {
        Terms memory terms = termsOf(address(0), 1);
        open(terms, 1 ether);
        send(bob, 2 ether, depositCall(terms, 2, 2 ether));
        assertEq(channels.creditOf(address(0), bob), 2 ether, "credited");
        send(stranger, 2 ether, depositCall(terms, 1, 2 ether));
        assertEq(
            channels.channelOf(channels.channelIdOf(terms)).deposit1, 3 ether, "side 1 takes it"
        );
    }

    // ------------------------------------------------------------------ cancelOpen

    function test_s04_participant_1_takes_back_what_nobody_joined() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        uint256 before = alice.balance;
        open(terms, 5 ether);
        refused(bob, cancelCall(terms), err(IPaymentChannel.NotAuthorized.selector, bob));
        send(alice, cancelCall(terms));
        assertEq(alice.balance, before, "refunded in full");
        assertTrue(statusOf(id) == Status.Closed, "closed");
        refused(alice, cancelCall(terms), wrongStatus(Status.Closed));
    }

    function cancelByOrder(Terms memory terms, uint8 side, uint64 minVersion, uint64 deadline)
        private
        view
        returns (bytes memory)
    {
        bytes32 id = channels.channelIdOf(terms);
        return abi.encodeCall(
            IPaymentChannel.cancelOpen, (terms, closeIntent(id, side, minVersion, deadline))
        );
    }

    function test_p20_anyone_cancels_with_the_order_of_signer_1() public {
        Terms memory terms = termsOf(address(0), 1);
        uint256 before = alice.balance;
        open(terms, 5 ether);
        bytes memory notHim = err(IPaymentChannel.NotAuthorized.selector, stranger);
        refused(stranger, cancelByOrder(terms, 2, 0, DEADLINE), notHim);
        refused(
            stranger,
            cancelByOrder(terms, 1, 7, DEADLINE),
            err(IPaymentChannel.BelowMinVersion.selector, uint256(0), uint256(7))
        );
        vm.warp(DEADLINE + 1);
        refused(
            stranger,
            cancelByOrder(terms, 1, 0, DEADLINE),
            err(IPaymentChannel.Expired.selector, DEADLINE)
        );
        vm.warp(DEADLINE);
        send(stranger, cancelByOrder(terms, 1, 0, DEADLINE));
        assertEq(alice.balance, before, "the refund went to participant 1");
    }

    function test_p11_only_a_pending_channel_is_cancelled() public {
        Terms memory terms = termsOf(address(0), 1);
        refused(alice, cancelCall(terms), wrongStatus(Status.None));
        (terms,) = active(2, 1 ether, 0);
        refused(alice, cancelCall(terms), wrongStatus(Status.Active));
        initiateBare(alice, terms);
        refused(alice, cancelCall(terms), wrongStatus(Status.Closing));
    }
}
