// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentChannel} from "../interfaces/IPaymentChannel.sol";

/// `libraries/ReentrancyGuard.sol` for chains without EIP-1153: one call at a time, held in a plain
/// slot. The build puts this file in its place for the artifact `PaymentChannelShanghai`.
abstract contract ReentrancyGuard {
    // Never zero, so that entering costs an update and not a new slot.
    uint256 private constant FREE = 1;
    uint256 private constant ENTERED = 2;

    uint256 private _entered = FREE;

    /// For functions that call out.
    modifier nonReentrant() {
        _enter();
        _;
        _entered = FREE;
    }

    /// For functions that call nobody, but must not run while another one does.
    modifier notEntered() {
        if (_entered != FREE) revert IPaymentChannel.Reentered();
        _;
    }

    function _enter() private {
        if (_entered != FREE) revert IPaymentChannel.Reentered();
        _entered = ENTERED;
    }

    function _isEntered() internal view returns (bool) {
        return _entered != FREE;
    }
}
