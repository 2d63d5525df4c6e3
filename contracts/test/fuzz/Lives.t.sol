// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Handler} from "../invariant/Handler.sol";
import {Test} from "../support/Test.sol";

/// Whole random lives of many channels, from one seed each; the counterexample forge prints is the seed.
contract LivesTest is Test {
    uint256 private constant ACTS = 120;

    Handler private handler;

    function setUp() public {
        handler = new Handler();
    }

    function live(uint256 seed, uint256 acts) private {
        for (uint256 i = 0; i < acts; ++i) {
            uint256 r = uint256(keccak256(abi.encode(seed, i)));
            step(r % 32, uint256(keccak256(abi.encode(r))));
        }
    }

    function step(uint256 which, uint256 r) private {
        uint96 amount = uint96(r >> 64);
        uint8 manner = uint8(r >> 160);
        if (which < 4) handler.open(r, amount, manner);
        else if (which < 7) handler.join(r, amount, manner);
        else if (which < 8) handler.topUp(r, amount, manner);
        else if (which < 9) handler.sweep(r, amount, manner);
        else if (which < 10) handler.donate(r, amount);
        else if (which < 19) handler.act(r, manner);
        else if (which < 20) handler.forge(r, manner, uint8(r >> 168));
        else if (which < 21) handler.cancel(r);
        else if (which < 23) handler.close(r, manner % 4 != 0);
        else if (which < 26) handler.resolve(r, uint32(r >> 168));
        else if (which < 28) handler.withdraw(r, amount, manner % 2 == 0, uint8(r >> 168));
        else if (which < 30) handler.wait(uint32(r >> 168) % 1 hours);
        else if (which < 31) handler.reveal(manner);
        else handler.turn(manner, uint8(r >> 168));
    }

    /// forge-config: default.fuzz.runs = 96
    /// forge-config: soak.fuzz.runs = 2000
    function testFuzz_p28_the_logs_of_a_random_life_give_all_of_its_storage(uint256 seed) public {
        live(seed, ACTS);
        for (uint256 i = 0; i < handler.channelCount(); ++i) {
            assertTrue(handler.sameAsLogs(i), "a channel differs from its logs");
        }
        assertTrue(handler.sameCreditAsLogs(), "credit differs from the logs");
    }

    /// forge-config: default.fuzz.runs = 96
    /// forge-config: soak.fuzz.runs = 2000
    function testFuzz_p02_a_random_life_makes_and_loses_no_money(uint256 seed) public {
        live(seed, ACTS);
        for (uint256 i = 0; i < handler.channelCount(); ++i) {
            (uint256 came, uint256 accounted) = handler.conserved(i);
            assertEq(accounted, came, "per channel");
        }
        for (uint256 i = 0; i < handler.tokenCount(); ++i) {
            address token = handler.tokenAt(i);
            assertEq(handler.held(token), handler.owed(token) + handler.donated(token), "in all");
        }
        for (uint256 property = 1; property < 30; ++property) {
            string memory violation = handler.violation(property);
            assertTrue(bytes(violation).length == 0, violation);
        }
    }

    /// Random acts prove nothing about what they never reach.
    function test_p02_random_lives_reach_every_end() public {
        bytes32[9] memory ends = [
            bytes32("closed"),
            "agreed",
            "cancelled",
            "held",
            "resolved",
            "withdrawn",
            "checkpointed",
            "challenged",
            "refused"
        ];
        uint256[9] memory reached;
        for (uint256 life = 0; life < 20; ++life) {
            handler = new Handler();
            live(life, ACTS);
            for (uint256 i = 0; i < ends.length; ++i) {
                reached[i] += handler.count(ends[i]);
            }
        }
        for (uint256 i = 0; i < ends.length; ++i) {
            emit Reached(ends[i], reached[i]);
        }
        for (uint256 i = 0; i < ends.length; ++i) {
            assertTrue(reached[i] >= 8, string(abi.encodePacked("not reached: ", ends[i])));
        }
    }

    event Reached(bytes32 end, uint256 times);
}
