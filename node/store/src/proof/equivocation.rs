//! The proof that a participant signed two states of one version (P46): anybody can check it, without a node and
//! without the chain. Both digests are computed anew from the states, and both signatures must be by the same signer of
//! the same channel's terms.

use std::path::Path;

use alloy_primitives::{B256, hex};
use lockstep_core::{
    digest::SigningDomain,
    ids::{ChannelId, Digest, Domain, Side},
    record::Equivocation,
    signature::SignerKey,
    terms::Terms,
};
use serde::{Deserialize, Serialize};

use super::{
    ProofError, keep, read,
    text::{Chain, StateText, TermsText, signature},
};

/// Name and version of the format.
pub const FORMAT: &str = "lockstep-equivocation/1";

/// Two states of one version, both signed by one participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EquivocationProof {
    domain: Domain,
    terms: Terms,
    by: Side,
    states: Equivocation,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    format: String,
    chain: Chain,
    channel_id: B256,
    terms: TermsText,
    /// The participant that signed both: 1 or 2.
    signed_by: u8,
    first: SignedText,
    second: SignedText,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedText {
    state: StateText,
    /// What was signed, for whoever reads the file. It is computed anew, not read.
    #[serde(default, skip_deserializing)]
    digest: B256,
    signature: String,
}

impl EquivocationProof {
    /// A proof that holds.
    ///
    /// # Errors
    /// [`ProofError`] at the first thing that does not hold.
    pub fn new(
        domain: Domain,
        terms: Terms,
        by: Side,
        states: Equivocation,
    ) -> Result<Self, ProofError> {
        let Equivocation { first, second, .. } = &states;
        let channel_id = terms.channel_id(domain);
        if first.channel_id != channel_id || second.channel_id != channel_id {
            return Err(ProofError::Mismatch);
        }
        let proof = Self { domain, terms, by, states };
        let [one, two] = proof.digests();
        if first.version != second.version || one == two {
            return Err(ProofError::NoEquivocation);
        }
        let signer = terms.signer(by);
        for (digest, signature) in [(one, states.first_signature), (two, states.second_signature)] {
            SignerKey::recover(digest, signature, signer)
                .map_err(|source| ProofError::Signature { side: by, source })?;
        }
        Ok(proof)
    }

    /// Chain and contract.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The channel.
    pub fn channel_id(&self) -> ChannelId {
        self.states.first.channel_id
    }

    /// The channel's terms.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Who signed both.
    pub fn by(&self) -> Side {
        self.by
    }

    /// Both states with their signatures.
    pub fn states(&self) -> &Equivocation {
        &self.states
    }

    /// What was signed, the first and the second.
    pub fn digests(&self) -> [Digest; 2] {
        let domain = SigningDomain::new(self.domain);
        [domain.state(&self.states.first), domain.state(&self.states.second)]
    }

    /// The content of a file.
    ///
    /// # Errors
    /// Never for a proof that holds; the signature is that of the encoder.
    pub fn to_json(&self) -> Result<String, ProofError> {
        let [one, two] = self.digests();
        let Equivocation { first, first_signature, second, second_signature } = &self.states;
        let file = File {
            format: FORMAT.to_owned(),
            chain: Chain::of(self.domain),
            channel_id: first.channel_id.0,
            terms: TermsText::of(&self.terms),
            signed_by: self.by.number(),
            first: SignedText {
                state: StateText::of(first),
                digest: one.0,
                signature: hex::encode_prefixed(first_signature.0),
            },
            second: SignedText {
                state: StateText::of(second),
                digest: two.0,
                signature: hex::encode_prefixed(second_signature.0),
            },
        };
        serde_json::to_string_pretty(&file).map_err(ProofError::NotEvidence)
    }

    /// A proof from the content of a file.
    ///
    /// # Errors
    /// [`ProofError`] at the first thing that does not hold.
    pub fn from_json(json: &str) -> Result<Self, ProofError> {
        let file: File = serde_json::from_str(json).map_err(ProofError::NotEvidence)?;
        if file.format != FORMAT {
            return Err(ProofError::UnknownFormat);
        }
        let by =
            Side::from_number(file.signed_by).ok_or(ProofError::Field { field: "signedBy" })?;
        let channel_id = ChannelId(file.channel_id);
        let states = Equivocation {
            first: file.first.state.state(channel_id)?,
            first_signature: signature(&file.first.signature, "first.signature")?,
            second: file.second.state.state(channel_id)?,
            second_signature: signature(&file.second.signature, "second.signature")?,
        };
        Self::new(file.chain.domain(), file.terms.terms()?, by, states)
    }

    /// Writes a file, in a folder of its own if need be. It appears under its name only when it is whole and synced.
    ///
    /// # Errors
    /// [`ProofError::Io`].
    pub fn export(&self, path: &Path) -> Result<(), ProofError> {
        Ok(keep(path, &self.to_json()?)?)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ProofError`] at the first thing that does not hold.
    pub fn import(path: &Path) -> Result<Self, ProofError> {
        Self::from_json(&read(path)?)
    }
}
