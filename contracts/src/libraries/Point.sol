// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// The newest state the chain has seen of a channel, in one word; 0 if it has seen none:
///   int120 net | uint64 version | uint40 closesAt | kind | has locks | has withdrawn | uint2 side
type Point is uint256;

using PointLib for Point global;

/// Packing of `Point`, from the lowest bit up.
library PointLib {
    uint256 private constant MASK_120 = type(uint120).max;
    uint256 private constant VERSION_SHIFT = 120;
    uint256 private constant CLOSES_AT_SHIFT = 184;
    uint256 private constant FINAL = 1 << 224;
    uint256 private constant HAS_LOCKS = 1 << 225;
    uint256 private constant HAS_WITHDRAWN = 1 << 226;
    uint256 private constant SIDE_SHIFT = 227;
    /// What belongs to the close and not to the state: an adoption leaves it as it is.
    uint256 private constant CLOSE_MASK =
        uint256(type(uint40).max) << CLOSES_AT_SHIFT | HAS_WITHDRAWN | 3 << SIDE_SHIFT;

    /// The point after adopting a state. `net_` must fit int120 (`StateRules`).
    function adopt(Point self, uint64 version_, uint8 kind_, int256 net_, bool hasLocks_)
        internal
        pure
        returns (Point)
    {
        return Point.wrap(
            (Point.unwrap(self) & CLOSE_MASK) | (uint256(net_) & MASK_120) | uint256(version_)
                << VERSION_SHIFT | (kind_ == 1 ? FINAL : 0) | (hasLocks_ ? HAS_LOCKS : 0)
        );
    }

    /// The point once a close has begun. Called once per channel: the deadline never moves.
    function closing(Point self, uint40 closesAt_, uint8 side) internal pure returns (Point) {
        return Point.wrap(
            Point.unwrap(self) | uint256(closesAt_) << CLOSES_AT_SHIFT | uint256(side) << SIDE_SHIFT
        );
    }

    function withdrawn(Point self) internal pure returns (Point) {
        return Point.wrap(Point.unwrap(self) | HAS_WITHDRAWN);
    }

    function net(Point self) internal pure returns (int256) {
        return int120(uint120(Point.unwrap(self)));
    }

    function version(Point self) internal pure returns (uint64) {
        return uint64(Point.unwrap(self) >> VERSION_SHIFT);
    }

    function closesAt(Point self) internal pure returns (uint40) {
        return uint40(Point.unwrap(self) >> CLOSES_AT_SHIFT);
    }

    function kind(Point self) internal pure returns (uint8) {
        return Point.unwrap(self) & FINAL != 0 ? 1 : 0;
    }

    function hasLocks(Point self) internal pure returns (bool) {
        return Point.unwrap(self) & HAS_LOCKS != 0;
    }

    function hasWithdrawn(Point self) internal pure returns (bool) {
        return Point.unwrap(self) & HAS_WITHDRAWN != 0;
    }

    function initiatingSide(Point self) internal pure returns (uint8) {
        return uint8((Point.unwrap(self) >> SIDE_SHIFT) & 3);
    }
}
