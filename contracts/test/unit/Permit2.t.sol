// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Entry,
    IPaymentChannel,
    Permit,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {Permit2} from "../mocks/Permit2.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";
import {Config} from "../support/ChannelTest.sol";

/// enterWithPermit2: the signature is over the whole typed struct with the witness, written out here
/// by hand as a wallet would hash it.
contract Permit2Test is ChannelCalls {
    uint64 private constant DEADLINE = uint64(START + 1 days);

    Permit2 private permits;
    Terms private terms;
    bytes32 private id;

    function permit2() internal override returns (address) {
        permits = new Permit2();
        return address(permits);
    }

    function setUp() public override {
        super.setUp();
        address[2] memory owners = [alice, bob];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(owners[i]);
            token.approve(address(permits), type(uint256).max);
        }
        terms = termsOf(address(token), 1);
        id = channels.channelIdOf(terms);
    }

    function permitOf(uint256 key, Entry entry, uint256 amount, uint256 nonce)
        private
        view
        returns (Permit memory)
    {
        bytes32 witness = keccak256(
            abi.encode(keccak256("ChannelEntry(bytes32 channelId,uint8 entry)"), id, entry)
        );
        bytes32 permitted = keccak256(
            abi.encode(
                keccak256("TokenPermissions(address token,uint256 amount)"), address(token), amount
            )
        );
        bytes32 hash = keccak256(
            abi.encode(
                keccak256(
                    "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,ChannelEntry witness)ChannelEntry(bytes32 channelId,uint8 entry)TokenPermissions(address token,uint256 amount)"
                ),
                permitted,
                address(channels),
                nonce,
                uint256(DEADLINE),
                witness
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", permits.domainSeparator(), hash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return Permit(vm.addr(key), nonce, DEADLINE, abi.encodePacked(r, s, v));
    }

    function enter(Entry entry, uint256 amount, bytes memory accept, Permit memory permit)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(
            IPaymentChannel.enterWithPermit2, (entry, terms, amount, accept, permit)
        );
    }

    function test_p11_the_signer_of_a_permit_opens_and_joins_without_gas() public {
        Permit memory permit = permitOf(KEY_OWNER1, Entry.Open, 5 ether, 1);
        send(stranger, enter(Entry.Open, 5 ether, "", permit));
        assertTrue(statusOf(id) == Status.Pending, "opened by alice");
        permit = permitOf(KEY_OWNER2, Entry.Join, 3 ether, 300);
        send(stranger, enter(Entry.Join, 3 ether, "", permit));
        assertTrue(statusOf(id) == Status.Active, "joined by bob");
        permit = permitOf(KEY_OWNER2, Entry.Deposit1, 1 ether, 301);
        send(stranger, enter(Entry.Deposit1, 1 ether, "", permit));
        permit = permitOf(KEY_OWNER1, Entry.Deposit2, 2 ether, 2);
        send(stranger, enter(Entry.Deposit2, 2 ether, "", permit));
        assertEq(channels.channelOf(id).deposit1, 6 ether, "side 1");
        assertEq(channels.channelOf(id).deposit2, 5 ether, "side 2");
    }

    function test_p06_a_permit_pays_only_the_channel_entry_and_amount_it_was_signed_for() public {
        Permit memory permit = permitOf(KEY_OWNER1, Entry.Open, 5 ether, 1);
        bytes memory expected = err(Permit2.InvalidSigner.selector);
        refused(stranger, enter(Entry.Deposit2, 5 ether, "", permit), expected);
        refused(stranger, enter(Entry.Open, 6 ether, "", permit), expected);
        refused(stranger, enter(Entry.Open, 4 ether, "", permit), expected);
        terms.participant2 = stranger;
        refused(stranger, enter(Entry.Open, 5 ether, "", permit), expected);
        terms.participant2 = bob;
        permit.from = bob;
        refused(stranger, enter(Entry.Open, 5 ether, "", permit), expected);
        permit.from = alice;
        permit.nonce = 2;
        refused(stranger, enter(Entry.Open, 5 ether, "", permit), expected);
    }

    function test_p21_a_permit_works_once_and_dies_at_its_deadline() public {
        bytes memory call =
            enter(Entry.Open, 5 ether, "", permitOf(KEY_OWNER1, Entry.Open, 5 ether, 1));
        vm.warp(DEADLINE + 1);
        refused(stranger, call, err(Permit2.SignatureExpired.selector, DEADLINE));
        vm.warp(DEADLINE);
        send(stranger, call);
        refused(stranger, call, err(Permit2.InvalidNonce.selector));
    }

    function test_s15_a_permit_of_nothing_speaks_for_nobody() public {
        open(terms, 5 ether);
        Permit memory permit = permitOf(KEY_OWNER2, Entry.Join, 0, 1);
        refused(
            stranger,
            enter(Entry.Join, 0, "", permit),
            err(IPaymentChannel.NothingReceived.selector)
        );
    }

    function test_p17_a_deployment_without_permit2_says_so() public {
        Permit memory permit = permitOf(KEY_OWNER1, Entry.Open, 5 ether, 1);
        channels = deployWith(
            Config(MIN_PERIOD, MAX_PERIOD, address(registry), address(0xBEEF), noCaps())
        );
        refused(
            stranger,
            enter(Entry.Open, 5 ether, "", permit),
            err(IPaymentChannel.NoCode.selector, address(0xBEEF))
        );
    }
}
