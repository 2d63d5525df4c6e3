// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IResolver} from "../../src/interfaces/IResolver.sol";

/// How a resolver answers.
enum Verdict {
    Undecided,
    Pays,
    Refuses,
    Reverts,
    BurnsGas,
    Bombs,
    Short,
    OddTruth,
    HugeTime
}

/// A resolver that can be told anything.
contract Resolver is IResolver {
    Verdict public verdict;
    uint40 public decidedAt;
    /// What an answer costs.
    uint256 public cost;

    function decide(Verdict verdict_, uint40 decidedAt_) external {
        verdict = verdict_;
        decidedAt = decidedAt_;
    }

    function setCost(uint256 cost_) external {
        cost = cost_;
    }

    function outcome(bytes32) external view returns (bool, bool, uint40) {
        uint256 before = gasleft();
        while (before - gasleft() < cost) {}
        Verdict now_ = verdict;
        if (now_ == Verdict.Undecided) return (false, false, 0);
        if (now_ == Verdict.Pays) return (true, true, decidedAt);
        if (now_ == Verdict.Refuses) return (true, false, decidedAt);
        if (now_ == Verdict.Reverts) revert("not today");
        if (now_ == Verdict.BurnsGas) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        uint256 time = decidedAt;
        assembly ("memory-safe") {
            let out := mload(0x40)
            mstore(out, 1)
            mstore(add(out, 0x20), 1)
            mstore(add(out, 0x40), time)
            switch now_
            case 5 { revert(out, 200000) }
            case 6 { return(out, 0x5f) }
            case 7 {
                // "true" as some other word than 1
                mstore(add(out, 0x20), 2)
                return(out, 0x60)
            }
            default {
                // a time beyond uint40 whose low bits lie in the past
                mstore(add(out, 0x40), or(shl(40, 1), 1))
                return(out, 0x60)
            }
        }
    }
}

/// Answers with a valid verdict and a long tail behind it.
contract BombingResolver {
    fallback() external {
        uint256 time = block.timestamp;
        assembly ("memory-safe") {
            mstore(0, 1)
            mstore(0x20, 1)
            mstore(0x40, time)
            return(0, 200000)
        }
    }
}

/// Tries to use its turn to call the channel contract; static, so nothing may come of it.
contract ReentrantResolver {
    address private immutable _target;
    bytes private _call;

    constructor(address target, bytes memory call) {
        _target = target;
        _call = call;
    }

    function outcome(bytes32) external returns (bool, bool, uint40) {
        (bool ok,) = _target.call(_call);
        return (ok, ok, 1);
    }
}
