// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {ChallengeItem, IPaymentChannel} from "../interfaces/IPaymentChannel.sol";

/// Calls back into this contract with arguments that are in calldata already.
library SelfCall {
    /// `address(this).call(abi.encodeCall(challengeClose, (item...)))`, and the selector of its error.
    /// 0xffffffff stands for an error without one, so that a reason is never 0.
    /// @dev The item's static words are exactly the arguments of `challengeClose`, in order.
    function challengeClose(ChallengeItem calldata item) internal returns (bool ok, bytes4 reason) {
        bytes4 selector = IPaymentChannel.challengeClose.selector;
        assembly ("memory-safe") {
            // 7 words of terms, 6 of state, 2 of each signature.
            let size := 0x220
            let buffer := mload(0x40)
            mstore(buffer, selector)
            calldatacopy(add(buffer, 0x04), item, size)
            mstore(0, 0)
            ok := call(gas(), address(), 0, buffer, add(size, 0x04), 0, 0x04)
            if iszero(ok) {
                reason := mload(0)
                if iszero(reason) { reason := shl(224, 0xffffffff) }
            }
        }
    }
}
