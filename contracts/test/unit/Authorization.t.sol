// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Authorization,
    Entry,
    IPaymentChannel,
    Status,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {AuthorizationToken} from "../mocks/AuthorizationToken.sol";
import {SilentToken} from "../mocks/OddTokens.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// enterWithAuthorization: ERC-3009 money, whose signer acts as the caller.
contract AuthorizationTest is ChannelCalls {
    uint64 private constant DEADLINE = uint64(START + 1 days);

    AuthorizationToken private dollar;
    Terms private terms;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        dollar = new AuthorizationToken();
        dollar.mint(alice, 1000 ether);
        dollar.mint(bob, 1000 ether);
        dollar.mint(stranger, 1000 ether);
        terms = termsOf(address(dollar), 1);
        id = channels.channelIdOf(terms);
    }

    function authorize(uint256 key, Entry entry, uint256 amount)
        private
        view
        returns (Authorization memory)
    {
        bytes32 nonce = channels.authorizationNonce(id, entry, "salt");
        address from = vm.addr(key);
        bytes32 digest =
            dollar.authorizationDigest(from, address(channels), amount, START - 1, DEADLINE, nonce);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return Authorization(from, START - 1, DEADLINE, "salt", v, r, s);
    }

    function enter(Entry entry, uint256 amount, bytes memory accept, Authorization memory auth)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(
            IPaymentChannel.enterWithAuthorization, (entry, terms, amount, accept, auth)
        );
    }

    function test_p11_the_signer_of_an_authorisation_opens_and_joins_without_gas() public {
        send(stranger, enter(Entry.Open, 5 ether, "", authorize(KEY_OWNER1, Entry.Open, 5 ether)));
        assertTrue(statusOf(id) == Status.Pending, "opened by alice");
        assertEq(channels.channelOf(id).deposit1, 5 ether, "with her money");
        send(stranger, enter(Entry.Join, 3 ether, "", authorize(KEY_OWNER2, Entry.Join, 3 ether)));
        assertTrue(statusOf(id) == Status.Active, "joined by bob");
        assertEq(channels.channelOf(id).deposit2, 3 ether, "with his money");
    }

    function test_p24_an_authorised_deposit_goes_to_the_side_it_names() public {
        send(stranger, enter(Entry.Open, 5 ether, "", authorize(KEY_OWNER1, Entry.Open, 5 ether)));
        send(stranger, enter(Entry.Join, 3 ether, "", authorize(KEY_OWNER2, Entry.Join, 3 ether)));
        send(
            stranger,
            enter(Entry.Deposit2, 1 ether, "", authorize(KEY_OWNER1, Entry.Deposit2, 1 ether))
        );
        send(
            stranger,
            enter(Entry.Deposit1, 2 ether, "", authorize(KEY_OWNER2, Entry.Deposit1, 2 ether))
        );
        assertEq(channels.channelOf(id).deposit1, 7 ether, "side 1");
        assertEq(channels.channelOf(id).deposit2, 4 ether, "side 2");
    }

    function test_p21_an_authorisation_works_once() public {
        bytes memory call =
            enter(Entry.Open, 5 ether, "", authorize(KEY_OWNER1, Entry.Open, 5 ether));
        send(stranger, call);
        refused(stranger, call, err(AuthorizationToken.NonceUsed.selector));
    }

    function test_p06_an_authorisation_pays_only_the_channel_and_entry_it_was_signed_for() public {
        Authorization memory auth = authorize(KEY_OWNER1, Entry.Open, 5 ether);
        bytes memory expected = err(AuthorizationToken.InvalidSignature.selector);
        refused(stranger, enter(Entry.Deposit2, 5 ether, "", auth), expected);
        refused(stranger, enter(Entry.Join, 5 ether, "", auth), expected);
        refused(stranger, enter(Entry.Open, 4 ether, "", auth), expected);
        terms.salt = "another channel";
        refused(stranger, enter(Entry.Open, 5 ether, "", auth), expected);
        (terms.salt, terms.participant2) = (termsOf(address(0), 1).salt, stranger);
        refused(stranger, enter(Entry.Open, 5 ether, "", auth), expected);
        terms.participant2 = bob;
        auth.salt = "another salt";
        refused(stranger, enter(Entry.Open, 5 ether, "", auth), expected);
        auth.salt = "salt";
        auth.from = bob;
        refused(stranger, enter(Entry.Open, 5 ether, "", auth), expected);
    }

    function test_p11_an_authorisation_of_a_stranger_gives_the_participant_credit_only() public {
        bytes memory call = enter(
            Entry.Open, 5 ether, "", authorize(uint256(uint160(0x1234)), Entry.Open, 5 ether)
        );
        dollar.mint(vm.addr(0x1234), 5 ether);
        send(stranger, call);
        assertTrue(statusOf(id) == Status.None, "not opened");
        assertEq(channels.creditOf(address(dollar), alice), 5 ether, "alice's");
    }

    function test_p11_a_sponsor_opens_with_the_acceptance_of_side_2() public {
        dollar.mint(vm.addr(0x1234), 5 ether);
        Authorization memory auth = authorize(0x1234, Entry.Open, 5 ether);
        send(stranger, enter(Entry.Open, 5 ether, acceptance(id, 5 ether, DEADLINE), auth));
        assertTrue(statusOf(id) == Status.Active, "active");
    }

    function test_p02_an_authorisation_that_comes_too_late_becomes_credit() public {
        send(stranger, enter(Entry.Open, 5 ether, "", authorize(KEY_OWNER1, Entry.Open, 5 ether)));
        send(alice, cancelCall(terms));
        send(stranger, enter(Entry.Join, 3 ether, "", authorize(KEY_OWNER2, Entry.Join, 3 ether)));
        assertEq(channels.creditOf(address(dollar), bob), 3 ether, "bob's");
    }

    /// WETH9 is such a token: its fallback takes any call, moves nothing and checks nothing.
    function test_s15_an_authorisation_that_moved_no_money_speaks_for_nobody() public {
        SilentToken silent = new SilentToken();
        token = silent;
        fund(alice);
        terms = termsOf(address(silent), 2);
        id = channels.channelIdOf(terms);
        bytes memory expected = err(IPaymentChannel.NothingReceived.selector);
        uint256[2] memory amounts = [uint256(0), 5 ether];
        for (uint256 i = 0; i < 2; ++i) {
            Authorization memory forged;
            forged.from = alice;
            refused(stranger, enter(Entry.Open, amounts[i], "", forged), expected);
        }
        open(terms, 5 ether);
        for (uint256 i = 0; i < 2; ++i) {
            Authorization memory forged;
            forged.from = bob;
            refused(stranger, enter(Entry.Join, amounts[i], "", forged), expected);
            refused(stranger, enter(Entry.Deposit1, amounts[i], "", forged), expected);
        }
        assertTrue(statusOf(id) == Status.Pending, "bob never joined");
        send(alice, cancelCall(terms));
    }

    function test_p17_a_channel_without_a_token_takes_no_authorisation() public {
        terms = termsOf(address(0), 1);
        Authorization memory auth = authorize(KEY_OWNER1, Entry.Open, 0);
        refused(
            stranger,
            enter(Entry.Open, 0, "", auth),
            err(IPaymentChannel.NoCode.selector, address(0))
        );
        terms = termsOf(address(0xDEAD), 1);
        refused(
            stranger,
            enter(Entry.Open, 1, "", auth),
            err(IPaymentChannel.NoCode.selector, address(0xDEAD))
        );
    }

    function test_p06_an_entry_beyond_the_four_is_refused() public {
        Authorization memory auth = authorize(KEY_OWNER1, Entry.Open, 5 ether);
        bytes memory call = enter(Entry.Open, 5 ether, "", auth);
        call[4 + 31] = 0x04;
        assertTrue(!attempt(stranger, 0, call), "no fifth entry");
    }
}
