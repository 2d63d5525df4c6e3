// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    ChallengeItem,
    IPaymentChannel,
    Lock,
    PartialWithdraw,
    Signature,
    State,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {ChannelTest} from "../support/ChannelTest.sol";

/// Gas of whole transactions (run with --isolate): base cost, calldata, execution, refunds. Written
/// to snapshots/, which is committed; a rise fails CI. Salts are full random words, nets are uneven,
/// and every receiver is cold unless it sends the transaction itself.
contract GasTest is ChannelTest {
    int256 private constant NET = 3_141_592_653_589_793_238;

    function snap(string memory name) private {
        vm.snapshotGasLastCall("PaymentChannel", name);
    }

    function lifecycle(address token_, string memory prefix) private {
        Terms memory terms = termsOf(token_, 1);
        open(terms, 10 ether);
        snap(string.concat(prefix, " open"));
        join(terms, 10 ether);
        snap(string.concat(prefix, " join"));
        bytes32 id = channels.channelIdOf(terms);
        State memory state = finalState(9_000_000, NET);
        (Signature memory s1, Signature memory s2) = sign(id, state);
        vm.prank(stranger);
        channels.cooperativeClose(terms, short(state), s1, s2);
        snap(string.concat(prefix, " cooperative close by a stranger"));

        (terms, id) = activeWith(termsOf(token_, 2), 10 ether, 10 ether);
        (s1, s2) = sign(id, state);
        vm.prank(alice);
        channels.cooperativeClose(terms, short(state), s1, s2);
        snap(string.concat(prefix, " cooperative close by a participant"));
    }

    function dispute(address token_, string memory prefix) private {
        (Terms memory terms, bytes32 id) = activeWith(termsOf(token_, 3), 10 ether, 10 ether);
        State memory state = ordinary(8_000_000, NET);
        (Signature memory s1, Signature memory s2) = sign(id, state);
        vm.prank(alice);
        channels.initiateClose(terms, state, s1, s2, noIntent());
        snap(string.concat(prefix, " initiate close"));
        state = ordinary(9_000_000, NET + 1 ether);
        (s1, s2) = sign(id, state);
        vm.prank(stranger);
        channels.challengeClose(terms, state, s1, s2);
        snap(string.concat(prefix, " challenge close"));
        vm.warp(block.timestamp + PERIOD);
        vm.prank(stranger);
        channels.closeChannel(terms);
        snap(string.concat(prefix, " close by a stranger"));
    }

    function test_gas_eth_lifecycle() public {
        lifecycle(address(0), "eth");
    }

    function test_gas_eth_dispute() public {
        dispute(address(0), "eth");
    }

    function test_gas_erc20_lifecycle() public {
        lifecycle(address(token), "erc20");
    }

    function test_gas_erc20_dispute() public {
        dispute(address(token), "erc20");
    }

    function test_gas_eth_open_with_acceptance() public {
        Terms memory terms = termsOf(address(0), 4);
        bytes32 id = channels.channelIdOf(terms);
        vm.prank(alice);
        channels.openChannel{value: 10 ether}(
            terms, 10 ether, acceptance(id, 10 ether, uint64(START + 1 days))
        );
        snap("eth open with acceptance");
        vm.prank(alice);
        channels.deposit{value: 1 ether}(terms, 1, 1 ether);
        snap("eth deposit");
        State memory state = ordinary(7_000_000, NET);
        (Signature memory s1, Signature memory s2) = sign(id, state);
        vm.prank(alice);
        channels.updateState(terms, state, s1, s2);
        snap("eth first checkpoint");
        PartialWithdraw memory order =
            PartialWithdraw(7_000_001, NET, 0, 0, 0, 1 ether, 0, uint64(block.timestamp + 1 days));
        (s1, s2) = signWithdraw(id, order);
        vm.prank(alice);
        channels.partialWithdraw(terms, order, s1, s2);
        snap("eth partial withdrawal");
    }

    function batch(uint256 count) private {
        ChallengeItem[] memory items = new ChallengeItem[](count);
        for (uint256 i = 0; i < count; ++i) {
            (Terms memory terms, bytes32 id) = active(100 + i, 10 ether, 10 ether);
            initiate(alice, terms, id, ordinary(8_000_000, NET));
            State memory state = ordinary(9_000_000, NET + 1 ether);
            (Signature memory s1, Signature memory s2) = sign(id, state);
            items[i] = ChallengeItem(terms, state, s1, s2);
        }
        vm.prank(stranger);
        bytes4[] memory reasons = channels.challengeCloseBatch(items);
        for (uint256 i = 0; i < count; ++i) {
            assertTrue(reasons[i] == 0, "challenged");
        }
    }

    function test_gas_batch_of_10() public {
        batch(10);
        snap("eth challenge batch of 10");
    }

    function test_gas_batch_of_11() public {
        batch(11);
        snap("eth challenge batch of 11");
    }

    function test_gas_locks() public {
        (Terms memory terms, bytes32 id) = active(5, 10 ether, 10 ether);
        Lock[] memory locks = new Lock[](10);
        for (uint256 i = 0; i < 10; ++i) {
            locks[i] = hashLock(bytes32(i + 1), 0.1 ether, uint40(START + 1 hours), i % 2 == 0);
        }
        State memory state = withLocks(9_000_000, NET, locks);
        (Signature memory s1, Signature memory s2) = sign(id, state);
        vm.prank(alice);
        channels.initiateClose(terms, state, s1, s2, noIntent());
        snap("eth initiate close with locks");
        vm.prank(stranger);
        registry.registerSecret(secrets(bytes32(uint256(1))));
        vm.snapshotGasLastCall("SecretRegistry", "register one secret");
        vm.warp(block.timestamp + PERIOD);
        settle(terms);
        snap("eth close with locks");
        vm.prank(stranger);
        channels.resolveLocks(terms, locks, type(uint32).max);
        snap("eth resolve 10 locks");
    }
}
