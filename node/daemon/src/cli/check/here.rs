//! Dry runs that the command line answers by itself: of what it does without a node, or with a few looks at one.

use super::{plain, report};
use crate::cli::args::{Init, Node, TokenCheck};
use crate::cli::failure::CliError;
use crate::cli::output::Terminal;
use crate::cli::session::Session;
use crate::cli::{Place, init as make, node as run, token as tokens};
use lockstep_rpc::access::{TokenError, check_end, check_new, grant_of};
use lockstep_rpc::api;
use lockstep_rpc::method::NoParams;
use lockstep_rpc::types::CheckReport;

/// What `lockstep init` would make.
pub(super) fn init(args: &Init, place: &Place, terminal: &mut Terminal) -> Result<(), CliError> {
    let report = make::plan(args, place, terminal)?;
    terminal.answer(&report, plain)
}

/// What `lockstep node` would start.
pub(super) fn node(args: &Node, place: &Place, terminal: &mut Terminal) -> Result<(), CliError> {
    let report = run::plan(args, place, terminal)?;
    terminal.answer(&report, plain)
}

/// What `lockstep stop` would leave alone.
pub(super) async fn stop(session: &Session) -> Result<CheckReport, CliError> {
    let status = session.call(&api::STATUS, &NoParams {}).await?;
    let counts = status.channels;
    let mut warnings = Vec::new();
    let exposed = counts.open.saturating_add(counts.closing).saturating_add(counts.disputed);
    if exposed > 0 && status.towers.known == 0 {
        let exposed = channels(exposed);
        warnings.push(format!(
            "there is no watchtower: nobody answers a stale close of {exposed} until the node is back"
        ));
    }
    if counts.disputed > 0 {
        let disputed = channels(counts.disputed);
        warnings.push(format!("the challenge period of {disputed} runs now, and does not wait"));
    }
    let steps = [
        "what is being written is finished; nothing new is taken",
        "peers are told, and the process ends; its next start goes on where it was",
    ];
    Ok(report(steps, warnings))
}

fn channels(count: u32) -> String {
    match count {
        1 => "1 channel".to_owned(),
        _ => format!("{count} channels"),
    }
}

/// What `lockstep token` would do.
pub(super) async fn token(order: &TokenCheck, session: &Session) -> Result<CheckReport, CliError> {
    let known = session.call(&api::LIST_TOKENS, &NoParams {}).await?;
    let names: Vec<String> = known.into_iter().map(|token| token.name).collect();
    let refused = |error: TokenError| {
        CliError::of(error.class(), &error)
            .safe("nothing was done")
            .advice("`lockstep token list` lists them")
    };
    Ok(match order {
        TokenCheck::New(new) => {
            let call = tokens::new_call(new, session)?;
            grant_of(&call)?;
            check_new(&new.name, names.iter()).map_err(refused)?;
            let (name, may) = (&new.name, call.scope.name());
            report([format!("a token {name} of scope {may} is made, and shown once")], vec![])
        }
        TokenCheck::Revoke { name } => {
            check_end(name, names.iter()).map_err(refused)?;
            let message = format!("token {name} ends, for calls that are under way, too");
            report([message], vec![])
        }
    })
}
