//! The address that an L1 sender has on the rollup.

use alloy_primitives::{Address, aliases::U160, uint};

/// What is added to an L1 sender's address. Source: nitro-contracts `AddressAliasHelper`.
const OFFSET: U160 = uint!(0x1111000000000000000000000000000000001111_U160);

/// Who `msg.sender` is on the rollup when this L1 account sent the message. Unlike on other rollups this holds
/// for plain accounts too, so no right may hang on `msg.sender` of a message from L1.
pub fn alias_of(l1: Address) -> Address {
    Address::from(U160::from_be_bytes(l1.0.0).wrapping_add(OFFSET))
}

/// The L1 account behind an aliased sender.
pub fn unaliased(l2: Address) -> Address {
    Address::from(U160::from_be_bytes(l2.0.0).wrapping_sub(OFFSET))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::address;

    #[test]
    fn an_alias_wraps_around_at_the_end_of_the_address_space() {
        let last = address!("ffffffffffffffffffffffffffffffffffffffff");
        assert_eq!(alias_of(last), address!("1111000000000000000000000000000000001110"));
        assert_eq!(unaliased(alias_of(last)), last);
    }

    #[test]
    fn the_gateway_on_l1_has_the_sender_that_the_mainnet_ticket_shows() {
        let gateway = address!("a3a7b6f88361f48403514059f1f16c8e78d60eec");
        assert_eq!(alias_of(gateway), address!("b4b8b6f88361f48403514059f1f16c8e78d61ffd"));
    }
}
