use super::*;
use std::fs;

fn layers(file: &str) -> (tempfile::TempDir, Layers) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lockstep.toml");
    fs::write(&path, file).unwrap();
    (folder, Layers { network: "dev".to_owned(), file: path, ..Layers::default() })
}

fn source(loaded: &Loaded, key: &str) -> Source {
    loaded.values.iter().find(|value| value.spec.key() == key).unwrap().source
}

#[test]
fn a_later_layer_wins_over_an_earlier_one() {
    let (_folder, mut layers) = layers("");
    let listen = |layers: &Layers| {
        let loaded = layers.load().unwrap();
        (loaded.config.rpc.listen.port(), source(&loaded, "rpc.listen"))
    };
    assert_eq!(listen(&layers), (9_556, Source::Default));
    fs::write(&layers.file, "[rpc]\nlisten = \"127.0.0.1:1\"\n").unwrap();
    assert_eq!(listen(&layers), (1, Source::File));
    layers.environment.insert("LOCKSTEP_RPC_LISTEN".to_owned(), "127.0.0.1:2".to_owned());
    assert_eq!(listen(&layers), (2, Source::Environment));
    layers.flags.insert("rpc.listen".to_owned(), "127.0.0.1:3".to_owned());
    assert_eq!(listen(&layers), (3, Source::Flag));
}

#[test]
fn a_network_says_what_everyone_on_it_shares() {
    let (_folder, layers) = layers("[chain]\nsymbol = \"DEV\"\n");
    let loaded = layers.load().unwrap();
    assert_eq!(loaded.config.chain.id, Some(31_337));
    assert_eq!(source(&loaded, "chain.id"), Source::Network);
    assert_eq!(loaded.config.chain.symbol, "DEV");
    assert_eq!(source(&loaded, "chain.symbol"), Source::File);
}

#[test]
fn the_file_is_complete_by_itself_when_it_is_missing() {
    let layers = Layers {
        network: "somewhere".to_owned(),
        file: PathBuf::from("does-not-exist.toml"),
        ..Layers::default()
    };
    assert_eq!(layers.load().unwrap().config, Config::default());
}

#[test]
fn every_kind_of_value_can_be_given_as_text() {
    let (_folder, mut layers) = layers("[metrics]\nlisten = \"127.0.0.1:9\"\n");
    let environment = [
        ("LOCKSTEP_CHAIN_ENDPOINTS", "http://a, http://b"),
        ("LOCKSTEP_CHAIN_ID", "5"),
        ("LOCKSTEP_P2P_MDNS", "true"),
        ("LOCKSTEP_METRICS_LISTEN", ""),
        ("LOCKSTEP_PASSWORD_FILE", "secret"),
        ("LOCKSTEP_CHANNEL_ACCEPT", "never"),
    ];
    layers.environment =
        environment.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let config = layers.load().unwrap().config;
    assert_eq!(config.chain.endpoints, ["http://a", "http://b"]);
    assert_eq!(config.chain.id, Some(5));
    assert!(config.p2p.mdns);
    assert_eq!(config.metrics.listen, None);
    assert_eq!(config.keys.password_file, Some(PathBuf::from("secret")));
    assert_eq!(config.channel.accept, crate::config::AcceptPolicy::Never);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let check = |file: &str, environment: Option<(&str, &str)>, expected: &str| {
        let (_folder, mut layers) = layers(file);
        let entries = environment.map(|(name, text)| (name.to_owned(), text.to_owned()));
        layers.environment = entries.into_iter().collect();
        let error = anyhow::Error::new(layers.load().unwrap_err());
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    };
    check("[rpc]\nlistn = \"x\"\n", None, "unknown field `listn`");
    check("[rpc]\nmax_batch = \"x\"\n", None, "invalid type");
    check("rpc = 5\n", None, "invalid type");
    check("[rpc\n", None, "line 1");
    check(
        "",
        Some(("LOCKSTEP_RPC_MAX_BATCH", "many")),
        "LOCKSTEP_RPC_MAX_BATCH is not a whole number",
    );
    check("", Some(("LOCKSTEP_P2P_NAT", "yes")), "LOCKSTEP_P2P_NAT is not true or false");
    check("", Some(("LOCKSTEP_RPC_LISTEN", "here")), "invalid socket address");
    check("", Some(("LOCKSTEP_CHANNEL_ACCEPT", "maybe")), "unknown variant `maybe`");
}

#[test]
fn a_variable_that_is_no_option_is_reported() {
    let (_folder, mut layers) = layers("");
    for name in ["LOCKSTEP_RPC_LISTN", "LOCKSTEP_NETWORK", "HOME"] {
        layers.environment.insert(name.to_owned(), "x".to_owned());
    }
    assert_eq!(layers.load().unwrap().unknown, ["LOCKSTEP_RPC_LISTN"]);
}
