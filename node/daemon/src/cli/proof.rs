//! What a proof file proves, without any node or chain.

use super::args::VerifyProof;
use super::failure::{CliError, with_sources};
use super::output::Terminal;
use lockstep_core::ids::Domain;
use lockstep_store::proof::equivocation::{self, EquivocationProof};
use lockstep_store::proof::{self, Proof, ProofError};
use serde_json::{Value, json};

pub(super) fn verify(args: &VerifyProof, terminal: &mut Terminal) -> Result<(), CliError> {
    let path = args.file.display();
    let refused = |error: &ProofError| {
        let why = if let ProofError::Io(error) = error {
            format!("can't read {path}: {}", error.kind())
        } else {
            format!("{path} proves nothing: {}", with_sources(error))
        };
        CliError::refused(why).advice("use a file as `lockstep export-proof` wrote it")
    };
    let text = proof::read(&args.file).map_err(|error| refused(&error))?;
    let format = serde_json::from_str::<Value>(&text).ok();
    let format = format.as_ref().and_then(|file| file.get("format")?.as_str());
    let (answer, sentence) = if format == Some(equivocation::FORMAT) {
        equivocated(&EquivocationProof::from_json(&text).map_err(|error| refused(&error))?)
    } else {
        agreed(&Proof::from_json(&text).map_err(|error| refused(&error))?)
    };
    terminal.answer(&answer, |_| sentence.clone())
}

fn equivocated(proof: &EquivocationProof) -> (Value, String) {
    let (channel_id, by) = (proof.channel_id(), proof.by());
    let (version, signer) = (proof.states().first.version, proof.terms().signer(by));
    let [first, second] = proof.digests();
    let answer = json!({
        "proves": "equivocation",
        "channelId": channel_id.to_string(),
        "version": version.0,
        "participant": by.number(),
        "signer": signer.to_string(),
        "digests": [first.0.to_string(), second.0.to_string()],
    });
    let sentence = format!(
        "{signer} signed two different states of version {version} of channel {channel_id}, for participant {}. {}",
        by.number(),
        look_it_up(proof.domain())
    );
    (answer, sentence)
}

fn agreed(proof: &Proof) -> (Value, String) {
    let channel_id = proof.terms().channel_id(proof.domain());
    let version = proof.signed().state.version;
    let answer = json!({
        "proves": "state",
        "channelId": channel_id.to_string(),
        "version": version.0,
    });
    let sentence = format!(
        "Both signers of channel {channel_id} signed this state of version {version}. {} Whether there is a newer state \
         no file can say.",
        look_it_up(proof.domain())
    );
    (answer, sentence)
}

/// A file proves what keys have signed. Whose they are, and that there is such a channel, only its contract shows: the
/// id is the hash of the terms, which name both participants and both signers.
fn look_it_up(domain: Domain) -> String {
    let (contract, chain) = match domain {
        Domain::Evm { chain_id, contract } => (contract.to_string(), chain_id.to_string()),
        Domain::Starknet { chain_id, hub } => (hub.to_string(), chain_id.to_string()),
    };
    format!(
        "The id stands for both participants and their signers; whether such a channel was ever opened, contract \
         {contract} on chain {chain} shows."
    )
}
