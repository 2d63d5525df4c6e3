// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IERC1271} from "../../src/interfaces/external/IERC1271.sol";
import {IHook} from "./HookToken.sol";

/// Makes calls back into a target whenever it gets to run, and counts how they ended.
contract Reentrant is IHook, IERC1271 {
    address public target;
    bytes[] private _calls;
    uint256 public tried;
    uint256 public succeeded;
    bytes4 public lastError;
    bool private _busy;

    function arm(address target_, bytes[] calldata calls) external {
        target = target_;
        delete _calls;
        for (uint256 i = 0; i < calls.length; ++i) {
            _calls.push(calls[i]);
        }
        (tried, succeeded, lastError) = (0, 0, 0);
    }

    function disarm() external {
        delete _calls;
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
            (bool ok,) = target.staticcall(_calls[i]);
            if (ok) return 0xffffffff;
        }
        return IERC1271.isValidSignature.selector;
    }

    function _attack() private {
        if (_busy) return;
        _busy = true;
        for (uint256 i = 0; i < _calls.length; ++i) {
            ++tried;
            (bool ok, bytes memory reason) = target.call(_calls[i]);
            if (ok) ++succeeded;
            else if (reason.length >= 4) lastError = bytes4(reason);
        }
        _busy = false;
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
