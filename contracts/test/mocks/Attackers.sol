// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IERC1271} from "../../src/interfaces/external/IERC1271.sol";
import {IHook} from "./HookToken.sol";

/// Makes calls back into a target whenever it gets to run, and counts how they ended. The calls are
/// kept as code and the counters in one warm word, so that 50,000 gas are enough for an attempt.
contract Reentrant is IHook, IERC1271 {
    struct Counters {
        uint64 tried;
        uint64 succeeded;
        bytes4 lastError;
        bool busy;
        /// Never zero as a word, so that counting never pays for a new slot.
        bool armed;
    }

    address public target;
    address[] private _calls;
    Counters private _counters;

    function arm(address target_, bytes[] calldata calls) external {
        target = target_;
        delete _calls;
        for (uint256 i = 0; i < calls.length; ++i) {
            _calls.push(_keep(calls[i]));
        }
        _counters = Counters(0, 0, 0, false, true);
    }

    function disarm() external {
        delete _calls;
    }

    function tried() external view returns (uint256) {
        return _counters.tried;
    }

    function succeeded() external view returns (uint256) {
        return _counters.succeeded;
    }

    function lastError() external view returns (bytes4) {
        return _counters.lastError;
    }

    /// Lets this contract act as a participant.
    function execute(address to, uint256 value, bytes calldata data)
        external
        payable
        returns (bytes memory)
    {
        (bool ok, bytes memory result) = to.call{value: value}(data);
        require(ok, "execute failed");
        return result;
    }

    receive() external payable {
        _attack();
    }

    function onMove(address, address, uint256) external {
        _attack();
    }

    /// Runs inside a static call, so each write fails; what matters is that nothing is believed.
    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        for (uint256 i = 0; i < _calls.length; ++i) {
            (bool ok,) = target.staticcall(_calls[i].code);
            if (ok) return 0xffffffff;
        }
        return IERC1271.isValidSignature.selector;
    }

    function _attack() private {
        Counters memory counters = _counters;
        if (counters.busy || _calls.length == 0) return;
        _counters.busy = true;
        for (uint256 i = 0; i < _calls.length; ++i) {
            ++counters.tried;
            (bool ok, bytes memory reason) = target.call(_calls[i].code);
            if (ok) ++counters.succeeded;
            else if (reason.length >= 4) counters.lastError = bytes4(reason);
        }
        _counters = counters;
    }

    /// Puts bytes on chain as the code of a new account.
    function _keep(bytes calldata data) private returns (address kept) {
        // Returns all of itself from byte 11 on.
        bytes memory code = abi.encodePacked(hex"600b5981380380925939f3", data);
        assembly ("memory-safe") {
            kept := create(0, add(code, 0x20), mload(code))
        }
        require(keccak256(kept.code) == keccak256(data), "not kept");
    }
}

/// What a receiver of ETH does.
enum Manner {
    Takes,
    Reverts,
    BurnsGas,
    Bombs,
    BombsAndReverts
}

/// A participant that is a contract; it can change its manner at any time.
contract Receiver {
    Manner public manner;

    function turn(Manner manner_) external {
        manner = manner_;
    }

    function execute(address to, uint256 value, bytes calldata data)
        external
        payable
        returns (bytes memory)
    {
        (bool ok, bytes memory result) = to.call{value: value}(data);
        require(ok, "execute failed");
        return result;
    }

    receive() external payable {
        Manner now_ = manner;
        if (now_ == Manner.Takes) return;
        if (now_ == Manner.Reverts) revert("no, thanks");
        if (now_ == Manner.BurnsGas) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        // As much return data as the gas allows: a caller that copies it pays for it again.
        if (now_ == Manner.Bombs) {
            assembly ("memory-safe") {
                return(0, 120000)
            }
        }
        assembly ("memory-safe") {
            revert(0, 120000)
        }
    }
}
