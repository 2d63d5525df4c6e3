// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    ChallengeItem,
    CloseIntent,
    IPaymentChannel,
    Lock,
    Signature,
    Status,
    Take,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {ChannelCalls} from "../support/ChannelCalls.sol";
import {LaunchSchedule, TokenCap} from "../support/ChannelTest.sol";

/// P22: every way out, run under every deployment: with and without launch caps that refuse all
/// entries, in both builds, for ETH and for tokens.
abstract contract ExitSuite is ChannelCalls {
    uint64 private constant DEADLINE = uint64(START + 1 days);

    /// Shuts the door behind the channels that a test has opened.
    function shutEntries(address token_) internal virtual;

    function both(function(address) internal exit) private {
        exit(address(0));
        exit(address(token));
    }

    function opened(address token_) private returns (Terms memory terms, bytes32 id) {
        uint256 salt = uint256(keccak256(abi.encode(token_, vm.getBlockTimestamp())));
        (terms, id) = activeWith(termsOf(token_, salt), 10 ether, 10 ether);
    }

    /// Runs between two readings of what both own.
    function assertPaid(address token_, uint256[2] memory before, uint256 forAlice, uint256 forBob)
        private
        view
    {
        assertEq(balanceOf(token_, alice) - before[0], forAlice, "alice");
        assertEq(balanceOf(token_, bob) - before[1], forBob, "bob");
    }

    function balancesNow(address token_) private view returns (uint256[2] memory) {
        return [balanceOf(token_, alice), balanceOf(token_, bob)];
    }

    function cancelled(address token_) private {
        Terms memory terms = termsOf(token_, 77);
        open(terms, 10 ether);
        shutEntries(token_);
        uint256[2] memory before = balancesNow(token_);
        send(alice, cancelCall(terms));
        assertPaid(token_, before, 10 ether, 0);
    }

    function test_p22_a_pending_channel_is_cancelled() public {
        both(cancelled);
    }

    function disputed(address token_) private {
        vm.warp(START);
        (Terms memory terms, bytes32 id) = opened(token_);
        shutEntries(token_);
        update(terms, id, ordinary(1, 1 ether));
        CloseIntent memory intent = closeIntent(id, 1, 0, DEADLINE);
        send(stranger, initiateCall(terms, id, ordinary(2, 2 ether), intent));
        challenge(terms, id, ordinary(3, 3 ether));
        initiate(alice, terms, id, ordinary(4, 4 ether));
        vm.warp(START + PERIOD);
        uint256[2] memory before = balancesNow(token_);
        settle(terms);
        assertPaid(token_, before, 6 ether, 14 ether);
    }

    function test_p22_a_dispute_runs_its_course() public {
        both(disputed);
    }

    function bare(address token_) private {
        vm.warp(START);
        (Terms memory terms,) = opened(token_);
        shutEntries(token_);
        initiateBare(bob, terms);
        vm.warp(START + PERIOD);
        uint256[2] memory before = balancesNow(token_);
        settle(terms);
        assertPaid(token_, before, 10 ether, 10 ether);
    }

    function test_p22_a_channel_without_any_state_gives_the_deposits_back() public {
        both(bare);
    }

    function batched(address token_) private {
        vm.warp(START);
        (Terms memory terms, bytes32 id) = opened(token_);
        shutEntries(token_);
        initiateBare(bob, terms);
        ChallengeItem[] memory items = new ChallengeItem[](1);
        (Signature memory s1, Signature memory s2) = sign(id, ordinary(3, -3 ether));
        items[0] = ChallengeItem(terms, ordinary(3, -3 ether), s1, s2);
        assertTrue(channels.challengeCloseBatch(items)[0] == 0, "challenged");
        vm.warp(START + PERIOD);
        uint256[2] memory before = balancesNow(token_);
        settle(terms);
        assertPaid(token_, before, 13 ether, 7 ether);
    }

    function test_p22_a_batch_of_challenges_counts() public {
        both(batched);
    }

    function agreed(address token_) private {
        (Terms memory terms, bytes32 id) = opened(token_);
        shutEntries(token_);
        uint256[2] memory before = balancesNow(token_);
        bytes[] memory calls = new bytes[](2);
        calls[0] = withdrawCall(terms, id, orderOf(1, 1 ether, 2 ether, 3 ether));
        calls[1] = cooperateCall(terms, id, finalState(2, 5 ether));
        send(stranger, abi.encodeCall(IPaymentChannel.multicall, (calls)));
        assertPaid(token_, before, 5 ether, 15 ether);
    }

    function test_p22_a_withdrawal_and_a_final_state_pay_at_once() public {
        both(agreed);
    }

    function conditional(address token_) private {
        vm.warp(START);
        (Terms memory terms, bytes32 id) = opened(token_);
        shutEntries(token_);
        Lock[] memory locks = asArray(
            hashLock("a", 1 ether, uint40(START + 1 hours), true),
            hashLock(bytes32(abi.encode(token_)), 2 ether, uint40(START + 1 hours), false)
        );
        registry.registerSecret(secrets("a"));
        initiate(alice, terms, id, withLocks(2, 0, locks));
        vm.warp(START + PERIOD);
        uint256[2] memory before = balancesNow(token_);
        settle(terms);
        assertPaid(token_, before, 9 ether, 8 ether);
        send(stranger, resolveCall(terms, locks, 3));
        assertPaid(token_, before, 9 ether, 11 ether);
    }

    function test_p22_locks_are_resolved() public {
        both(conditional);
    }

    function credited(address token_) private {
        vm.warp(START);
        (Terms memory terms,) = opened(token_);
        initiateBare(bob, terms);
        uint256 value = token_ == address(0) ? 4 ether : 0;
        send(stranger, value, depositCall(terms, 2, 4 ether));
        shutEntries(token_);
        uint256[2] memory before = balancesNow(token_);
        send(bob, abi.encodeCall(IPaymentChannel.withdraw, (token_, bob, 1 ether)));
        Take memory take = Take(token_, bob, bob, 3 ether, uint256(uint160(token_)), DEADLINE);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY_OWNER2, takeDigest(take));
        send(
            stranger, abi.encodeCall(IPaymentChannel.withdrawFor, (take, abi.encodePacked(r, s, v)))
        );
        assertPaid(token_, before, 0, 4 ether);
    }

    function test_p22_credit_is_withdrawn_by_its_owner_and_by_its_order() public {
        both(credited);
    }

    function late(address token_) private {
        (Terms memory terms,) = opened(token_);
        initiateBare(bob, terms);
        shutEntries(token_);
        uint256 value = token_ == address(0) ? 4 ether : 0;
        // Money that a bridge delivers is taken even now, and can leave again.
        send(stranger, value, depositCall(terms, 2, 4 ether));
        uint256[2] memory before = balancesNow(token_);
        send(bob, abi.encodeCall(IPaymentChannel.withdraw, (token_, bob, 4 ether)));
        assertPaid(token_, before, 0, 4 ether);
    }

    function test_p22_money_that_comes_too_late_can_leave() public {
        both(late);
    }
}

