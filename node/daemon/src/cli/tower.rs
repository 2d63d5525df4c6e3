//! `lockstep tower`.

use super::args::{Tower, TowerOrder, VerifyReceipt};
use super::failure::CliError;
use super::output::{Terminal, table};
use super::session::Session;
use super::wording;
use alloy_primitives::{Address, hex};
use lockstep_core::chain::CloseMode;
use lockstep_core::ids::{AccountRef, Digest, Domain, Version};
use lockstep_core::receipt::{Exemption, Receipt, ReceiptVerdict, SignedReceipt, Tombstone};
use lockstep_core::signature::StateSignature;
use lockstep_core::terms::Terms;
use lockstep_core::time::BlockTimestamp;
use lockstep_rpc::api;
use lockstep_rpc::method::NoParams;
use lockstep_rpc::types::{self, AddTower, ListReceipts, TowerCall, TowerReceipt};
use std::fs;

pub(super) async fn run(
    args: &Tower,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    match &args.order {
        TowerOrder::Add { address } => {
            let call = AddTower { address: address.clone() };
            let tower = session.call(&api::ADD_TOWER, &call).await?;
            terminal.answer(&tower, |tower: &types::Tower| {
                format!(
                    "Tower {} is given the newest state of each channel from now on.\nPayments to this node now \
                     wait for it beyond the bound of `towers.max_unprotected`; `lockstep status` shows what is \
                     unprotected.",
                    tower.tower
                )
            })
        }
        TowerOrder::List => {
            let towers = session.call(&api::LIST_TOWERS, &NoParams {}).await?;
            terminal.answer(&towers, |towers| list(towers))
        }
        TowerOrder::Remove { tower } => {
            let call = TowerCall { tower: find(tower, session).await? };
            session.call(&api::REMOVE_TOWER, &call).await?;
            terminal.answer(&call, |call| {
                format!(
                    "Tower {} gets nothing new. What it holds it still answers with.",
                    call.tower
                )
            })
        }
        TowerOrder::Receipts { channel } => {
            let channel_id = match channel {
                Some(name) => Some(session.channel(name).await?.channel_id),
                None => None,
            };
            let call = ListReceipts { channel_id };
            let receipts = session.call(&api::LIST_RECEIPTS, &call).await?;
            terminal.answer(&receipts, |receipts| promises(receipts))
        }
        // Needs no node.
        TowerOrder::VerifyReceipt(args) => verify(args, terminal),
    }
}

/// The tower of a key or of its beginning.
pub(super) async fn find(tower: &str, session: &Session) -> Result<types::NodeKeyText, CliError> {
    let towers = session.call(&api::LIST_TOWERS, &NoParams {}).await?;
    let wanted = tower.trim_start_matches("0x").to_lowercase();
    let is_meant = |tower: &&types::Tower| {
        tower.tower.to_string().trim_start_matches("0x").starts_with(&wanted)
    };
    let mut meant = towers.iter().filter(is_meant);
    let (Some(found), None) = (meant.next(), meant.next()) else {
        return Err(CliError::refused(format!("{tower:?} names no tower, or several"))
            .safe("nothing was changed"));
    };
    Ok(found.tower)
}

fn list(towers: &[types::Tower]) -> String {
    if towers.is_empty() {
        return "No towers. `lockstep tower add` takes what `lockstep-watchtower info` prints."
            .to_owned();
    }
    let rows = towers.iter().map(|tower| {
        vec![
            tower.tower.to_string(),
            if tower.is_connected { "online" } else { "offline" }.to_owned(),
            tower.protected_channels.to_string(),
            tower.exposed_channels.to_string(),
            tower.heard_at.map_or_else(|| "never".to_owned(), wording::moment),
            tower.problem.clone().unwrap_or_default(),
        ]
    });
    table(&["TOWER", "LINK", "PROTECTS", "LACKS", "HEARD (UTC)", "PROBLEM"], rows)
}

fn promises(receipts: &[TowerReceipt]) -> String {
    if receipts.is_empty() {
        return "No receipts. A channel without income has nothing that a tower could lose."
            .to_owned();
    }
    let rows = receipts.iter().map(|receipt| {
        vec![
            wording::short(&receipt.channel_id),
            receipt.version.to_string(),
            wording::moment(receipt.valid_until),
            receipt.tower.to_string(),
        ]
    });
    table(&["CHANNEL", "VERSION", "HOLDS UNTIL (UTC)", "TOWER"], rows)
}

