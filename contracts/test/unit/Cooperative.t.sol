// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Channel,
    FinalState,
    IPaymentChannel,
    Mode,
    Signature,
    State,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// cooperativeClose: at once, but only on a state that both signed as final.
contract CooperativeTest is ChannelCalls {
    Terms private terms;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        (terms, id) = active(1, 10 ether, 10 ether);
    }

    function test_p10_a_final_state_pays_both_at_once() public {
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        cooperate(terms, id, finalState(3, 4 ether));
        assertEq(alice.balance - aliceBefore, 6 ether, "alice");
        assertEq(bob.balance - bobBefore, 14 ether, "bob");
        assertEq(address(channels).balance, 0, "nothing stays");
        Channel memory channel = channels.channelOf(id);
        assertTrue(channel.status == Status.Closed, "closed");
        assertTrue(channel.mode == Mode.Cooperative, "mode");
        assertEq(uint256(channel.version), 3, "version");
        assertEq(uint256(channel.closesAt), 0, "no window was ever opened");
    }

    function test_s03_an_ordinary_state_is_never_settled_at_once() public {
        State memory state = ordinary(3, 4 ether);
        (Signature memory s1, Signature memory s2) = sign(id, state);
        bytes memory call = abi.encodeCall(
            IPaymentChannel.cooperativeClose, (terms, FinalState(3, 4 ether), s1, s2)
        );
        refused(stranger, call, err(IPaymentChannel.BadSignature.selector, uint256(1)));
        // Nor when it is the stored point, nor while closing, nor after the window.
        update(terms, id, state);
        refused(stranger, call, err(IPaymentChannel.VersionConflict.selector, 3));
        initiateBare(bob, terms);
        refused(stranger, call, err(IPaymentChannel.VersionConflict.selector, 3));
        vm.warp(START + PERIOD);
        refused(stranger, call, err(IPaymentChannel.VersionConflict.selector, 3));
    }

    function test_s03_a_state_with_locks_is_never_settled_at_once() public {
        State memory state = State(3, 1, 0, 1 ether, 0, keccak256("locks"));
        (Signature memory s1, Signature memory s2) = sign(id, state);
        refused(
            stranger,
            abi.encodeCall(IPaymentChannel.cooperativeClose, (terms, FinalState(3, 0), s1, s2)),
            err(IPaymentChannel.BadSignature.selector, uint256(1))
        );
    }

    function test_p05_an_older_final_state_is_refused() public {
        update(terms, id, ordinary(5, 0));
        refused(
            stranger,
            cooperateCall(terms, id, finalState(4, 0)),
            err(IPaymentChannel.StaleVersion.selector, 5)
        );
        refused(
            stranger,
            cooperateCall(terms, id, finalState(5, 0)),
            err(IPaymentChannel.VersionConflict.selector, 5)
        );
        cooperate(terms, id, finalState(6, 0));
    }

    function test_p05_version_0_is_no_final_state() public {
        refused(
            stranger,
            cooperateCall(terms, id, finalState(0, 0)),
            err(IPaymentChannel.VersionConflict.selector, uint256(0))
        );
        initiateBare(alice, terms);
        refused(
            stranger,
            cooperateCall(terms, id, finalState(0, 0)),
            err(IPaymentChannel.VersionConflict.selector, uint256(0))
        );
    }

    function test_p10_the_stored_final_state_settles_and_another_of_its_version_does_not() public {
        update(terms, id, finalState(5, 1 ether));
        refused(
            stranger,
            cooperateCall(terms, id, finalState(5, 2 ether)),
            err(IPaymentChannel.VersionConflict.selector, 5)
        );
        uint256 before = bob.balance;
        cooperate(terms, id, finalState(5, 1 ether));
        assertEq(bob.balance - before, 11 ether, "bob");
    }

    function test_p11_a_closing_channel_ends_by_a_final_state_before_and_after_its_window() public {
        initiate(bob, terms, id, State(5, 0, 0, 1 ether, 0, keccak256("locks")));
        cooperate(terms, id, finalState(6, 2 ether));
        Channel memory channel = channels.channelOf(id);
        assertTrue(channel.mode == Mode.Cooperative, "mode");
        assertEq(uint256(channel.closesAt), START + PERIOD, "the window stays as evidence");
        assertEq(channel.held1, 0, "locks that a final state replaced hold nothing");
        assertEq(channel.locksRoot, bytes32(0), "no root");
        (terms, id) = closing(2, 10 ether, 10 ether);
        vm.warp(START + PERIOD);
        uint256 before = bob.balance;
        cooperate(terms, id, finalState(1, 2 ether));
        assertEq(bob.balance - before, 12 ether, "both signed it: no window applies");
    }

    function test_p11_only_an_active_or_closing_channel_is_settled() public {
        cooperate(terms, id, finalState(3, 0));
        bytes memory call = cooperateCall(terms, id, finalState(4, 0));
        refused(stranger, call, wrongStatus(Status.Closed));
        Terms memory other = termsOf(address(0), 2);
        call = cooperateCall(other, channels.channelIdOf(other), finalState(4, 0));
        refused(stranger, call, wrongStatus(Status.None));
    }

    function test_s20_a_close_pays_both_in_one_transaction_and_empties_its_slots() public {
        initiate(bob, terms, id, State(5, 0, 0, 1 ether, 0, keccak256("locks")));
        cooperate(terms, id, finalState(6, 0));
        // The mapping of channels: its slot is found by its content, not by its number.
        for (uint256 base = 0; base < 8; ++base) {
            uint256 slot = uint256(keccak256(abi.encode(id, base)));
            for (uint256 i = 1; i < 5; ++i) {
                bytes32 word = vm.load(address(channels), bytes32(slot + i));
                assertEq(word, bytes32(0), "only the tombstone stays");
            }
        }
    }

    function test_s21_a_side_with_nothing_needs_no_payout() public {
        (terms, id) = active(2, 10 ether, 0);
        uint256 before = alice.balance;
        cooperate(terms, id, finalState(1, 0));
        assertEq(alice.balance - before, 10 ether, "alice");
        assertTrue(statusOf(id) == Status.Closed, "closed, and nothing is left to flag");
        assertEq(channels.creditOf(address(0), bob), 0, "no credit either");
    }
}
