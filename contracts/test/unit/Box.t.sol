// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentChannel, Status, Terms} from "../../src/interfaces/IPaymentChannel.sol";
import {IDepositBox} from "../../src/interfaces/IDepositBox.sol";
import {Token} from "../mocks/Token.sol";
import {Mood, MoodyToken} from "../mocks/OddTokens.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// Deposit boxes: money that arrives without a call.
contract BoxTest is ChannelCalls {
    uint64 private constant DEADLINE = uint64(START + 1 days);

    Terms private terms;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        terms = termsOf(address(0), 1);
        id = channels.channelIdOf(terms);
    }

    function fill(uint8 side, address token_, uint256 amount) private {
        address box = channels.boxAddress(id, side);
        if (token_ == address(0)) vm.deal(box, box.balance + amount);
        else Token(token_).mint(box, amount);
    }

    function openCall(bytes memory accept) private view returns (bytes memory) {
        return abi.encodeCall(IPaymentChannel.openFromBox, (terms, accept));
    }

    function joinCall(bytes memory accept) private view returns (bytes memory) {
        return abi.encodeCall(IPaymentChannel.joinFromBox, (terms, accept));
    }

    function sweepCall(uint8 side, address token_) private view returns (bytes memory) {
        return abi.encodeCall(IPaymentChannel.sweep, (terms, side, token_));
    }

    function test_p11_both_sides_enter_from_boxes_filled_before_the_boxes_exist() public {
        fill(1, address(0), 5 ether);
        fill(2, address(0), 3 ether);
        send(alice, openCall(""));
        assertTrue(statusOf(id) == Status.Pending, "opened");
        send(bob, joinCall(""));
        assertTrue(statusOf(id) == Status.Active, "joined");
        assertEq(channels.channelOf(id).deposit1, 5 ether, "side 1");
        assertEq(channels.channelOf(id).deposit2, 3 ether, "side 2");
    }

    function test_p11_anyone_enters_from_the_boxes_with_side_2s_acceptance() public {
        fill(1, address(0), 5 ether);
        send(stranger, openCall(acceptance(id, 5 ether, DEADLINE)));
        assertTrue(statusOf(id) == Status.Active, "active");
        Terms memory first = terms;
        terms = termsOf(address(token), 2);
        id = channels.channelIdOf(terms);
        assertTrue(first.salt != terms.salt, "another channel");
        open(terms, 1 ether);
        fill(2, address(token), 2 ether);
        send(stranger, joinCall(acceptance(id, 1 ether, DEADLINE)));
        assertEq(channels.channelOf(id).deposit2, 2 ether, "tokens too");
    }

    function test_s15_a_stranger_does_not_turn_a_box_into_credit_before_the_open() public {
        fill(1, address(0), 5 ether);
        fill(2, address(0), 5 ether);
        bytes memory expected = err(IPaymentChannel.NotAuthorized.selector, stranger);
        refused(stranger, openCall(""), expected);
        bytes memory dead = acceptance(id, 0, uint64(START - 1));
        refused(stranger, openCall(dead), expected);
        refused(stranger, sweepCall(1, address(0)), wrongStatus(Status.None));
        send(alice, openCall(""));
        refused(stranger, joinCall(""), expected);
        refused(stranger, joinCall(dead), expected);
        refused(stranger, sweepCall(2, address(0)), wrongStatus(Status.Pending));
        refused(alice, sweepCall(2, address(0)), wrongStatus(Status.Pending));
        assertEq(channels.creditOf(address(0), bob), 0, "no credit");
        send(bob, joinCall(""));
        assertEq(channels.channelOf(id).deposit2, 5 ether, "still there for the join");
    }

    function test_p12_a_participant_takes_its_box_back_when_the_open_never_comes() public {
        fill(1, address(0), 5 ether);
        fill(2, address(0), 3 ether);
        send(alice, sweepCall(1, address(0)));
        assertEq(channels.creditOf(address(0), alice), 5 ether, "side 1");
        send(bob, sweepCall(2, address(0)));
        assertEq(channels.creditOf(address(0), bob), 3 ether, "side 2");
    }

    function test_p02_a_box_filled_on_an_active_channel_is_a_deposit_for_whoever_sweeps_it()
        public
    {
        open(terms, 1 ether);
        join(terms, 1 ether);
        fill(1, address(0), 5 ether);
        fill(2, address(0), 3 ether);
        send(stranger, sweepCall(1, address(0)));
        send(stranger, sweepCall(2, address(0)));
        assertEq(channels.channelOf(id).deposit1, 6 ether, "side 1");
        assertEq(channels.channelOf(id).deposit2, 4 ether, "side 2");
        fill(1, address(0), 1 ether);
        send(stranger, openCall(""));
        assertEq(channels.channelOf(id).deposit1, 7 ether, "openFromBox is a deposit now");
        fill(2, address(0), 1 ether);
        send(stranger, joinCall(""));
        assertEq(channels.channelOf(id).deposit2, 5 ether, "joinFromBox too");
    }

    function test_p02_a_box_filled_too_late_is_credit_of_its_own_side() public {
        open(terms, 1 ether);
        join(terms, 1 ether);
        initiateBare(alice, terms);
        fill(1, address(0), 5 ether);
        send(stranger, sweepCall(1, address(0)));
        assertEq(channels.creditOf(address(0), alice), 5 ether, "while closing");
        vm.warp(START + PERIOD);
        settle(terms);
        fill(2, address(0), 3 ether);
        send(stranger, sweepCall(2, address(0)));
        assertEq(channels.creditOf(address(0), bob), 3 ether, "when closed");
        fill(1, address(0), 7 ether);
        send(stranger, openCall(""));
        assertEq(channels.creditOf(address(0), alice), 12 ether, "openFromBox when closed");
        fill(2, address(0), 1 ether);
        send(stranger, joinCall(""));
        assertEq(channels.creditOf(address(0), bob), 4 ether, "joinFromBox when closed");
    }

    function test_p02_a_foreign_token_in_a_box_is_credit_of_that_side_at_any_time() public {
        fill(1, address(token), 5 ether);
        send(stranger, sweepCall(1, address(token)));
        assertEq(channels.creditOf(address(token), alice), 5 ether, "before the open");
        terms = termsOf(address(token), 9);
        id = channels.channelIdOf(terms);
        fill(2, address(0), 3 ether);
        send(stranger, sweepCall(2, address(0)));
        assertEq(channels.creditOf(address(0), bob), 3 ether, "ether in a token channel");
    }

    function test_p02_an_empty_box_is_refused() public {
        bytes memory expected = err(IPaymentChannel.NothingReceived.selector);
        refused(alice, openCall(""), expected);
        open(terms, 1 ether);
        refused(bob, joinCall(""), expected);
        join(terms, 1 ether);
        refused(stranger, sweepCall(1, address(0)), expected);
        refused(stranger, sweepCall(1, address(token)), expected);
    }

    function test_p17_a_token_that_does_not_move_empties_no_box() public {
        MoodyToken moody = new MoodyToken();
        fill(1, address(moody), 5 ether);
        bytes memory expected = err(IPaymentChannel.NothingReceived.selector);
        moody.turn(Mood.ReturnsFalse, address(0));
        refused(stranger, sweepCall(1, address(moody)), expected);
        moody.turn(Mood.Reverts, address(0));
        refused(stranger, sweepCall(1, address(moody)), expected);
        moody.turn(Mood.Honest, address(0));
        send(stranger, sweepCall(1, address(moody)));
        assertEq(channels.creditOf(address(moody), alice), 5 ether, "later");
        refused(
            stranger,
            sweepCall(1, address(0xDEAD)),
            err(IPaymentChannel.NoCode.selector, address(0xDEAD))
        );
    }

    function test_p03_each_channel_and_side_has_a_box_of_its_own() public {
        address one = channels.boxAddress(id, 1);
        address two = channels.boxAddress(id, 2);
        assertTrue(one != two, "sides");
        assertTrue(channels.boxAddress(bytes32(uint256(id) ^ 1), 1) != one, "channels");
        bytes memory call = abi.encodeCall(IPaymentChannel.boxAddress, (id, 3));
        refused(stranger, call, err(IPaymentChannel.InvalidSide.selector, 3));
        call = abi.encodeCall(IPaymentChannel.boxAddress, (id, 0));
        refused(stranger, call, err(IPaymentChannel.InvalidSide.selector, uint256(0)));
        refused(stranger, sweepCall(3, address(0)), err(IPaymentChannel.InvalidSide.selector, 3));
    }

    function test_p14_only_the_channel_contract_empties_a_box() public {
        fill(1, address(0), 5 ether);
        send(alice, openCall(""));
        address box = channels.boxAddress(id, 1);
        vm.deal(box, 2 ether);
        vm.prank(stranger);
        (bool ok, bytes memory reason) = box.call(abi.encodeCall(IDepositBox.collect, (address(0))));
        assertTrue(!ok, "refused");
        bytes memory expected = err(IDepositBox.NotChannelContract.selector, stranger);
        assertEq(keccak256(reason), keccak256(expected), "error");
        assertEq(box.balance, 2 ether, "still there");
    }

    function test_p01_ether_sent_to_a_box_after_it_exists_is_taken_too() public {
        fill(1, address(0), 5 ether);
        send(alice, openCall(""));
        address box = channels.boxAddress(id, 1);
        vm.prank(stranger);
        (bool ok,) = box.call{value: 2 ether}("");
        assertTrue(ok, "a box takes ether from anyone");
        send(alice, openCall(""));
        assertEq(channels.channelOf(id).deposit1, 7 ether, "added while pending");
    }
}
