// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentChannel, State, Take, Terms} from "../../src/interfaces/IPaymentChannel.sol";
import {Manner, Receiver} from "../mocks/Attackers.sol";
import {Mood, MoodyToken} from "../mocks/OddTokens.sol";
import {Answer, Wallet} from "../mocks/Wallets.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// withdraw, withdrawFor and multicall: P14, P19, P21.
contract CreditTest is ChannelCalls {
    uint64 private constant DEADLINE = uint64(START + 1 days);

    /// Alice's credit in ETH, from money that came too late.
    function creditAlice(uint256 amount) private {
        (Terms memory terms,) = closing(uint256(keccak256(abi.encode(amount))), 0, 0);
        send(stranger, amount, depositCall(terms, 1, amount));
    }

    function withdrawal(address token_, address to, uint256 amount)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(IPaymentChannel.withdraw, (token_, to, amount));
    }

    function takeCall(Take memory take, uint256 key) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, takeDigest(take));
        return abi.encodeCall(IPaymentChannel.withdrawFor, (take, abi.encodePacked(r, s, v)));
    }

    function takeOf(uint256 amount, uint256 id) private view returns (Take memory) {
        return Take(address(0), alice, address(0xCAFE), amount, id, DEADLINE);
    }

    function test_p14_an_owner_withdraws_its_credit_to_whom_it_names() public {
        creditAlice(5 ether);
        send(alice, withdrawal(address(0), address(0xCAFE), 2 ether));
        assertEq(address(0xCAFE).balance, 2 ether, "recipient");
        assertEq(channels.creditOf(address(0), alice), 3 ether, "the rest stays");
        bytes4 tooMuch = IPaymentChannel.InsufficientCredit.selector;
        refused(alice, withdrawal(address(0), alice, 3 ether + 1), err(tooMuch, uint256(3 ether)));
        refused(stranger, withdrawal(address(0), stranger, 1), err(tooMuch, uint256(0)));
        refused(alice, withdrawal(address(token), alice, 1), err(tooMuch, uint256(0)));
    }

    function test_p14_credit_is_not_sent_to_nobody_or_to_the_contract() public {
        creditAlice(5 ether);
        bytes4 invalid = IPaymentChannel.InvalidRecipient.selector;
        refused(alice, withdrawal(address(0), address(0), 1), err(invalid, address(0)));
        refused(
            alice, withdrawal(address(0), address(channels), 1), err(invalid, address(channels))
        );
    }

    function test_p14_a_withdrawal_that_fails_leaves_the_credit() public {
        creditAlice(5 ether);
        Receiver receiver = new Receiver();
        receiver.turn(Manner.Reverts);
        bytes4 failed = IPaymentChannel.TransferFailed.selector;
        refused(
            alice,
            withdrawal(address(0), address(receiver), 1 ether),
            err(failed, address(0), address(receiver))
        );
        assertEq(channels.creditOf(address(0), alice), 5 ether, "still there");
        receiver.turn(Manner.Takes);
        send(alice, withdrawal(address(0), address(receiver), 5 ether));
    }

    function test_p13_a_blacklisted_receiver_withdraws_elsewhere() public {
        MoodyToken moody = new MoodyToken();
        token = moody;
        fund(alice);
        fund(bob);
        (Terms memory terms, bytes32 id) = activeWith(termsOf(address(moody), 1), 5 ether, 5 ether);
        moody.turn(Mood.Reverts, bob);
        cooperate(terms, id, finalState(1, 1 ether));
        assertEq(channels.creditOf(address(moody), bob), 6 ether, "credited");
        refused(
            bob,
            withdrawal(address(moody), bob, 6 ether),
            err(IPaymentChannel.TransferFailed.selector, address(moody), bob)
        );
        send(bob, withdrawal(address(moody), address(0xCAFE), 6 ether));
        assertEq(moody.balanceOf(address(0xCAFE)), 6 ether, "to another account");
    }

    // ------------------------------------------------------------------ withdrawFor

    function test_p14_a_relayer_pays_out_only_as_the_owner_signed() public {
        creditAlice(5 ether);
        Take memory take = takeOf(2 ether, 7);
        assertTrue(!channels.isOrderUsed(alice, 7), "unused");
        send(stranger, takeCall(take, KEY_OWNER1));
        assertEq(address(0xCAFE).balance, 2 ether, "recipient");
        assertEq(channels.creditOf(address(0), alice), 3 ether, "the rest stays");
        assertTrue(channels.isOrderUsed(alice, 7), "used");
    }

    function test_p21_a_take_works_once_and_dies_at_its_deadline() public {
        creditAlice(5 ether);
        bytes memory call = takeCall(takeOf(2 ether, 7), KEY_OWNER1);
        vm.warp(DEADLINE + 1);
        refused(stranger, call, err(IPaymentChannel.Expired.selector, DEADLINE));
        vm.warp(DEADLINE);
        send(stranger, call);
        bytes memory used = abi.encodeWithSelector(IPaymentChannel.OrderUsed.selector, alice, 7);
        refused(stranger, call, used);
        // Another order under the same id as well.
        refused(stranger, takeCall(takeOf(1 ether, 7), KEY_OWNER1), used);
        send(stranger, takeCall(takeOf(1 ether, 8), KEY_OWNER1));
    }

    function test_p14_a_take_of_anyone_else_or_with_any_other_field_is_refused() public {
        creditAlice(5 ether);
        bytes memory expected = err(IPaymentChannel.BadSignature.selector, uint256(0));
        refused(stranger, takeCall(takeOf(1 ether, 1), KEY_OWNER2), expected);
        refused(stranger, takeCall(takeOf(1 ether, 1), KEY_SIGNER1), expected);
        for (uint256 field = 0; field < 6; ++field) {
            Take memory take = takeOf(1 ether, 1);
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY_OWNER1, takeDigest(take));
            if (field == 0) take.token = address(token);
            if (field == 1) take.account = bob;
            if (field == 2) take.to = stranger;
            if (field == 3) take.amount = 2 ether;
            if (field == 4) take.id = 2;
            if (field == 5) take.deadline += 1;
            refused(
                stranger,
                abi.encodeCall(IPaymentChannel.withdrawFor, (take, abi.encodePacked(r, s, v))),
                expected
            );
        }
        refused(
            stranger,
            abi.encodeCall(IPaymentChannel.withdrawFor, (takeOf(1 ether, 1), "")),
            expected
        );
    }

    function test_p14_the_zero_account_signs_nothing() public {
        Take memory take = takeOf(0, 1);
        take.account = address(0);
        bytes memory call = abi.encodeCall(IPaymentChannel.withdrawFor, (take, new bytes(65)));
        refused(stranger, call, err(IPaymentChannel.BadSignature.selector, uint256(0)));
    }

    function test_p14_a_take_for_more_than_the_credit_is_refused_and_stays_usable() public {
        creditAlice(5 ether);
        bytes memory call = takeCall(takeOf(6 ether, 1), KEY_OWNER1);
        refused(stranger, call, err(IPaymentChannel.InsufficientCredit.selector, uint256(5 ether)));
        assertTrue(!channels.isOrderUsed(alice, 1), "a failed order is not used up");
        creditAlice(1 ether);
        send(stranger, call);
    }

    /// A wallet with credit of 5 ether, and its order.
    function walletOrder() private returns (Wallet wallet, bytes memory call) {
        wallet = new Wallet();
        Terms memory terms = termsOf(address(0), 1);
        terms.participant1 = address(wallet);
        bytes32 id = channels.channelIdOf(terms);
        send(stranger, openCall(terms, 0, acceptance(id, 0, DEADLINE)));
        initiateBare(bob, terms);
        send(stranger, 5 ether, depositCall(terms, 1, 5 ether));
        Take memory take = Take(address(0), address(wallet), address(0xCAFE), 5 ether, 1, DEADLINE);
        wallet.approve(takeDigest(take));
        call = abi.encodeCall(IPaymentChannel.withdrawFor, (take, "proof"));
    }

    function test_p14_a_contract_wallet_orders_by_1271() public {
        (Wallet wallet, bytes memory call) = walletOrder();
        bytes memory bad = err(IPaymentChannel.BadSignature.selector, uint256(0));
        wallet.turn(Answer.No);
        refused(stranger, call, bad);
        wallet.turn(Answer.Reverts);
        refused(stranger, call, bad);
        wallet.turn(Answer.BurnsGas);
        refused(stranger, call, bad);
        wallet.turn(Answer.ShortYes);
        refused(stranger, call, bad);
        wallet.turn(Answer.DirtyYes);
        refused(stranger, call, bad);
        wallet.turn(Answer.Yes);
        send(stranger, call);
        assertEq(address(0xCAFE).balance, 5 ether, "paid");
        refused(
            stranger,
            call,
            abi.encodeWithSelector(IPaymentChannel.OrderUsed.selector, address(wallet), 1)
        );
    }

    // ------------------------------------------------------------------ multicall

    function test_p19_a_multicall_takes_no_value_so_none_is_counted_twice() public {
        bytes[] memory calls = new bytes[](2);
        calls[0] = openCall(termsOf(address(0), 1), 1 ether, "");
        calls[1] = openCall(termsOf(address(0), 2), 1 ether, "");
        bytes memory call = abi.encodeCall(IPaymentChannel.multicall, (calls));
        assertTrue(!attempt(alice, 1 ether, call), "not payable");
        refused(alice, call, err(IPaymentChannel.WrongValue.selector, 1 ether, uint256(0)));
        assertEq(address(channels).balance, 0, "nothing came");
    }

    function test_p19_a_multicall_does_all_or_nothing_as_the_caller() public {
        Terms memory one = termsOf(address(token), 1);
        Terms memory two = termsOf(address(token), 2);
        bytes[] memory calls = new bytes[](2);
        calls[0] = openCall(one, 1 ether, "");
        calls[1] = openCall(two, 2 ether, "");
        bytes memory results = send(alice, abi.encodeCall(IPaymentChannel.multicall, (calls)));
        bytes[] memory list = abi.decode(results, (bytes[]));
        assertEq(
            abi.decode(list[1], (bytes32)), channels.channelIdOf(two), "each call's own result"
        );
        assertEq(channels.channelOf(channels.channelIdOf(one)).deposit1, 1 ether, "one");
        calls[0] = cancelCall(one);
        calls[1] = closeCall(two);
        refused(
            alice,
            abi.encodeCall(IPaymentChannel.multicall, (calls)),
            abi.encodeWithSelector(IPaymentChannel.WrongStatus.selector, 1)
        );
        assertEq(channels.channelOf(channels.channelIdOf(one)).deposit1, 1 ether, "undone");
    }

    function test_p19_a_multicall_inside_a_multicall_is_still_without_value() public {
        bytes[] memory inner = new bytes[](1);
        inner[0] = openCall(termsOf(address(0), 1), 1 ether, "");
        bytes[] memory outer = new bytes[](1);
        outer[0] = abi.encodeCall(IPaymentChannel.multicall, (inner));
        refused(
            alice,
            abi.encodeCall(IPaymentChannel.multicall, (outer)),
            err(IPaymentChannel.WrongValue.selector, 1 ether, uint256(0))
        );
    }

    function test_p01_ether_that_names_nobody_is_refused() public {
        refused(alice, 1 ether, "", err(IPaymentChannel.UnattributedEther.selector));
        assertTrue(!attempt(alice, 0, hex"deadbeef"), "no such function");
        assertTrue(!attempt(alice, 1, hex"deadbeef"), "no such function");
    }
}
