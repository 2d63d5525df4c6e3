// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ISecretRegistry} from "./interfaces/ISecretRegistry.sol";

/// First reveal times of secrets; the rules are in ISecretRegistry.
contract SecretRegistry is ISecretRegistry {
    /// @inheritdoc ISecretRegistry
    mapping(bytes32 hash => uint40) public revealedAt;

    /// @inheritdoc ISecretRegistry
    function registerSecret(bytes32[] calldata secrets) external {
        for (uint256 i = 0; i < secrets.length; ++i) {
            bytes32 secret = secrets[i];
            bytes32 hash = sha256(abi.encode(secret));
            if (revealedAt[hash] != 0) continue;
            revealedAt[hash] = uint40(block.timestamp);
            emit SecretRevealed(hash, secret);
        }
    }
}
