//! P29: the published vectors, which viem made, against `lockstep-core` and against plain EIP-712 of alloy.

use alloy_primitives::{Address, B256, I256, U256, hex, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct, SolValue};
use k256::ecdsa::SigningKey;
use lockstep_core::adjudicator::acceptance::accept;
use lockstep_core::adjudicator::{PresentedState, PresentedWithdraw};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{AccountRef, ChannelId, Digest, Domain, Side, Version};
use lockstep_core::lock::{Lock, locked_sums, locks_root};
use lockstep_core::money::{Amount, Deposits, RawNet};
use lockstep_core::signature::{SignerKey, StateSignature};
use lockstep_core::state::{Open, Take};
use lockstep_core::terms::Terms;
use lockstep_core::time::BlockTimestamp;
use lockstep_differential::reference::hash_of;
use lockstep_differential::sign::{expand, sign};
use serde_json::Value;

mod typed {
    //! The signed structs, written out once more: nothing here comes from the node.
    alloy_sol_types::sol! {
        struct State { bytes32 channelId; uint64 version; uint8 kind; int256 net; uint256 locked1; uint256 locked2; bytes32 locksRoot; }
        struct PartialWithdraw { bytes32 channelId; uint64 version; int256 net; uint256 locked1; uint256 locked2; bytes32 locksRoot; uint256 out1; uint256 out2; uint64 deadline; }
        struct Open { bytes32 channelId; uint256 minDeposit1; uint64 deadline; }
        struct CloseIntent { bytes32 channelId; uint8 side; uint64 minVersion; uint64 deadline; }
        struct Take { address token; address account; address to; uint256 amount; uint256 id; uint64 deadline; }
        struct Terms { address participant1; address participant2; address signer1; address signer2; address token; uint32 challengePeriod; bytes32 salt; }
    }
}

#[test]
fn p29_type_strings_are_those_of_the_vectors() {
    let file = File::read();
    let encoded = [
        ("State", typed::State::eip712_root_type()),
        ("PartialWithdraw", typed::PartialWithdraw::eip712_root_type()),
        ("Open", typed::Open::eip712_root_type()),
        ("CloseIntent", typed::CloseIntent::eip712_root_type()),
        ("Take", typed::Take::eip712_root_type()),
    ];
    for (name, text) in encoded {
        let vector = &file.0["types"][name];
        assert_eq!(text, vector["type"].as_str().unwrap());
        assert_eq!(keccak256(text.as_bytes()), word(&vector["typeHash"]), "{name}");
    }
}

#[test]
fn p29_domains_and_channel_ids_agree() {
    let file = File::read();
    for set in file.sets() {
        let separator = word(&set.value["separator"]);
        assert_eq!(set.core.separator(), separator);
        assert_eq!(set.plain.separator(), separator);
        for vector in list(&set.value["channelIds"]) {
            set.check_id(vector);
        }
    }
}

#[test]
fn p29_states_agree_in_digest_signatures_and_acceptance() {
    let file = File::read();
    let (mut taken, mut refused) = (0, 0);
    for set in file.sets() {
        for vector in list(&set.value["states"]) {
            let (id, state) = (set.check_id(vector), state(&vector["state"]));
            let plain = typed::State {
                channelId: id.0,
                version: state.version.0,
                kind: state.kind,
                net: state.net.to_i256(),
                locked1: state.locked1.to_u256(),
                locked2: state.locked2.to_u256(),
                locksRoot: state.locks_root,
            };
            set.check(
                vector,
                &plain,
                set.core.presented_state(id, &state),
                &["signer1", "signer2"],
            );
            let deposits = Deposits::ZERO
                .deposited(Side::One, amount(&vector["deposit1"]))
                .and_then(|sum| sum.deposited(Side::Two, amount(&vector["deposit2"])))
                .unwrap();
            // Version 0 is the chain's to refuse: it is never newer than what is stored.
            let is_accepted = accept(deposits, &state).is_ok() && state.version != Version::ZERO;
            assert_eq!(is_accepted, vector["accepted"].as_bool().unwrap(), "{}", vector["name"]);
            if is_accepted { taken += 1 } else { refused += 1 }
        }
    }
    assert_eq!((taken, refused), (22, 10));
}

