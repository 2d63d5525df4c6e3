//! `lockstep token`.

use super::amount;
use super::args::{NewToken, Token, TokenOrder};
use super::failure::CliError;
use super::output::{Terminal, table};
use super::session::Session;
use lockstep_rpc::api;
use lockstep_rpc::method::{NoParams, Scope};
use lockstep_rpc::types::{AccessToken, AccessTokenCall, CreateAccessToken, NewAccessToken};

pub(super) async fn run(
    args: &Token,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    match &args.order {
        TokenOrder::New(new) => {
            let call = new_call(new, session)?;
            let made = session.call(&api::CREATE_TOKEN, &call).await?;
            terminal.answer(&made, |made: &NewAccessToken| {
                format!("{}\nIt is also in {}.", made.secret, made.path)
            })
        }
        TokenOrder::List => {
            let tokens = session.call(&api::LIST_TOKENS, &NoParams {}).await?;
            terminal.answer(&tokens, |tokens| list(tokens, session))
        }
        TokenOrder::Revoke { name } => {
            let call = AccessTokenCall { name: name.clone() };
            session.call(&api::REVOKE_TOKEN, &call).await?;
            terminal.answer(&call, |call| format!("Token {} is no longer valid.", call.name))
        }
    }
}

/// The call that makes one.
pub(super) fn new_call(new: &NewToken, session: &Session) -> Result<CreateAccessToken, CliError> {
    let limit = new.limit.as_deref().map(|text| session.money(text)).transpose()?;
    let scope = match (&limit, new.admin) {
        (Some(_), _) => Scope::Pay,
        (None, true) => Scope::Admin,
        (None, false) => Scope::Read,
    };
    Ok(CreateAccessToken {
        name: new.name.clone(),
        scope,
        asset: limit.as_ref().map(|money| money.asset.token),
        limit: limit.map(|money| money.amount),
    })
}

fn list(tokens: &[AccessToken], session: &Session) -> String {
    let rows = tokens.iter().map(|token| {
        let asset = session.info.assets.iter().find(|asset| Some(asset.token) == token.asset);
        let limit = match (token.limit, asset) {
            (Some(limit), Some(asset)) => amount::show(limit, asset),
            (Some(limit), None) => limit.to_string(),
            (None, _) => String::new(),
        };
        vec![token.name.clone(), token.scope.name().to_owned(), limit]
    });
    table(&["NAME", "MAY", "LIMIT"], rows)
}
