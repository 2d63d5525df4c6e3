// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    ChallengeItem,
    CloseIntent,
    Lock,
    OpenItem,
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

    /// The file of snapshots/ that the figures go to.
    function group() internal pure virtual returns (string memory) {
        return "PaymentChannel";
    }

    function snap(string memory name) private {
        vm.snapshotGasLastCall(group(), name);
    }

    /// A contract in use holds the token already: its first unit would cost a slot that no later one does.
    function setUp() public override {
        super.setUp();
        open(termsOf(address(token), 0xFEED), 1 ether);
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

    function batch(address token_, uint256 count) private {
        ChallengeItem[] memory items = new ChallengeItem[](count);
        for (uint256 i = 0; i < count; ++i) {
            (Terms memory terms, bytes32 id) =
                activeWith(termsOf(token_, 100 + i), 10 ether, 10 ether);
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
        batch(address(0), 10);
        snap("eth challenge batch of 10");
    }

    function test_gas_batch_of_11() public {
        batch(address(0), 11);
        snap("eth challenge batch of 11");
    }

    function test_gas_erc20_batch_of_10() public {
        batch(address(token), 10);
        snap("erc20 challenge batch of 10");
    }

    function test_gas_erc20_batch_of_11() public {
        batch(address(token), 11);
        snap("erc20 challenge batch of 11");
    }

    function openMany(uint256 count) private {
        OpenItem[] memory items = new OpenItem[](count);
        for (uint256 i = 0; i < count; ++i) {
            items[i] = OpenItem(termsOf(address(0), 200 + i), 1 ether, "");
        }
        vm.prank(alice);
        channels.openBatch{value: count * 1 ether}(items);
    }

    function test_gas_open_batch_of_10() public {
        openMany(10);
        snap("eth open batch of 10");
    }

    function test_gas_open_batch_of_11() public {
        openMany(11);
        snap("eth open batch of 11");
    }

    function test_gas_close_by_order() public {
        (Terms memory terms, bytes32 id) = active(6, 10 ether, 10 ether);
        State memory state = ordinary(8_000_000, NET);
        (Signature memory s1, Signature memory s2) = sign(id, state);
        CloseIntent memory intent = closeIntent(id, 1, 8_000_000, uint64(START + 1 days));
        vm.prank(stranger);
        channels.initiateClose(terms, state, s1, s2, intent);
        snap("eth initiate close by an order");
    }

    function test_gas_credit() public {
        (Terms memory terms,) = active(7, 10 ether, 10 ether);
        initiateBare(alice, terms);
        vm.prank(stranger);
        channels.deposit{value: 1 ether}(terms, 1, 1 ether);
        snap("eth late deposit becomes credit");
        vm.prank(alice);
        channels.withdraw(address(0), address(0xCAFE), 1 ether);
        snap("eth withdraw credit");
    }

    function test_gas_box() public {
        Terms memory terms = termsOf(address(0), 8);
        vm.deal(channels.boxAddress(channels.channelIdOf(terms), 1), 10 ether);
        vm.prank(alice);
        channels.openFromBox(terms, noAcceptance());
        snap("eth open from a new box");
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
        snap("register one secret");
        vm.warp(block.timestamp + PERIOD);
        settle(terms);
        snap("eth close with locks");
        vm.prank(stranger);
        channels.resolveLocks(terms, locks, type(uint32).max);
        snap("eth resolve 10 locks");
    }
}

/// The build for chains without transient storage.
contract GasShanghaiTest is GasTest {
    function group() internal pure override returns (string memory) {
        return "PaymentChannelShanghai";
    }

    function channelArtifact() internal pure override returns (string memory) {
        return "PaymentChannelShanghai";
    }

    function registryArtifact() internal pure override returns (string memory) {
        return "SecretRegistryShanghai";
    }
}
