// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Token} from "./Token.sol";

/// What a token with hooks (ERC-777) calls before and after it moves.
interface IHook {
    function onMove(address from, address to, uint256 amount) external;
}

/// Calls a hook before each transfer, as ERC-777 does for the sender, and after it for the receiver.
contract HookToken is Token {
    IHook public hook;

    function setHook(IHook hook_) external {
        hook = hook_;
    }

    function _move(address from, address to, uint256 amount) internal override {
        if (address(hook) != address(0)) hook.onMove(from, to, amount);
        super._move(from, to, amount);
        if (address(hook) != address(0)) hook.onMove(from, to, amount);
    }
}
