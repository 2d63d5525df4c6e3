// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    IPaymentChannel,
    Lock,
    Mode,
    PartialWithdraw,
    State,
    Take,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {Manner, Receiver} from "../mocks/Attackers.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// Each event with each of its fields, all of them different from each other and from zero where they can be.
contract EventsTest is ChannelCalls {
    uint64 private constant DEADLINE = uint64(START + 1 days);

    function expectNext() private {
        vm.expectEmit(true, true, true, true, address(channels));
    }

    function test_p28_opening_says_the_whole_terms() public {
        Terms memory terms = termsOf(address(token), 1);
        bytes32 id = channels.channelIdOf(terms);
        expectNext();
        emit IPaymentChannel.ChannelOpened(id, alice, bob, terms, 3 ether, false);
        open(terms, 3 ether);
        terms = termsOf(address(0), 2);
        id = channels.channelIdOf(terms);
        bytes memory accept = acceptance(id, 0, DEADLINE);
        expectNext();
        emit IPaymentChannel.ChannelOpened(id, alice, bob, terms, 4 ether, true);
        send(stranger, 4 ether, openCall(terms, 4 ether, accept));
    }

    function test_p28_joining_and_funding_say_what_came() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        open(terms, 1 ether);
        expectNext();
        emit IPaymentChannel.ChannelFunded(id, 1, 2 ether);
        send(stranger, 2 ether, depositCall(terms, 1, 2 ether));
        expectNext();
        emit IPaymentChannel.ChannelJoined(id, 3 ether);
        join(terms, 3 ether);
        expectNext();
        emit IPaymentChannel.ChannelFunded(id, 2, 4 ether);
        send(stranger, 4 ether, depositCall(terms, 2, 4 ether));
    }

    function test_p28_an_acceptance_of_a_pending_channel_is_a_join_of_nothing() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        open(terms, 1 ether);
        bytes memory accept = acceptance(id, 0, DEADLINE);
        expectNext();
        emit IPaymentChannel.ChannelFunded(id, 1, 2 ether);
        expectNext();
        emit IPaymentChannel.ChannelJoined(id, 0);
        send(stranger, 2 ether, openCall(terms, 2 ether, accept));
    }

    function test_p28_a_checkpoint_says_the_whole_state() public {
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 10 ether);
        State memory state = State(7, 0, -1 ether, 2 ether, 3 ether, keccak256("locks"));
        expectNext();
        emit IPaymentChannel.ChannelCheckpoint(
            id, 7, -1 ether, 0, 2 ether, 3 ether, keccak256("locks")
        );
        update(terms, id, state);
        expectNext();
        emit IPaymentChannel.ChannelCheckpoint(id, 8, 1 ether, 1, 0, 0, 0);
        update(terms, id, finalState(8, 1 ether));
    }

    function test_p28_a_close_says_the_whole_state_its_deadline_and_its_side() public {
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 10 ether);
        State memory state = State(7, 0, -1 ether, 2 ether, 3 ether, keccak256("locks"));
        expectNext();
        emit IPaymentChannel.ChannelClosing(
            id, 7, -1 ether, 0, 2 ether, 3 ether, keccak256("locks"), uint40(START + PERIOD), 2
        );
        initiate(bob, terms, id, state);
        (terms, id) = active(2, 10 ether, 10 ether);
        update(terms, id, state);
        expectNext();
        emit IPaymentChannel.ChannelClosing(
            id, 7, -1 ether, 0, 2 ether, 3 ether, keccak256("locks"), uint40(START + PERIOD), 1
        );
        initiateBare(alice, terms);
    }

    function test_p28_a_withdrawal_says_what_went_out_and_what_remains() public {
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 10 ether);
        PartialWithdraw memory order = PartialWithdraw(
            7, 1 ether, 2 ether, 3 ether, keccak256("locks"), 4 ether, 5 ether, DEADLINE
        );
        expectNext();
        emit IPaymentChannel.PartialWithdrawn(
            id, 7, 1 ether, 4 ether, 5 ether, 6 ether, 5 ether, 2 ether, 3 ether, keccak256("locks")
        );
        send(stranger, withdrawCall(terms, id, order));
    }

    function test_p28_a_settlement_says_what_was_paid_what_is_held_and_how() public {
        Terms memory terms = termsOf(address(0), 1);
        (, bytes32 id) = activeWith(terms, 10 ether, 10 ether);
        initiate(bob, terms, id, State(7, 0, -1 ether, 2 ether, 3 ether, keccak256("locks")));
        vm.warp(START + PERIOD);
        expectNext();
        emit IPaymentChannel.ChannelClosed(
            id, 7, 9 ether, 6 ether, 2 ether, 3 ether, Mode.Unilateral
        );
        settle(terms);
        (terms, id) = active(2, 10 ether, 10 ether);
        expectNext();
        emit IPaymentChannel.ChannelClosed(id, 8, 9 ether, 11 ether, 0, 0, Mode.Cooperative);
        cooperate(terms, id, finalState(8, 1 ether));
        terms = termsOf(address(0), 3);
        id = channels.channelIdOf(terms);
        open(terms, 5 ether);
        expectNext();
        emit IPaymentChannel.ChannelClosed(id, 0, 5 ether, 0, 0, 0, Mode.Cancelled);
        send(alice, cancelCall(terms));
    }

    function test_p28_each_decided_lock_and_the_remainder_are_said() public {
        uint40 expiry = uint40(START + 1);
        Lock[] memory locks =
            asArray(hashLock("a", 1 ether, expiry, true), hashLock("b", 2 ether, expiry, false));
        State memory state = withLocks(7, 0, locks);
        state.locked1 += 3 ether;
        state.locked2 += 4 ether;
        registry.registerSecret(secrets("b"));
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = closedWith(terms, 10 ether, 10 ether, state);
        expectNext();
        emit IPaymentChannel.LockResolved(id, 0, locks[0].hash, true, false, 1 ether);
        expectNext();
        emit IPaymentChannel.LockResolved(id, 1, locks[1].hash, false, true, 2 ether);
        expectNext();
        emit IPaymentChannel.RemainderReturned(id, 3 ether, 4 ether);
        send(stranger, resolveCall(terms, locks, 3));
    }

    function test_p28_credit_and_its_withdrawal_are_said() public {
        (Terms memory terms, bytes32 id) = closing(1, 10 ether, 10 ether);
        expectNext();
        emit IPaymentChannel.Credited(address(0), bob, id, 3 ether);
        send(stranger, 3 ether, depositCall(terms, 2, 3 ether));
        expectNext();
        emit IPaymentChannel.Withdrawn(address(0), bob, address(0xCAFE), 1 ether);
        send(bob, abi.encodeCall(IPaymentChannel.withdraw, (address(0), address(0xCAFE), 1 ether)));
        Take memory take = Take(address(0), bob, address(0xCAFE), 2 ether, 9, DEADLINE);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY_OWNER2, takeDigest(take));
        expectNext();
        emit IPaymentChannel.OrderExecuted(bob, 9);
        expectNext();
        emit IPaymentChannel.Withdrawn(address(0), bob, address(0xCAFE), 2 ether);
        send(
            stranger, abi.encodeCall(IPaymentChannel.withdrawFor, (take, abi.encodePacked(r, s, v)))
        );
    }

    function test_p28_a_failed_payout_is_said_as_credit_of_its_channel() public {
        Receiver receiver = new Receiver();
        receiver.turn(Manner.Reverts);
        Terms memory terms = termsOf(address(0), 1);
        terms.participant1 = address(receiver);
        bytes32 id = channels.channelIdOf(terms);
        send(stranger, 5 ether, openCall(terms, 5 ether, acceptance(id, 0, DEADLINE)));
        expectNext();
        emit IPaymentChannel.Credited(address(0), address(receiver), id, 5 ether);
        cooperate(terms, id, finalState(1, 0));
    }

    function test_p28_a_skipped_challenge_is_said_with_its_reason() public {
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 10 ether);
        expectNext();
        emit IPaymentChannel.ChallengeSkipped(id, IPaymentChannel.WrongStatus.selector);
        send(stranger, batchOfOne(terms, id, ordinary(1, 0)));
    }

    function batchOfOne(Terms memory terms, bytes32 id, State memory state)
        private
        view
        returns (bytes memory call)
    {
        // An array of one static item: offset, length, then the arguments of challengeClose.
        bytes memory single = challengeCall(terms, id, state);
        bytes memory arguments = new bytes(single.length - 4);
        for (uint256 i = 0; i < arguments.length; ++i) {
            arguments[i] = single[i + 4];
        }
        call = abi.encodePacked(
            IPaymentChannel.challengeCloseBatch.selector, uint256(0x20), uint256(1), arguments
        );
    }
}
