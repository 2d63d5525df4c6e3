//! One JSON-RPC endpoint: time limit, retries, health. Its address stays inside, since it often holds a key.

use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{RpcRecv, RpcSend};
use alloy::transports::http::reqwest::Url;
use alloy::transports::{RpcError, TransportError, TransportErrorKind};
use alloy_primitives::Bytes;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use lockstep_contracts::revert::Revert;
use lockstep_core::error::ErrorClass;
use std::sync::Arc;
use thiserror::Error;

/// How an endpoint is named in logs: without its path, which may hold a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointName(Arc<str>);

impl fmt::Display for EndpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that an endpoint sent: cut, and escaped when shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteText(Arc<str>);

/// As much of an endpoint's sentence as is kept.
const MAX_REMOTE_CHARS: usize = 128;

impl RemoteText {
    fn new(text: &str) -> Self {
        Self(text.chars().take(MAX_REMOTE_CHARS).collect::<String>().into())
    }

    /// Whether the endpoint's sentence contains a phrase. Only for what JSON-RPC has no code for.
    fn mentions(&self, phrase: &str) -> bool {
        self.0.to_ascii_lowercase().contains(phrase)
    }
}

impl fmt::Display for RemoteText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// No answer in time.
    #[error("no answer within {millis} ms")]
    Timeout {
        /// The limit.
        millis: u64,
    },
    /// No connection, or it broke.
    #[error("cannot be reached")]
    Unreachable,
    /// The server answered with a status.
    #[error("answers with HTTP status {status}")]
    Http {
        /// The status.
        status: u16,
    },
    /// It was not asked: it has not answered lately, and is tried again only now and then.
    #[error("is left alone for now, since it does not answer")]
    Resting,
    /// The answer is not what the method returns.
    #[error("answer cannot be read")]
    Malformed,
    /// The block that was asked for is not there (yet, or any more).
    #[error("does not have what was asked for")]
    Missing,
    /// The node refused.
    #[error("refuses with code {code}: {text}")]
    Refused {
        /// JSON-RPC error code.
        code: i64,
        /// What it says.
        text: RemoteText,
        /// Data of a failed call, if there is any.
        data: Option<Bytes>,
    },
}

/// A failed request, with where and what it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("endpoint {endpoint} failed at {method}")]
pub struct EndpointError {
    /// Which endpoint.
    pub endpoint: EndpointName,
    /// Which method.
    pub method: &'static str,
    /// Why.
    #[source]
    pub cause: RequestError,
}

/// JSON-RPC: the node is over its limits, or the resource is not available. Source: EIP-1474.
const LIMIT_CODES: [i64; 3] = [-32_005, -32_002, 429];

impl EndpointError {
    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        match &self.cause {
            RequestError::Refused { .. } if !self.is_temporary() => ErrorClass::Refused,
            RequestError::Timeout { .. }
            | RequestError::Unreachable
            | RequestError::Resting
            | RequestError::Http { .. }
            | RequestError::Malformed
            | RequestError::Missing
            | RequestError::Refused { .. } => ErrorClass::Transient,
        }
    }

    /// Why a call reverted, if that is what happened.
    pub fn revert(&self) -> Option<Revert> {
        match &self.cause {
            RequestError::Refused { data: Some(data), .. } => Some(Revert::decode(data)),
            RequestError::Refused { text, data: None, .. } if text.mentions("revert") => {
                Some(Revert::Empty)
            }
            RequestError::Refused { .. }
            | RequestError::Timeout { .. }
            | RequestError::Unreachable
            | RequestError::Resting
            | RequestError::Http { .. }
            | RequestError::Malformed
            | RequestError::Missing => None,
        }
    }

    /// Whether the node says that it holds exactly this transaction already.
    pub fn is_known_transaction(&self) -> bool {
        match &self.cause {
            RequestError::Refused { text, .. } => {
                text.mentions("already known") || text.mentions("already imported")
            }
            RequestError::Timeout { .. }
            | RequestError::Unreachable
            | RequestError::Resting
            | RequestError::Http { .. }
            | RequestError::Malformed
            | RequestError::Missing => false,
        }
    }

    fn is_temporary(&self) -> bool {
        match &self.cause {
            RequestError::Timeout { .. } | RequestError::Unreachable => true,
            RequestError::Http { status } => *status == 429 || *status >= 500,
            RequestError::Refused { code, .. } => LIMIT_CODES.contains(code),
            RequestError::Resting | RequestError::Malformed | RequestError::Missing => false,
        }
    }
}

/// Limits of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How often a temporary failure is tried again.
    pub retries: u32,
    /// Pause before the first new attempt; it doubles each time.
    pub backoff: Duration,
}

impl Default for RequestLimits {
    /// Three attempts within a rollup's few blocks; a slower endpoint is no use for a threat.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), retries: 2, backoff: Duration::from_millis(200) }
    }
}

/// After this many failures in a row an endpoint is unhealthy: it is asked only now and then, so that waiting
/// for it delays nobody.
const UNHEALTHY_AFTER: u32 = 3;
/// An unhealthy endpoint gets one of this many requests, and as little of the time that a request may take.
const PROBE_EVERY: u32 = 4;

/// One endpoint.
pub struct Endpoint {
    name: EndpointName,
    client: RpcClient,
    limits: RequestLimits,
    failures: AtomicU32,
    /// Requests that were kept from it since it became unhealthy.
    spared: AtomicU32,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The address of an endpoint is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("RPC address is no http or https URL")]
