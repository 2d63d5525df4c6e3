// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IERC20} from "../interfaces/external/IERC20.sol";

/// Moves ETH (token 0) and ERC-20 tokens, trusting neither the token nor the receiver.
library Transfers {
    /// Sends, and says whether it worked. Copies no return data, so a receiver can't bomb the caller.
    /// A token must have code, and return nothing or true.
    /// @param gasLimit what the receiver or the token may burn at most.
    function trySend(address token, address to, uint256 amount, uint256 gasLimit)
        internal
        returns (bool)
    {
        if (token == address(0)) return _callWithEther(gasLimit, to, amount);
        return _callToken(gasLimit, token, abi.encodeCall(IERC20.transfer, (to, amount)));
    }

    /// Pulls tokens from an account that approved this contract.
    function tryPull(address token, address from, uint256 amount) internal returns (bool) {
        bytes memory data = abi.encodeCall(IERC20.transferFrom, (from, address(this), amount));
        return _callToken(gasleft(), token, data);
    }

    function _callToken(uint256 gasLimit, address token, bytes memory data)
        private
        returns (bool ok)
    {
        assembly ("memory-safe") {
            ok := call(gasLimit, token, 0, add(data, 0x20), mload(data), 0, 0)
        }
        if (!ok) return false;
        (uint256 size, uint256 word) = _firstReturnWord();
        return size == 0 ? token.code.length != 0 : size >= 32 && word == 1;
    }

    /// `(ok,) = to.call{value: value, gas: gasLimit}("")`, without copying what comes back.
    function _callWithEther(uint256 gasLimit, address to, uint256 value) private returns (bool ok) {
        assembly ("memory-safe") {
            ok := call(gasLimit, to, value, 0, 0, 0, 0)
        }
    }

    /// Size of the last call's return data, and its first word if it has one.
    function _firstReturnWord() private pure returns (uint256 size, uint256 word) {
        assembly ("memory-safe") {
            size := returndatasize()
            if gt(size, 0x1f) {
                returndatacopy(0, 0, 0x20)
                word := mload(0)
            }
        }
    }
}
