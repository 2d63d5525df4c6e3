// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Token} from "./Token.sol";

/// Takes one percent of every transfer out of what arrives.
contract FeeToken is Token {
    function _move(address from, address to, uint256 amount) internal override {
        balanceOf[from] -= amount;
        balanceOf[to] += amount - amount / 100;
    }
}

/// Returns nothing at all, as the oldest tokens do.
contract NoReturnToken is Token {
    function transfer(address to, uint256 amount) external override returns (bool) {
        _move(msg.sender, to, amount);
        assembly ("memory-safe") {
            return(0, 0)
        }
    }

    function transferFrom(address from, address to, uint256 amount)
        external
        override
        returns (bool)
    {
        _move(from, to, amount);
        assembly ("memory-safe") {
            return(0, 0)
        }
    }
}

/// What a token does with a transfer while it is switched.
enum Mood {
    Honest,
    ReturnsFalse,
    ReturnsTwo,
    ReturnsOneByte,
    Reverts,
    BurnsGas,
    Bombs
}

/// Turns hostile when told: for all transfers, or only for those to one account (a blacklist).
contract MoodyToken is Token {
    Mood public mood;
    address public victim;

    function turn(Mood mood_, address victim_) external {
        mood = mood_;
        victim = victim_;
    }

    function transfer(address to, uint256 amount) external override returns (bool) {
        return _moody(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount)
        external
        override
        returns (bool)
    {
        return _moody(from, to, amount);
    }

    function _moody(address from, address to, uint256 amount) private returns (bool) {
        if (mood == Mood.Honest || (victim != address(0) && to != victim)) {
            _move(from, to, amount);
            return true;
        }
        if (mood == Mood.ReturnsFalse) return false;
        if (mood == Mood.Reverts) revert("blacklisted");
        if (mood == Mood.BurnsGas) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        Mood now_ = mood;
        assembly ("memory-safe") {
            switch now_
            case 2 {
                mstore(0, 2)
                return(0, 0x20)
            }
            case 3 {
                mstore8(0, 1)
                return(0, 1)
            }
            default { return(0, 200000) }
        }
    }
}

/// Says of its balances whatever it was told to say.
contract LyingToken is Token {
    mapping(address => uint256) public lie;

    function setLie(address account, uint256 amount) external {
        lie[account] = amount;
    }

    /// The claim replaces the truth after the next transfer.
    function _move(address from, address to, uint256 amount) internal override {
        from;
        amount;
        balanceOf[to] = lie[to];
    }
}

/// Like WETH9: knows nothing of ERC-3009, and its fallback takes any call without complaint.
contract SilentToken is Token {
    fallback() external payable {}

    receive() external payable {}
}
