//! Key files: what other tools wrote opens, what was changed does not, and no bytes make it panic.

use alloy_primitives::{Address, address, hex};
use lockstep_signer::keystore::{KeystoreError, ScryptCost, seed_file, web3};
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::Password;
use proptest::prelude::*;
use serde_json::Value;

use super::scene::phrase;

fn password(text: &str) -> Password {
    Password::new(text.into())
}

/// Source: a file that foundry's `cast wallet import` 1.7.1 wrote for the key of the published vectors.
const CAST_FILE: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"569d8e60db758f28b4107e95c5db0573"},
    "ciphertext":"1d2ad25ba4e5949bb1d947d43d8dc68ab7dd3895f31649125468784afaaf94bf","kdf":"scrypt",
    "kdfparams":{"dklen":32,"n":8192,"p":1,"r":8,"salt":"08615d2814a1f77f58b936b7086917969fc2695c539bc67e117627c41b5fd985"},
    "mac":"9576a57101eade135cbae6f2a92ced1104583ed7b7bf639cdd2048723d22ffaf"},
    "id":"9d257b23-ff3f-4bf8-80c7-1f80a1d5e4d6","version":3}"#;
/// Source: the two test vectors of the Web3 Secret Storage Definition.
const SCRYPT_VECTOR: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"83dbcc02d8ccb40e466191a123791e0e"},
    "ciphertext":"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c","kdf":"scrypt",
    "kdfparams":{"dklen":32,"n":262144,"p":8,"r":1,"salt":"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},
    "mac":"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},
    "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
const PBKDF2_VECTOR: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
    "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
    "kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
    "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
    "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;

#[test]
fn files_that_others_wrote_open() {
    for vector in [CAST_FILE, PBKDF2_VECTOR] {
        let key = web3::unseal(vector.as_bytes(), &password("testpassword")).unwrap();
        assert_eq!(
            hex::encode(**key.expose_secret()),
            "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
        );
        assert_eq!(key.address, address!("008aeeda4d805471df9b2a5b0f38a0c3bcba786b"));
    }
}

/// The published scrypt vector has r = 1 with n = 2^18, which RFC 7914 §2 rules out (n < 2^(16 r)); no wallet writes it.
#[test]
fn a_cost_that_the_scrypt_standard_rules_out_is_refused_with_its_field() {
    let refused = web3::unseal(SCRYPT_VECTOR.as_bytes(), &password("testpassword")).unwrap_err();
    assert!(matches!(refused, KeystoreError::Field { field: "kdfparams" }));
}

fn sealed_account() -> (Address, Vec<u8>) {
    let account = super::scene::keys().account(0).unwrap();
    let secret = account.expose_secret();
    (account.address(), web3::seal(&secret, &password("right"), ScryptCost::LIGHT).unwrap())
}

#[test]
fn an_account_file_opens_with_its_password_and_with_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.json");
    let account = super::scene::keys().account(3).unwrap();
    web3::create(&path, &account.expose_secret(), &password("right"), ScryptCost::LIGHT).unwrap();
    let opened = web3::open(&path, &password("right")).unwrap();
    assert_eq!(**opened.expose_secret(), *account.expose_secret());
    assert_eq!(opened.address, account.address());
    for wrong in ["", "Right", "right "] {
        assert!(matches!(web3::open(&path, &password(wrong)), Err(KeystoreError::WrongPassword)));
    }
}

#[test]
fn a_seed_file_opens_with_its_password_and_with_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seed.json");
    seed_file::create(&path, &phrase(), &password("right"), ScryptCost::LIGHT).unwrap();
    assert_eq!(*seed_file::open(&path, &password("right")).unwrap().entropy(), *phrase().entropy());
    let wrong = seed_file::open(&path, &password("wrong")).unwrap_err();
    assert!(matches!(wrong, KeystoreError::WrongPassword));
    assert_eq!(wrong.to_string(), "wrong password, or the key file was changed");
}

#[test]
fn a_seed_file_is_never_written_over_and_its_password_can_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seed.json");
    seed_file::create(&path, &phrase(), &password("one"), ScryptCost::LIGHT).unwrap();
    let other = Phrase::generate().unwrap();
    let refused = seed_file::create(&path, &other, &password("two"), ScryptCost::LIGHT);
    assert!(matches!(refused, Err(KeystoreError::Exists { .. })));

    let (one, two) = (password("one"), password("two"));
    assert!(seed_file::change_password(&path, &two, &two, ScryptCost::LIGHT).is_err());
    seed_file::change_password(&path, &one, &two, ScryptCost::LIGHT).unwrap();
    assert!(matches!(seed_file::open(&path, &one), Err(KeystoreError::WrongPassword)));
    assert_eq!(*seed_file::open(&path, &two).unwrap().entropy(), *phrase().entropy());
}

