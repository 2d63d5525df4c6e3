// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    IPaymentChannel,
    PartialWithdraw,
    State,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// P7: whatever both sign, no side ends below zero, and no number wraps on its way into storage.
contract BoundsTest is ChannelCalls {
    bytes32 private constant ROOT = keccak256("some locks");

    Terms private terms;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        (terms, id) = active(1, 10 ether, 10 ether);
    }

    /// Refused at every door, for the same reason.
    function never(State memory state, bytes memory expected) private {
        refused(stranger, updateCall(terms, id, state), expected);
        refused(alice, initiateCall(terms, id, state), expected);
        if (state.kind == 1 && state.locksRoot == 0) {
            refused(stranger, cooperateCall(terms, id, state), expected);
        }
        if (state.kind == 0) {
            PartialWithdraw memory order = PartialWithdraw(
                state.version,
                state.net,
                state.locked1,
                state.locked2,
                state.locksRoot,
                0,
                0,
                uint64(START + 1 days)
            );
            refused(stranger, withdrawCall(terms, id, order), expected);
        }
        (Terms memory other, bytes32 otherId) =
            closing(uint256(keccak256(abi.encode(state))), 10 ether, 10 ether);
        refused(stranger, challengeCall(other, otherId, state), expected);
        refused(stranger, initiateCall(other, otherId, state), expected);
    }

    function insufficient(uint8 side, int256 balance) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IPaymentChannel.InsufficientBalance.selector, side, balance);
    }

    function test_s01_a_final_state_worth_more_than_the_deposits_is_refused() public {
        never(finalState(1, 10 ether + 1), insufficient(1, -1));
        never(finalState(1, -10 ether - 1), insufficient(2, -1));
        never(finalState(1, 52 ether), insufficient(1, -42 ether));
        uint256 before = bob.balance;
        cooperate(terms, id, finalState(1, 10 ether));
        assertEq(bob.balance - before, 20 ether, "exactly all is possible");
    }

    function test_s02_a_challenge_worth_more_than_the_deposits_is_refused() public {
        initiateBare(alice, terms);
        refused(stranger, challengeCall(terms, id, ordinary(1, 10 ether + 1)), insufficient(1, -1));
        refused(stranger, challengeCall(terms, id, ordinary(1, -10 ether - 1)), insufficient(2, -1));
        challenge(terms, id, ordinary(1, -10 ether));
    }

    function test_s14_huge_nets_are_refused_before_any_cast() public {
        int256[8] memory nets = [
            type(int256).max,
            type(int256).min,
            int256(2 ** 119),
            -int256(2 ** 119),
            int256(2 ** 120),
            int256(2 ** 120 + 1 ether),
            -int256(2 ** 120) - 1 ether,
            int256(2 ** 255 - 1) - int256(2 ** 120)
        ];
        for (uint256 i = 0; i < nets.length; ++i) {
            bytes memory expected =
                abi.encodeWithSelector(IPaymentChannel.NetOutOfRange.selector, nets[i]);
            never(ordinary(1, nets[i]), expected);
            never(finalState(1, nets[i]), expected);
        }
        never(ordinary(1, 2 ** 119 - 1), insufficient(1, 10 ether - (2 ** 119 - 1)));
    }

    function test_p07_a_huge_locked_sum_does_not_turn_negative_in_a_cast() public {
        uint256[6] memory sums = [
            uint256(2 ** 112),
            2 ** 120,
            2 ** 255,
            type(uint256).max,
            type(uint256).max - 1 ether + 1,
            2 ** 255 + 1 ether
        ];
        for (uint256 i = 0; i < sums.length; ++i) {
            bytes memory expected = err(IPaymentChannel.LockedOutOfRange.selector, sums[i]);
            // As int256 these would be below zero and so add to the balance.
            never(State(1, 0, 0, sums[i], 0, ROOT), expected);
            never(State(1, 0, 0, 0, sums[i], ROOT), expected);
        }
        never(State(1, 0, 0, 2 ** 112 - 1, 0, ROOT), insufficient(1, 10 ether - (2 ** 112 - 1)));
        never(State(1, 0, 0, 0, 2 ** 112 - 1, ROOT), insufficient(2, 10 ether - (2 ** 112 - 1)));
    }

    function test_p07_locked_money_counts_against_its_own_side() public {
        never(State(1, 0, 6 ether, 4 ether + 1, 0, ROOT), insufficient(1, -1));
        never(State(1, 0, -6 ether, 0, 4 ether + 1, ROOT), insufficient(2, -1));
        update(terms, id, State(1, 0, 6 ether, 4 ether, 16 ether, ROOT));
    }

    function test_p07_a_locked_sum_without_locks_is_refused_and_so_are_locks_without_a_sum()
        public
    {
        bytes4 mismatch = IPaymentChannel.LocksRootMismatch.selector;
        never(State(1, 0, 0, 1, 0, 0), err(mismatch, bytes32(0)));
        never(State(1, 0, 0, 0, 1, 0), err(mismatch, bytes32(0)));
        never(State(1, 0, 0, 0, 0, ROOT), err(mismatch, ROOT));
    }

    function test_p10_a_final_state_never_has_locks() public {
        never(State(1, 1, 0, 1, 0, ROOT), err(IPaymentChannel.FinalStateHasLocks.selector));
        never(State(1, 1, 0, 0, 1, ROOT), err(IPaymentChannel.FinalStateHasLocks.selector));
    }

    function test_p10_there_is_no_third_kind() public {
        State memory state = State(1, 2, 0, 0, 0, 0);
        bytes memory expected = err(IPaymentChannel.InvalidKind.selector, 2);
        refused(stranger, updateCall(terms, id, state), expected);
        refused(alice, initiateCall(terms, id, state), expected);
        initiateBare(alice, terms);
        refused(stranger, challengeCall(terms, id, state), expected);
        state.kind = 255;
        refused(
            stranger,
            challengeCall(terms, id, state),
            err(IPaymentChannel.InvalidKind.selector, 255)
        );
    }

    function test_p07_a_withdrawal_takes_no_more_than_a_side_has() public {
        refused(
            stranger, withdrawCall(terms, id, orderOf(1, 0, 10 ether + 1, 0)), insufficient(1, -1)
        );
        refused(
            stranger, withdrawCall(terms, id, orderOf(1, 0, 0, 10 ether + 1)), insufficient(2, -1)
        );
        bytes4 tooLarge = IPaymentChannel.AmountTooLarge.selector;
        uint256[3] memory amounts = [uint256(2 ** 119), 2 ** 255, type(uint256).max];
        for (uint256 i = 0; i < amounts.length; ++i) {
            refused(
                stranger,
                withdrawCall(terms, id, orderOf(1, 0, amounts[i], 0)),
                err(tooLarge, amounts[i])
            );
            refused(
                stranger,
                withdrawCall(terms, id, orderOf(1, 0, 0, amounts[i])),
                err(tooLarge, amounts[i])
            );
        }
        send(stranger, withdrawCall(terms, id, orderOf(1, 5 ether, 5 ether, 15 ether)));
        assertEq(address(channels).balance, 0, "all is out");
        assertEq(
            channels.channelOf(id).deposit2, -5 ether, "a paid side withdrew more than it put in"
        );
    }

    function test_s11_the_highest_version_is_only_a_number() public {
        update(terms, id, ordinary(type(uint64).max, 1 ether));
        refused(
            stranger,
            updateCall(terms, id, ordinary(type(uint64).max, 2 ether)),
            err(IPaymentChannel.StaleVersion.selector, type(uint64).max)
        );
        initiateBare(bob, terms);
        vm.warp(START + PERIOD);
        settle(terms);
        assertEq(bob.balance, 1_000_000 ether + 1 ether, "the channel still ends");
    }
}
