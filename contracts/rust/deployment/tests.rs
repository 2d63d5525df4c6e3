use super::*;
use serde_json::Value;

fn deployment() -> Deployment {
    let salt = B256::repeat_byte(3);
    let registry = Creation::plain(ArtifactName::SecretRegistry, salt).unwrap().address;
    let bounds = ChainKind::Ethereum.bounds().unwrap();
    let config = DeployConfig::uncapped(bounds, registry);
    let name = ArtifactName::PaymentChannel;
    Deployment::expected("mainnet", 1, name, "2026-01-02", salt, config).unwrap()
}

/// Reads the file after one change to its JSON.
fn changed(change: impl FnOnce(&mut Value)) -> Result<Deployment, DeploymentError> {
    let mut json: Value = serde_json::from_str(&deployment().to_json().unwrap()).unwrap();
    change(&mut json);
    Deployment::from_json(&json.to_string())
}

fn check(change: impl FnOnce(&mut Value), is_expected: impl Fn(&DeploymentError) -> bool) {
    let refused = changed(change).unwrap_err();
    assert!(is_expected(&refused), "{refused:?}");
}

#[test]
fn a_file_that_was_written_can_be_read() {
    let json = deployment().to_json().unwrap();
    assert_eq!(Deployment::from_json(&json).unwrap(), deployment());
    assert!(json.contains("\"codeHash\""), "{json}");
}

#[test]
fn every_value_of_a_file_is_recomputed_and_a_wrong_one_is_named() {
    use DeploymentError as E;
    check(|f| f["format"] = 2.into(), |e| matches!(e, E::UnknownFormat { found: 2 }));
    check(|f| f["extra"] = 2.into(), |e| matches!(e, E::Json(_)));
    check(|f| f["channel"]["address"] = 7.into(), |e| matches!(e, E::Json(_)));
    check(|f| f["artifact"] = "Other".into(), |e| matches!(e, E::UnknownArtifact));
    check(|f| f["inputSha256"] = "00".into(), |e| matches!(e, E::OtherBuild));
    let zero = format!("{}", B256::ZERO);
    let role = ContractRole::Channel;
    check(
        |f| f["channel"]["codeHash"] = zero.clone().into(),
        |e| matches!(e, E::CodeMismatch { role: found, .. } if *found == role),
    );
    check(
        |f| f["registry"]["codeHash"] = zero.clone().into(),
        |e| matches!(e, E::CodeMismatch { role: ContractRole::Registry, .. }),
    );
    check(
        |f| f["config"]["minChallengePeriod"] = 1.into(),
        |e| matches!(e, E::AddressMismatch { role: found, .. } if *found == role),
    );
    check(|f| f["config"]["minChallengePeriod"] = 0.into(), |e| matches!(e, E::Deploy(_)));
    // The same address on another chain has another code, because the id of the chain is in it.
    check(|f| f["chainId"] = 10.into(), |e| matches!(e, E::CodeMismatch { .. }));
    let address = format!("{}", Address::repeat_byte(4));
    check(
        |f| f["config"]["secretRegistry"] = address.clone().into(),
        |e| matches!(e, E::RegistryMismatch { .. }),
    );
}

#[test]
fn the_chain_must_serve_this_chain_id_and_this_code() {
    let deployment = deployment();
    let role = ContractRole::Registry;
    let code = registry_runtime_code(ArtifactName::SecretRegistry).unwrap();
    assert!(deployment.check_chain(role, 1, &code).is_ok());
    let wrong_chain = deployment.check_chain(role, 10, &code).unwrap_err();
    assert!(matches!(wrong_chain, DeploymentError::WrongChain { expected: 1, found: 10 }));
    let empty = deployment.check_chain(role, 1, &[]).unwrap_err();
    assert!(matches!(empty, DeploymentError::NoCode { .. }));
    let other = deployment.check_chain(ContractRole::Channel, 1, &code).unwrap_err();
    assert!(matches!(other, DeploymentError::CodeMismatch { .. }));
}

#[test]
fn a_deployment_with_a_window_too_short_for_its_chain_is_refused() {
    assert!(deployment().check_window(ChainKind::Ethereum).is_ok());
    let refused = deployment().check_window(ChainKind::Arbitrum).unwrap_err();
    assert!(matches!(refused, DeploymentError::Config(ConfigError::BelowChainMinimum { .. })));
}
