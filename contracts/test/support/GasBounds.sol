// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// P18: with this much gas at the call every exit succeeds, whatever tokens, receivers and resolvers
/// do. Whoever sends an exit may rely on these as gas limits (plus the cost of the calldata).
library GasBounds {
    /// Adopting a state with locks where there was none, from cold storage.
    uint256 internal constant UPDATE_STATE = 120_000;
    uint256 internal constant INITIATE_CLOSE = 130_000;
    uint256 internal constant CHALLENGE_CLOSE = 110_000;
    /// Each further item of a batch is one challenge above the floor of 150,000.
    uint256 internal constant CHALLENGE_BATCH_FLOOR = 170_000;
    uint256 internal constant CHALLENGE_BATCH_ITEM = 95_000;
    /// Two receivers of ETH that burn all they get.
    uint256 internal constant CLOSE_CHANNEL = 260_000;
    uint256 internal constant COOPERATIVE_CLOSE = 260_000;
    uint256 internal constant PARTIAL_WITHDRAW = 330_000;
    uint256 internal constant CANCEL_OPEN = 160_000;
    /// The same with a token that burns all it gets, twice.
    uint256 internal constant CLOSE_CHANNEL_TOKEN = 760_000;
    uint256 internal constant COOPERATIVE_CLOSE_TOKEN = 760_000;
    uint256 internal constant PARTIAL_WITHDRAW_TOKEN = 830_000;
    /// MAX_LOCKS resolvers that burn all they get, and two such receivers.
    uint256 internal constant RESOLVE_LOCKS = 3_900_000;
    uint256 internal constant RESOLVE_LOCKS_TOKEN = 4_400_000;
    /// One secret that is new.
    uint256 internal constant REGISTER_SECRET = 30_000;
}
