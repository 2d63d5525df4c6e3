// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {
    Channel,
    IPaymentChannel,
    Lock,
    PartialWithdraw,
    Signature,
    State,
    Status,
    Take,
    Terms
} from "../../src/interfaces/IPaymentChannel.sol";
import {VectorFile} from "./VectorFile.sol";

/// The deployed contract against the published vectors: same ids, same digests, and it takes the
/// signatures that viem made.
contract Eip712Test is VectorFile {
    function test_p29_the_domain_and_the_channel_ids_are_those_of_the_vectors() public {
        uint256 seen = 0;
        for (uint256 s = 0; s < sets(); ++s) {
            string memory set = enter(s);
            bytes32 separator = word(set, ".separator");
            assertEq(channels.domainSeparator(), separator, "domain separator");
            string memory list = string.concat(set, ".channelIds");
            for (uint256 i = 0; has(item(list, i)); ++i) {
                string memory path = item(list, i);
                bytes32 id = channels.channelIdOf(readTerms(path));
                assertEq(id, word(path, ".channelId"), text(path, ".name"));
                ++seen;
            }
        }
        assertEq(seen, 8, "channel ids in the file");
    }

    function test_p29_states_have_the_digests_of_the_vectors_and_are_taken_with_their_signatures()
        public
    {
        uint256 taken = 0;
        uint256 refused = 0;
        for (uint256 s = 0; s < sets(); ++s) {
            string memory list = string.concat(enter(s), ".states");
            for (uint256 i = 0; has(item(list, i)); ++i) {
                if (checkState(item(list, i))) ++taken;
                else ++refused;
            }
        }
        assertEq(taken, 22, "states taken");
        assertEq(refused, 10, "states refused");
    }

    function test_p29_partial_withdrawals_are_taken_with_the_signatures_of_the_vectors() public {
        uint256 seen = 0;
        for (uint256 s = 0; s < sets(); ++s) {
            string memory list = string.concat(enter(s), ".partialWithdraws");
            for (uint256 i = 0; has(item(list, i)); ++i) {
                string memory path = item(list, i);
                Terms memory terms = fundedChannel(path);
                PartialWithdraw memory order = readOrder(path);
                (Signature memory s1, Signature memory s2) = bothOf(path);
                channels.partialWithdraw(terms, order, s1, s2);
                Channel memory channel = channels.channelOf(channels.channelIdOf(terms));
                assertEq(channel.withdrawVersion, order.version, text(path, ".name"));
                ++seen;
            }
        }
        assertEq(seen, 6, "withdrawals in the file");
    }

    function test_p29_an_acceptance_by_signer_2_counts_in_64_bytes() public {
        checkOpens(".signatures.signer2.compact");
    }

    function test_p29_an_acceptance_by_signer_2_counts_in_65_bytes() public {
        checkOpens(".signatures.signer2.long");
    }

    function test_p29_an_acceptance_by_participant_2_counts_in_64_bytes() public {
        checkOpens(".signatures.participant2.compact");
    }

    function test_p29_an_acceptance_by_participant_2_counts_in_65_bytes() public {
        checkOpens(".signatures.participant2.long");
    }

    function test_p29_close_orders_are_taken_from_a_stranger() public {
        uint256 seen = 0;
        for (uint256 s = 0; s < sets(); ++s) {
            string memory list = string.concat(enter(s), ".closeIntents");
            for (uint256 i = 0; has(item(list, i)); ++i) {
                string memory path = item(list, i);
                checkIntent(path);
                ++seen;
            }
        }
        assertEq(seen, 6, "orders in the file");
    }

    function test_p29_orders_to_pay_out_credit_are_taken_from_a_stranger() public {
        for (uint256 s = 0; s < sets(); ++s) {
            string memory set = enter(s);
            string memory list = string.concat(set, ".takes");
            for (uint256 i = 0; has(item(list, i)); ++i) {
                string memory path = item(list, i);
                Take memory order = readTake(path);
                giveCredit(set, order.amount);
                uint256 before = order.to.balance;
                vm.prank(stranger);
                channels.withdrawFor(order, data(path, ".signatures.participant1.compact"));
                assertEq(order.to.balance - before, order.amount, text(path, ".name"));
            }
        }
    }

    function test_p29_a_list_of_locks_hashes_to_the_root_that_was_signed() public {
        string memory list = string.concat(enter(0), ".states");
        uint256 seen = 0;
        for (uint256 i = 0; has(item(list, i)); ++i) {
            string memory path = item(list, i);
            (Lock[] memory locks, bytes32[] memory known) = readLocks(text(path, ".locks"));
            if (locks.length == 0 || locks[0].resolver != address(0)) continue;
            checkLocks(path, locks, known);
            ++seen;
        }
        assertEq(seen, 3, "lists of hash locks in the file");
    }

    // ------------------------------------------------------------------ checks

    function checkState(string memory path) private returns (bool accepted) {
        Terms memory terms = fundedChannel(path);
        bytes32 id = channels.channelIdOf(terms);
        assertEq(id, word(path, ".channelId"), text(path, ".name"));
        State memory state = readState(path);
        assertEq(channels.stateDigest(id, state), word(path, ".digest"), text(path, ".name"));
        (Signature memory s1, Signature memory s2) = bothOf(path);
        try channels.updateState(terms, state, s1, s2) {
            accepted = true;
            assertEq(channels.channelOf(id).version, state.version, text(path, ".name"));
        } catch {}
    }

    function checkOpens(string memory form) private {
        uint256 seen = 0;
        for (uint256 s = 0; s < sets(); ++s) {
            string memory list = string.concat(enter(s), ".opens");
            for (uint256 i = 0; has(item(list, i)); ++i) {
                checkOpen(item(list, i), form);
                ++seen;
            }
        }
        assertEq(seen, 4, "acceptances in the file");
    }

    function checkOpen(string memory path, string memory form) private {
        Terms memory terms = readTerms(path);
        bytes32 id = channels.channelIdOf(terms);
        uint256 amount = number(path, ".open.minDeposit1");
        uint64 deadline = uint64(number(path, ".open.deadline"));
        bytes memory accept = abi.encodePacked(amount, deadline, data(path, form));
        vm.deal(stranger, amount);
        vm.prank(stranger);
        channels.openChannel{value: amount}(terms, amount, accept);
        assertTrue(statusOf(id) == Status.Active, text(path, ".name"));
    }

    function checkIntent(string memory path) private {
        Terms memory terms = readTerms(path);
        bytes32 id = channels.channelIdOf(terms);
        vm.deal(terms.participant1, 1);
        open(terms, 1);
        join(terms, 0);
        State memory state = ordinary(0, 0);
        Signature memory none;
        uint64 minVersion = uint64(number(path, ".intent.minVersion"));
        if (minVersion != 0) {
            // The signature is taken; a bare close would rest on version 0, below what it demands.
            vm.expectRevert(
                abi.encodeWithSelector(IPaymentChannel.BelowMinVersion.selector, 0, minVersion)
            );
            vm.prank(stranger);
            channels.initiateClose(terms, state, none, none, readIntent(path));
            return;
        }
        vm.prank(stranger);
        channels.initiateClose(terms, state, none, none, readIntent(path));
        assertTrue(statusOf(id) == Status.Closing, text(path, ".name"));
        assertEq(channels.channelOf(id).initiatingSide, number(path, ".intent.side"), "side");
    }

    function checkLocks(string memory path, Lock[] memory locks, bytes32[] memory known) private {
        Terms memory terms = fundedChannel(path);
        bytes32 id = channels.channelIdOf(terms);
        (Signature memory s1, Signature memory s2) = bothOf(path);
        vm.prank(terms.participant1);
        channels.initiateClose(terms, readState(path), s1, s2, noIntent());
        vm.warp(channels.channelOf(id).closesAt);
        channels.closeChannel(terms);
        registry.registerSecret(known);
        channels.resolveLocks(terms, locks, type(uint32).max);
        Channel memory channel = channels.channelOf(id);
        assertEq(channel.held1 + channel.held2, 0, text(path, ".name"));
        assertEq(channel.locksRoot, 0, text(path, ".name"));
    }

    // ------------------------------------------------------------------ arrangement

    function sets() private view returns (uint256 count) {
        while (has(item(".sets", count))) ++count;
        assertEq(count, 2, "domains in the file");
    }

    function enter(uint256 index) private returns (string memory set) {
        set = item(".sets", index);
        deployAt(set);
    }

    function bothOf(string memory path) private view returns (Signature memory, Signature memory) {
        return (compactOf(path, "signer1"), compactOf(path, "signer2"));
    }

    /// An active channel with the deposits that the vector names.
    function fundedChannel(string memory path) private returns (Terms memory terms) {
        terms = readTerms(path);
        uint256 deposit1 = number(path, ".deposit1");
        uint256 deposit2 = number(path, ".deposit2");
        vm.deal(terms.participant1, deposit1);
        vm.deal(terms.participant2, deposit2);
        open(terms, deposit1);
        join(terms, deposit2);
    }

    /// Money that came too late is a credit of participant 1.
    function giveCredit(string memory set, uint256 amount) private {
        Terms memory terms = readTerms(string.concat(set, ".channelIds[0]"));
        if (statusOf(channels.channelIdOf(terms)) != Status.Closed) {
            open(terms, 0);
            vm.prank(terms.participant1);
            channels.cancelOpen(terms, noIntent());
        }
        vm.deal(stranger, amount);
        vm.prank(stranger);
        channels.deposit{value: amount}(terms, 1, amount);
    }
}
