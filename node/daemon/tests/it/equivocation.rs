//! A counterparty that signs two states of one version: the proof goes to a file at once, is handed out, is checked by
//! the program without any node, and outlasts the channel.

use crate::kit::{Node, PERIOD, Pair};
use alloy_primitives::B256;
use lockstep_core::commit::{Journal, Transition, commit};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{ChannelId, Domain, Side};
use lockstep_core::message::UnsignedMessage;
use lockstep_core::money::Net;
use lockstep_core::output::{AfterSigning, Output};
use lockstep_core::record::ChannelRecord;
use lockstep_core::request::{KeyContext, SigningContent, SigningRequest};
use lockstep_core::signature::StateSignature;
use lockstep_core::state::State;
use lockstep_core::terms::Terms;
use lockstep_rpc::backend::Backend;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{ChannelPhase, ExportProof, Recover, Text};
use lockstep_signer::ChannelSigner;
use lockstep_signer::mark::book::MarkBook;
use lockstep_signer::mark::file::{MarkFile, SyncPolicy};
use lockstep_store::fixture::ChannelFixture;
use lockstep_store::proof::Proof;
use lockstep_store::proof::equivocation::EquivocationProof;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Units: seconds. Longer than a settled channel is kept.
const LONG: u64 = 31 * 24 * 3_600;

fn file_of(node: &Node, id: ChannelId) -> PathBuf {
    node.dir.path().join("proofs").join(format!("{id}.equivocation.json"))
}

impl Node {
    async fn equivocation(&self, id: ChannelId) -> Result<Value, Failure> {
        let call = ExportProof { channel_id: Text(id), equivocation: Some(true) };
        self.engine.export_proof(call).await.map(|proof| proof.proof)
    }

    /// Signs with this node's key whatever it is asked to, as a node that was changed would: with marks that know
    /// nothing of what it has signed.
    fn sign_blindly(
        &self,
        peer: &Self,
        domain: Domain,
        terms: &Terms,
        side: Side,
        state: State,
    ) -> StateSignature {
        let folder = tempfile::tempdir().unwrap();
        let marks = MarkFile::create(&folder.path().join("marks"), SyncPolicy::OnDemand).unwrap();
        let signer = ChannelSigner::new(self.ring(), MarkBook::default(), marks);
        let peer = peer.engine.info().node_id.0;
        let key = KeyContext { domain, peer, salt: terms.salt };
        let content = SigningContent::State(state);
        let name = terms.signer(side);
        let request = SigningRequest::new(&SigningDomain::new(domain), key, name, side, content);
        let then = AfterSigning::Send(UnsignedMessage::Accept { version: state.version });
        let record = ChannelFixture::new(1, side).fresh_record();
        let step = Transition::for_test(record, vec![], vec![Output::Sign { request, then }]);
        let (_, effects) = commit(&mut Careless, vec![step]).unwrap().remove(0).into_parts();
        let requests = effects.into_iter().filter_map(|effect| {
            if let Output::Sign { request, .. } = effect { Some(request) } else { None }
        });
        signer.sign_batch(&requests.collect::<Vec<_>>()).remove(0).unwrap()
    }
}

/// A journal that keeps nothing.
struct Careless;

impl Journal for Careless {
    type Error = std::convert::Infallible;

    fn write_through(&mut self, _: &[&Transition]) -> Result<(), Self::Error> {
        Ok(())
    }

    fn read(&mut self, _: ChannelId) -> Result<Option<ChannelRecord>, Self::Error> {
        Ok(None)
    }
}

/// What the program says about a file, on a machine without a node.
fn verify(file: &Path) -> (bool, String) {
    let said = Command::new(env!("CARGO_BIN_EXE_lockstep"))
        .args(["--json", "verify-proof"])
        .arg(file)
        .output()
        .unwrap();
    let text = if said.status.success() { said.stdout } else { said.stderr };
    (said.status.success(), String::from_utf8(text).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn p46_the_proof_of_an_equivocation_is_written_handed_out_checked_and_outlasts_the_channel() {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    let Pair { world, one, two } = &pair;
    one.pay(id, 100).await;
    let none = one.equivocation(id).await.unwrap_err();
    assert_eq!(none.kind, FailureKind::WrongPhase, "there is none yet");

    // The counterparty signs another state of the very version that it has signed already.
    let newest = one.export(id).await;
    let proof = Proof::from_json(&newest.to_string()).unwrap();
    let (domain, terms, mut signed) = (proof.domain(), *proof.terms(), proof.signed().clone());
    let honest = signed.state;
    signed.state.net = Net::new(honest.net.get() - 1).unwrap();
    signed.signature1 = one.sign_blindly(two, domain, &terms, Side::One, signed.state);
    signed.signature2 = two.sign_blindly(one, domain, &terms, Side::Two, signed.state);
    let second = Proof::new(domain, terms, signed).unwrap().to_json().unwrap();
    let shown = serde_json::from_str(&second).unwrap();
    one.engine.recover(Recover { proof: Some(shown), ..Recover::default() }).await.unwrap();
    one.until_channel(id, "frozen", |channel| channel.frozen.is_some()).await;

    // It is in a file by itself, and what is handed out is the same.
    one.until("the file", |node| file_of(node, id).exists()).await;
    let file = EquivocationProof::import(&file_of(one, id)).unwrap();
    let out = one.equivocation(id).await.unwrap();
    assert_eq!(EquivocationProof::from_json(&out.to_string()).unwrap(), file);
    assert_eq!((file.channel_id(), file.by()), (id, Side::Two));
    assert_eq!((file.states().first, file.states().second.version), (honest, honest.version));

    // Anybody can check it; a changed one proves nothing, and the other file proves something else.
    let (is_good, said) = verify(&file_of(one, id));
    let said: Value = serde_json::from_str(&said).unwrap();
    assert!(is_good && said["proves"] == "equivocation" && said["participant"] == 2, "{said}");
    assert_eq!(said["signer"], terms.signer2.to_string());
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("changed.json");
    let text = std::fs::read_to_string(file_of(one, id)).unwrap();
    std::fs::write(&changed, text.replace("\"signedBy\": 2", "\"signedBy\": 1")).unwrap();
    let (is_good, said) = verify(&changed);
    assert!(!is_good && said.contains("proves nothing"), "{said}");
    std::fs::write(&changed, newest.to_string()).unwrap();
    let (is_good, said) = verify(&changed);
    assert!(is_good && said.contains("\"state\""), "{said}");

    // The file is made again when the channel is forgotten, and is what is left of it.
    std::fs::remove_file(file_of(one, id)).unwrap();
    one.force_close(id).await;
    one.until_phase(id, ChannelPhase::Disputed).await;
    world.pass(u64::from(PERIOD)).await;
    one.assert_settled(id, 900, 1_100).await;
    one.until_channel(id, "final", |channel| channel.waiting.is_empty()).await;
    world.pass(LONG).await;
    one.until_forgotten(id).await;
    assert_eq!(EquivocationProof::import(&file_of(one, id)).unwrap(), file);
    assert_eq!(one.equivocation(id).await.unwrap(), out);
    let other = one.equivocation(ChannelId(B256::ZERO)).await.unwrap_err();
    assert_eq!(other.kind, FailureKind::UnknownChannel);
}
