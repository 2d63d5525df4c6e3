// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IPaymentChannel} from "../interfaces/IPaymentChannel.sol";

/// One call into the contract at a time, held in transient storage (EIP-1153).
abstract contract ReentrancyGuard {
    uint256 private constant FREE = 0;
    uint256 private constant ENTERED = 1;

    /// A whole word: a bool would be read before each write, to keep its neighbours.
    uint256 private transient _entered;

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
