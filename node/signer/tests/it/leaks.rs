//! P54: no key, phrase or password in anything that can be printed.

use std::fmt::Write as _;

use alloy_primitives::hex;
use lockstep_core::commit::Signer;
use lockstep_core::request::SigningContent;
use lockstep_signer::keystore::{ScryptCost, seed_file, web3};
use lockstep_signer::mark::file::{MarkFile, SyncPolicy};
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::{Password, PinPolicy, Secret};

use super::scene::{TestLog, context, durable, durable_state, keys, phrase, request, state};

const PASSWORD: &str = "correct-horse-battery";

/// Everything that an error can show: itself, its debug form and each of its sources.
fn show(out: &mut String, error: &dyn std::error::Error) {
    let mut next = Some(error);
    while let Some(error) = next {
        writeln!(out, "{error} {error:?}").unwrap();
        next = error.source();
    }
}

/// Debug forms of everything that holds a secret, and the errors of everything that handles one.
fn everything_printed() -> String {
    let mut out = String::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seed.json");
    let password = Password::new(PASSWORD.into());
    let keys = keys();
    let account = keys.account(0).unwrap();
    let log = TestLog::default();
    let signer = log.signer();
    let sealed = web3::seal(&account.expose_secret(), &password, ScryptCost::LIGHT).unwrap();
    let opened = web3::unseal(&sealed, &password).unwrap();
    let secret = Secret::new(&account.expose_secret(), PinPolicy::BestEffort).unwrap();
    writeln!(out, "{:?} {keys:?} {account:?} {password:?} {signer:?}", phrase()).unwrap();
    writeln!(out, "{opened:?} {secret:?} {:?} {:#?}", context(1), keys.channel_key(&context(1)))
        .unwrap();

    seed_file::create(&path, &phrase(), &password, ScryptCost::LIGHT).unwrap();
    let wrong = Password::new("another-secret-word".into());
    show(&mut out, &seed_file::open(&path, &wrong).unwrap_err());
    show(&mut out, &seed_file::create(&path, &phrase(), &password, ScryptCost::LIGHT).unwrap_err());
    show(&mut out, &web3::unseal(&sealed, &wrong).unwrap_err());
    // A user who pastes the phrase or the password where the file should be.
    let words = phrase().expose_words();
    for pasted in [words.as_str(), PASSWORD, &format!("{{\"{PASSWORD}\": 1}}")] {
        show(&mut out, &seed_file::unseal(pasted.as_bytes(), &wrong).unwrap_err());
        show(&mut out, &web3::unseal(pasted.as_bytes(), &wrong).unwrap_err());
        show(&mut out, &Phrase::parse(&format!("{pasted} extra")).unwrap_err());
    }
    signer.sign_state(durable_state(1, 2, 0)).unwrap();
    for refused in [durable_state(1, 2, 1), durable_state(1, 1, 0), durable_state(1, 0, 0)] {
        show(&mut out, &signer.sign_state(refused).unwrap_err());
    }
    log.set_failing(true);
    let content = SigningContent::State(state(1, 3, 0));
    show(&mut out, &signer.sign_state(durable(request(1, content))).unwrap_err());
    show(&mut out, &MarkFile::open(&path, SyncPolicy::EveryAppend).unwrap_err());
    out
}

/// The secrets of the scene, in every form that a formatter could give them.
fn secrets() -> Vec<String> {
    let phrase = phrase();
    let account = keys().account(0).unwrap();
    let mut found = vec![PASSWORD.into(), "another-secret-word".into(), "abandon".into()];
    let seed = phrase.seed(PinPolicy::BestEffort).unwrap();
    let byte_strings: [&[u8]; 4] = [
        &*account.expose_secret(),
        seed.expose(),
        &*keys().transport_secret().unwrap(),
        &*keys().tower_secret(&keys().node_id().unwrap()).unwrap(),
    ];
    for bytes in byte_strings {
        // A run of eight bytes is enough to give a key away.
        let run = &bytes[..8];
        found.push(hex::encode(run));
        found.push(hex::encode_upper(run));
        found.push(run.iter().map(u8::to_string).collect::<Vec<_>>().join(", "));
    }
    found
}

#[test]
fn p54_no_secret_is_in_any_debug_form_or_error() {
    let printed = everything_printed();
    for secret in secrets() {
        assert!(!printed.contains(&secret), "{secret} is in:\n{printed}");
    }
    // The search looks at real output: what may be shown is there.
    let address = format!("{:?}", keys().account(0).unwrap().address());
    assert!(printed.contains(&address) && printed.contains("redacted"), "{printed}");
}

#[test]
fn p54_the_search_finds_a_secret_that_is_there() {
    let account = keys().account(0).unwrap();
    let leaked = format!("{:?} {PASSWORD}", *account.expose_secret());
    let found: Vec<_> = secrets().into_iter().filter(|secret| leaked.contains(secret)).collect();
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn p54_a_key_file_holds_no_secret_in_the_clear() {
    let password = Password::new(PASSWORD.into());
    let account = keys().account(0).unwrap();
    let files = [
        seed_file::seal(&phrase(), &password, ScryptCost::LIGHT).unwrap(),
        web3::seal(&account.expose_secret(), &password, ScryptCost::LIGHT).unwrap(),
    ];
    for file in files {
        let text = String::from_utf8(file).unwrap();
        for secret in secrets() {
            assert!(!text.contains(&secret), "{secret} is in:\n{text}");
        }
    }
}
