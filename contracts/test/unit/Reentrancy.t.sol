// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Authorization,
    ChallengeItem,
    Entry,
    IPaymentChannel,
    Lock,
    OpenItem,
    Permit,
    Signature,
    State,
    Take,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {Reentrant} from "../mocks/Attackers.sol";
import {HookToken} from "../mocks/HookToken.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";

/// P15: a receiver, a token or a wallet that calls back in, by every function, changes nothing.
contract ReentrancyTest is ChannelCalls {
    uint64 private constant DEADLINE = uint64(START + 1 days);

    Reentrant private attacker;
    Terms private victim;
    bytes32 private victimId;
    Terms private own;
    bytes32 private ownId;

    function setUp() public virtual override {
        super.setUp();
        attacker = new Reentrant();
        (victim, victimId) = active(1, 10 ether, 10 ether);
    }

    /// A channel of the attacker with bob, with ether or tokens, before any attack is armed.
    function ownChannel(address token_) private {
        own = termsOf(token_, 2);
        own.participant1 = address(attacker);
        ownId = channels.channelIdOf(own);
        uint256 value = token_ == address(0) ? 10 ether : 0;
        send(stranger, value, openCall(own, 10 ether, acceptance(ownId, 0, DEADLINE)));
        send(bob, value, depositCall(own, 2, 10 ether));
    }

    /// Every function that writes, with arguments that would succeed on their own where that is possible.
    function everyCall() private view returns (bytes[] memory calls) {
        calls = new bytes[](21);
        (Signature memory s1, Signature memory s2) = sign(victimId, ordinary(1, 1 ether));
        (Signature memory f1, Signature memory f2) = sign(victimId, finalState(2, 1 ether));
        calls[0] = openCall(termsOf(address(0), 50), 0, acceptance(id50(), 0, DEADLINE));
        calls[1] = abi.encodeCall(IPaymentChannel.openBatch, (new OpenItem[](0)));
        calls[2] = joinCall(victim, 0, "");
        calls[3] = depositCall(victim, 1, 0);
        Authorization memory auth;
        Permit memory permit;
        calls[4] =
            abi.encodeCall(IPaymentChannel.enterWithAuthorization, (Entry.Open, own, 0, "", auth));
        calls[5] =
            abi.encodeCall(IPaymentChannel.enterWithPermit2, (Entry.Open, own, 0, "", permit));
        calls[6] = abi.encodeCall(IPaymentChannel.openFromBox, (victim, ""));
        calls[7] = abi.encodeCall(IPaymentChannel.joinFromBox, (victim, ""));
        calls[8] = abi.encodeCall(IPaymentChannel.sweep, (victim, 1, address(0)));
        calls[9] = cancelCall(own);
        calls[10] =
            abi.encodeCall(IPaymentChannel.updateState, (victim, ordinary(1, 1 ether), s1, s2));
        calls[11] = withdrawCall(victim, victimId, orderOf(3, 0, 1 ether, 0));
        calls[12] = initiateCall(victim, victimId, ordinary(1, 1 ether));
        calls[13] = challengeCall(victim, victimId, ordinary(1, 1 ether));
        calls[14] = closeCall(own);
        calls[15] = abi.encodeCall(
            IPaymentChannel.cooperativeClose, (victim, short(finalState(2, 1 ether)), f1, f2)
        );
        calls[16] = resolveCall(own, new Lock[](0), 1);
        calls[17] = abi.encodeCall(IPaymentChannel.withdraw, (address(0), address(attacker), 1));
        Take memory take;
        calls[18] = abi.encodeCall(IPaymentChannel.withdrawFor, (take, ""));
        bytes[] memory inner = new bytes[](1);
        inner[0] = calls[15];
        calls[19] = abi.encodeCall(IPaymentChannel.multicall, (inner));
        calls[20] =
            initiateCall(victim, victimId, ordinary(0, 0), closeIntent(victimId, 1, 0, DEADLINE));
    }

    function id50() private view returns (bytes32) {
        return channels.channelIdOf(termsOf(address(0), 50));
    }

    /// The victim's channel as stored.
    function snapshot() private view returns (bytes32) {
        return
            keccak256(
                abi.encode(channels.channelOf(victimId), channels.creditOf(address(0), alice))
            );
    }

    function arm() private returns (uint256 count) {
        bytes[] memory calls = everyCall();
        attacker.arm(address(channels), calls);
        return calls.length;
    }

    function test_p15_a_receiver_of_ether_can_call_nothing_while_it_is_paid() public {
        ownChannel(address(0));
        bytes[] memory calls = everyCall();
        bytes32 before = snapshot();
        // One call each time: a receiver has 50,000 gas, so one attempt must be all it tries.
        for (uint256 i = 0; i < calls.length; ++i) {
            bytes[] memory one = new bytes[](1);
            one[0] = calls[i];
            attacker.arm(address(channels), one);
            uint256 had = address(attacker).balance;
            send(stranger, withdrawCall(own, ownId, orderOf(uint64(10 + i), 0, 0.1 ether, 0)));
            assertEq(attacker.succeeded(), 0, "re-entered");
            uint256 got =
                address(attacker).balance - had + channels.creditOf(address(0), address(attacker));
            assertEq(got, 0.1 ether, "paid once, or credited once");
            assertEq(attacker.tried(), 1, "it had the gas to try");
            assertEq(attacker.lastError(), IPaymentChannel.Reentered.selector, "by the guard");
            if (channels.creditOf(address(0), address(attacker)) != 0) {
                attacker.disarm();
                attacker.execute(
                    address(channels),
                    0,
                    abi.encodeCall(
                        IPaymentChannel.withdraw, (address(0), address(attacker), 0.1 ether)
                    )
                );
            }
        }
        assertEq(snapshot(), before, "the victim's channel is as it was");
    }

    function test_p15_a_receiver_that_withdraws_its_own_credit_has_all_the_gas_and_no_way_in()
        public
    {
        ownChannel(address(0));
        initiateBare(bob, own);
        send(stranger, 5 ether, depositCall(own, 1, 5 ether));
        uint256 count = arm();
        bytes32 before = snapshot();
        attacker.execute(
            address(channels),
            0,
            abi.encodeCall(IPaymentChannel.withdraw, (address(0), address(attacker), 2 ether))
        );
        assertEq(attacker.tried(), count, "every function was tried");
        assertEq(attacker.succeeded(), 0, "none worked");
        assertEq(attacker.lastError(), IPaymentChannel.Reentered.selector, "by the guard");
        assertEq(channels.creditOf(address(0), address(attacker)), 3 ether, "withdrawn once");
        assertEq(snapshot(), before, "the victim's channel is as it was");
    }

    function test_p15_a_batch_challenge_inside_a_payout_challenges_nothing() public {
        ownChannel(address(0));
        initiateBare(alice, victim);
        send(stranger, 5 ether, depositCall(victim, 1, 5 ether));
        ChallengeItem[] memory items = new ChallengeItem[](1);
        (Signature memory s1, Signature memory s2) = sign(victimId, ordinary(1, 1 ether));
        items[0] = ChallengeItem(victim, ordinary(1, 1 ether), s1, s2);
        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(IPaymentChannel.challengeCloseBatch, (items));
        attacker.arm(address(channels), calls);
        send(
            alice,
            abi.encodeCall(IPaymentChannel.withdraw, (address(0), address(attacker), 1 ether))
        );
        assertEq(attacker.tried(), 1, "tried");
        assertEq(uint256(channels.channelOf(victimId).version), 0, "every item was skipped");
    }

    function test_p15_a_token_with_hooks_can_call_nothing_on_the_way_in_or_out() public {
        HookToken hooked = new HookToken();
        token = hooked;
        fund(alice);
        fund(bob);
        fund(stranger);
        ownChannel(address(hooked));
        uint256 count = arm();
        hooked.setHook(attacker);
        bytes32 before = snapshot();
        // Way in.
        send(stranger, depositCall(own, 1, 1 ether));
        assertEq(attacker.tried(), 2 * count, "before and after the transfer");
        assertEq(attacker.succeeded(), 0, "none worked");
        assertEq(channels.channelOf(ownId).deposit1, 11 ether, "booked once");
        // Way out: 300,000 gas per push, so one attempt at a time.
        bytes[] memory calls = everyCall();
        for (uint256 i = 0; i < calls.length; ++i) {
            bytes[] memory one = new bytes[](1);
            one[0] = calls[i];
            attacker.arm(address(channels), one);
            send(stranger, withdrawCall(own, ownId, orderOf(uint64(10 + i), 0, 0.1 ether, 0)));
            assertEq(attacker.tried(), 2, "before and after the transfer");
            assertEq(attacker.succeeded(), 0, "re-entered");
        }
        assertEq(snapshot(), before, "the victim's channel is as it was");
        uint256 held = hooked.balanceOf(address(channels));
        assertEq(int256(held), channels.channelOf(ownId).deposit1 + 10 ether, "solvent");
    }

    function test_p15_a_token_with_hooks_does_not_count_one_deposit_twice() public {
        HookToken hooked = new HookToken();
        token = hooked;
        fund(alice);
        fund(bob);
        fund(stranger);
        ownChannel(address(hooked));
        hooked.mint(address(attacker), 100 ether);
        attacker.execute(
            address(hooked),
            0,
            abi.encodeCall(hooked.approve, (address(channels), type(uint256).max))
        );
        bytes[] memory calls = new bytes[](1);
        calls[0] = depositCall(own, 1, 7 ether);
        attacker.arm(address(channels), calls);
        hooked.setHook(attacker);
        send(stranger, depositCall(own, 1, 5 ether));
        assertEq(channels.channelOf(ownId).deposit1, 15 ether, "10 + 5");
        assertEq(hooked.balanceOf(address(channels)), 25 ether, "and 10 of bob");
    }

    function test_p15_a_1271_wallet_sees_a_locked_contract() public {
        Terms memory terms = termsOf(address(0), 3);
        terms.participant2 = address(attacker);
        bytes32 id = channels.channelIdOf(terms);
        arm();
        bytes memory accept = abi.encodePacked(uint256(0), DEADLINE, "proof");
        bytes32 before = snapshot();
        send(alice, 1 ether, openCall(terms, 1 ether, accept));
        assertEq(uint256(statusOf(id)), 2, "it accepted, which it says only if every call failed");
        assertEq(snapshot(), before, "the victim's channel is as it was");
    }
}

/// The same with the guard in a plain slot.
contract ReentrancyShanghaiTest is ReentrancyTest {
    function channelArtifact() internal pure override returns (string memory) {
        return "PaymentChannelShanghai";
    }

    function registryArtifact() internal pure override returns (string memory) {
        return "SecretRegistryShanghai";
    }
}
