//! Alarms to an address of the operator's, each signed with a secret that both know.
//!
//! `POST` with a JSON body; `X-Lockstep-Signature` is the hex of HMAC-SHA256 over exactly that body. The body holds a
//! number that rises by one and the time, so that an old message cannot be played again. What is not taken is tried
//! again for about a minute; meanwhile later alarms wait in a bounded queue, and beyond it they are dropped and said
//! in the log.

use std::time::Duration;

use alloy_primitives::{Address, hex};
use hkdf::hmac::{Hmac, Mac};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::ChannelId;
use lockstep_p2p::tower::message::ActedStage;
use serde_json::{Value, json};
use sha2::Sha256;
use thiserror::Error;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::admin::stage_name;
use crate::news::{Cause, News};

/// Alarms that wait to be taken.
const QUEUE: usize = 256;
/// How often one is tried.
const ATTEMPTS: u32 = 6;
/// Before the second attempt; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A shorter secret could be guessed. Units: bytes.
const LEAST_SECRET: usize = 16;
/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "X-Lockstep-Signature";

/// Why there is no webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WebhookError {
    /// The address is none.
    #[error("the webhook's address is no http or https URL")]
    Address,
    /// The secret could be guessed.
    #[error("the webhook's secret has {found} bytes, {LEAST_SECRET} are the least")]
    ShortSecret {
        /// How long it is.
        found: usize,
    },
    /// No HTTP client can be made.
    #[error("no HTTP client can be made for the webhook")]
    Client,
}

impl WebhookError {
    /// The operator changes something.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }
}

/// Where alarms go, and what signs them.
pub struct WebhookSetup {
    /// The address. Shape: an `http` or `https` URL.
    pub url: String,
    /// The secret.
    pub secret: Zeroizing<Vec<u8>>,
    /// The tower, as its receipts name it.
    pub tower: Address,
}

/// Hands alarms over, without waiting for anybody.
#[derive(Clone, Debug)]
pub struct Webhook(mpsc::Sender<Value>);

impl Webhook {
    /// Starts its task, which ends with the last handle. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub fn start(setup: WebhookSetup) -> Result<Self, WebhookError> {
        let url: reqwest::Url = setup.url.parse().map_err(|_| WebhookError::Address)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebhookError::Address);
        }
        if setup.secret.len() < LEAST_SECRET {
            return Err(WebhookError::ShortSecret { found: setup.secret.len() });
        }
        // Where it is sent is the operator's word alone: nobody may send it elsewhere.
        let none = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().timeout(PATIENCE).redirect(none).build();
        let client = client.map_err(|_| WebhookError::Client)?;
        let (alarms, waiting) = mpsc::channel(QUEUE);
        let carrier = Carrier { client, url, secret: setup.secret, tower: setup.tower };
        tokio::spawn(carrier.run(waiting));
        Ok(Self(alarms))
    }

    /// Tells of what an operator must see.
    pub fn note(&self, news: &News) {
        let Some(said) = said(news) else { return };
        if self.0.try_send(said).is_err() {
            tracing::error!("the webhook does not take alarms; one is dropped");
        }
    }
}

/// What is said of news; none of what is only progress.
fn said(news: &News) -> Option<Value> {
    let id = |id: &ChannelId| id.to_string();
    Some(match news {
        News::Acted(acted) => match acted.stage {
            ActedStage::Sent | ActedStage::Included => return None,
            ActedStage::Seen | ActedStage::Final | ActedStage::Alarm => json!({
                "kind": "acted",
                "stage": stage_name(acted.stage),
                "channelId": id(&acted.channel_id),
                "seenVersion": acted.seen_version.0,
                "version": acted.posted_version.0,
            }),
        },
        News::Failed { channel_id, settled, held } => json!({
            "kind": "failed",
            "channelId": id(channel_id),
            "settled": settled.0,
            "version": held.0,
        }),
        News::HalfOfWindow { channel_id, before } => {
            json!({ "kind": "halfOfWindow", "channelId": id(channel_id), "before": before.0 })
        }
        News::EscapeFails { chain_id } => json!({ "kind": "escapeFails", "chainId": chain_id }),
        News::EscapeWorks { chain_id } => json!({ "kind": "escapeWorks", "chainId": chain_id }),
        News::Chain(alarm) => {
            let Cause { kind, channel_id, endpoint } = Cause::of(alarm);
            json!({
                "kind": kind,
                "channelId": channel_id.as_ref().map(id),
                "endpoint": endpoint,
                "detail": format!("{alarm:?}"),
            })
        }
    })
}

/// The signature of a body.
fn sign(secret: &[u8], body: &[u8]) -> Option<String> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret).ok()?;
    mac.update(body);
    Some(hex::encode(mac.finalize().into_bytes()))
}

struct Carrier {
    client: reqwest::Client,
    url: reqwest::Url,
    secret: Zeroizing<Vec<u8>>,
    tower: Address,
}

impl Carrier {
    async fn run(self, mut waiting: mpsc::Receiver<Value>) {
        let mut sequence = 0_u64;
        while let Some(mut said) = waiting.recv().await {
            sequence = sequence.saturating_add(1);
            if let Some(fields) = said.as_object_mut() {
                fields.insert("tower".to_owned(), json!(self.tower));
                fields.insert("sequence".to_owned(), json!(sequence));
                fields.insert("at".to_owned(), json!(crate::clock::unix_secs()));
            }
            let body = said.to_string();
            let Some(signature) = sign(&self.secret, body.as_bytes()) else { continue };
            self.carry(&body, &signature).await;
        }
    }

    async fn carry(&self, body: &str, signature: &str) {
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            let request = self
                .client
                .post(self.url.clone())
                .header("Content-Type", "application/json")
                .header(SIGNATURE_HEADER, signature)
                .body(body.to_owned());
            match request.send().await {
                Ok(answer) if answer.status().is_success() => return,
                Ok(answer) => {
                    tracing::warn!(
                        status = answer.status().as_u16(),
                        attempt,
                        "the webhook refuses an alarm"
                    );
                }
                // Its words may name the address, with whatever secret is in it.
                Err(_) => tracing::warn!(attempt, "the webhook does not answer"),
            }
            if attempt < ATTEMPTS {
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2);
            }
        }
        tracing::error!("the webhook has not taken an alarm");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_the_signature_that_everybody_computes() {
        // Source: RFC 4231, test case 2.
        let signed = sign(b"Jefe", b"what do ya want for nothing?").unwrap();
        assert_eq!(signed, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[tokio::test]
    async fn an_address_that_is_none_and_a_secret_that_could_be_guessed_are_refused() {
        let start = |url: &str, secret: &[u8]| {
            let secret = Zeroizing::new(secret.to_vec());
            Webhook::start(WebhookSetup { url: url.to_owned(), secret, tower: Address::ZERO })
        };
        let long = [7; LEAST_SECRET];
        assert_eq!(start("ftp://a.example", &long).unwrap_err(), WebhookError::Address);
        assert_eq!(start("nowhere", &long).unwrap_err(), WebhookError::Address);
        let short = start("http://127.0.0.1:9", &long[1..]).unwrap_err();
        assert_eq!(short, WebhookError::ShortSecret { found: LEAST_SECRET - 1 });
        assert!(start("http://127.0.0.1:9", &long).is_ok());
    }
}