pub struct BadAddress;

impl BadAddress {
    /// Whoever configured it must change it.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }
}

impl Endpoint {
    /// An endpoint at an `http` or `https` address.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub fn new(url: &str, limits: RequestLimits) -> Result<Self, BadAddress> {
        let url: Url = url.parse().map_err(|_| BadAddress)?;
        let host = url.host_str().ok_or(BadAddress)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadAddress);
        }
        let name = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let name = EndpointName(name.into());
        Ok(Self {
            name,
            client: RpcClient::new_http(url),
            limits,
            failures: AtomicU32::new(0),
            spared: AtomicU32::new(0),
        })
    }

    /// Its name in logs.
    pub fn name(&self) -> &EndpointName {
        &self.name
    }

    /// Whether its last requests were answered.
    pub fn is_healthy(&self) -> bool {
        self.failures.load(Ordering::Relaxed) < UNHEALTHY_AFTER
    }

    /// Sends one request, again after temporary failures.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub async fn request<P: RpcSend, R: RpcRecv>(
        &self,
        method: &'static str,
        params: P,
    ) -> Result<R, EndpointError> {
        let attempt =
            |limit| self.limited(limit, self.client.request::<P, R>(method, params.clone()));
        self.retrying(method, attempt).await
    }

    /// Sends one method with many parameters as one batch; the answers come in the same order.
    ///
    /// # Errors
    /// [`EndpointError`] if any of them fails.
    pub async fn batch<P: RpcSend, R: RpcRecv>(
        &self,
        method: &'static str,
        params: &[P],
    ) -> Result<Vec<R>, EndpointError> {
        if params.is_empty() {
            return Ok(Vec::new());
        }
        let attempt = |limit| self.limited(limit, self.send_batch(method, params));
        self.retrying(method, attempt).await
    }

    async fn send_batch<P: RpcSend, R: RpcRecv>(
        &self,
        method: &'static str,
        params: &[P],
    ) -> Result<Vec<R>, TransportError> {
        let mut batch = self.client.new_batch();
        let mut waiting = Vec::with_capacity(params.len());
        for param in params {
            waiting.push(batch.add_call::<P, R>(method, param)?);
        }
        batch.send().await?;
        futures::future::try_join_all(waiting).await
    }

    async fn limited<R>(
        &self,
        limit: Duration,
        request: impl Future<Output = Result<R, TransportError>>,
    ) -> Result<R, RequestError> {
        match tokio::time::timeout(limit, request).await {
            Ok(answer) => answer.map_err(|error| cause(&error)),
            Err(_) => {
                let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                Err(RequestError::Timeout { millis })
            }
        }
    }

    async fn retrying<R, F: Future<Output = Result<R, RequestError>>>(
        &self,
        method: &'static str,
        attempt: impl Fn(Duration) -> F,
    ) -> Result<R, EndpointError> {
        let (mut left, mut limit) = (self.limits.retries, self.limits.timeout);
        if !self.is_healthy() {
            limit = limit.checked_div(PROBE_EVERY).unwrap_or(limit);
            left = 0;
            let spared = self.spared.fetch_add(1, Ordering::Relaxed);
            if spared.checked_rem(PROBE_EVERY) != Some(PROBE_EVERY.saturating_sub(1)) {
                let endpoint = self.name.clone();
                return Err(EndpointError { endpoint, method, cause: RequestError::Resting });
            }
        }
        let mut pause = self.limits.backoff;
        loop {
            let cause = match attempt(limit).await {
                Ok(answer) => {
                    self.failures.store(0, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(cause) => cause,
            };
            let error = EndpointError { endpoint: self.name.clone(), method, cause };
            if !error.is_temporary() {
                return Err(error);
            }
            self.failures.fetch_add(1, Ordering::Relaxed);
            if left == 0 {
                return Err(error);
            }
            tracing::debug!(endpoint = %self.name, method, error = %error.cause, "request is retried");
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
            left = left.saturating_sub(1);
        }
    }

    /// It took much longer than others: that counts like a failure, so that it is soon asked only now and then.
    pub(crate) fn note_late(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// The error of not answering while others did.
    pub(crate) fn late_error(&self, limit: Duration) -> EndpointError {
        let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.error("request", RequestError::Timeout { millis })
    }

    /// An error of this endpoint that the caller found in its answer.
    pub(crate) fn error(&self, method: &'static str, cause: RequestError) -> EndpointError {
        EndpointError { endpoint: self.name.clone(), method, cause }
    }
}

/// The transport's error without the address that it may hold.
fn cause(error: &TransportError) -> RequestError {
    match error {
        RpcError::ErrorResp(payload) => RequestError::Refused {
            code: payload.code,
            text: RemoteText::new(&payload.message),
            data: payload.as_revert_data(),
        },
        RpcError::Transport(TransportErrorKind::HttpError(http)) => {
            RequestError::Http { status: http.status }
        }
        RpcError::Transport(_) => RequestError::Unreachable,
        RpcError::NullResp => RequestError::Missing,
        RpcError::SerError(_)
        | RpcError::DeserError { .. }
        | RpcError::UnsupportedFeature(_)
        | RpcError::LocalUsageError(_) => RequestError::Malformed,
    }
}
