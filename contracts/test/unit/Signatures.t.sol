// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    CloseIntent,
    FinalState,
    IPaymentChannel,
    PartialWithdraw,
    Signature,
    State,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {Answer, Wallet} from "../mocks/Wallets.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// P6: nothing is adopted without both signers' ecrecover over exactly this message.
contract SignaturesTest is ChannelCalls {
    bytes4 private constant BAD = IPaymentChannel.BadSignature.selector;
    uint256 private constant ORDER =
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    Terms private terms;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        (terms, id) = active(1, 10 ether, 10 ether);
    }

    /// No entry that adopts a state takes these signatures.
    function nowhere(State memory state, Signature memory s1, Signature memory s2, uint8 side)
        private
    {
        bytes memory expected = err(BAD, side);
        everywhere(state, s1, s2, expected);
    }

    function everywhere(
        State memory state,
        Signature memory s1,
        Signature memory s2,
        bytes memory expected
    ) private {
        refused(
            stranger, abi.encodeCall(IPaymentChannel.updateState, (terms, state, s1, s2)), expected
        );
        refused(
            alice,
            abi.encodeCall(IPaymentChannel.initiateClose, (terms, state, s1, s2, noIntent())),
            expected
        );
        if (state.kind == 1) {
            refused(
                stranger,
                abi.encodeCall(IPaymentChannel.cooperativeClose, (terms, short(state), s1, s2)),
                expected
            );
        }
        uint256 moment = vm.getBlockTimestamp();
        initiateBare(alice, terms);
        refused(
            stranger,
            abi.encodeCall(IPaymentChannel.challengeClose, (terms, state, s1, s2)),
            expected
        );
        refused(
            stranger,
            abi.encodeCall(IPaymentChannel.initiateClose, (terms, state, s1, s2, noIntent())),
            expected
        );
        // The next state of the loop gets a channel of its own.
        vm.warp(moment);
        (terms, id) = active(uint256(keccak256(abi.encode(id))), 10 ether, 10 ether);
    }

    function test_p06_swapped_signatures_are_refused() public {
        for (uint8 kind = 0; kind < 2; ++kind) {
            State memory state = State(1, kind, 1 ether, 0, 0, 0);
            (Signature memory s1, Signature memory s2) = sign(id, state);
            nowhere(state, s2, s1, 1);
        }
    }

    function test_p06_one_signature_for_both_sides_is_refused() public {
        State memory state = ordinary(1, 1 ether);
        (Signature memory s1,) = sign(id, state);
        nowhere(state, s1, s1, 2);
        (, Signature memory s2) = sign(id, state);
        nowhere(state, s2, s2, 1);
    }

    function test_p06_a_strangers_signature_is_refused_on_either_side() public {
        State memory state = finalState(1, 1 ether);
        (Signature memory s1, Signature memory s2) = signWith(0xBAD, KEY_SIGNER2, id, state);
        nowhere(state, s1, s2, 1);
        (s1, s2) = signWith(KEY_SIGNER1, 0xBAD, id, state);
        nowhere(state, s1, s2, 2);
    }

    function test_p06_an_owner_is_not_a_signer() public {
        State memory state = ordinary(1, 1 ether);
        (Signature memory s1, Signature memory s2) = signWith(KEY_OWNER1, KEY_SIGNER2, id, state);
        nowhere(state, s1, s2, 1);
        (s1, s2) = signWith(KEY_SIGNER1, KEY_OWNER2, id, state);
        nowhere(state, s1, s2, 2);
    }

    function test_p06_signatures_of_another_channel_are_refused() public {
        (, bytes32 other) = active(2, 10 ether, 10 ether);
        for (uint8 kind = 0; kind < 2; ++kind) {
            State memory state = State(1, kind, 1 ether, 0, 0, 0);
            (Signature memory s1, Signature memory s2) = sign(other, state);
            nowhere(state, s1, s2, 1);
        }
    }

    function test_p06_a_change_of_any_signed_field_voids_the_signatures() public {
        for (uint256 field = 0; field < 4; ++field) {
            State memory state = finalState(5, 1 ether);
            (Signature memory s1, Signature memory s2) = sign(id, state);
            if (field == 0) state.version = 6;
            if (field == 1) state.net = 1 ether + 1;
            if (field == 2) state.net = -1 ether;
            if (field == 3) state.kind = 0;
            nowhere(state, s1, s2, 1);
        }
        for (uint256 field = 0; field < 3; ++field) {
            State memory state = State(5, 0, 0, 1 ether, 1 ether, keccak256("locks"));
            (Signature memory s1, Signature memory s2) = sign(id, state);
            if (field == 0) state.locked1 = 2 ether;
            if (field == 1) state.locked2 = 2 ether;
            if (field == 2) state.locksRoot = keccak256("other locks");
            nowhere(state, s1, s2, 1);
        }
    }

    function test_p06_zero_and_garbage_signatures_are_refused() public {
        State memory state = ordinary(1, 0);
        (Signature memory s1, Signature memory s2) = sign(id, state);
        Signature memory zero;
        nowhere(state, zero, s2, 1);
        (s1, s2) = sign(id, state);
        nowhere(state, s1, zero, 2);
        (s1, s2) = sign(id, state);
        nowhere(state, Signature(bytes32(ORDER), bytes32(uint256(1))), s2, 1);
        (s1, s2) = sign(id, state);
        nowhere(state, s1, Signature(s2.r, bytes32(uint256(s2.vs) ^ 1 << 255)), 2);
    }

    function test_p06_an_s_in_the_upper_half_is_refused() public {
        State memory state = ordinary(1, 0);
        (Signature memory s1, Signature memory s2) = sign(id, state);
        // The lowest of the 2^255-sized range that EIP-2098 can still write.
        Signature memory high = Signature(s1.r, bytes32(ORDER / 2 + 1));
        everywhere(state, high, s2, err(IPaymentChannel.MalleableSignature.selector, uint256(1)));
        (s1, s2) = sign(id, state);
        high = Signature(s2.r, bytes32(type(uint256).max));
        everywhere(state, s1, high, err(IPaymentChannel.MalleableSignature.selector, 2));
    }

    function test_s10_signatures_for_another_deployment_are_refused() public {
        IPaymentChannel here = channels;
        channels = deployChannels(noCaps());
        bytes32 there = channels.channelIdOf(terms);
        assertTrue(there != id, "the deployment is part of the id");
        State memory state = finalState(1, 1 ether);
        (Signature memory s1, Signature memory s2) = sign(id, state);
        channels = here;
        nowhere(state, s1, s2, 1);
    }

    function test_s10_signatures_for_another_chain_are_refused() public {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Lockstep"),
                keccak256("1"),
                block.chainid + 1,
                address(channels)
            )
        );
        State memory state = finalState(1, 1 ether);
        bytes32 typeHash = keccak256(
            "State(bytes32 channelId,uint64 version,uint8 kind,int256 net,uint256 locked1,uint256 locked2,bytes32 locksRoot)"
        );
        bytes32 digest = keccak256(
            abi.encodePacked(hex"1901", domain, keccak256(abi.encode(typeHash, id, state)))
        );
        nowhere(state, compact(KEY_SIGNER1, digest), compact(KEY_SIGNER2, digest), 1);
    }

    function test_p06_the_untyped_hash_of_a_state_is_no_state() public {
        State memory state = finalState(1, 1 ether);
        bytes32 digest = keccak256(
            abi.encodePacked("\x19Ethereum Signed Message:\n32", keccak256(abi.encode(id, state)))
        );
        nowhere(state, compact(KEY_SIGNER1, digest), compact(KEY_SIGNER2, digest), 1);
    }

    function test_p06_a_withdrawal_order_is_not_a_state_nor_a_state_an_order() public {
        PartialWithdraw memory order = orderOf(5, 1 ether, 0, 0);
        (Signature memory s1, Signature memory s2) = signWithdraw(id, order);
        nowhere(ordinary(5, 1 ether), s1, s2, 1);
        order = orderOf(5, 1 ether, 0, 0);
        (s1, s2) = sign(id, ordinary(5, 1 ether));
        refused(
            stranger,
            abi.encodeCall(IPaymentChannel.partialWithdraw, (terms, order, s1, s2)),
            err(BAD, uint256(1))
        );
    }

    function test_p06_a_withdrawal_order_needs_both_signers_over_every_field() public {
        for (uint256 field = 0; field < 11; ++field) {
            PartialWithdraw memory order = PartialWithdraw({
                version: 5,
                net: 1 ether,
                locked1: 1 ether,
                locked2: 1 ether,
                locksRoot: keccak256("locks"),
                out1: 1 ether,
                out2: 1 ether,
                deadline: uint64(START + 1 days)
            });
            (Signature memory s1, Signature memory s2) = signWithdraw(id, order);
            uint256 side = 1;
            if (field == 0) order.version += 1;
            if (field == 1) order.net += 1;
            if (field == 2) order.locked1 += 1;
            if (field == 3) order.locked2 += 1;
            if (field == 4) order.locksRoot = keccak256("other");
            if (field == 5) order.out1 += 1;
            if (field == 6) order.out2 += 1;
            if (field == 7) order.deadline += 1;
            if (field == 8) (s1, s2) = (s2, s1);
            if (field == 9) (s2, side) = (s1, 2);
            if (field == 10) s1 = compact(0xBAD, partialWithdrawDigest(id, order));
            refused(
                stranger,
                abi.encodeCall(IPaymentChannel.partialWithdraw, (terms, order, s1, s2)),
                err(BAD, side)
            );
        }
    }

    function test_p21_a_close_order_counts_only_over_every_field_and_from_its_own_side() public {
        CloseIntent memory good = closeIntent(id, 1, 0, uint64(START + 1 days));
        for (uint256 field = 0; field < 5; ++field) {
            CloseIntent memory intent =
                CloseIntent(good.side, good.minVersion, good.deadline, good.signature);
            if (field == 0) intent.side = 2;
            if (field == 1) intent.minVersion = 1;
            if (field == 2) intent.deadline += 1;
            if (field == 3) {
                intent = closeIntent(bytes32(uint256(id) ^ 1), 1, 0, uint64(START + 1 days));
            }
            if (field == 4) {
                bytes32 digest = closeIntentDigest(id, 1, 0, uint64(START + 1 days));
                intent.signature = compact(KEY_SIGNER2, digest);
            }
            bytes memory call = initiateCall(terms, id, ordinary(0, 0), intent);
            refused(stranger, call, err(BAD, intent.side));
        }
        good.side = 3;
        refused(
            stranger,
            initiateCall(terms, id, ordinary(0, 0), good),
            err(IPaymentChannel.InvalidSide.selector, 3)
        );
    }

    /// EIP-7702: from here on this account has code, and that code says no to every signature.
    function delegate(address account) private {
        Wallet wallet = new Wallet();
        wallet.turn(Answer.No);
        vm.etch(account, abi.encodePacked(hex"ef0100", address(wallet)));
        assertEq(account.code.length, 23, "a delegation designator");
    }

    function test_p06_a_7702_delegation_of_a_signer_voids_no_state() public {
        State memory state = ordinary(1, 1 ether);
        (Signature memory s1, Signature memory s2) = sign(id, state);
        State memory last = finalState(2, 2 ether);
        (Signature memory l1, Signature memory l2) = sign(id, last);
        delegate(terms.signer1);
        delegate(terms.signer2);
        send(stranger, abi.encodeCall(IPaymentChannel.updateState, (terms, state, s1, s2)));
        send(
            stranger, abi.encodeCall(IPaymentChannel.cooperativeClose, (terms, short(last), l1, l2))
        );
        assertEq(uint256(statusOf(id)), 4, "closed");
    }

    function test_p06_a_7702_delegation_of_an_owner_voids_no_acceptance_and_no_payout() public {
        Terms memory fresh = termsOf(address(0), 99);
        bytes32 freshId = channels.channelIdOf(fresh);
        uint64 deadline = uint64(START + 1 days);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY_OWNER2, openDigest(freshId, 0, deadline));
        delegate(bob);
        send(
            stranger,
            3 ether,
            openCall(fresh, 3 ether, abi.encodePacked(uint256(0), deadline, r, s, v))
        );
        uint256 before = worth(address(0), bob);
        cooperate(fresh, freshId, finalState(1, 2 ether));
        assertEq(worth(address(0), bob) - before, 2 ether, "paid or credited");
    }

    function test_p06_a_signer_that_is_a_contract_can_not_change_its_mind() public {
        // Its signature is ecrecover's, whatever code stands at the address.
        State memory state = ordinary(1, 1 ether);
        (Signature memory s1, Signature memory s2) = sign(id, state);
        Wallet wallet = new Wallet();
        wallet.turn(Answer.No);
        vm.etch(terms.signer1, address(wallet).code);
        send(stranger, abi.encodeCall(IPaymentChannel.updateState, (terms, state, s1, s2)));
        // And a contract's yes is nobody's signature.
        vm.etch(terms.signer2, address(wallet).code);
        Wallet(payable(terms.signer2)).turn(Answer.Yes);
        state = ordinary(2, 1 ether);
        Wallet(payable(terms.signer2)).approve(channels.stateDigest(id, state));
        (s1,) = sign(id, state);
        refused(
            stranger,
            abi.encodeCall(
                IPaymentChannel.updateState, (terms, state, s1, Signature(s1.r, bytes32(0)))
            ),
            err(BAD, 2)
        );
    }

    function test_p06_a_change_of_the_chains_id_voids_nothing_signed_before() public {
        State memory state = finalState(3, 1 ether);
        (Signature memory s1, Signature memory s2) = sign(id, state);
        bytes32 domain = channels.domainSeparator();
        vm.chainId(block.chainid + 7);
        assertEq(channels.channelIdOf(terms), id, "same channel");
        assertEq(channels.domainSeparator(), domain, "same domain");
        send(
            stranger,
            abi.encodeCall(
                IPaymentChannel.cooperativeClose, (terms, FinalState(3, 1 ether), s1, s2)
            )
        );
        assertEq(uint256(statusOf(id)), 4, "closed");
    }
}