#[test]
fn every_field_of_a_seed_file_is_authenticated() {
    let content = seed_file::seal(&phrase(), &password("right"), ScryptCost::LIGHT).unwrap();
    let whole: Value = serde_json::from_slice(&content).unwrap();
    let fields: Vec<String> = whole.as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields.len(), 11);
    for field in fields {
        let mut changed = whole.clone();
        changed[&field] = match &whole[&field] {
            Value::Number(number) => Value::from(number.as_u64().unwrap() * 2),
            Value::String(text) if text.len() >= 32 => {
                let flipped = if text.starts_with('0') { "1" } else { "0" };
                Value::from(format!("{flipped}{}", &text[1..]))
            }
            Value::String(text) => Value::from(format!("{text}x")),
            other => panic!("unexpected {other}"),
        };
        let bytes = serde_json::to_vec(&changed).unwrap();
        assert!(seed_file::unseal(&bytes, &password("right")).is_err(), "{field}");
        let mut missing = whole.clone();
        missing.as_object_mut().unwrap().remove(&field);
        let bytes = serde_json::to_vec(&missing).unwrap();
        assert!(seed_file::unseal(&bytes, &password("right")).is_err(), "without {field}");
    }
}

#[test]
fn a_web3_file_that_contradicts_itself_is_refused() {
    let (_, content) = sealed_account();
    let whole: Value = serde_json::from_slice(&content).unwrap();
    for (pointer, value, want) in [
        ("/version", Value::from(4), "version"),
        ("/crypto/cipher", Value::from("aes-256-cbc"), "cipher"),
        ("/crypto/kdf", Value::from("argon2"), "kdf"),
        ("/crypto/kdfparams/dklen", Value::from(16), "dklen"),
        ("/crypto/kdfparams/n", Value::from(u64::MAX), "kdfparams"),
        ("/crypto/kdfparams/salt", Value::from("00".repeat(129)), "salt"),
        ("/crypto/cipherparams/iv", Value::from("00"), "iv"),
        ("/crypto/mac", Value::from("zz"), "mac"),
        ("/crypto/ciphertext", Value::from("00".repeat(33)), "ciphertext"),
        ("/address", Value::from("00".repeat(20)), "address"),
        ("/crypto/mac", Value::from("00".repeat(32)), "password"),
        ("/crypto/cipherparams/iv", Value::from("00".repeat(16)), "key"),
    ] {
        let mut changed = whole.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let bytes = serde_json::to_vec(&changed).unwrap();
        let error = web3::unseal(&bytes, &password("right")).unwrap_err().to_string();
        assert!(error.contains(want), "{pointer}: {error}");
    }
}

/// Cheap enough that a fuzzed file never costs more than this.
fn is_cheap(value: &Value) -> bool {
    let n = value.pointer("/n").or(value.pointer("/crypto/kdfparams/n"));
    n.and_then(Value::as_u64).is_none_or(|n| n <= 1 << 10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn p67_no_bytes_make_a_key_file_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(seed_file::unseal(&bytes, &password("x")).is_err());
        prop_assert!(web3::unseal(&bytes, &password("x")).is_err());
    }

    #[test]
    fn p67_no_mutation_of_a_key_file_makes_it_panic_or_open(
        seed in any::<bool>(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
    ) {
        let mut content = if seed {
            seed_file::seal(&phrase(), &password("right"), ScryptCost::LIGHT).unwrap()
        } else {
            sealed_account().1
        };
        let before: Value = serde_json::from_slice(&content).unwrap();
        let at = at.index(content.len());
        if cut { content.truncate(at) } else { content[at] = byte }
        let after = serde_json::from_slice::<Value>(&content);
        prop_assume!(after.as_ref().map_or(true, is_cheap));
        let opened = if seed {
            seed_file::unseal(&content, &password("right")).is_ok()
        } else {
            web3::unseal(&content, &password("right")).is_ok()
        };
        // White space, the case of hex digits, and the file's own id and unknown names carry no meaning.
        let squeeze = |value: &Value| {
            let mut value = value.clone();
            if let Some(map) = value.as_object_mut() {
                map.retain(|name, _| seed || ["address", "crypto", "version"].contains(&name.as_str()));
            }
            value.to_string().to_lowercase()
        };
        match after {
            Ok(after) if squeeze(&after) == squeeze(&before) => {}
            // The address is optional; a name that was changed takes it away.
            Ok(after) if !seed && after.get("address").is_none() => {}
            Ok(_) | Err(_) => prop_assert!(!opened),
        }
    }
}