#[test]
fn p29_partial_withdrawals_agree() {
    let file = File::read();
    for set in file.sets() {
        for vector in list(&set.value["partialWithdraws"]) {
            let (id, order) = (set.check_id(vector), withdraw(&vector["order"]));
            let plain = typed::PartialWithdraw {
                channelId: id.0,
                version: order.version.0,
                net: order.net.to_i256(),
                locked1: order.locked1.to_u256(),
                locked2: order.locked2.to_u256(),
                locksRoot: order.locks_root,
                out1: order.out1.to_u256(),
                out2: order.out2.to_u256(),
                deadline: order.deadline.0,
            };
            let digest = set.core.presented_withdraw(id, &order);
            set.check(vector, &plain, digest, &["signer1", "signer2"]);
        }
    }
}

#[test]
fn p29_consents_and_orders_agree() {
    let file = File::read();
    for set in file.sets() {
        for vector in list(&set.value["opens"]) {
            let (id, fields) = (set.check_id(vector), &vector["open"]);
            let min_deposit1 = amount(&fields["minDeposit1"]);
            let deadline = time(&fields["deadline"]);
            let plain = typed::Open {
                channelId: id.0,
                minDeposit1: min_deposit1.to_u256(),
                deadline: deadline.0,
            };
            let digest = set.core.open(&Open { channel_id: id, min_deposit1, deadline });
            set.check(vector, &plain, digest, &["participant2", "signer2"]);
        }
        for vector in list(&set.value["closeIntents"]) {
            let (id, fields) = (set.check_id(vector), &vector["intent"]);
            let side = u8::try_from(small(&fields["side"])).unwrap();
            let (version, deadline) =
                (Version(small(&fields["minVersion"])), time(&fields["deadline"]));
            let plain = typed::CloseIntent {
                channelId: id.0,
                side,
                minVersion: version.0,
                deadline: deadline.0,
            };
            let digest = set.core.presented_intent(id, side, version, deadline);
            set.check(vector, &plain, digest, &[["signer1", "signer2"][usize::from(side) - 1]]);
        }
        for vector in list(&set.value["takes"]) {
            let fields = &vector["take"];
            let plain = typed::Take {
                token: address(&fields["token"]),
                account: address(&fields["account"]),
                to: address(&fields["to"]),
                amount: amount(&fields["amount"]).to_u256(),
                id: number(&fields["id"]),
                deadline: small(&fields["deadline"]),
            };
            let take = Take {
                token: AccountRef::Evm(plain.token),
                account: AccountRef::Evm(plain.account),
                to: AccountRef::Evm(plain.to),
                amount: amount(&fields["amount"]),
                id: plain.id,
                deadline: time(&fields["deadline"]),
            };
            set.check(vector, &plain, set.core.take(&take).unwrap(), &["participant1"]);
        }
    }
}

#[test]
fn p29_lists_of_locks_agree_in_root_sums_and_hashes() {
    let file = File::read();
    for vector in list(&file.0["locks"]) {
        let locks: Vec<Lock> = list(&vector["locks"]).iter().map(lock).collect();
        assert_eq!(locks_root(&locks), word(&vector["locksRoot"]), "{}", vector["name"]);
        let sums = (amount(&vector["locked1"]), amount(&vector["locked2"]));
        assert_eq!(locked_sums(&locks), Ok(sums), "{}", vector["name"]);
        for (lock, secret) in locks.iter().zip(list(&vector["secrets"])) {
            assert_eq!(lock.hash, hash_of(word(secret)), "{}", vector["name"]);
        }
    }
}

/// The published file.
struct File(Value);

/// All vectors of one domain.
struct Set<'a> {
    file: &'a File,
    value: &'a Value,
    core: SigningDomain,
    plain: Eip712Domain,
}

impl File {
    fn read() -> Self {
        Self(serde_json::from_str(include_str!("../../../vectors/eip712.json")).unwrap())
    }

    fn sets(&self) -> Vec<Set<'_>> {
        let sets = list(&self.0["sets"]);
        assert_eq!(sets.len(), 2);
        sets.iter().map(|value| self.set(value)).collect()
    }

    fn set<'a>(&'a self, value: &'a Value) -> Set<'a> {
        let chain_id = small(&value["domain"]["chainId"]);
        let contract = address(&value["domain"]["verifyingContract"]);
        let plain = Eip712Domain::new(
            Some("Lockstep".into()),
            Some("1".into()),
            Some(U256::from(chain_id)),
            Some(contract),
            None,
        );
        let core = SigningDomain::new(Domain::Evm { chain_id, contract });
        Set { file: self, value, core, plain }
    }

    fn key(&self, role: &str) -> SigningKey {
        let entry = &self.0["keys"][role];
        let key = SigningKey::from_slice(word(&entry["privateKey"]).as_slice()).unwrap();
        let signer = SignerKey::from_verifying_key(*key.verifying_key());
        assert_eq!(signer.address(), address(&entry["address"]), "{role}");
        key
    }
}

