// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// Decides locks whose condition is more than a secret.
interface IResolver {
    /// @return done whether there is a decision.
    /// @return ok whether the lock pays.
    /// @return decidedAt when it was decided; it pays only if that is no later than its expiry. Seconds.
    function outcome(bytes32 id) external view returns (bool done, bool ok, uint40 decidedAt);
}
