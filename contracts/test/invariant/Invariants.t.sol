// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Test} from "../support/Test.sol";
import {Handler} from "./Handler.sol";

/// What holds after any sequence of acts. Depth and runs are set in foundry.toml.
contract Invariants is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler private handler;

    function setUp() public {
        handler = new Handler();
    }

    function targetContracts() public view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    /// Weighted by repetition: states and closes matter most.
    function targetSelectors() public view returns (FuzzSelector[] memory list) {
        bytes4[19] memory weighted = [
            Handler.open.selector,
            Handler.open.selector,
            Handler.join.selector,
            Handler.join.selector,
            Handler.topUp.selector,
            Handler.sweep.selector,
            Handler.donate.selector,
            Handler.act.selector,
            Handler.act.selector,
            Handler.act.selector,
            Handler.act.selector,
            Handler.forge.selector,
            Handler.cancel.selector,
            Handler.close.selector,
            Handler.close.selector,
            Handler.resolve.selector,
            Handler.withdraw.selector,
            Handler.wait.selector,
            Handler.reveal.selector
        ];
        bytes4[] memory selectors = new bytes4[](20);
        for (uint256 i = 0; i < 19; ++i) {
            selectors[i] = weighted[i];
        }
        selectors[19] = Handler.turn.selector;
        list = new FuzzSelector[](1);
        list[0] = FuzzSelector(address(handler), selectors);
    }

    function holds(uint256 property) private view {
        string memory violation = handler.violation(property);
        assertTrue(bytes(violation).length == 0, violation);
    }

    function invariant_p01_the_contract_holds_what_it_owes_to_the_wei() public view {
        for (uint256 i = 0; i < handler.tokenCount(); ++i) {
            address token = handler.tokenAt(i);
            assertEq(
                handler.held(token), handler.owed(token) + handler.donated(token), "not solvent"
            );
        }
    }

    function invariant_p02_what_came_into_a_channel_is_accounted_for() public view {
        for (uint256 i = 0; i < handler.channelCount(); ++i) {
            (uint256 came, uint256 accounted) = handler.conserved(i);
            assertEq(accounted, came, "money was made or lost");
        }
    }

    function invariant_p03_no_call_changes_another_channel() public view {
        holds(3);
    }

    function invariant_p04_payouts_are_those_of_the_stored_state() public view {
        holds(4);
    }

    function invariant_p05_versions_only_rise() public view {
        holds(5);
    }

    function invariant_p06_nothing_is_taken_without_both_signatures() public view {
        holds(6);
    }

    function invariant_p07_no_side_is_below_zero() public view {
        holds(7);
    }

    function invariant_p08_a_deadline_is_set_once() public view {
        holds(8);
    }

    function invariant_p09_the_deadline_divides_challenges_from_settlement() public view {
        holds(9);
    }

    function invariant_p10_only_final_states_settle_at_once() public view {
        holds(10);
    }

    function invariant_p11_a_status_only_moves_forward() public view {
        holds(11);
    }

    function invariant_p14_credit_falls_only_by_its_owners_order() public view {
        holds(14);
    }

    function invariant_p21_an_order_is_used_exactly_if_it_was_carried_out() public view {
        holds(21);
    }

    function invariant_p25_locks_go_to_whom_the_registry_says() public view {
        holds(25);
    }

    function invariant_p28_logs_alone_give_all_of_storage() public view {
        for (uint256 i = 0; i < handler.channelCount(); ++i) {
            assertTrue(handler.sameAsLogs(i), "a channel differs from its logs");
        }
        assertTrue(handler.sameCreditAsLogs(), "credit differs from the logs");
    }
}
