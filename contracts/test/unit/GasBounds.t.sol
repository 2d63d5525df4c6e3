// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    ChallengeItem,
    IPaymentChannel,
    Lock,
    PartialWithdraw,
    Signature,
    State,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {Manner, Receiver} from "../mocks/Attackers.sol";
import {Mood, MoodyToken} from "../mocks/OddTokens.sol";
import {Resolver, Verdict} from "../mocks/Resolvers.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";
import {GasBounds} from "../support/GasBounds.sol";

/// P18: each exit under its bound, from cold storage, with everything hostile that can be.
contract GasBoundsTest is ChannelCalls {
    Receiver private one;
    Receiver private two;
    MoodyToken private moody;

    function setUp() public virtual override {
        super.setUp();
        one = new Receiver();
        two = new Receiver();
        moody = new MoodyToken();
    }

    /// A channel of two contracts that still behave.
    function between(address token_, uint256 salt)
        private
        returns (Terms memory terms, bytes32 id)
    {
        one.turn(Manner.Takes);
        two.turn(Manner.Takes);
        moody.turn(Mood.Honest, address(0));
        terms = termsOf(token_, salt);
        (terms.participant1, terms.participant2) = (address(one), address(two));
        id = channels.channelIdOf(terms);
        bytes memory accept = acceptance(id, 0, uint64(vm.getBlockTimestamp() + 1 days));
        uint256 value = token_ == address(0) ? 10 ether : 0;
        send(stranger, value, openCall(terms, 10 ether, accept));
        send(stranger, value, depositCall(terms, 2, 10 ether));
    }

    function useMoody() private returns (address) {
        token = moody;
        fund(stranger);
        return address(moody);
    }

    function turnHostile(Manner manner) private {
        one.turn(manner);
        two.turn(manner);
        moody.turn(Mood.BurnsGas, address(0));
    }

    /// The call succeeds with no more gas than this, all storage and all accounts cold.
    function within(uint256 bound, bytes memory call) private {
        vm.cool(address(channels));
        vm.cool(address(registry));
        vm.cool(address(one));
        vm.cool(address(two));
        vm.cool(address(moody));
        vm.prank(stranger);
        (bool ok, bytes memory reason) = address(channels).call{gas: bound}(call);
        if (!ok) revert Refused(reason);
    }

    function locked(uint64 version) private pure returns (State memory) {
        return State(version, 0, 1 ether, 1 ether, 2 ether, keccak256("locks"));
    }

    function test_p18_adopting_a_state_with_locks_fits_its_bound() public {
        (Terms memory terms, bytes32 id) = between(address(0), 1);
        within(GasBounds.UPDATE_STATE, updateCall(terms, id, locked(1)));
        (terms, id) = between(address(0), 2);
        bytes memory call =
            initiateCall(terms, id, locked(1), closeIntent(id, 1, 1, uint64(START + 1 days)));
        within(GasBounds.INITIATE_CLOSE, call);
        (terms, id) = between(address(0), 3);
        vm.prank(address(one));
        channels.initiateClose(terms, ordinary(0, 0), Signature(0, 0), Signature(0, 0), noIntent());
        within(GasBounds.CHALLENGE_CLOSE, challengeCall(terms, id, locked(1)));
    }

    function test_p18_a_batch_of_ten_challenges_with_locks_fits_its_bound() public {
        ChallengeItem[] memory items = new ChallengeItem[](10);
        for (uint256 i = 0; i < 10; ++i) {
            (Terms memory terms, bytes32 id) = active(100 + i, 10 ether, 10 ether);
            initiateBare(alice, terms);
            (Signature memory s1, Signature memory s2) = sign(id, locked(1));
            items[i] = ChallengeItem(terms, locked(1), s1, s2);
        }
        within(
            GasBounds.CHALLENGE_BATCH_FLOOR + 10 * GasBounds.CHALLENGE_BATCH_ITEM,
            abi.encodeCall(IPaymentChannel.challengeCloseBatch, (items))
        );
        for (uint256 i = 0; i < 10; ++i) {
            bytes32 id = channels.channelIdOf(items[i].terms);
            assertEq(uint256(channels.channelOf(id).version), 1, "challenged");
        }
    }

    function hostileReceivers(Manner manner) private {
        vm.warp(START);
        uint256 salt = uint256(keccak256(abi.encode(manner)));
        (Terms memory terms, bytes32 id) = between(address(0), salt);
        initiate(terms.signer1, terms, id, locked(1));
        vm.warp(START + PERIOD);
        turnHostile(manner);
        within(GasBounds.CLOSE_CHANNEL, closeCall(terms));
        (terms, id) = between(address(0), salt + 1);
        update(terms, id, locked(1));
        turnHostile(manner);
        within(GasBounds.COOPERATIVE_CLOSE, cooperateCall(terms, id, finalState(2, 0)));
        (terms, id) = between(address(0), salt + 2);
        turnHostile(manner);
        within(GasBounds.PARTIAL_WITHDRAW, withdrawCall(terms, id, bigOrder()));
        assertEq(uint256(channels.channelOf(id).version), 1, "withdrawn");
        (terms, id) = (termsOf(address(0), salt + 3), 0);
        terms.participant1 = address(one);
        one.turn(Manner.Takes);
        vm.deal(address(one), 10 ether);
        one.execute(address(channels), 10 ether, openCall(terms, 10 ether, ""));
        turnHostile(manner);
        id = channels.channelIdOf(terms);
        within(
            GasBounds.CANCEL_OPEN,
            abi.encodeCall(
                IPaymentChannel.cancelOpen,
                (terms, closeIntent(id, 1, 0, uint64(vm.getBlockTimestamp())))
            )
        );
    }

    function bigOrder() private pure returns (PartialWithdraw memory) {
        return PartialWithdraw(
            1,
            1 ether,
            1 ether,
            2 ether,
            keccak256("locks"),
            3 ether,
            4 ether,
            uint64(START + 9 days)
        );
    }

    function test_p18_payouts_to_receivers_that_burn_all_fit_their_bound() public {
        hostileReceivers(Manner.BurnsGas);
    }

    function test_p18_payouts_to_receivers_that_bomb_fit_their_bound() public {
        hostileReceivers(Manner.Bombs);
        hostileReceivers(Manner.BombsAndReverts);
    }

    function test_p18_payouts_of_a_token_that_burns_all_fit_their_bound() public {
        address hostile = useMoody();
        (Terms memory terms, bytes32 id) = between(hostile, 1);
        initiate(terms.signer1, terms, id, locked(1));
        vm.warp(START + PERIOD);
        turnHostile(Manner.BurnsGas);
        within(GasBounds.CLOSE_CHANNEL_TOKEN, closeCall(terms));
        (terms, id) = between(hostile, 2);
        update(terms, id, locked(1));
        turnHostile(Manner.BurnsGas);
        within(GasBounds.COOPERATIVE_CLOSE_TOKEN, cooperateCall(terms, id, finalState(2, 0)));
        (terms, id) = between(hostile, 3);
        turnHostile(Manner.BurnsGas);
        within(GasBounds.PARTIAL_WITHDRAW_TOKEN, withdrawCall(terms, id, bigOrder()));
    }

    /// MAX_LOCKS locks, each with a resolver of its own.
    function resolverLocks(Verdict verdict) private returns (Lock[] memory locks) {
        locks = new Lock[](32);
        for (uint256 i = 0; i < 32; ++i) {
            Resolver resolver = new Resolver();
            resolver.decide(verdict, uint40(START));
            vm.cool(address(resolver));
            locks[i] =
                Lock(bytes32(i), address(resolver), 0.01 ether, uint40(START + 1), i % 2 == 0);
        }
    }

    function resolveAll(address token_, Verdict verdict, uint256 bound) private {
        vm.warp(START);
        Lock[] memory locks = resolverLocks(verdict);
        (Terms memory terms, bytes32 id) = between(token_, uint256(verdict));
        initiate(terms.signer1, terms, id, withLocks(1, 0, locks));
        vm.warp(START + PERIOD);
        settle(terms);
        turnHostile(Manner.BurnsGas);
        within(bound, resolveCall(terms, locks, type(uint32).max));
        assertEq(channels.channelOf(id).locksRoot, bytes32(0), "all are resolved");
    }

    function test_p18_resolving_max_locks_with_resolvers_that_burn_all_fits_its_bound() public {
        resolveAll(address(0), Verdict.BurnsGas, GasBounds.RESOLVE_LOCKS);
        resolveAll(address(0), Verdict.Bombs, GasBounds.RESOLVE_LOCKS);
        resolveAll(useMoody(), Verdict.BurnsGas, GasBounds.RESOLVE_LOCKS_TOKEN);
    }

    function test_p18_revealing_a_secret_fits_its_bound() public {
        vm.cool(address(registry));
        registry.registerSecret{gas: GasBounds.REGISTER_SECRET}(secrets("new"));
    }

    function test_p18_a_participant_without_an_account_is_paid_within_the_same_bound() public {
        // The first payment to an address that does not exist yet costs its creation.
        Terms memory terms = termsOf(address(0), 9);
        (terms.participant1, terms.participant2) = (address(0xF00D01), address(0xF00D02));
        bytes32 id = channels.channelIdOf(terms);
        bytes memory accept = acceptance(id, 0, uint64(START + 1 days));
        send(stranger, 10 ether, openCall(terms, 10 ether, accept));
        within(GasBounds.COOPERATIVE_CLOSE, cooperateCall(terms, id, finalState(2, 4 ether)));
        assertEq(address(0xF00D02).balance, 4 ether, "paid");
        assertTrue(statusOf(id) == Status.Closed, "closed");
    }
}

/// The build for chains without transient storage keeps the same bounds.
contract GasBoundsShanghaiTest is GasBoundsTest {
    function channelArtifact() internal pure override returns (string memory) {
        return "PaymentChannelShanghai";
    }

    function registryArtifact() internal pure override returns (string memory) {
        return "SecretRegistryShanghai";
    }
}
