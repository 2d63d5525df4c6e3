// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentChannel, Status, Terms} from "../../src/interfaces/IPaymentChannel.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";
import {LaunchSchedule, TokenCap} from "../support/ChannelTest.sol";

/// The guarded launch: caps that refuse entries, grow by themselves and end by themselves.
contract CapsTest is ChannelCalls {
    uint256 private constant PER_CHANNEL = 10 ether;
    uint256 private constant TOTAL = 25 ether;
    uint32 private constant DOUBLES = 7 days;
    uint40 private constant END = uint40(START + 60 days);
    bytes4 private constant EXCEEDED = IPaymentChannel.CapExceeded.selector;

    function launch() internal view override returns (LaunchSchedule memory) {
        TokenCap[] memory caps = new TokenCap[](1);
        caps[0] = TokenCap(address(0), uint112(PER_CHANNEL), uint112(TOTAL));
        return LaunchSchedule(uint40(START), DOUBLES, END, caps);
    }

    function test_p22_the_cap_of_a_channel_is_over_both_deposits() public {
        Terms memory terms = termsOf(address(0), 1);
        refused(
            alice,
            10 ether + 1,
            openCall(terms, 10 ether + 1, ""),
            err(EXCEEDED, PER_CHANNEL, uint256(10 ether + 1))
        );
        open(terms, 6 ether);
        refused(
            bob,
            5 ether,
            joinCall(terms, 5 ether, ""),
            err(EXCEEDED, PER_CHANNEL, uint256(11 ether))
        );
        join(terms, 4 ether);
        refused(
            alice, 1, depositCall(terms, 1, 1), err(EXCEEDED, PER_CHANNEL, uint256(10 ether + 1))
        );
    }

    function test_p22_the_cap_of_the_contract_is_over_all_it_holds() public {
        open(termsOf(address(0), 1), 10 ether);
        open(termsOf(address(0), 2), 10 ether);
        Terms memory terms = termsOf(address(0), 3);
        refused(
            alice, 6 ether, openCall(terms, 6 ether, ""), err(EXCEEDED, TOTAL, uint256(26 ether))
        );
        open(terms, 5 ether);
    }

    function test_p22_a_token_without_a_cap_waits_for_the_end_of_the_launch() public {
        Terms memory terms = termsOf(address(token), 1);
        refused(alice, openCall(terms, 1, ""), err(EXCEEDED, uint256(0), uint256(1)));
        vm.warp(END);
        open(terms, 1000 ether);
    }

    function test_p22_money_of_anyone_but_the_participant_becomes_credit_above_a_cap() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        bytes memory accept = acceptance(id, 0, uint64(START + 1 days));
        // Delivered by a bridge, so it must not revert.
        send(stranger, 11 ether, openCall(terms, 11 ether, accept));
        assertTrue(statusOf(id) == Status.None, "not opened");
        assertEq(channels.creditOf(address(0), alice), 11 ether, "credited to side 1");
        send(alice, abi.encodeCall(IPaymentChannel.withdraw, (address(0), alice, 11 ether)));
        open(terms, 6 ether);
        send(stranger, 5 ether, joinCall(terms, 5 ether, accept));
        assertTrue(statusOf(id) == Status.Pending, "not joined");
        assertEq(channels.creditOf(address(0), bob), 5 ether, "credited to side 2");
        send(stranger, 5 ether, depositCall(terms, 1, 5 ether));
        assertEq(channels.creditOf(address(0), alice), 5 ether, "a deposit too");
        send(bob, joinCall(terms, 0, ""));
        send(alice, 1 ether, depositCall(terms, 2, 1 ether));
        assertEq(channels.channelOf(id).deposit2, 1 ether, "within the cap it is booked");
    }

    function test_p22_a_box_above_the_cap_is_not_lost() public {
        (Terms memory terms, bytes32 id) = active(1, 6 ether, 0);
        vm.deal(channels.boxAddress(id, 2), 5 ether);
        send(stranger, abi.encodeCall(IPaymentChannel.sweep, (terms, 2, address(0))));
        assertEq(channels.creditOf(address(0), bob), 5 ether, "credited");
    }

    function test_p22_the_caps_double_and_end_on_schedule() public {
        assertCaps(PER_CHANNEL, TOTAL);
        vm.warp(START + DOUBLES - 1);
        assertCaps(PER_CHANNEL, TOTAL);
        vm.warp(START + DOUBLES);
        assertCaps(2 * PER_CHANNEL, 2 * TOTAL);
        vm.warp(START + 3 * DOUBLES);
        assertCaps(8 * PER_CHANNEL, 8 * TOTAL);
        vm.warp(END - 1);
        assertCaps(256 * PER_CHANNEL, 256 * TOTAL);
        vm.warp(END);
        assertCaps(type(uint256).max, type(uint256).max);
        vm.warp(START - 100);
        assertCaps(PER_CHANNEL, TOTAL);
        vm.warp(START + DOUBLES);
        open(termsOf(address(0), 1), 20 ether);
        vm.warp(END);
        open(termsOf(address(0), 2), 5000 ether);
    }

    function assertCaps(uint256 perChannel, uint256 total) private view {
        (uint256 actualPerChannel, uint256 actualTotal) = channels.capsOf(address(0));
        assertEq(actualPerChannel, perChannel, "per channel");
        assertEq(actualTotal, total, "total");
    }

    function test_p22_very_many_doublings_do_not_wrap() public {
        TokenCap[] memory caps = new TokenCap[](1);
        caps[0] = TokenCap(address(0), 1, type(uint112).max);
        channels = deployChannels(LaunchSchedule(uint40(START), 1, type(uint40).max, caps));
        vm.warp(START + 3650 days);
        (uint256 perChannel, uint256 total) = channels.capsOf(address(0));
        assertEq(perChannel, 2 ** 128, "held at 128 doublings");
        assertEq(total, uint256(type(uint112).max) << 128, "held at 128 doublings");
    }

    function test_p22_without_a_launch_there_are_no_caps() public {
        channels = deployChannels(noCaps());
        assertCaps(type(uint256).max, type(uint256).max);
    }

    function test_p22_an_acceptance_without_money_is_not_stopped_by_a_full_launch() public {
        open(termsOf(address(0), 1), 10 ether);
        open(termsOf(address(0), 2), 10 ether);
        Terms memory terms = termsOf(address(0), 3);
        open(terms, 5 ether);
        send(bob, joinCall(terms, 0, ""));
        assertTrue(statusOf(channels.channelIdOf(terms)) == Status.Active, "joined");
    }
}
