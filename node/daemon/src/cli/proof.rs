//! What a proof file proves, without any node or chain.

use super::args::VerifyProof;
use super::failure::{CliError, with_sources};
use super::output::Terminal;
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
        "Participant {} of channel {channel_id} signed two different states of version {version}. Both signatures are \
         by {signer}.",
        by.number()
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
        "Both participants of channel {channel_id} signed this state of version {version}. Whether there is a newer \
         one no file can say."
    );
    (answer, sentence)
}
