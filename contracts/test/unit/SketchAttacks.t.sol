// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Channel,
    IPaymentChannel,
    Lock,
    Signature,
    State,
    Status,
    Take,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {Wallet} from "../mocks/Wallets.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// Attacks that a textbook channel contract falls to (S-06 to S-23) and that belong to no single
/// function; the others stand beside the function they attack.
contract SketchAttacksTest is ChannelCalls {
    uint64 private constant DEADLINE = uint64(START + 1 days);

    function test_s06_nobody_joins_during_or_after_the_window() public {
        Terms memory terms = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(terms);
        send(stranger, 10 ether, openCall(terms, 10 ether, acceptance(id, 0, DEADLINE)));
        initiate(alice, terms, id, ordinary(1, 0));
        send(bob, 3 ether, joinCall(terms, 3 ether, ""));
        Channel memory channel = channels.channelOf(id);
        assertEq(channel.deposit2, int256(0), "the join changed no balance");
        assertTrue(channel.status == Status.Closing, "nor the status");
        assertEq(uint256(channel.version), 1, "nor the state");
        vm.warp(START + PERIOD);
        settle(terms);
        send(bob, 3 ether, joinCall(terms, 3 ether, acceptance(id, 0, DEADLINE)));
        assertTrue(statusOf(id) == Status.Closed, "closed for ever");
        assertEq(channels.creditOf(address(0), bob), 6 ether, "late money is bob's credit");
    }

    function test_s09_two_opens_in_one_block_do_not_collide_and_the_id_is_known_before() public {
        Terms memory one = termsOf(address(0), 1);
        Terms memory two = termsOf(address(0), 2);
        bytes32 idOne = channels.channelIdOf(one);
        assertTrue(idOne != channels.channelIdOf(two), "the salt tells them apart");
        open(one, 1 ether);
        open(two, 2 ether);
        assertEq(channels.channelOf(idOne).deposit1, 1 ether, "one");
        assertEq(channels.channelOf(channels.channelIdOf(two)).deposit1, 2 ether, "two");
        bytes32 expected = keccak256(abi.encode(block.chainid, address(channels), one));
        assertEq(idOne, expected, "made of chain, contract and terms alone");
        vm.warp(START + 1000);
        assertEq(channels.channelIdOf(one), expected, "the same in any block");
    }

    function test_s09_each_field_of_the_terms_makes_another_channel() public view {
        Terms memory base = termsOf(address(0), 1);
        bytes32 id = channels.channelIdOf(base);
        for (uint256 field = 0; field < 7; ++field) {
            Terms memory terms = termsOf(address(0), 1);
            if (field == 0) terms.participant1 = address(1);
            if (field == 1) terms.participant2 = address(1);
            if (field == 2) terms.signer1 = address(1);
            if (field == 3) terms.signer2 = address(1);
            if (field == 4) terms.token = address(1);
            if (field == 5) terms.challengePeriod += 1;
            if (field == 6) terms.salt = bytes32(0);
            assertTrue(channels.channelIdOf(terms) != id, "same id");
        }
    }

    function test_s09_old_signatures_do_not_live_again_under_a_closed_id() public {
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 10 ether);
        State memory state = finalState(1, 4 ether);
        cooperate(terms, id, state);
        refused(alice, openCall(terms, 0, ""), err(IPaymentChannel.IdUsed.selector, id));
        refused(stranger, cooperateCall(terms, id, state), wrongStatus(Status.Closed));
        refused(alice, initiateCall(terms, id, ordinary(1, 0)), wrongStatus(Status.Closed));
    }

    function test_s13_a_contract_wallet_lives_a_whole_channel_life() public {
        Wallet wallet = new Wallet();
        Terms memory terms = termsOf(address(0), 1);
        terms.participant1 = address(wallet);
        bytes32 id = channels.channelIdOf(terms);
        vm.deal(address(wallet), 10 ether);
        wallet.execute(address(channels), 10 ether, openCall(terms, 10 ether, ""));
        join(terms, 10 ether);
        // Its states are signed by the key in the terms; only money acts need the wallet.
        wallet.execute(address(channels), 0, initiateCall(terms, id, ordinary(5, 4 ether)));
        challenge(terms, id, ordinary(6, 5 ether));
        vm.warp(START + PERIOD);
        settle(terms);
        assertEq(address(wallet).balance, 5 ether, "paid");
    }

    function test_s18_a_channel_that_only_one_side_funds_is_a_whole_channel() public {
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 0);
        uint256 before = bob.balance;
        update(terms, id, ordinary(1, 3 ether));
        cooperate(terms, id, finalState(2, 4 ether));
        assertEq(bob.balance - before, 4 ether, "bob earned without a deposit");
        (terms, id) = active(2, 0, 10 ether);
        before = alice.balance;
        cooperate(terms, id, finalState(2, -4 ether));
        assertEq(alice.balance - before, 4 ether, "and alice");
    }

    function test_s19_a_tower_sees_every_close_and_every_challenge_under_one_topic() public {
        (Terms memory terms, bytes32 id) = active(1, 10 ether, 10 ether);
        vm.expectEmit(true, true, true, true, address(channels));
        emit IPaymentChannel.ChannelClosing(id, 5, 1 ether, 0, 0, 0, 0, uint40(START + PERIOD), 2);
        initiate(bob, terms, id, ordinary(5, 1 ether));
        vm.warp(START + 10);
        vm.expectEmit(true, true, true, true, address(channels));
        emit IPaymentChannel.ChannelClosing(id, 6, -1 ether, 1, 0, 0, 0, uint40(START + PERIOD), 2);
        challenge(terms, id, finalState(6, -1 ether));
    }

    function test_s22_a_signature_has_one_form_and_its_twin_is_refused() public {
        // An order by ECDSA with 65 bytes: its malleable twin and its other forms.
        (Terms memory terms,) = closing(1, 0, 0);
        send(stranger, 5 ether, depositCall(terms, 1, 5 ether));
        Take memory take = Take(address(0), alice, address(0xCAFE), 1 ether, 1, DEADLINE);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY_OWNER1, takeDigest(take));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory bad = err(IPaymentChannel.BadSignature.selector, uint256(0));
        bytes32 twin = bytes32(order - uint256(s));
        uint8 other = v == 27 ? 28 : 27;
        refused(stranger, takeCall(take, abi.encodePacked(r, twin, other)), bad);
        refused(stranger, takeCall(take, abi.encodePacked(r, s, v - 27)), bad);
        refused(stranger, takeCall(take, abi.encodePacked(r, s, v, uint8(0))), bad);
        send(stranger, takeCall(take, abi.encodePacked(r, s, v)));
        // The 64-byte form of a used order is no second order.
        bytes32 vs = bytes32(uint256(s) | uint256(v - 27) << 255);
        refused(
            stranger,
            takeCall(take, abi.encodePacked(r, vs)),
            abi.encodeWithSelector(IPaymentChannel.OrderUsed.selector, alice, 1)
        );
    }

    function takeCall(Take memory take, bytes memory signature)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(IPaymentChannel.withdrawFor, (take, signature));
    }

    function test_s23_one_life_uses_all_that_the_sketch_lacked() public {
        // ERC-20, a signing key that is not the owner, a top-up, a partial withdrawal, a conditional payment.
        (Terms memory terms, bytes32 id) =
            activeWith(termsOf(address(token), 1), 10 ether, 10 ether);
        send(stranger, depositCall(terms, 1, 5 ether));
        send(stranger, withdrawCall(terms, id, orderOf(3, 2 ether, 1 ether, 4 ether)));
        Lock[] memory locks = asArray(hashLock("s", 1 ether, uint40(START + 1 hours), true));
        initiate(bob, terms, id, withLocks(4, 2 ether, locks));
        registry.registerSecret(secrets("s"));
        vm.warp(START + PERIOD);
        uint256 aliceBefore = token.balanceOf(alice);
        uint256 bobBefore = token.balanceOf(bob);
        settle(terms);
        send(stranger, resolveCall(terms, locks, 1));
        assertEq(token.balanceOf(alice) - aliceBefore, 11 ether, "15 - 1 - 2 - 1");
        assertEq(token.balanceOf(bob) - bobBefore, 9 ether, "10 - 4 + 2 + 1");
        assertEq(token.balanceOf(address(channels)), 0, "all is out");
    }
}
