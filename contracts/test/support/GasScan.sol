// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {ChannelCalls} from "./ChannelCalls.sol";

/// Tries one call under many gas limits, each time from the same state of the chain: P27 says that a
/// caller who sends less gas gets an error, never another outcome.
abstract contract GasScan is ChannelCalls {
    /// A prime step, so that the limits fall on no pattern.
    uint256 private constant STEP = 1_009;

    /// From the first limit on at which the call succeeds it always does, and `outcome` is always the same.
    function sameOutcomeAtAnyGas(
        bytes memory call,
        uint256 from,
        uint256 to,
        function() external view returns (bytes32) outcome
    ) internal {
        bytes32 first;
        bool succeeded;
        for (uint256 gasLimit = from; gasLimit < to; gasLimit += STEP) {
            (bool ok, bytes32 result) = this.trial(gasLimit, call, outcome);
            if (!ok) {
                assertTrue(!succeeded, "more gas never makes it fail");
                continue;
            }
            if (!succeeded) first = result;
            succeeded = true;
            assertEq(result, first, "another outcome at another gas limit");
        }
        assertTrue(succeeded, "some limit is enough");
        (, bytes32 plenty) = this.trial(10_000_000, call, outcome);
        assertEq(first, plenty, "another outcome than with plenty of gas");
    }

    /// Makes the call, reports how it went, and leaves no trace on the chain.
    function trial(
        uint256 gasLimit,
        bytes calldata call,
        function() external view returns (bytes32) outcome
    ) external returns (bool ok, bytes32 result) {
        try this.callAndUndo(gasLimit, call, outcome) {}
        catch (bytes memory report) {
            (ok, result) = abi.decode(report, (bool, bytes32));
        }
    }

    function callAndUndo(
        uint256 gasLimit,
        bytes calldata call,
        function() external view returns (bytes32) outcome
    ) external {
        vm.prank(stranger);
        (bool ok,) = address(channels).call{gas: gasLimit}(call);
        bytes32 result = outcome();
        assembly ("memory-safe") {
            mstore(0, ok)
            mstore(0x20, result)
            revert(0, 0x40)
        }
    }
}
