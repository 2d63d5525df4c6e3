// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentChannel, Lock, Terms} from "../../src/interfaces/IPaymentChannel.sol";
import {BombingResolver, ReentrantResolver, Resolver, Verdict} from "../mocks/Resolvers.sol";
import {GasScan} from "../support/GasScan.sol";

/// Locks that ask a resolver: it may lie, burn, bomb, flip or re-enter, and decides its own lock only.
contract ResolversTest is GasScan {
    uint40 private constant EXPIRY = uint40(START + PERIOD + 100);

    Resolver private resolver;
    Terms private terms;
    bytes32 private id;
    Lock[] private locks;

    function setUp() public override {
        super.setUp();
        resolver = new Resolver();
        lockWith(address(resolver));
    }

    /// Alice pays 4 ether if the resolver says so; the channel is closed on it.
    function lockWith(address resolver_) private {
        delete locks;
        locks.push(Lock(keccak256("question"), resolver_, 4 ether, EXPIRY, true));
        terms = termsOf(address(0), uint256(uint160(resolver_)));
        id = closedWith(terms, 10 ether, 10 ether, withLocks(1, 0, locks));
    }

    /// What bob and alice get by resolving now.
    function resolveNow() private returns (uint256 forAlice, uint256 forBob) {
        uint256 aliceBefore = alice.balance;
        uint256 bobBefore = bob.balance;
        send(stranger, resolveCall(terms, locks, 1));
        return (alice.balance - aliceBefore, bob.balance - bobBefore);
    }

    function undecided(string memory what) private {
        (uint256 forAlice, uint256 forBob) = resolveNow();
        assertEq(forAlice + forBob, 0, what);
        assertEq(channels.channelOf(id).held1, 4 ether, what);
    }

    function refundedAfterExpiry(string memory what) private {
        vm.warp(EXPIRY + 1);
        (uint256 forAlice, uint256 forBob) = resolveNow();
        assertEq(forAlice, 4 ether, what);
        assertEq(forBob, 0, what);
    }

    function test_p25_a_resolver_that_decided_in_time_pays_even_when_asked_late() public {
        resolver.decide(Verdict.Pays, EXPIRY);
        vm.warp(START + 3650 days);
        (, uint256 forBob) = resolveNow();
        assertEq(forBob, 4 ether, "paid");
    }

    function test_p25_a_resolver_that_decided_too_late_does_not_pay() public {
        resolver.decide(Verdict.Pays, EXPIRY + 1);
        undecided("a decision after the expiry is none");
        refundedAfterExpiry("refunded");
    }

    function test_p25_a_resolver_that_refuses_refunds_after_the_expiry() public {
        resolver.decide(Verdict.Refuses, uint40(START));
        undecided("its no counts once no yes can come in time");
        refundedAfterExpiry("refunded");
    }

    function test_p25_a_resolver_that_flips_after_the_lock_was_decided_changes_nothing() public {
        resolver.decide(Verdict.Pays, uint40(START));
        resolveNow();
        resolver.decide(Verdict.Refuses, uint40(START));
        refused(stranger, resolveCall(terms, locks, 1), err(IPaymentChannel.NothingHeld.selector));
    }

    function test_p27_a_failing_resolver_refunds_only_after_the_expiry() public {
        Verdict[6] memory failures = [
            Verdict.Undecided,
            Verdict.Reverts,
            Verdict.BurnsGas,
            Verdict.Bombs,
            Verdict.Short,
            Verdict.OddTruth
        ];
        for (uint256 i = 0; i < failures.length; ++i) {
            vm.warp(START);
            resolver = new Resolver();
            resolver.decide(failures[i], uint40(START));
            lockWith(address(resolver));
            undecided("a failure is no answer");
            refundedAfterExpiry("refunded");
        }
    }

    function test_p25_a_time_beyond_40_bits_is_not_cut_to_an_early_one() public {
        resolver.decide(Verdict.HugeTime, uint40(START));
        undecided("2^40 + 1 is late, not 1");
        refundedAfterExpiry("refunded");
    }

    function test_p18_a_resolver_with_a_long_tail_is_heard_and_its_tail_is_not_copied() public {
        vm.warp(START);
        BombingResolver bomb = new BombingResolver();
        lockWith(address(bomb));
        (, uint256 forBob) = resolveNow();
        assertEq(forBob, 4 ether, "the first three words count");
    }

    function test_p17_a_resolver_without_code_has_not_answered() public {
        vm.warp(START);
        lockWith(address(0xDEAD));
        undecided("no code, no answer");
        refundedAfterExpiry("refunded");
    }

    function test_p15_a_resolver_can_not_re_enter_not_even_to_look_busy() public {
        vm.warp(START);
        ReentrantResolver evil = new ReentrantResolver(
            address(registry), abi.encodeCall(registry.registerSecret, (secrets("planted")))
        );
        lockWith(address(evil));
        undecided("a static call writes nothing");
        assertEq(
            uint256(registry.revealedAt(sha256(abi.encode(bytes32("planted"))))), 0, "nor here"
        );
        vm.warp(START);
        Terms memory victim = termsOf(address(0), uint256(uint160(address(this))));
        evil = new ReentrantResolver(address(channels), closeCall(victim));
        lockWith(address(evil));
        undecided("nor in the channel contract");
    }

    function test_p27_the_caller_can_not_choose_the_outcome_by_gas() public {
        resolver.decide(Verdict.Pays, uint40(START));
        resolver.setCost(90_000);
        vm.warp(EXPIRY + 1);
        // Now a resolver that is starved would mean a refund to alice.
        sameOutcomeAtAnyGas(resolveCall(terms, locks, 1), 30_000, 420_000, this.bobHas);
        (, uint256 forBob) = resolveNow();
        assertEq(forBob, 4 ether, "and that outcome is payment");
    }

    function bobHas() external view returns (bytes32) {
        return bytes32(bob.balance);
    }

    function test_p27_below_the_floor_the_error_names_the_floor() public {
        (bool ok, bytes memory reason) =
            address(channels).call{gas: 120_000}(resolveCall(terms, locks, 1));
        assertTrue(!ok, "refused");
        bytes memory expected = err(IPaymentChannel.InsufficientGas.selector, 130_000);
        assertEq(keccak256(reason), keccak256(expected), "the floor");
    }
}
