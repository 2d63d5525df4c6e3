// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// Remembers when a secret was first shown to the chain. Shared by all channels, owned by nobody.
interface ISecretRegistry {
    /// The secret behind `hash` became public.
    event SecretRevealed(bytes32 indexed hash, bytes32 secret);

    /// Records each secret's time. A secret that is known already keeps its first time.
    function registerSecret(bytes32[] calldata secrets) external;

    /// When sha256(secret) was first revealed; 0 if it was not. Seconds.
    function revealedAt(bytes32 hash) external view returns (uint40);
}
