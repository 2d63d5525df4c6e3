//! The contracts' functions, events, errors and structs, as their ABI has them.
//!
//! A call is built with `PaymentChannel::openChannelCall { .. }.abi_encode()` (`SolCall`), an event is read
//! with `PaymentChannel::ChannelClosing::decode_log_data(..)` (`SolEvent`). `Status` and `Mode` come as bare
//! numbers: the ABI does not name enum members.
//!
//! Source: `contracts/artifacts/*.json`; `IPaymentChannel.sol` says what each function does.
#![allow(missing_docs, clippy::too_many_arguments, reason = "generated from the ABI")]

alloy_sol_types::sol!(
    #[sol(all_derives)]
    PaymentChannel,
    "artifacts/PaymentChannel.json"
);

alloy_sol_types::sol!(
    #[sol(all_derives)]
    SecretRegistry,
    "artifacts/SecretRegistry.json"
);

alloy_sol_types::sol!(
    #[sol(all_derives)]
    DepositBox,
    "artifacts/DepositBox.json"
);

alloy_sol_types::sol! {
    /// What a contract must answer to decide a lock.
    #[sol(all_derives)]
    interface IResolver {
        function outcome(bytes32 id) external view returns (bool done, bool ok, uint40 decidedAt);
    }
}
