use super::*;
use crate::ids::Side;
use crate::money::{Amount, Net};
use crate::state::StateKind;
use alloy_primitives::address;

const CONTRACT: Address = address!("5fbdb2315678afecb367f032d93f642f64180aa3");
const DOMAIN: Domain = Domain::Evm { chain_id: 31_337, contract: CONTRACT };

fn state() -> State {
    State {
        channel_id: ChannelId(B256::repeat_byte(0x11)),
        version: Version(7),
        kind: StateKind::Ordinary,
        net: Net::new(-5).unwrap(),
        locked1: Amount::from(3u64),
        locked2: Amount::from(4u64),
        locks_root: B256::repeat_byte(0x22),
    }
}

/// The definition of EIP-712 once more, by hand.
fn by_hand(type_string: &str, words: &[B256]) -> Digest {
    let domain_type =
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
    let separator = keccak256(
        [
            keccak256(domain_type),
            keccak256("Lockstep"),
            keccak256("1"),
            B256::from(U256::from(31_337)),
            CONTRACT.into_word(),
        ]
        .as_slice()
        .as_flattened_bytes(),
    );
    let mut fields = vec![keccak256(type_string)];
    fields.extend_from_slice(words);
    let hash = keccak256(fields.as_slice().as_flattened_bytes());
    let mut bytes = vec![0x19, 0x01];
    bytes.extend(separator.0);
    bytes.extend(hash.0);
    Digest(keccak256(bytes))
}

fn word(value: u64) -> B256 {
    B256::from(U256::from(value))
}

#[test]
fn p29_a_state_digest_follows_eip_712_by_hand() {
    let state = state();
    let expected = by_hand(
        "State(bytes32 channelId,uint64 version,uint8 kind,int256 net,uint256 locked1,\
         uint256 locked2,bytes32 locksRoot)",
        &[
            state.channel_id.0,
            word(7),
            word(0),
            B256::from(state.net.to_i256().into_raw()),
            word(3),
            word(4),
            state.locks_root,
        ],
    );
    assert_eq!(SigningDomain::new(DOMAIN).state(&state), expected);
}

#[test]
fn p29_the_other_digests_follow_eip_712_by_hand() {
    let domain = SigningDomain::new(DOMAIN);
    let state = state();
    let withdraw = PartialWithdraw {
        channel_id: state.channel_id,
        version: state.version,
        net: state.net,
        locked1: state.locked1,
        locked2: state.locked2,
        locks_root: state.locks_root,
        out1: Amount::from(8u64),
        out2: Amount::from(9u64),
        deadline: BlockTimestamp(10),
    };
    let expected = by_hand(
        "PartialWithdraw(bytes32 channelId,uint64 version,int256 net,uint256 locked1,\
         uint256 locked2,bytes32 locksRoot,uint256 out1,uint256 out2,uint64 deadline)",
        &[
            state.channel_id.0,
            word(7),
            B256::from(state.net.to_i256().into_raw()),
            word(3),
            word(4),
            state.locks_root,
            word(8),
            word(9),
            word(10),
        ],
    );
    assert_eq!(domain.partial_withdraw(&withdraw), expected);
    let open = Open {
        channel_id: state.channel_id,
        min_deposit1: Amount::from(5u64),
        deadline: BlockTimestamp(6),
    };
    let expected = by_hand(
        "Open(bytes32 channelId,uint256 minDeposit1,uint64 deadline)",
        &[state.channel_id.0, word(5), word(6)],
    );
    assert_eq!(domain.open(&open), expected);
    let intent = CloseIntent {
        channel_id: state.channel_id,
        side: Side::Two,
        min_version: Version(5),
        deadline: BlockTimestamp(6),
    };
    let expected = by_hand(
        "CloseIntent(bytes32 channelId,uint8 side,uint64 minVersion,uint64 deadline)",
        &[state.channel_id.0, word(2), word(5), word(6)],
    );
    assert_eq!(domain.close_intent(&intent), expected);
}

#[test]
fn p29_a_take_digest_follows_eip_712_by_hand() {
    let account = |byte| Address::repeat_byte(byte);
    let take = Take {
        token: AccountRef::Evm(account(1)),
        account: AccountRef::Evm(account(2)),
        to: AccountRef::Evm(account(3)),
        amount: Amount::from(4u64),
        id: U256::from(5),
        deadline: BlockTimestamp(6),
    };
    let expected = by_hand(
        "Take(address token,address account,address to,uint256 amount,uint256 id,uint64 deadline)",
        &[
            account(1).into_word(),
            account(2).into_word(),
            account(3).into_word(),
            word(4),
            word(5),
            word(6),
        ],
    );
    let domain = SigningDomain::new(DOMAIN);
    assert_eq!(domain.take(&take), Some(expected));
    let felt = Take { to: AccountRef::Starknet(B256::ZERO), ..take };
    assert_eq!(domain.take(&felt), None);
}

#[test]
fn p06_a_digest_changes_with_chain_contract_and_kind_of_chain() {
    let state = state();
    let base = SigningDomain::new(DOMAIN).state(&state);
    let others = [
        Domain::Evm { chain_id: 1, contract: CONTRACT },
        Domain::Evm { chain_id: 31_337, contract: Address::ZERO },
        Domain::Starknet { chain_id: word(31_337), hub: CONTRACT.into_word() },
    ];
    for other in others {
        assert_ne!(SigningDomain::new(other).state(&state), base);
    }
}

#[test]
fn a_starknet_separator_carries_the_hub_as_salt() {
    let hub = B256::repeat_byte(0x03);
    let chain_id = word(0x53_4e5f_4d41_494e);
    let domain_type = "EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)";
    let words = [keccak256(domain_type), keccak256("Lockstep"), keccak256("1"), chain_id, hub];
    assert_eq!(
        SigningDomain::new(Domain::Starknet { chain_id, hub }).separator(),
        keccak256(words.as_slice().as_flattened_bytes())
    );
}
