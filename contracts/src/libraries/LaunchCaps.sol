// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// First cap of one token during the guarded launch.
struct TokenCap {
    /// 0 is ETH.
    address token;
    /// Sum of both deposits of one channel. Base units.
    uint112 perChannel;
    /// All this contract holds of the token. Base units.
    uint112 total;
}

/// Schedule of the guarded launch. `endsAt` 0: no caps at all.
struct LaunchSchedule {
    uint40 startsAt;
    /// The caps double each time this many seconds have passed.
    uint32 doublesEvery;
    /// From here on there are no caps.
    uint40 endsAt;
    /// Tokens that are not named have a cap of 0 until the launch ends.
    TokenCap[] caps;
}

/// Caps fixed at deployment, which grow by themselves and end by themselves. They are asked for
/// entries only; no exit ever reads them.
abstract contract LaunchCaps {
    error InvalidLaunchSchedule();

    struct Cap {
        uint112 perChannel;
        uint112 total;
    }

    uint40 private immutable STARTS_AT;
    uint32 private immutable DOUBLES_EVERY;
    uint40 private immutable ENDS_AT;
    mapping(address token => Cap) private _caps;

    constructor(LaunchSchedule memory schedule) {
        if (schedule.endsAt != 0) {
            if (schedule.doublesEvery == 0 || schedule.endsAt <= schedule.startsAt) {
                revert InvalidLaunchSchedule();
            }
        }
        STARTS_AT = schedule.startsAt;
        DOUBLES_EVERY = schedule.doublesEvery;
        ENDS_AT = schedule.endsAt;
        for (uint256 i = 0; i < schedule.caps.length; ++i) {
            TokenCap memory cap = schedule.caps[i];
            _caps[cap.token] = Cap(cap.perChannel, cap.total);
        }
    }

    function _capsOf(address token) internal view returns (uint256 perChannel, uint256 total) {
        if (block.timestamp >= ENDS_AT) return (type(uint256).max, type(uint256).max);
        Cap memory cap = _caps[token];
        uint256 doublings =
            block.timestamp > STARTS_AT ? (block.timestamp - STARTS_AT) / DOUBLES_EVERY : 0;
        // 2^112 shifted by at most 128 still fits a word.
        if (doublings > 128) doublings = 128;
        return (uint256(cap.perChannel) << doublings, uint256(cap.total) << doublings);
    }

    function _isGuarded() internal view returns (bool) {
        return block.timestamp < ENDS_AT;
    }
}
