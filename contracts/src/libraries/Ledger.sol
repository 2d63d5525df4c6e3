// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Mode, Status} from "../interfaces/IPaymentChannel.sol";

/// The one word every channel has. While it lives:
///   int120 deposit1 | int120 deposit2 | uint8 status | uint8 has point
/// and for ever after, as evidence:
///   uint64 version | uint40 closesAt | uint64 withdraw version | uint8 mode | uint8 side | ... | status
type Ledger is uint256;

using LedgerLib for Ledger global;

/// Packing of `Ledger`, from the lowest bit up.
library LedgerLib {
    uint256 private constant MASK_8 = type(uint8).max;
    uint256 private constant MASK_120 = type(uint120).max;
    uint256 private constant STATUS_SHIFT = 240;
    uint256 private constant HAS_POINT = 1 << 248;
    uint256 private constant CLOSES_AT_SHIFT = 64;
    uint256 private constant WITHDRAW_SHIFT = 104;
    uint256 private constant MODE_SHIFT = 168;
    uint256 private constant SIDE_SHIFT = 176;

    /// Deposits must fit int120; `StateRules.requireDeposit` and the balance rules see to it.
    function pack(int256 deposit1_, int256 deposit2_, Status status_, bool hasPoint_)
        internal
        pure
        returns (Ledger)
    {
        return Ledger.wrap(
            (uint256(deposit1_) & MASK_120) | (uint256(deposit2_) & MASK_120) << 120
                | uint256(status_) << STATUS_SHIFT | (hasPoint_ ? HAS_POINT : 0)
        );
    }

    /// What stays of a closed channel.
    function tombstone(
        uint64 version,
        uint40 closesAt,
        uint64 withdrawVersion,
        Mode mode,
        uint8 initiatingSide
    ) internal pure returns (Ledger) {
        return Ledger.wrap(
            uint256(version) | uint256(closesAt) << CLOSES_AT_SHIFT | uint256(withdrawVersion)
                << WITHDRAW_SHIFT | uint256(mode) << MODE_SHIFT | uint256(initiatingSide)
                << SIDE_SHIFT | uint256(Status.Closed) << STATUS_SHIFT
        );
    }

    /// @dev Only `pack`, `withPoint` and `tombstone` write these bits, so they are a `Status`.
    function status(Ledger self) internal pure returns (Status result) {
        assembly ("memory-safe") {
            result := and(shr(STATUS_SHIFT, self), 0xff)
        }
    }

    function deposit1(Ledger self) internal pure returns (int256) {
        return int120(uint120(Ledger.unwrap(self)));
    }

    function deposit2(Ledger self) internal pure returns (int256) {
        return int120(uint120(Ledger.unwrap(self) >> 120));
    }

    /// True once a point was stored; before that its slot need not be read.
    function hasPoint(Ledger self) internal pure returns (bool) {
        return Ledger.unwrap(self) & HAS_POINT != 0;
    }

    /// The same deposits with another status and a stored point.
    function withPoint(Ledger self, Status status_) internal pure returns (Ledger) {
        uint256 deposits = Ledger.unwrap(self) & ((1 << STATUS_SHIFT) - 1);
        return Ledger.wrap(deposits | uint256(status_) << STATUS_SHIFT | HAS_POINT);
    }

    function tombstoneVersion(Ledger self) internal pure returns (uint64) {
        return uint64(Ledger.unwrap(self));
    }

    function tombstoneClosesAt(Ledger self) internal pure returns (uint40) {
        return uint40(Ledger.unwrap(self) >> CLOSES_AT_SHIFT);
    }

    function tombstoneWithdrawVersion(Ledger self) internal pure returns (uint64) {
        return uint64(Ledger.unwrap(self) >> WITHDRAW_SHIFT);
    }

    function tombstoneMode(Ledger self) internal pure returns (Mode) {
        return Mode((Ledger.unwrap(self) >> MODE_SHIFT) & MASK_8);
    }

    function tombstoneSide(Ledger self) internal pure returns (uint8) {
        return uint8(Ledger.unwrap(self) >> SIDE_SHIFT);
    }
}
