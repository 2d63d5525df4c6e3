// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentChannel, Take, Terms} from "../../src/interfaces/IPaymentChannel.sol";
import {Answer, Wallet} from "../mocks/Wallets.sol";
import {GasScan} from "../support/GasScan.sol";

/// A 1271 wallet always gets the same gas, so that whoever relays can't turn its yes into a no.
contract WalletGasTest is GasScan {
    uint64 private constant DEADLINE = uint64(START + 1 days);
    uint256 private constant WALLET_GAS = 300_000;
    uint256 private constant FLOOR = 460_000;

    Wallet private wallet;
    Terms private terms;
    bytes32 private id;
    bytes private accept;

    function setUp() public override {
        super.setUp();
        wallet = new Wallet();
        terms = termsOf(address(0), 1);
        terms.participant2 = address(wallet);
        id = channels.channelIdOf(terms);
        wallet.approve(openDigest(id, 0, DEADLINE));
        accept = abi.encodePacked(uint256(0), DEADLINE, "proof");
    }

    function statusNow() external view returns (bytes32) {
        return bytes32(uint256(statusOf(id)));
    }

    function creditNow() external view returns (bytes32) {
        return bytes32(channels.creditOf(address(0), address(wallet)));
    }

    function test_p27_a_relayer_can_not_make_a_wallets_consent_fail_by_gas() public {
        wallet.setCost(280_000);
        open(terms, 1 ether);
        bytes memory call = openCall(terms, 0, accept);
        sameOutcomeAtAnyGas(call, 50_000, 700_000, this.statusNow);
        send(stranger, call);
        assertEq(uint256(statusOf(id)), 2, "and that outcome is consent");
    }

    function test_p27_a_relayer_can_not_make_a_wallets_order_fail_by_gas() public {
        send(stranger, openCall(terms, 0, accept));
        initiateBare(alice, terms);
        send(stranger, 5 ether, depositCall(terms, 2, 5 ether));
        wallet.setCost(280_000);
        Take memory take = Take(address(0), address(wallet), address(0xCAFE), 5 ether, 1, DEADLINE);
        wallet.approve(takeDigest(take));
        bytes memory call = abi.encodeCall(IPaymentChannel.withdrawFor, (take, "proof"));
        sameOutcomeAtAnyGas(call, 50_000, 700_000, this.creditNow);
        send(stranger, call);
        assertEq(address(0xCAFE).balance, 5 ether, "and that outcome is payment");
    }

    function test_p27_below_the_floor_of_a_wallet_the_error_names_it() public {
        open(terms, 1 ether);
        bytes memory call = openCall(terms, 0, accept);
        (bool ok, bytes memory reason) = address(channels).call{gas: 400_000}(call);
        assertTrue(!ok, "refused");
        bytes memory expected = err(IPaymentChannel.InsufficientGas.selector, FLOOR);
        assertEq(keccak256(reason), keccak256(expected), "the floor");
    }

    function test_p18_a_wallet_that_burns_all_leaves_enough_to_go_on() public {
        wallet.turn(Answer.BurnsGas);
        vm.prank(alice);
        channels.openChannel{value: 1 ether, gas: FLOOR + 40_000}(terms, 1 ether, accept);
        assertEq(uint256(statusOf(id)), 1, "pending");
    }

    function test_p27_a_wallet_that_needs_more_than_its_share_has_not_consented() public {
        wallet.setCost(WALLET_GAS);
        open(terms, 1 ether);
        bytes memory expected = err(IPaymentChannel.NothingReceived.selector);
        refused(stranger, openCall(terms, 0, accept), expected);
    }
}