impl Set<'_> {
    /// The vector's channel id, from its terms by both ways.
    fn check_id(&self, vector: &Value) -> ChannelId {
        let fields = &vector["terms"];
        let plain = typed::Terms {
            participant1: address(&fields["participant1"]),
            participant2: address(&fields["participant2"]),
            signer1: address(&fields["signer1"]),
            signer2: address(&fields["signer2"]),
            token: address(&fields["token"]),
            challengePeriod: u32::try_from(small(&fields["challengePeriod"])).unwrap(),
            salt: word(&fields["salt"]),
        };
        let terms = Terms {
            participant1: AccountRef::Evm(plain.participant1),
            participant2: AccountRef::Evm(plain.participant2),
            signer1: plain.signer1,
            signer2: plain.signer2,
            token: AccountRef::Evm(plain.token),
            challenge_period: plain.challengePeriod,
            salt: plain.salt,
        };
        let expected = word(&vector["channelId"]);
        let chain_id = self.plain.chain_id.unwrap();
        let contract = self.plain.verifying_contract.unwrap();
        let encoded = (chain_id, contract, plain).abi_encode();
        assert_eq!(keccak256(encoded), expected, "{}", vector["name"]);
        let id = terms.channel_id(self.core.domain());
        assert_eq!(id.0, expected, "{}", vector["name"]);
        id
    }

    /// Digest by three ways, and each role's signature: made again to the byte, and verified.
    fn check<T: SolStruct>(&self, vector: &Value, plain: &T, core: Digest, roles: &[&str]) {
        let name = &vector["name"];
        let expected = word(&vector["digest"]);
        assert_eq!(core.0, expected, "core, {name}");
        assert_eq!(plain.eip712_signing_hash(&self.plain), expected, "alloy, {name}");
        assert_eq!(plain.eip712_hash_struct(), word(&vector["structHash"]), "{name}");
        let signatures = vector["signatures"].as_object().unwrap();
        assert_eq!(signatures.len(), roles.len(), "{name}");
        for role in roles {
            let key = self.file.key(role);
            let signature =
                StateSignature(bytes(&signatures[*role]["compact"]).try_into().unwrap());
            assert_eq!(sign(&key, core), signature, "{role}, {name}");
            assert_eq!(expand(signature).to_vec(), bytes(&signatures[*role]["long"]), "{name}");
            let signer = SignerKey::from_verifying_key(*key.verifying_key());
            assert_eq!(signer.verify(core, signature), Ok(()), "{role}, {name}");
            assert_eq!(signature.recover_address(core), Ok(Some(signer.address())), "{name}");
        }
    }
}

fn state(fields: &Value) -> PresentedState {
    PresentedState {
        version: Version(small(&fields["version"])),
        kind: u8::try_from(small(&fields["kind"])).unwrap(),
        net: net(&fields["net"]),
        locked1: amount(&fields["locked1"]),
        locked2: amount(&fields["locked2"]),
        locks_root: word(&fields["locksRoot"]),
    }
}

fn withdraw(fields: &Value) -> PresentedWithdraw {
    PresentedWithdraw {
        version: Version(small(&fields["version"])),
        net: net(&fields["net"]),
        locked1: amount(&fields["locked1"]),
        locked2: amount(&fields["locked2"]),
        locks_root: word(&fields["locksRoot"]),
        out1: amount(&fields["out1"]),
        out2: amount(&fields["out2"]),
        deadline: time(&fields["deadline"]),
    }
}

fn lock(fields: &Value) -> Lock {
    Lock {
        hash: word(&fields["hash"]),
        resolver: AccountRef::Evm(address(&fields["resolver"])),
        amount: amount(&fields["amount"]),
        expiry: time(&fields["expiry"]),
        from1: fields["from1"].as_bool().unwrap(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
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

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(text(value)).unwrap()
}

fn number(value: &Value) -> U256 {
    U256::from_str_radix(text(value), 10).unwrap()
}

fn small(value: &Value) -> u64 {
    text(value).parse().unwrap()
}

fn amount(value: &Value) -> Amount {
    Amount::from_u256(number(value))
}

fn net(value: &Value) -> RawNet {
    RawNet::from_i256(I256::from_dec_str(text(value)).unwrap())
}

fn time(value: &Value) -> BlockTimestamp {
    BlockTimestamp(small(value))
}
