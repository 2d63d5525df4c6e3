// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Channel,
    IPaymentChannel,
    OpenItem,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {Wallet, Answer} from "../mocks/Wallets.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// openChannel and openBatch: who may open, what an acceptance does, where money goes that is too late.
contract OpenTest is ChannelCalls {
    uint64 private constant DEADLINE = uint64(START + 1 days);

    function test_p11_participant_1_alone_opens_a_pending_channel() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes memory result = send(alice, 3 ether, openCall(terms, 3 ether, ""));
        bytes32 id = abi.decode(result, (bytes32));
        assertEq(id, channels.channelIdOf(terms), "id");
        Channel memory channel = channels.channelOf(id);
        assertTrue(channel.status == Status.Pending, "pending");
        assertEq(channel.deposit1, 3 ether, "deposit 1");
        assertEq(channel.deposit2, int256(0), "deposit 2");
    }

    function test_p11_an_acceptance_makes_the_channel_active_whoever_sends_it() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        bytes memory accept = acceptance(id, 2 ether, DEADLINE);
        send(stranger, 2 ether, openCall(terms, 2 ether, accept));
        assertTrue(statusOf(id) == Status.Active, "active");
        assertEq(channels.channelOf(id).deposit1, 2 ether, "booked for side 1");
    }

    function test_p06_the_acceptance_of_participant_2_counts_in_both_lengths() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY_OWNER2, openDigest(id, 0, DEADLINE));
        send(stranger, openCall(terms, 0, abi.encodePacked(uint256(0), DEADLINE, r, s, v)));
        assertTrue(statusOf(id) == Status.Active, "65 bytes");
        terms = termsOf(address(0), 2);
        id = channels.channelIdOf(terms);
        (v, r, s) = vm.sign(KEY_OWNER2, openDigest(id, 0, DEADLINE));
        bytes32 vs = bytes32(uint256(s) | uint256(v - 27) << 255);
        send(stranger, openCall(terms, 0, abi.encodePacked(uint256(0), DEADLINE, r, vs)));
        assertTrue(statusOf(id) == Status.Active, "64 bytes");
    }

    function test_p06_an_acceptance_by_anyone_else_is_refused() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        bytes memory expected = err(IPaymentChannel.BadSignature.selector, 2);
        uint256[3] memory keys = [KEY_OWNER1, KEY_SIGNER1, uint256(0xBAD)];
        for (uint256 i = 0; i < keys.length; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[i], openDigest(id, 0, DEADLINE));
            bytes memory accept = abi.encodePacked(uint256(0), DEADLINE, r, s, v);
            refused(alice, 1 ether, openCall(terms, 1 ether, accept), expected);
        }
        // Signed for another channel, for another minimum, for another deadline.
        bytes memory other = acceptance(bytes32(uint256(id) ^ 1), 0, DEADLINE);
        refused(alice, 1 ether, openCall(terms, 1 ether, other), expected);
        other = acceptance(id, 0, DEADLINE);
        other[31] = 0x01;
        refused(alice, 1 ether, openCall(terms, 1 ether, other), expected);
        other = acceptance(id, 0, DEADLINE);
        other[39] = bytes1(uint8(other[39]) ^ 2);
        refused(alice, 1 ether, openCall(terms, 1 ether, other), expected);
    }

    function test_p06_an_acceptance_of_any_other_length_is_refused() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes memory expected = err(IPaymentChannel.BadSignature.selector, 2);
        for (uint256 length = 1; length < 120; length += 1) {
            refused(alice, openCall(terms, 0, head(length)), expected);
        }
    }

    /// A head that is in force, with `length` bytes in all.
    function head(uint256 length) private pure returns (bytes memory accept) {
        accept = new bytes(length);
        if (length >= 40) accept[36] = 0xff;
        if (length >= 40) accept[32] = 0x7f;
    }

    function test_p21_an_acceptance_of_an_upper_half_s_is_refused() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY_OWNER2, openDigest(id, 0, DEADLINE));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory twin = abi.encodePacked(
            uint256(0), DEADLINE, r, bytes32(order - uint256(s)), uint8(v == 27 ? 28 : 27)
        );
        refused(stranger, openCall(terms, 0, twin), err(IPaymentChannel.BadSignature.selector, 2));
    }

    function test_p21_a_deposit_below_what_side_2_accepted_is_refused() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes memory accept = acceptance(channels.channelIdOf(terms), 2 ether, DEADLINE);
        bytes memory expected =
            err(IPaymentChannel.DepositTooSmall.selector, 2 ether - 1, uint256(2 ether));
        refused(alice, 2 ether - 1, openCall(terms, 2 ether - 1, accept), expected);
    }

    function test_p21_an_acceptance_dies_after_its_deadline() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        bytes memory accept = acceptance(id, 0, DEADLINE);
        vm.warp(DEADLINE + 1);
        send(alice, 1 ether, openCall(terms, 1 ether, accept));
        assertTrue(statusOf(id) == Status.Pending, "participant 1 still opens, but pending");
        terms = termsOf(address(0), 2);
        id = channels.channelIdOf(terms);
        vm.warp(DEADLINE);
        send(stranger, openCall(terms, 0, acceptance(id, 0, DEADLINE)));
        assertTrue(statusOf(id) == Status.Active, "it counts in its last second");
    }

    function test_p21_money_of_a_stranger_with_a_dead_acceptance_becomes_credit() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        bytes memory accept = acceptance(id, 0, DEADLINE);
        vm.warp(DEADLINE + 1);
        send(stranger, 1 ether, openCall(terms, 1 ether, accept));
        assertTrue(statusOf(id) == Status.None, "no channel");
        assertEq(channels.creditOf(address(0), alice), 1 ether, "participant 1 owns what came");
    }

    function test_p11_a_stranger_without_money_opens_nothing() public {
        Terms memory terms = termsOf(address(0), 1);
        refused(
            stranger, openCall(terms, 0, ""), err(IPaymentChannel.NotAuthorized.selector, stranger)
        );
        refused(bob, openCall(terms, 0, ""), err(IPaymentChannel.NotAuthorized.selector, bob));
    }

    function test_p11_opening_again_adds_while_pending_and_applies_an_acceptance() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        open(terms, 1 ether);
        send(stranger, 2 ether, openCall(terms, 2 ether, ""));
        assertEq(channels.channelOf(id).deposit1, 3 ether, "added");
        assertTrue(statusOf(id) == Status.Pending, "still pending");
        bytes memory accept = acceptance(id, 3 ether, DEADLINE);
        send(stranger, openCall(terms, 0, accept));
        assertTrue(statusOf(id) == Status.Active, "accepted");
        send(stranger, 4 ether, openCall(terms, 4 ether, ""));
        assertEq(channels.channelOf(id).deposit1, 7 ether, "on an active channel it is a deposit");
        refused(alice, openCall(terms, 0, ""), err(IPaymentChannel.NothingReceived.selector));
    }

    function test_p11_adding_nothing_to_a_pending_channel_is_refused() public {
        Terms memory terms = termsOf(address(0), 1);
        open(terms, 1 ether);
        refused(alice, openCall(terms, 0, ""), err(IPaymentChannel.NothingReceived.selector));
    }

    function test_p11_an_id_is_used_once() public {
        (Terms memory terms, bytes32 id) = active(1, 2 ether, 1 ether);
        cooperate(terms, id, finalState(1, 0));
        refused(alice, openCall(terms, 0, ""), err(IPaymentChannel.IdUsed.selector, id));
        bytes memory accept = acceptance(id, 0, DEADLINE);
        refused(stranger, openCall(terms, 0, accept), err(IPaymentChannel.IdUsed.selector, id));
        // Money that comes all the same is not lost: it is participant 1's.
        send(alice, 5 ether, openCall(terms, 5 ether, accept));
        assertTrue(statusOf(id) == Status.Closed, "closed for ever");
        assertEq(channels.creditOf(address(0), alice), 5 ether, "credited");
    }

    function test_p11_an_id_whose_open_was_cancelled_is_used_too() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        open(terms, 1 ether);
        send(alice, cancelCall(terms));
        bytes memory accept = acceptance(id, 0, DEADLINE);
        send(alice, 1 ether, openCall(terms, 1 ether, accept));
        assertTrue(statusOf(id) == Status.Closed, "an old acceptance wakes nothing");
        assertEq(channels.creditOf(address(0), alice), 1 ether, "credited");
    }

    function test_p02_the_value_sent_must_be_the_amount() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes4 wrong = IPaymentChannel.WrongValue.selector;
        refused(alice, 1 ether, openCall(terms, 2 ether, ""), err(wrong, 2 ether, uint256(1 ether)));
        refused(alice, 2 ether, openCall(terms, 1 ether, ""), err(wrong, 1 ether, uint256(2 ether)));
        terms = termsOf(address(token), 1);
        refused(alice, 1, openCall(terms, 1 ether, ""), err(wrong, uint256(0), uint256(1)));
    }

    function test_p07_an_amount_beyond_the_packed_width_is_refused() public {
        uint256 limit = 2 ** 119;
        vm.deal(alice, limit);
        Terms memory terms = termsOf(address(0), 1);
        bytes4 tooLarge = IPaymentChannel.AmountTooLarge.selector;
        refused(alice, limit, openCall(terms, limit, ""), err(tooLarge, limit));
        send(alice, limit - 1, openCall(terms, limit - 1, ""));
        vm.deal(bob, 1 ether);
        refused(bob, 1, joinCall(terms, 1, ""), err(tooLarge, uint256(1)));
        send(bob, joinCall(terms, 0, ""));
        refused(bob, 1, depositCall(terms, 2, 1), err(tooLarge, uint256(1)));
        refused(bob, 1, depositCall(terms, 1, 1), err(tooLarge, uint256(1)));
    }

    function test_p19_the_sum_of_a_batch_is_exact() public {
        OpenItem[] memory items = new OpenItem[](3);
        items[0] = OpenItem(termsOf(address(0), 1), 1 ether, "");
        items[1] = OpenItem(termsOf(address(token), 2), 5 ether, "");
        items[2] = OpenItem(termsOf(address(0), 3), 2 ether, "");
        bytes memory call = abi.encodeCall(IPaymentChannel.openBatch, (items));
        bytes4 wrong = IPaymentChannel.WrongValue.selector;
        refused(alice, 3 ether + 1, call, err(wrong, 3 ether, uint256(3 ether + 1)));
        refused(alice, 3 ether - 1, call, err(wrong, 2 ether, uint256(2 ether - 1)));
        refused(alice, call, err(wrong, 1 ether, uint256(0)));
        send(alice, 3 ether, call);
        assertEq(address(channels).balance, 3 ether, "ether held");
        assertEq(token.balanceOf(address(channels)), 5 ether, "token held");
        for (uint256 i = 0; i < items.length; ++i) {
            bytes32 id = channels.channelIdOf(items[i].terms);
            assertEq(channels.channelOf(id).deposit1, int256(items[i].amount), "each its own");
        }
    }

    function test_p19_one_channel_twice_in_a_batch_is_funded_by_both() public {
        OpenItem[] memory items = new OpenItem[](2);
        items[0] = OpenItem(termsOf(address(0), 1), 1 ether, "");
        items[1] = OpenItem(termsOf(address(0), 1), 2 ether, "");
        send(alice, 3 ether, abi.encodeCall(IPaymentChannel.openBatch, (items)));
        bytes32 id = channels.channelIdOf(items[0].terms);
        assertEq(channels.channelOf(id).deposit1, 3 ether, "both amounts");
    }

    function test_p06_a_contract_wallet_accepts_and_may_withdraw_its_consent() public {
        Wallet wallet = new Wallet();
        Terms memory terms = termsOf(address(0), 1);
        terms.participant2 = address(wallet);
        bytes32 id = channels.channelIdOf(terms);
        wallet.approve(openDigest(id, 0, DEADLINE));
        bytes memory accept = abi.encodePacked(uint256(0), DEADLINE, "any proof");
        wallet.turn(Answer.No);
        send(alice, 1 ether, openCall(terms, 1 ether, accept));
        assertTrue(statusOf(id) == Status.Pending, "a withdrawn consent is no consent");
        wallet.turn(Answer.Yes);
        send(stranger, openCall(terms, 0, accept));
        assertTrue(statusOf(id) == Status.Active, "consent counts when it is used");
    }

    function test_p06_a_wallet_that_answers_badly_has_not_accepted() public {
        Wallet wallet = new Wallet();
        for (uint256 i = 1; i <= uint256(Answer.DirtyYes); ++i) {
            Terms memory terms = termsOf(address(0), 100 + i);
            terms.participant2 = address(wallet);
            bytes32 id = channels.channelIdOf(terms);
            wallet.approve(openDigest(id, 0, DEADLINE));
            wallet.turn(Answer(i));
            bytes memory accept = abi.encodePacked(uint256(0), DEADLINE, "any proof");
            bool bombs = Answer(i) == Answer.Bombs;
            send(alice, 1 ether, openCall(terms, 1 ether, accept));
            // A bomb starts with a valid answer; its tail is simply never read.
            assertTrue((statusOf(id) == Status.Active) == bombs, "status");
        }
    }
}
