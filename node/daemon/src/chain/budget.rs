//! What a call for a channel may cost, from what would be lost without it (P76).

use alloy_primitives::U256;
use lockstep_core::ids::AccountRef;
use lockstep_core::money::Amount;

/// Of what is at risk, at most one part in this many is paid in fees to save it.
const SHARE: u64 = 2;

/// The most that one call for a channel may cost. Units: wei.
///
/// Half of what is at risk where that is the chain's own coin, but at least what the operator allows for any
/// channel. A token has no price that the node could know: there the operator's word is all.
pub fn call_budget(token: AccountRef, at_risk: Amount, allowed: Amount) -> Amount {
    if !token.is_zero() {
        return allowed;
    }
    let share = at_risk.to_u256().checked_div(U256::from(SHARE)).unwrap_or_default();
    allowed.max(Amount::from_u256(share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Address;

    fn amount(units: u64) -> Amount {
        Amount::from_u256(U256::from(units))
    }

    #[test]
    fn p76_a_large_channel_may_spend_more_than_a_small_one_and_no_channel_less_than_allowed() {
        let coin = AccountRef::Evm(Address::ZERO);
        let budget = |at_risk| call_budget(coin, amount(at_risk), amount(50));
        assert_eq!(budget(0), amount(50));
        assert_eq!(budget(100), amount(50));
        assert_eq!(budget(100_001), amount(50_000));
        let token = AccountRef::Evm(Address::repeat_byte(1));
        assert_eq!(call_budget(token, amount(100_000), amount(50)), amount(50));
    }
}
