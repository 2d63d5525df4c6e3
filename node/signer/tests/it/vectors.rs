//! The derivation is fixed for ever: it agrees with a second program (`tests/vectors/keys.py`).

use alloy_primitives::{Address, B256, U256, hex};
use lockstep_core::ids::{Domain, NodeId};
use lockstep_core::request::KeyContext;
use lockstep_signer::KeyRing;
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::PinPolicy;
use serde_json::Value;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn node_id(value: &Value) -> NodeId {
    NodeId(hex::decode_to_array(text(value)).unwrap())
}

fn context(vector: &Value) -> KeyContext {
    let chain = U256::from_str_radix(text(&vector["chain"]), 10).unwrap();
    let contract = text(&vector["contract"]);
    let domain = match vector["kind"].as_u64().unwrap() {
        1 => Domain::Evm { chain_id: chain.to(), contract: contract.parse::<Address>().unwrap() },
        2 => Domain::Starknet { chain_id: B256::from(chain), hub: contract.parse().unwrap() },
        kind => panic!("no kind {kind}"),
    };
    KeyContext {
        domain,
        peer: node_id(&vector["peer"]),
        salt: text(&vector["salt"]).parse().unwrap(),
    }
}

#[test]
fn every_key_is_the_one_that_the_published_vectors_name() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../vectors/keys.json")).unwrap();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let phrase = Phrase::parse(text(&vector["words"])).unwrap();
        let keys = KeyRing::new(&phrase, PinPolicy::BestEffort).unwrap();
        let indexes = vector["account_indexes"].as_array().unwrap();
        for (index, address) in indexes.iter().zip(vector["accounts"].as_array().unwrap()) {
            let account = keys.account(index.as_u64().unwrap().try_into().unwrap()).unwrap();
            assert_eq!(account.address(), text(address).parse::<Address>().unwrap());
        }
        assert_eq!(keys.node_id().unwrap(), node_id(&vector["node_id"]));
        assert_eq!(
            hex::encode_prefixed(*keys.transport_secret().unwrap()),
            text(&vector["transport_secret"])
        );
        assert_eq!(
            hex::encode_prefixed(*keys.tower_secret(&node_id(&vector["tower"])).unwrap()),
            text(&vector["tower_secret"])
        );
        let channels = vector["channels"].as_array().unwrap();
        let mut signers = std::collections::BTreeSet::new();
        for channel in channels {
            let key = keys.channel_key(&context(channel)).unwrap();
            assert_eq!(hex::encode_prefixed(key.to_compressed()), text(&channel["public"]));
            assert_eq!(key.address(), text(&channel["signer"]).parse::<Address>().unwrap());
            signers.insert(key.address());
        }
        assert_eq!(signers.len(), channels.len(), "chains of one number still have two keys");
    }
}

#[test]
fn an_account_index_beyond_the_path_is_refused() {
    let phrase = Phrase::generate().unwrap();
    let keys = KeyRing::new(&phrase, PinPolicy::BestEffort).unwrap();
    assert_eq!(keys.account(1 << 31).unwrap_err().index, 1 << 31);
}
