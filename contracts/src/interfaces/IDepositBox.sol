// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// An address that takes money for one side of one channel from anyone: exchanges, bridges.
interface IDepositBox {
    /// Only the channel contract empties its boxes.
    error NotChannelContract(address caller);

    /// Sends all ETH (`token` 0) or all of a token to the channel contract.
    function collect(address token) external;
}