contract ExitsTest is ExitSuite {
    function shutEntries(address) internal override {}
}

contract ExitsShanghaiTest is ExitsTest {
    function channelArtifact() internal pure override returns (string memory) {
        return "PaymentChannelShanghai";
    }

    function registryArtifact() internal pure override returns (string memory) {
        return "SecretRegistryShanghai";
    }
}

/// A guarded launch whose caps are passed as soon as the test has its channel: no entry works any more.
contract ExitsUnderCapsTest is ExitSuite {
    function launch() internal view override returns (LaunchSchedule memory) {
        TokenCap[] memory caps = new TokenCap[](2);
        caps[0] = TokenCap(address(0), 20 ether, 100 ether);
        caps[1] = TokenCap(address(token), 20 ether, 100 ether);
        return LaunchSchedule(uint40(START), 30 days, uint40(START + 3650 days), caps);
    }

    function shutEntries(address token_) internal override {
        Terms memory terms = termsOf(token_, 0xC1);
        bytes memory call = openCall(terms, 1, "");
        uint256 value = token_ == address(0) ? 1 : 0;
        if (token_ == address(0)) {
            vm.deal(address(channels), address(channels).balance + 100 ether);
        } else {
            token.mint(address(channels), 100 ether);
        }
        uint256 held = balanceOf(token_, address(channels)) + 1;
        refused(alice, value, call, err(IPaymentChannel.CapExceeded.selector, 100 ether, held));
    }
}

contract ExitsUnderCapsShanghaiTest is ExitsUnderCapsTest {
    function channelArtifact() internal pure override returns (string memory) {
        return "PaymentChannelShanghai";
    }

    function registryArtifact() internal pure override returns (string memory) {
        return "SecretRegistryShanghai";
    }
}
