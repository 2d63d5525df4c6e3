//! The published EIP-712 vectors of towers, equal in viem and here.

use alloy_primitives::{Address, B256, U256};
use lockstep_core::appointment::{TowerAccess, TowerAction};
use lockstep_core::digest::{SigningDomain, possession_root};
use lockstep_core::ids::{ChannelId, Digest, Domain, Side, Version};
use lockstep_core::money::Amount;
use lockstep_core::possession::{PossessionRoot, SumNode};
use lockstep_core::receipt::Receipt;
use lockstep_core::signature::StateSignature;
use lockstep_core::time::{BlockNumber, BlockTimestamp};
use serde_json::Value;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn word(value: &Value) -> B256 {
    text(value).parse().unwrap()
}

fn address(value: &Value) -> Address {
    text(value).parse().unwrap()
}

fn number(value: &Value) -> u64 {
    text(value).parse().unwrap()
}

fn amount(value: &Value) -> Amount {
    Amount::from_u256(text(value).parse::<U256>().unwrap())
}

fn receipt(message: &Value) -> Receipt {
    Receipt {
        tower: address(&message["tower"]),
        channel_id: ChannelId(word(&message["channelId"])),
        version: Version(number(&message["version"])),
        state_hash: Digest(word(&message["stateHash"])),
        valid_from: BlockTimestamp(number(&message["validFrom"])),
        valid_until: BlockTimestamp(number(&message["validUntil"])),
        min_window: u32::try_from(number(&message["minWindow"])).unwrap(),
        insured: amount(&message["insured"]),
        beneficiary: address(&message["beneficiary"]),
        withdraw_version: Version(number(&message["withdrawVersion"])),
    }
}

fn access(message: &Value) -> TowerAccess {
    TowerAccess {
        channel_id: ChannelId(word(&message["channelId"])),
        side: Side::from_number(u8::try_from(number(&message["side"])).unwrap()).unwrap(),
        action: TowerAction::from_number(u8::try_from(number(&message["action"])).unwrap())
            .unwrap(),
        tower: address(&message["tower"]),
        account: address(&message["account"]),
    }
}

fn root(message: &Value) -> PossessionRoot {
    PossessionRoot {
        tower: address(&message["tower"]),
        epoch: number(&message["epoch"]),
        chain_id: number(&message["chainId"]),
        block_number: BlockNumber(number(&message["blockNumber"])),
        block_hash: word(&message["blockHash"]),
        root: SumNode { hash: word(&message["root"]), insured: amount(&message["insured"]) },
        channels: number(&message["channels"]),
    }
}

#[test]
fn p29_p81_what_towers_sign_has_the_digests_of_the_vectors() {
    let all: Value =
        serde_json::from_str(include_str!("../../../../tests/vectors/tower.json")).unwrap();
    let domain = SigningDomain::new(Domain::Evm {
        chain_id: number(&all["domain"]["chainId"]),
        contract: address(&all["domain"]["verifyingContract"]),
    });
    let cases = all["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let message = &case["message"];
        let digest = match text(&case["primaryType"]) {
            "TowerReceipt" => domain.receipt(&receipt(message)),
            "TowerAccess" => domain.tower_access(&access(message)),
            "PossessionRoot" => possession_root(&root(message)),
            other => panic!("{other}"),
        };
        assert_eq!(digest, Digest(word(&case["digest"])), "{}", case["name"]);
        let compact = text(&case["signature"]).trim_start_matches("0x");
        let bytes: [u8; 64] = alloy_primitives::hex::decode(compact).unwrap().try_into().unwrap();
        let signer = StateSignature(bytes).recover_address(digest).unwrap();
        assert_eq!(signer, Some(address(&all["key"]["address"])), "{}", case["name"]);
    }
}
