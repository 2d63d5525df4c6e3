// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IERC1271} from "../../src/interfaces/external/IERC1271.sol";

/// How a 1271 wallet answers.
enum Answer {
    Yes,
    No,
    Reverts,
    BurnsGas,
    Bombs,
    ShortYes,
    DirtyYes
}

/// A contract wallet that can change its mind.
contract Wallet is IERC1271 {
    Answer public answer;
    bytes32 public approved;
    /// What the check itself costs, to stand for a wallet with several owners.
    uint256 public cost;

    function approve(bytes32 digest) external {
        approved = digest;
    }

    function turn(Answer answer_) external {
        answer = answer_;
    }

    function setCost(uint256 cost_) external {
        cost = cost_;
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

    receive() external payable {}

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        if (digest != approved) return 0xffffffff;
        uint256 before = gasleft();
        while (before - gasleft() < cost) {}
        Answer now_ = answer;
        if (now_ == Answer.Yes) return IERC1271.isValidSignature.selector;
        if (now_ == Answer.No) return 0xffffffff;
        if (now_ == Answer.Reverts) revert("changed my mind");
        if (now_ == Answer.BurnsGas) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        bytes4 yes = IERC1271.isValidSignature.selector;
        assembly ("memory-safe") {
            mstore(0, yes)
            switch now_
            case 4 { return(0, 200000) }
            case 5 { return(0, 4) }
            default {
                mstore(0, or(yes, 1))
                return(0, 0x20)
            }
        }
    }
}
