// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// Locked sums of the stored point; after the close, what is still held and which locks are decided:
///   uint112 held1 | uint112 held2 | uint32 resolved
type Held is uint256;

using HeldLib for Held global;

/// Packing of `Held`, from the lowest bit up.
library HeldLib {
    /// Both sums must be below 2^112 (`StateRules`).
    function pack(uint256 held1_, uint256 held2_, uint32 resolved_) internal pure returns (Held) {
        return Held.wrap(held1_ | held2_ << 112 | uint256(resolved_) << 224);
    }

    function held1(Held self) internal pure returns (uint256) {
        return uint112(Held.unwrap(self));
    }

    function held2(Held self) internal pure returns (uint256) {
        return uint112(Held.unwrap(self) >> 112);
    }

    function resolved(Held self) internal pure returns (uint32) {
        return uint32(Held.unwrap(self) >> 224);
    }
}
