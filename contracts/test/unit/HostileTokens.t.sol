// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentChannel, Terms} from "../../src/interfaces/IPaymentChannel.sol";
import {FeeToken, LyingToken, Mood, MoodyToken, NoReturnToken} from "../mocks/OddTokens.sol";
import {Token} from "../mocks/Token.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// P16, P17: tokens that take a fee, return nothing, return lies, burn gas or misreport balances.
contract HostileTokensTest is ChannelCalls {
    function use(Token token_) private returns (Terms memory) {
        token = token_;
        fund(alice);
        fund(bob);
        fund(stranger);
        return termsOf(address(token_), 1);
    }

    function test_p16_a_fee_on_transfer_books_what_arrived() public {
        Terms memory terms = use(new FeeToken());
        open(terms, 100 ether);
        join(terms, 50 ether);
        bytes32 id = channels.channelIdOf(terms);
        assertEq(channels.channelOf(id).deposit1, 99 ether, "side 1");
        assertEq(channels.channelOf(id).deposit2, 49.5 ether, "side 2");
        send(stranger, depositCall(terms, 2, 10 ether));
        assertEq(channels.channelOf(id).deposit2, 59.4 ether, "a deposit");
        assertEq(token.balanceOf(address(channels)), 158.4 ether, "booked = received");
        uint256 before = token.balanceOf(bob);
        cooperate(terms, id, finalState(1, 0));
        assertEq(token.balanceOf(address(channels)), 0, "all leaves; the fee is the receiver's");
        assertEq(token.balanceOf(bob) - before, 59.4 ether - 0.594 ether, "bob");
    }

    function test_p17_a_token_that_returns_nothing_works() public {
        Terms memory terms = use(new NoReturnToken());
        (, bytes32 id) = activeWith(terms, 5 ether, 5 ether);
        uint256 before = token.balanceOf(bob);
        cooperate(terms, id, finalState(1, 2 ether));
        assertEq(token.balanceOf(bob) - before, 7 ether, "paid");
        assertEq(channels.creditOf(address(token), bob), 0, "not credited as well");
    }

    function test_p17_a_token_that_fails_on_the_way_in_opens_nothing() public {
        MoodyToken moody = new MoodyToken();
        Terms memory terms = use(moody);
        Mood[5] memory moods =
            [Mood.ReturnsFalse, Mood.ReturnsTwo, Mood.ReturnsOneByte, Mood.Reverts, Mood.Bombs];
        bytes memory expected = err(IPaymentChannel.TransferFailed.selector, address(moody), alice);
        for (uint256 i = 0; i < moods.length; ++i) {
            moody.turn(moods[i], address(0));
            refused(alice, openCall(terms, 5 ether, ""), expected);
        }
        assertEq(uint256(statusOf(channels.channelIdOf(terms))), 0, "no channel");
    }

    function test_p17_a_token_that_fails_on_the_way_out_leaves_credit_for_both() public {
        Mood[6] memory moods = [
            Mood.ReturnsFalse,
            Mood.ReturnsTwo,
            Mood.ReturnsOneByte,
            Mood.Reverts,
            Mood.BurnsGas,
            Mood.Bombs
        ];
        for (uint256 i = 0; i < moods.length; ++i) {
            MoodyToken moody = new MoodyToken();
            Terms memory terms = use(moody);
            (, bytes32 id) = activeWith(terms, 5 ether, 5 ether);
            moody.turn(moods[i], address(0));
            cooperate(terms, id, finalState(1, 2 ether));
            assertEq(channels.creditOf(address(moody), alice), 3 ether, "alice");
            assertEq(channels.creditOf(address(moody), bob), 7 ether, "bob");
            moody.turn(Mood.Honest, address(0));
            uint256 before = moody.balanceOf(bob);
            send(bob, abi.encodeCall(IPaymentChannel.withdraw, (address(moody), bob, 7 ether)));
            assertEq(moody.balanceOf(bob) - before, 7 ether, "once the token works again");
        }
    }

    function test_p13_a_token_that_refuses_one_side_pays_the_other() public {
        MoodyToken moody = new MoodyToken();
        Terms memory terms = use(moody);
        (, bytes32 id) = activeWith(terms, 5 ether, 5 ether);
        moody.turn(Mood.Reverts, alice);
        uint256 before = moody.balanceOf(bob);
        initiate(bob, terms, id, ordinary(1, 2 ether));
        vm.warp(START + PERIOD);
        settle(terms);
        assertEq(moody.balanceOf(bob) - before, 7 ether, "bob is paid");
        assertEq(channels.creditOf(address(moody), alice), 3 ether, "alice is credited");
    }

    function test_p17_a_token_whose_code_went_away_leaves_credit() public {
        MoodyToken moody = new MoodyToken();
        Terms memory terms = use(moody);
        (, bytes32 id) = activeWith(terms, 5 ether, 5 ether);
        vm.etch(address(moody), "");
        cooperate(terms, id, finalState(1, 2 ether));
        assertEq(channels.creditOf(address(moody), bob), 7 ether, "a call to no code is no payment");
        refused(
            bob,
            abi.encodeCall(IPaymentChannel.withdraw, (address(moody), bob, 7 ether)),
            err(IPaymentChannel.TransferFailed.selector, address(moody), bob)
        );
    }

    function test_p17_a_token_that_claims_more_than_was_sent_is_not_believed() public {
        LyingToken lying = new LyingToken();
        Terms memory terms = use(lying);
        lying.setLie(address(channels), 1000 ether);
        open(terms, 5 ether);
        bytes32 id = channels.channelIdOf(terms);
        assertEq(channels.channelOf(id).deposit1, 5 ether, "at most what was announced");
    }

    function test_p17_a_token_whose_balance_falls_on_a_deposit_brings_nothing() public {
        LyingToken lying = new LyingToken();
        Terms memory terms = use(lying);
        lying.setLie(address(channels), 1000 ether);
        open(terms, 5 ether);
        lying.setLie(address(channels), 10 ether);
        refused(
            stranger, depositCall(terms, 1, 5 ether), err(IPaymentChannel.NothingReceived.selector)
        );
    }

    function test_p17_a_box_of_a_token_with_an_absurd_balance_is_refused() public {
        LyingToken lying = new LyingToken();
        Terms memory terms = termsOf(address(0), 1);
        lying.setLie(address(channels), type(uint256).max);
        refused(
            stranger,
            abi.encodeCall(IPaymentChannel.sweep, (terms, 1, address(lying))),
            err(IPaymentChannel.AmountTooLarge.selector, type(uint256).max)
        );
    }

    function test_p03_a_lying_token_takes_nothing_from_any_other() public {
        (, bytes32 id) = active(7, 10 ether, 10 ether);
        Token honest = token;
        (Terms memory plain,) = activeWith(termsOf(address(honest), 8), 10 ether, 10 ether);
        LyingToken lying = new LyingToken();
        Terms memory terms = use(lying);
        lying.setLie(address(channels), 2 ** 100);
        open(terms, 2 ** 90);
        join(terms, 0);
        bytes32 lyingId = channels.channelIdOf(terms);
        cooperate(terms, lyingId, finalState(1, 0));
        assertEq(address(channels).balance, 20 ether, "ether untouched");
        assertEq(honest.balanceOf(address(channels)), 20 ether, "honest token untouched");
        assertEq(channels.channelOf(id).deposit1, 10 ether, "and so its channels");
        plain;
    }
}
