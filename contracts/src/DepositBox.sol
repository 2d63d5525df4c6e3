// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IDepositBox} from "./interfaces/IDepositBox.sol";
import {IERC20} from "./interfaces/external/IERC20.sol";
import {Transfers} from "./libraries/Transfers.sol";

/// Holds money for one side of one channel until the channel contract collects it.
/// @dev Takes no constructor arguments, so that its address follows from the channel and side alone.
/// A transfer that fails moves nothing; the channel contract counts what arrived.
contract DepositBox is IDepositBox {
    address private immutable CHANNEL_CONTRACT = msg.sender;

    receive() external payable {}

    /// @inheritdoc IDepositBox
    function collect(address token) external {
        if (msg.sender != CHANNEL_CONTRACT) revert NotChannelContract(msg.sender);
        uint256 amount =
            token == address(0) ? address(this).balance : IERC20(token).balanceOf(address(this));
        Transfers.trySend(token, CHANNEL_CONTRACT, amount, gasleft());
    }
}
