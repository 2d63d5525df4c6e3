// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentChannel, Lock, Status, Terms} from "../../src/interfaces/IPaymentChannel.sol";
import {Manner, Receiver} from "../mocks/Attackers.sol";
import {GasScan} from "../support/GasScan.sol";

/// P13: a receiver that reverts, burns or bombs costs only itself, on every way out.
contract HostileReceiversTest is GasScan {
    Receiver private receiver;

    function setUp() public override {
        super.setUp();
        receiver = new Receiver();
    }

    /// An active channel of bob with a receiver that is not hostile yet.
    function withReceiver(uint256 salt) private returns (Terms memory terms, bytes32 id) {
        terms = termsOf(address(0), salt);
        terms.participant1 = address(receiver);
        id = channels.channelIdOf(terms);
        receiver.turn(Manner.Takes);
        bytes memory accept = acceptance(id, 0, uint64(vm.getBlockTimestamp() + 1 days));
        send(stranger, 10 ether, openCall(terms, 10 ether, accept));
        send(bob, 10 ether, depositCall(terms, 2, 10 ether));
    }

    function hostile(uint256 i) private pure returns (Manner) {
        return [Manner.Reverts, Manner.BurnsGas, Manner.Bombs, Manner.BombsAndReverts][i];
    }

    /// Bombs takes the money after all, with a long answer that nobody reads.
    function isPaid(Manner manner) private pure returns (bool) {
        return manner == Manner.Bombs;
    }

    function check(Manner manner, uint256 before, uint256 owed) private {
        uint256 paid = address(receiver).balance - before;
        uint256 credit = channels.creditOf(address(0), address(receiver));
        assertEq(paid, isPaid(manner) ? owed : 0, "paid");
        assertEq(credit, isPaid(manner) ? 0 : owed, "credited");
        if (credit == 0) return;
        // Its owner can still have it, elsewhere.
        receiver.execute(
            address(channels),
            0,
            abi.encodeCall(IPaymentChannel.withdraw, (address(0), address(0xCAFE), credit))
        );
        assertEq(channels.creditOf(address(0), address(receiver)), 0, "withdrawn");
    }

    function test_p13_a_receiver_that_reverts_does_not_stop_the_other_payout() public {
        for (uint256 i = 0; i < 4; ++i) {
            (Terms memory terms, bytes32 id) = withReceiver(i);
            receiver.turn(hostile(i));
            uint256 before = address(receiver).balance;
            uint256 bobBefore = bob.balance;
            cooperate(terms, id, finalState(1, 4 ether));
            assertEq(bob.balance - bobBefore, 14 ether, "bob is paid");
            check(hostile(i), before, 6 ether);
        }
    }

    function test_s12_a_unilateral_close_pays_past_a_hostile_receiver() public {
        for (uint256 i = 0; i < 4; ++i) {
            vm.warp(START);
            (Terms memory terms, bytes32 id) = withReceiver(i);
            receiver.turn(hostile(i));
            initiate(bob, terms, id, ordinary(1, 4 ether));
            vm.warp(START + PERIOD);
            uint256 before = address(receiver).balance;
            uint256 bobBefore = bob.balance;
            settle(terms);
            assertEq(bob.balance - bobBefore, 14 ether, "bob is paid");
            check(hostile(i), before, 6 ether);
        }
    }

    function test_p13_a_withdrawal_pays_past_a_hostile_receiver() public {
        for (uint256 i = 0; i < 4; ++i) {
            (Terms memory terms, bytes32 id) = withReceiver(i);
            receiver.turn(hostile(i));
            uint256 before = address(receiver).balance;
            uint256 bobBefore = bob.balance;
            send(stranger, withdrawCall(terms, id, orderOf(1, 0, 3 ether, 2 ether)));
            assertEq(bob.balance - bobBefore, 2 ether, "bob is paid");
            check(hostile(i), before, 3 ether);
            assertTrue(statusOf(id) == Status.Active, "and the channel goes on");
        }
    }

    function test_p13_resolving_locks_pays_past_a_hostile_receiver() public {
        for (uint256 i = 0; i < 4; ++i) {
            vm.warp(START);
            (Terms memory terms, bytes32 id) = withReceiver(i);
            Lock[] memory locks = asArray(
                hashLock("a", 1 ether, uint40(START + 1), true),
                hashLock("b", 2 ether, uint40(START + 1), false)
            );
            initiate(bob, terms, id, withLocks(1, 0, locks));
            vm.warp(START + PERIOD);
            settle(terms);
            receiver.turn(hostile(i));
            uint256 before = address(receiver).balance;
            uint256 bobBefore = bob.balance;
            send(stranger, resolveCall(terms, locks, 3));
            assertEq(bob.balance - bobBefore, 2 ether, "bob's lock came back");
            check(hostile(i), before, 1 ether);
        }
    }

    function test_p13_cancelling_to_a_hostile_receiver_leaves_it_credit() public {
        for (uint256 i = 0; i < 4; ++i) {
            Terms memory terms = termsOf(address(0), i);
            terms.participant1 = address(receiver);
            receiver.turn(Manner.Takes);
            vm.deal(address(receiver), 100 ether);
            receiver.execute(address(channels), 10 ether, openCall(terms, 10 ether, ""));
            receiver.turn(hostile(i));
            uint256 before = address(receiver).balance;
            receiver.execute(address(channels), 0, cancelCall(terms));
            check(hostile(i), before, 10 ether);
        }
    }

    function test_p13_two_hostile_receivers_do_not_stop_a_close() public {
        Receiver second = new Receiver();
        Terms memory terms = termsOf(address(0), 1);
        (terms.participant1, terms.participant2) = (address(receiver), address(second));
        bytes32 id = channels.channelIdOf(terms);
        bytes memory accept = acceptance(id, 0, uint64(START + 1 days));
        send(stranger, 10 ether, openCall(terms, 10 ether, accept));
        receiver.turn(Manner.BurnsGas);
        second.turn(Manner.BurnsGas);
        cooperate(terms, id, finalState(1, 4 ether));
        assertEq(channels.creditOf(address(0), address(receiver)), 6 ether, "first");
        assertEq(channels.creditOf(address(0), address(second)), 4 ether, "second");
    }

    function test_p27_the_caller_can_not_turn_a_payment_into_a_credit_by_gas() public {
        (Terms memory terms, bytes32 id) = withReceiver(1);
        bytes memory call = cooperateCall(terms, id, finalState(1, 4 ether));
        sameOutcomeAtAnyGas(call, 30_000, 350_000, this.receiverHas);
        uint256 before = address(receiver).balance;
        send(stranger, call);
        assertEq(address(receiver).balance - before, 6 ether, "and that outcome is payment");
    }

    function receiverHas() external view returns (bytes32) {
        return bytes32(address(receiver).balance);
    }

    function test_p27_below_the_floor_of_a_payout_the_error_names_it() public {
        (Terms memory terms, bytes32 id) = withReceiver(1);
        bytes memory call = cooperateCall(terms, id, finalState(1, 4 ether));
        (bool ok, bytes memory reason) = address(channels).call{gas: 100_000}(call);
        assertTrue(!ok, "refused");
        // 50,000 for the receiver, 1/32 of it for the 63/64 rule, 50,000 to book a credit.
        bytes memory expected = err(IPaymentChannel.InsufficientGas.selector, 101_562);
        assertEq(keccak256(reason), keccak256(expected), "the floor");
    }
}
