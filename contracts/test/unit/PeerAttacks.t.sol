// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Channel,
    CloseIntent,
    IPaymentChannel,
    Lock,
    PartialWithdraw,
    Signature,
    State,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// What a counterparty or a stranger can do just before an honest transaction lands, and old evidence
/// used out of its time.
contract PeerAttacksTest is ChannelCalls {
    uint64 private constant DEADLINE = uint64(START + 1 days);

    Terms private terms;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        (terms, id) = active(1, 10 ether, 10 ether);
    }

    /// What both get once the window is over.
    function outcome() private returns (uint256 forAlice, uint256 forBob) {
        vm.warp(START + PERIOD);
        uint256 aliceBefore = worth(terms.token, alice);
        uint256 bobBefore = worth(terms.token, bob);
        settle(terms);
        return (worth(terms.token, alice) - aliceBefore, worth(terms.token, bob) - bobBefore);
    }

    function assertOutcome(uint256 forAlice, uint256 forBob) private {
        (uint256 actualAlice, uint256 actualBob) = outcome();
        assertEq(actualAlice, forAlice, "alice");
        assertEq(actualBob, forBob, "bob");
    }

    // ------------------------------------------------------------------ old evidence

    function test_p05_a_version_0_close_after_a_checkpoint_rests_on_the_checkpoint() public {
        update(terms, id, ordinary(5, 4 ether));
        initiateBare(alice, terms);
        assertOutcome(6 ether, 14 ether);
    }

    function test_p23_a_version_0_close_after_a_withdrawal_rests_on_the_withdrawal() public {
        send(stranger, withdrawCall(terms, id, orderOf(5, 4 ether, 1 ether, 2 ether)));
        initiateBare(alice, terms);
        assertOutcome(5 ether, 12 ether);
    }

    function test_p23_a_withdrawal_that_lands_after_newer_states_is_refused() public {
        bytes memory call = withdrawCall(terms, id, orderOf(5, 4 ether, 1 ether, 2 ether));
        update(terms, id, ordinary(6, -4 ether));
        refused(stranger, call, err(IPaymentChannel.StaleVersion.selector, 6));
        initiateBare(bob, terms);
        refused(stranger, call, wrongStatus(Status.Closing));
        assertOutcome(14 ether, 6 ether);
    }

    function test_p23_a_withdrawal_that_lands_before_newer_states_counts_with_them() public {
        // Version 6 was signed so that it is valid with the withdrawal and without.
        bytes memory newer = initiateCall(terms, id, ordinary(6, -4 ether));
        send(stranger, withdrawCall(terms, id, orderOf(5, 4 ether, 1 ether, 2 ether)));
        send(alice, newer);
        assertOutcome(13 ether, 4 ether);
    }

    // ------------------------------------------------------------------ just before mine

    function test_p12_a_peers_checkpoint_just_before_my_close_does_not_stop_it() public {
        bytes memory mine = initiateCall(terms, id, ordinary(9, 1 ether));
        update(terms, id, ordinary(4, 9 ether));
        send(alice, mine);
        assertOutcome(9 ether, 11 ether);
    }

    function test_p12_a_peers_checkpoint_of_my_very_state_does_not_stop_my_close() public {
        bytes memory mine = initiateCall(terms, id, ordinary(9, 1 ether));
        update(terms, id, ordinary(9, 1 ether));
        send(alice, mine);
        assertOutcome(9 ether, 11 ether);
    }

    function test_p12_a_peers_close_just_before_my_close_is_challenged_by_it() public {
        bytes memory mine = initiateCall(terms, id, ordinary(9, 1 ether));
        initiate(bob, terms, id, ordinary(4, 9 ether));
        send(alice, mine);
        assertOutcome(9 ether, 11 ether);
    }

    function test_p12_a_peers_bare_close_in_my_block_does_not_keep_my_state_out() public {
        bytes memory mine = initiateCall(terms, id, ordinary(9, 5 ether));
        initiateBare(alice, terms);
        send(bob, mine);
        assertOutcome(5 ether, 15 ether);
    }

    function test_p12_a_top_up_by_the_peer_just_before_my_challenge_changes_nothing() public {
        initiate(bob, terms, id, ordinary(4, 9 ether));
        bytes memory mine = challengeCall(terms, id, ordinary(9, 1 ether));
        send(bob, 1, depositCall(terms, 1, 1));
        send(bob, 1, depositCall(terms, 2, 1));
        send(stranger, mine);
        assertEq(uint256(channels.channelOf(id).version), 9, "challenged");
    }

    function test_p12_a_copy_of_my_challenge_just_before_mine_leaves_mine_a_success() public {
        initiate(bob, terms, id, ordinary(4, 9 ether));
        bytes memory mine = challengeCall(terms, id, ordinary(9, 1 ether));
        send(address(0xC0B1), mine);
        send(stranger, mine);
        assertOutcome(9 ether, 11 ether);
    }

    function test_p12_a_peers_cooperative_close_pays_what_i_signed_as_final() public {
        bytes memory mine = initiateCall(terms, id, ordinary(9, 1 ether));
        cooperate(terms, id, finalState(10, 2 ether));
        refused(alice, mine, wrongStatus(Status.Closed));
        assertEq(alice.balance, 1_000_000 ether - 2 ether, "by the final state");
    }

    // ------------------------------------------------------------------ strangers

    function test_s15_a_strangers_open_before_mine_takes_nothing_and_stops_nothing() public {
        Terms memory fresh = termsOf(address(0), 2);
        bytes32 freshId = channels.channelIdOf(fresh);
        // Without an acceptance: a gift to alice, and the id stays free.
        send(stranger, 1, openCall(fresh, 1, ""));
        assertTrue(statusOf(freshId) == Status.None, "free");
        // With bob's acceptance copied from her transaction: it opens with a gift, hers is a deposit.
        bytes memory accept = acceptance(freshId, 0, DEADLINE);
        bytes memory mine = openCall(fresh, 5 ether, accept);
        send(stranger, 1, openCall(fresh, 1, accept));
        send(alice, 5 ether, mine);
        assertEq(channels.channelOf(freshId).deposit1, 5 ether + 1, "both are side 1's");
        assertTrue(statusOf(freshId) == Status.Active, "active");
    }

    function test_s15_a_copied_acceptance_with_too_little_money_opens_nothing() public {
        Terms memory fresh = termsOf(address(0), 2);
        bytes32 freshId = channels.channelIdOf(fresh);
        bytes memory accept = acceptance(freshId, 5 ether, DEADLINE);
        refused(
            stranger,
            1,
            openCall(fresh, 1, accept),
            err(IPaymentChannel.DepositTooSmall.selector, 1, uint256(5 ether))
        );
        send(alice, 5 ether, openCall(fresh, 5 ether, accept));
        assertTrue(statusOf(freshId) == Status.Active, "active");
    }

    function test_s15_a_strangers_join_before_mine_takes_nothing_and_stops_nothing() public {
        Terms memory fresh = termsOf(address(0), 2);
        bytes32 freshId = channels.channelIdOf(fresh);
        open(fresh, 5 ether);
        send(stranger, 1, joinCall(fresh, 1, ""));
        assertTrue(statusOf(freshId) == Status.Pending, "not joined");
        bytes memory accept = acceptance(freshId, 0, DEADLINE);
        send(stranger, 1, joinCall(fresh, 1, accept));
        send(bob, 5 ether, joinCall(fresh, 5 ether, ""));
        assertEq(channels.channelOf(freshId).deposit2, 5 ether + 1, "both are side 2's");
    }

    function test_s15_a_strangers_sweep_before_mine_books_the_box_for_its_side() public {
        address box = channels.boxAddress(id, 1);
        vm.deal(box, 3 ether);
        bytes memory mine = abi.encodeCall(IPaymentChannel.sweep, (terms, 1, address(0)));
        send(stranger, mine);
        assertEq(channels.channelOf(id).deposit1, 13 ether, "deposited");
        refused(alice, mine, err(IPaymentChannel.NothingReceived.selector));
    }

    function test_s15_a_gift_does_not_keep_a_pending_channel_from_being_cancelled() public {
        Terms memory fresh = termsOf(address(0), 2);
        open(fresh, 5 ether);
        bytes memory mine = cancelCall(fresh);
        send(stranger, 1, depositCall(fresh, 1, 1));
        uint256 before = alice.balance;
        send(alice, mine);
        assertEq(alice.balance - before, 5 ether + 1, "all of it");
    }

    function test_p21_a_copied_close_order_with_an_older_state_is_answered_by_the_original()
        public
    {
        CloseIntent memory intent = closeIntent(id, 1, 5, DEADLINE);
        bytes memory mine = initiateCall(terms, id, ordinary(9, 1 ether), intent);
        // Bob copies the order and sends it with the oldest state it allows.
        send(bob, initiateCall(terms, id, ordinary(5, 9 ether), intent));
        send(stranger, mine);
        Channel memory channel = channels.channelOf(id);
        assertEq(uint256(channel.version), 9, "my state stands");
        assertEq(uint256(channel.closesAt), START + PERIOD, "one deadline");
        assertOutcome(9 ether, 11 ether);
    }

    function test_p21_a_copied_close_order_can_not_go_below_its_version() public {
        CloseIntent memory intent = closeIntent(id, 1, 5, DEADLINE);
        refused(
            stranger,
            initiateCall(terms, id, ordinary(4, 9 ether), intent),
            err(IPaymentChannel.BelowMinVersion.selector, 4, uint256(5))
        );
    }

    function test_p21_a_close_order_is_no_second_close_after_the_channel_has_ended() public {
        CloseIntent memory intent = closeIntent(id, 1, 0, DEADLINE);
        cooperate(terms, id, finalState(1, 0));
        refused(
            stranger, initiateCall(terms, id, ordinary(0, 0), intent), wrongStatus(Status.Closed)
        );
    }

    // ------------------------------------------------------------------ locks and tokens

    function test_p25_a_receiver_of_a_lock_can_not_be_robbed_by_an_early_resolve_of_the_rest()
        public
    {
        Lock[] memory locks = asArray(
            hashLock("a", 2 ether, uint40(START + PERIOD + 1 days), true),
            hashLock("b", 3 ether, uint40(START + 1), true)
        );
        initiate(alice, terms, id, withLocks(2, 0, locks));
        vm.warp(START + PERIOD);
        settle(terms);
        // Alice resolves at once: her expired lock goes back, the open one stays whole.
        send(alice, resolveCall(terms, locks, 3));
        assertEq(channels.channelOf(id).held1, 2 ether, "held");
        registry.registerSecret(secrets("a"));
        uint256 before = bob.balance;
        send(bob, resolveCall(terms, locks, 1));
        assertEq(bob.balance - before, 2 ether, "bob's");
    }

    function test_p03_two_channels_of_one_pair_share_nothing() public {
        (Terms memory other, bytes32 otherId) = active(2, 10 ether, 10 ether);
        Channel memory before = channels.channelOf(otherId);
        initiate(bob, terms, id, ordinary(9, 10 ether));
        vm.warp(START + PERIOD);
        settle(terms);
        Channel memory afterwards = channels.channelOf(otherId);
        assertEq(keccak256(abi.encode(before)), keccak256(abi.encode(afterwards)), "untouched");
        refused(stranger, closeCall(other), wrongStatus(Status.Active));
    }

    function test_p06_signatures_of_one_kind_of_order_serve_no_other() public {
        // A close order read as an acceptance, an acceptance read as a close order.
        Terms memory fresh = termsOf(address(0), 2);
        bytes32 freshId = channels.channelIdOf(fresh);
        Signature memory s = compact(KEY_SIGNER2, closeIntentDigest(freshId, 2, 0, DEADLINE));
        refused(
            alice,
            openCall(fresh, 0, abi.encodePacked(uint256(0), DEADLINE, s.r, s.vs)),
            err(IPaymentChannel.BadSignature.selector, 2)
        );
        s = compact(KEY_SIGNER2, openDigest(id, 0, DEADLINE));
        refused(
            stranger,
            initiateCall(terms, id, ordinary(0, 0), CloseIntent(2, 0, DEADLINE, s)),
            err(IPaymentChannel.BadSignature.selector, 2)
        );
    }
}
