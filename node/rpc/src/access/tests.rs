use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn limited() -> Grant {
    Grant::Pay { asset: AccountRef::Evm(Address::repeat_byte(3)), limit: Amount::MAX }
}

#[test]
fn tokens_survive_a_restart_and_know_their_grants() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = Tokens::init(folder.path()).unwrap();
    let made = tokens.create("shop-1", limited()).unwrap();

    let again = Tokens::init(folder.path()).unwrap();
    let caller = again.caller(&made.secret).unwrap();
    assert_eq!(caller.grant, limited());
    assert_eq!(again.list().len(), 3);
    let admin = Tokens::read_secret(folder.path(), ADMIN).unwrap();
    assert_eq!(again.caller(&admin).unwrap().grant, Grant::Admin);
    assert_eq!(again.caller(&admin).unwrap().spender(), Spender::Operator);
}

#[test]
fn whoever_changes_a_limit_has_no_token_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = Tokens::init(folder.path()).unwrap();
    let grant = Grant::Pay { asset: AccountRef::Evm(Address::ZERO), limit: Amount::from(5_u64) };
    let secret = tokens.create("shop", grant).unwrap().secret;
    assert!(tokens.caller(&secret).is_some());
    assert!(tokens.caller(&secret.replace("_5_", "_50_")).is_none());
    assert!(tokens.caller(&secret.replace("_pay_", "_admin_")).is_none());
    assert!(tokens.caller("").is_none());
}

#[test]
fn files_are_for_their_owner_only_and_others_make_the_node_refuse_them() {
    let folder = tempfile::tempdir().unwrap();
    Tokens::init(folder.path()).unwrap();
    let path = folder.path().join("admin.token");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = Tokens::load(folder.path()).unwrap_err();
    assert_eq!(refused, TokenError::Exposed { path, mode: 0o640 });
    assert!(refused.to_string().ends_with("make it 600"));
}

#[test]
fn a_revoked_token_is_nobody_at_once_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = Tokens::init(folder.path()).unwrap();
    let secret = tokens.create("shop", limited()).unwrap().secret;
    let caller = tokens.caller(&secret).unwrap();
    assert!(tokens.is_valid(&caller));

    tokens.revoke("shop").unwrap();
    assert!(!tokens.is_valid(&caller));
    assert!(Tokens::load(folder.path()).unwrap().caller(&secret).is_none());
    assert_eq!(tokens.revoke("shop"), Err(TokenError::Unknown));
    assert_eq!(tokens.revoke(ADMIN), Err(TokenError::Operator));
}

#[test]
fn names_can_not_leave_the_folder_and_are_used_once() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = Tokens::init(folder.path()).unwrap();
    for name in ["", "../evil", "A", "a.b", "a/b", &"a".repeat(33)] {
        assert_eq!(tokens.create(name, Grant::Read), Err(TokenError::Name), "{name}");
    }
    assert_eq!(tokens.create(ADMIN, Grant::Read), Err(TokenError::Taken));
    for number in 2..MAX_TOKENS {
        tokens.create(&format!("t{number}"), Grant::Read).unwrap();
    }
    assert_eq!(tokens.create("last", Grant::Read), Err(TokenError::TooMany));
}

#[test]
fn a_file_that_holds_no_token_is_named() {
    let folder = tempfile::tempdir().unwrap();
    Tokens::init(folder.path()).unwrap();
    let secret = "0".repeat(64);
    for text in [
        "hello".to_owned(),
        String::new(),
        format!("lockstep_admin_{}", "0".repeat(63)),
        format!("lockstep_pay_{secret}"),
        format!("lockstep_pay_1.5_0x{}_{secret}", "0".repeat(40)),
        format!("lockstep_root_{secret}"),
    ] {
        let path = folder.path().join("x.token");
        fs::write(&path, &text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(Tokens::load(folder.path()).unwrap_err(), TokenError::NoToken { path });
    }
}

#[test]
fn only_tokens_that_pay_have_a_limit_and_they_must() {
    let call = |scope, limit: Option<u64>| CreateAccessToken {
        name: "x".to_owned(),
        scope,
        limit: limit.map(|limit| Text(Amount::from(limit))),
        asset: None,
    };
    let asset = AccountRef::Evm(Address::ZERO);
    let granted = grant_of(&call(Scope::Pay, Some(7))).unwrap();
    assert_eq!(granted, Grant::Pay { asset, limit: Amount::from(7_u64) });
    assert_eq!(grant_of(&call(Scope::Read, None)).unwrap(), Grant::Read);
    assert!(grant_of(&call(Scope::Pay, None)).is_err());
    assert!(grant_of(&call(Scope::Admin, Some(7))).is_err());
}

#[test]
fn a_caller_may_do_what_its_scope_and_those_below_allow() {
    let caller = |grant| Caller { id: TokenId(B256::ZERO), grant };
    let scopes = [Scope::Read, Scope::Pay, Scope::Admin];
    let allowed = |grant| scopes.map(|scope| caller(grant).may(scope).is_ok());
    assert_eq!(allowed(Grant::Read), [true, false, false]);
    assert_eq!(allowed(limited()), [true, true, false]);
    assert_eq!(allowed(Grant::Admin), [true, true, true]);
}
