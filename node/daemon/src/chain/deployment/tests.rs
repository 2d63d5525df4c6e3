use super::*;
use alloy_primitives::B256;
use lockstep_chain::profile::Network;
use lockstep_contracts::artifact::ArtifactName;
use lockstep_contracts::config::DeployConfig;
use lockstep_contracts::create2::Creation;

const LOCAL: ChainKind = ChainKind::Development { minimum_secs: 60 };

fn record(kind: ChainKind, chain_id: u64) -> String {
    let registry = Creation::plain(ArtifactName::SecretRegistry, B256::ZERO).unwrap();
    let config = DeployConfig::uncapped(kind.bounds().unwrap(), registry.address);
    let name = ArtifactName::PaymentChannel;
    Deployment::expected("here", chain_id, name, "2026-01-02", B256::ZERO, config)
        .unwrap()
        .to_json()
        .unwrap()
}

/// A folder of its own for each test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lockstep-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(self, file: &str, content: &str) -> Self {
        std::fs::write(self.0.join(file), content).unwrap();
        self
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn the_first_folder_that_has_a_record_wins() {
    let empty = Folder::new("empty");
    let full = Folder::new("full").with("here.json", &record(LOCAL, 7));
    let found = find("here", 7, LOCAL, &[&empty.0, &full.0]).unwrap();
    assert_eq!((found.chain_id, found.network.as_str()), (7, "here"));
}

#[test]
fn without_a_record_the_error_says_where_it_was_looked_for_and_what_to_do() {
    let empty = Folder::new("nothing");
    let refused = find("here", 7, LOCAL, &[&empty.0]).unwrap_err();
    assert!(matches!(refused, LookupError::NotRecorded { .. }));
    assert_eq!(refused.class(), ErrorClass::Refused);
    let said = refused.to_string();
    assert!(said.contains("lockstep deploy") && said.contains("nothing"), "{said}");
}

#[test]
fn p93_a_record_that_was_changed_or_is_of_another_chain_is_refused() {
    let honest = record(LOCAL, 7);
    let changed = honest.replacen("\"minChallengePeriod\": 60", "\"minChallengePeriod\": 61", 1);
    assert_ne!(changed, honest);
    let folder = Folder::new("changed").with("here.json", &changed).with("cut.json", &honest[..99]);
    for network in ["here", "cut"] {
        let refused = find(network, 7, LOCAL, &[&folder.0]).unwrap_err();
        assert!(matches!(refused, LookupError::Refused { .. }), "{refused}");
    }
    let folder = Folder::new("other").with("here.json", &honest);
    let refused = find("here", 8, LOCAL, &[&folder.0]).unwrap_err();
    assert!(matches!(refused, LookupError::OtherChain { expected: 8, found: 7, .. }));
}

#[test]
fn p93_a_record_with_too_short_a_challenge_period_for_its_chain_is_refused() {
    let folder = Folder::new("short").with("here.json", &record(LOCAL, 42_161));
    let kind = kind_of(42_161, Network::Development).unwrap();
    assert_eq!(kind, ChainKind::Arbitrum, "a known chain is never a local one");
    let refused = find("here", 42_161, kind, &[&folder.0]).unwrap_err();
    assert!(matches!(refused, LookupError::Refused { .. }), "{refused}");
}

#[test]
fn a_name_that_leads_out_of_the_folder_is_refused() {
    for name in ["", "../here", "Here", "here.json", "a/b"] {
        let refused = find(name, 7, LOCAL, &[]).unwrap_err();
        assert!(matches!(refused, LookupError::BadName { .. }), "{name}");
    }
}
