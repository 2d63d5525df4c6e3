//! The published EIP-712 vectors, equal in Solidity, viem and here.

use alloy_primitives::{Address, B256, I256, U256};
use lockstep_core::adjudicator::{PresentedState, PresentedWithdraw, acceptance};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{AccountRef, ChannelId, Digest, Domain, Version};
use lockstep_core::lock::{Lock, locked_sums, locks_root};
use lockstep_core::money::{Amount, Deposit, Deposits, RawNet};
use lockstep_core::signature::StateSignature;
use lockstep_core::state::{Open, Take};
use lockstep_core::terms::Terms;
use lockstep_core::time::BlockTimestamp;
use serde_json::Value;

fn vectors() -> Value {
    let text = include_str!("../../../../tests/vectors/eip712.json");
    serde_json::from_str(text).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn word(value: &Value) -> B256 {
    text(value).parse().unwrap()
}

fn address(value: &Value) -> Address {
    text(value).parse().unwrap()
}

fn account(value: &Value) -> AccountRef {
    AccountRef::Evm(address(value))
}

fn amount(value: &Value) -> Amount {
    Amount::from_u256(text(value).parse::<U256>().unwrap())
}

fn number(value: &Value) -> u64 {
    text(value).parse().unwrap()
}

fn net(value: &Value) -> RawNet {
    RawNet::from_i256(text(value).parse::<I256>().unwrap())
}

fn time(value: &Value) -> BlockTimestamp {
    BlockTimestamp(number(value))
}

fn terms(value: &Value) -> Terms {
    Terms {
        participant1: account(&value["participant1"]),
        participant2: account(&value["participant2"]),
        signer1: address(&value["signer1"]),
        signer2: address(&value["signer2"]),
        token: account(&value["token"]),
        challenge_period: u32::try_from(number(&value["challengePeriod"])).unwrap(),
        salt: word(&value["salt"]),
    }
}

fn domain(set: &Value) -> Domain {
    let domain = &set["domain"];
    Domain::Evm {
        chain_id: number(&domain["chainId"]),
        contract: address(&domain["verifyingContract"]),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    let list = value[key].as_array().unwrap();
    assert!(!list.is_empty(), "{key}");
    list
}

/// Each signature in the file is by the key that it is filed under.
fn check_signatures(all: &Value, case: &Value, digest: Digest) {
    for (name, signature) in case["signatures"].as_object().unwrap() {
        let Some(key) = all["keys"].get(name) else { panic!("no key {name}") };
        let compact = text(&signature["compact"]).trim_start_matches("0x");
        let bytes: [u8; 64] = alloy_primitives::hex::decode(compact).unwrap().try_into().unwrap();
        let recovered = StateSignature(bytes).recover_address(digest).unwrap();
        assert_eq!(recovered, Some(address(&key["address"])), "{name}");
    }
}

#[test]
fn p29_separators_and_channel_ids_equal_the_vectors() {
    let all = vectors();
    for set in list(&all, "sets") {
        let domain = domain(set);
        assert_eq!(SigningDomain::new(domain).separator(), word(&set["separator"]));
        for case in list(set, "channelIds") {
            let id = terms(&case["terms"]).channel_id(domain);
            assert_eq!(id, ChannelId(word(&case["channelId"])), "{}", case["name"]);
        }
    }
}

#[test]
fn p29_p33_state_digests_and_acceptance_equal_the_vectors() {
    let all = vectors();
    for set in list(&all, "sets") {
        let signing = SigningDomain::new(domain(set));
        for case in list(set, "states") {
            let given = &case["state"];
            let state = PresentedState {
                version: Version(number(&given["version"])),
                kind: u8::try_from(number(&given["kind"])).unwrap(),
                net: net(&given["net"]),
                locked1: amount(&given["locked1"]),
                locked2: amount(&given["locked2"]),
                locks_root: word(&given["locksRoot"]),
            };
            let id = ChannelId(word(&case["channelId"]));
            let digest = signing.presented_state(id, &state);
            assert_eq!(digest, Digest(word(&case["digest"])), "{}", case["name"]);
            check_signatures(&all, case, digest);
            let deposit =
                |key: &str| Deposit::new(text(&case[key]).parse::<i128>().unwrap()).unwrap();
            let deposits = Deposits::new(deposit("deposit1"), deposit("deposit2")).unwrap();
            // Nothing is stored yet, so a state is newer if it has a version at all.
            let is_newer = state.version > Version::ZERO;
            let is_accepted = is_newer && acceptance::accept(deposits, &state).is_ok();
            assert_eq!(is_accepted, case["accepted"].as_bool().unwrap(), "{}", case["name"]);
        }
    }
}

#[test]
fn p29_the_other_digests_equal_the_vectors() {
    let all = vectors();
    for set in list(&all, "sets") {
        let signing = SigningDomain::new(domain(set));
        let check = |case: &Value, digest: Digest| {
            assert_eq!(digest, Digest(word(&case["digest"])), "{}", case["name"]);
            check_signatures(&all, case, digest);
        };
        for case in list(set, "partialWithdraws") {
            let order = &case["order"];
            let withdraw = PresentedWithdraw {
                version: Version(number(&order["version"])),
                net: net(&order["net"]),
                locked1: amount(&order["locked1"]),
                locked2: amount(&order["locked2"]),
                locks_root: word(&order["locksRoot"]),
                out1: amount(&order["out1"]),
                out2: amount(&order["out2"]),
                deadline: time(&order["deadline"]),
            };
            let id = ChannelId(word(&case["channelId"]));
            check(case, signing.presented_withdraw(id, &withdraw));
        }
        for case in list(set, "opens") {
            let open = Open {
                channel_id: ChannelId(word(&case["channelId"])),
                min_deposit1: amount(&case["open"]["minDeposit1"]),
                deadline: time(&case["open"]["deadline"]),
            };
            check(case, signing.open(&open));
        }
        for case in list(set, "closeIntents") {
            let intent = &case["intent"];
            let side = u8::try_from(number(&intent["side"])).unwrap();
            let min_version = Version(number(&intent["minVersion"]));
            let id = ChannelId(word(&case["channelId"]));
            check(case, signing.presented_intent(id, side, min_version, time(&intent["deadline"])));
        }
        for case in list(set, "takes") {
            let take = &case["take"];
            let order = Take {
                token: account(&take["token"]),
                account: account(&take["account"]),
                to: account(&take["to"]),
                amount: amount(&take["amount"]),
                id: text(&take["id"]).parse::<U256>().unwrap(),
                deadline: time(&take["deadline"]),
            };
            check(case, signing.take(&order).unwrap());
        }
    }
}

#[test]
fn p29_lock_roots_sums_and_secrets_equal_the_vectors() {
    for case in list(&vectors(), "locks") {
        let locks: Vec<Lock> = case["locks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|lock| Lock {
                hash: word(&lock["hash"]),
                resolver: account(&lock["resolver"]),
                amount: amount(&lock["amount"]),
                expiry: time(&lock["expiry"]),
                from1: lock["from1"].as_bool().unwrap(),
            })
            .collect();
        assert_eq!(locks_root(&locks), word(&case["locksRoot"]), "{}", case["name"]);
        let sums = (amount(&case["locked1"]), amount(&case["locked2"]));
        assert_eq!(locked_sums(&locks), Ok(sums));
        let hash_locks = locks.iter().filter(|lock| lock.is_hash_lock());
        for (lock, secret) in hash_locks.zip(case["secrets"].as_array().unwrap()) {
            assert_eq!(lockstep_core::hash_of(word(secret)), lock.hash);
        }
    }
}
