// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Channel,
    CloseIntent,
    IPaymentChannel,
    State,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// initiateClose: who may start a close, on which state, and that it never fails because the chain is ahead.
contract InitiateTest is ChannelCalls {
    uint64 private constant DEADLINE = uint64(START + 1 days);

    Terms private terms;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        (terms, id) = active(1, 10 ether, 10 ether);
    }

    function test_p08_each_participant_and_signer_may_close_and_the_side_is_kept() public {
        address[4] memory senders = [alice, terms.signer1, bob, terms.signer2];
        for (uint256 i = 0; i < 4; ++i) {
            (Terms memory other, bytes32 otherId) = active(10 + i, 1 ether, 1 ether);
            initiate(senders[i], other, otherId, ordinary(3, 0.5 ether));
            Channel memory channel = channels.channelOf(otherId);
            assertTrue(channel.status == Status.Closing, "closing");
            assertEq(uint256(channel.initiatingSide), i < 2 ? 1 : 2, "side");
            assertEq(uint256(channel.closesAt), START + PERIOD, "time of initiation + period");
            assertEq(uint256(channel.version), 3, "the state came with it");
            assertEq(channel.net, 0.5 ether, "net");
        }
    }

    function test_s16_a_close_brings_its_state_in_the_same_transaction() public {
        initiate(bob, terms, id, ordinary(7, 3 ether));
        assertEq(uint256(channels.channelOf(id).version), 7, "version");
        vm.warp(START + PERIOD);
        uint256 before = bob.balance;
        settle(terms);
        assertEq(bob.balance - before, 13 ether, "two transactions in all");
    }

    function test_p08_a_stranger_does_not_close_even_with_a_good_state() public {
        bytes memory expected = err(IPaymentChannel.NotAuthorized.selector, stranger);
        refused(stranger, initiateCall(terms, id, ordinary(1, 0)), expected);
        refused(stranger, initiateCall(terms, id, ordinary(0, 0)), expected);
        CloseIntent memory intent = closeIntent(id, 1, 0, DEADLINE);
        intent.side = 0;
        refused(stranger, initiateCall(terms, id, ordinary(1, 0), intent), expected);
    }

    function test_p20_anyone_closes_with_a_signers_order() public {
        for (uint8 side = 1; side <= 2; ++side) {
            (Terms memory other, bytes32 otherId) = active(20 + side, 1 ether, 1 ether);
            CloseIntent memory intent = closeIntent(otherId, side, 0, DEADLINE);
            send(stranger, initiateCall(other, otherId, ordinary(1, 0), intent));
            assertEq(uint256(channels.channelOf(otherId).initiatingSide), side, "side of the order");
        }
    }

    function test_p21_a_close_order_dies_at_its_deadline() public {
        CloseIntent memory intent = closeIntent(id, 1, 0, DEADLINE);
        bytes memory call = initiateCall(terms, id, ordinary(1, 0), intent);
        vm.warp(DEADLINE + 1);
        refused(stranger, call, err(IPaymentChannel.Expired.selector, DEADLINE));
        vm.warp(DEADLINE);
        send(stranger, call);
    }

    function test_p21_a_close_order_used_twice_changes_nothing() public {
        CloseIntent memory intent = closeIntent(id, 1, 0, DEADLINE);
        bytes memory call = initiateCall(terms, id, ordinary(1, 0), intent);
        send(stranger, call);
        uint40 closesAt = channels.channelOf(id).closesAt;
        vm.warp(START + 100);
        send(stranger, call);
        assertEq(uint256(channels.channelOf(id).closesAt), closesAt, "the deadline stands");
        assertEq(uint256(channels.channelOf(id).version), 1, "the version stands");
    }

    function test_p21_a_close_order_holds_its_relayer_to_a_version() public {
        CloseIntent memory intent = closeIntent(id, 1, 5, DEADLINE);
        bytes4 below = IPaymentChannel.BelowMinVersion.selector;
        refused(
            stranger, initiateCall(terms, id, ordinary(0, 0), intent), err(below, 0, uint256(5))
        );
        refused(
            stranger, initiateCall(terms, id, ordinary(4, 0), intent), err(below, 4, uint256(5))
        );
        // The stored point counts as well as the presented one.
        update(terms, id, ordinary(5, 0));
        send(stranger, initiateCall(terms, id, ordinary(4, 0), intent));
        assertEq(uint256(channels.channelOf(id).version), 5, "rests on the stored point");
        intent = closeIntent(id, 1, 6, DEADLINE);
        refused(
            stranger, initiateCall(terms, id, ordinary(0, 0), intent), err(below, 5, uint256(6))
        );
        send(stranger, initiateCall(terms, id, ordinary(6, 0), intent));
        assertEq(uint256(channels.channelOf(id).version), 6, "as a challenge too");
    }

    function test_p12_an_older_state_than_the_stored_one_does_not_stop_the_close() public {
        update(terms, id, ordinary(9, 2 ether));
        initiate(alice, terms, id, ordinary(3, 5 ether));
        Channel memory channel = channels.channelOf(id);
        assertTrue(channel.status == Status.Closing, "closing all the same");
        assertEq(uint256(channel.version), 9, "on the stored point");
        assertEq(channel.net, 2 ether, "stored net");
    }

    function test_p05_another_state_of_the_stored_version_is_not_adopted_by_a_close() public {
        update(terms, id, ordinary(9, 2 ether));
        initiate(alice, terms, id, ordinary(9, -2 ether));
        assertEq(channels.channelOf(id).net, 2 ether, "the first of its version stays");
    }

    function test_p12_on_a_closing_channel_a_close_acts_as_a_challenge() public {
        initiate(bob, terms, id, ordinary(3, 0));
        vm.warp(START + 5);
        initiate(alice, terms, id, ordinary(8, 1 ether));
        Channel memory channel = channels.channelOf(id);
        assertEq(uint256(channel.version), 8, "newer state adopted");
        assertEq(uint256(channel.closesAt), START + PERIOD, "first deadline");
        assertEq(uint256(channel.initiatingSide), 2, "first side");
        initiate(alice, terms, id, ordinary(4, 0));
        initiate(stranger, terms, id, ordinary(0, 0));
        initiate(alice, terms, id, ordinary(8, 2 ether));
        assertEq(channels.channelOf(id).net, 1 ether, "older and equal ones change nothing");
        vm.warp(START + PERIOD);
        initiate(alice, terms, id, ordinary(7, 0));
        refused(
            alice,
            initiateCall(terms, id, ordinary(9, 0)),
            err(IPaymentChannel.WindowClosed.selector, START + PERIOD)
        );
    }

    function test_p11_only_an_active_channel_starts_to_close() public {
        Terms memory other = termsOf(address(0), 2);
        bytes32 otherId = channels.channelIdOf(other);
        refused(alice, initiateCall(other, otherId, ordinary(1, 0)), wrongStatus(Status.None));
        open(other, 1 ether);
        refused(alice, initiateCall(other, otherId, ordinary(1, 0)), wrongStatus(Status.Pending));
        cooperate(terms, id, finalState(1, 0));
        refused(alice, initiateCall(terms, id, ordinary(2, 0)), wrongStatus(Status.Closed));
    }

    function test_p10_a_withheld_final_state_can_be_used_in_a_unilateral_close() public {
        initiate(alice, terms, id, finalState(4, 1 ether));
        assertEq(uint256(channels.channelOf(id).kind), 1, "final");
        uint256 before = bob.balance;
        cooperate(terms, id, finalState(4, 1 ether));
        assertEq(bob.balance - before, 11 ether, "and then settle at once");
    }
}