/// What a receipt and the contract's tombstone say together, without any node or chain.
pub(super) fn verify(args: &VerifyReceipt, terminal: &mut Terminal) -> Result<(), CliError> {
    let path = args.receipt.display();
    let text = fs::read_to_string(&args.receipt)
        .map_err(|error| CliError::refused(format!("can't read {path}: {}", error.kind())))?;
    let bad = || {
        CliError::refused(format!("{path} is no receipt"))
            .advice("write one with `lockstep tower receipts --json`, one element of the list")
    };
    let written: TowerReceipt = serde_json::from_str(&text).map_err(|_| bad())?;
    let (domain, terms, signed) = read(&written).ok_or_else(bad)?;
    let tombstone = Tombstone {
        mode: if args.by_consent { CloseMode::Cooperative } else { CloseMode::Unilateral },
        version: Version(args.settled_version),
        closes_at: Some(BlockTimestamp(args.closes_at)),
        withdraw_version: Version(args.withdraw_version),
    };
    let verdict = signed
        .judge(domain, &terms, &tombstone)
        .map_err(|error| CliError::of(error.class(), &error))?;
    let (word, sentence) = say(&verdict);
    let answer = serde_json::json!({ "verdict": word, "tower": written.tower, "says": sentence });
    terminal.answer(&answer, |_| sentence.clone())
}

fn say(verdict: &ReceiptVerdict) -> (&'static str, String) {
    match verdict {
        ReceiptVerdict::Failed { settled, promised } => (
            "failed",
            format!(
                "The tower FAILED: version {settled} was settled, and it had promised to show version {promised}. \
                 Receipt and tombstone together prove it to anybody."
            ),
        ),
        ReceiptVerdict::Kept { settled } => (
            "kept",
            format!(
                "The promise was kept: version {settled} was settled, which is what it covers, or newer."
            ),
        ),
        ReceiptVerdict::NotBound(exemption) => {
            let why = match exemption {
                Exemption::ClosedByConsent => "no challenge period ended".to_owned(),
                Exemption::OutsideValidity { begun } => {
                    format!("the close began at {begun}, outside of the time of the receipt")
                }
                Exemption::WindowTooShort { period } => {
                    format!(
                        "the challenge period of {period} s is shorter than the receipt asks for"
                    )
                }
                Exemption::LaterWithdrawal { version } => {
                    format!(
                        "withdrawal {version} came after the receipt and may have voided the state"
                    )
                }
            };
            ("notBound", format!("The promise did not bind: {why}."))
        }
    }
}

fn read(written: &TowerReceipt) -> Option<(Domain, Terms, SignedReceipt)> {
    let evm = |account: AccountRef| -> Option<Address> {
        match account {
            AccountRef::Evm(address) => Some(address),
            AccountRef::Starknet(_) => None,
        }
    };
    let domain = Domain::Evm {
        chain_id: written.chain_id.parse().ok()?,
        contract: evm(written.contract.0)?,
    };
    let view = &written.terms;
    let terms = Terms {
        participant1: view.participant1.0,
        participant2: view.participant2.0,
        signer1: evm(view.signer1.0)?,
        signer2: evm(view.signer2.0)?,
        token: view.token.0,
        challenge_period: view.challenge_period,
        salt: view.salt.0,
    };
    let receipt = Receipt {
        tower: evm(written.signer.0)?,
        channel_id: written.channel_id.0,
        version: Version(written.version),
        state_hash: Digest(written.state_hash.0),
        valid_from: BlockTimestamp(written.valid_from),
        valid_until: BlockTimestamp(written.valid_until),
        min_window: written.min_window,
        insured: written.insured.0,
        beneficiary: evm(written.beneficiary.0)?,
        withdraw_version: Version(written.withdraw_version),
    };
    let mut signature = [0; 64];
    hex::decode_to_slice(&written.signature, &mut signature).ok()?;
    Some((domain, terms, SignedReceipt { receipt, signature: StateSignature(signature) }))
}
