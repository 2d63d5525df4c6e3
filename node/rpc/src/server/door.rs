//! Who comes in: the host that the caller thinks it talks to, the page that it comes from, its token.
//!
//! A web page can make a browser call this machine under a name of its own (DNS rebinding). Such a call names
//! a foreign host or an origin, and both are refused before the token is looked at.

use super::ServerConfig;
use crate::access::{Caller, Tokens};
use crate::failure::{Failure, FailureData, FailureKind};
use jsonrpsee::core::BoxError;
use jsonrpsee::core::http_helpers::{Request, Response};
use jsonrpsee::server::HttpBody;
use serde_json::json;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Layer, Service};

/// No call waits longer: the longest is a wait for the counterparty.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(100);
const BEARER: &str = "Bearer ";

/// Names under which callers may reach the server, and web pages that may call it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guests {
    /// Host names, without a port. Loopback has its own names and needs none of these.
    pub hosts: BTreeSet<String>,
    /// Origins, such as `https://pay.example.org`.
    pub origins: BTreeSet<String>,
}

impl Guests {
    /// Whether a `Host` header names this server.
    fn is_host(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            // An IPv6 address without a port ends in its bracket.
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) | None => host,
        };
        let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let is_loopback = name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        name == "localhost" || is_loopback || self.hosts.contains(&name)
    }

    /// Whether a page may call; a caller that is no page has no origin.
    fn is_origin(&self, origin: &str) -> bool {
        self.origins.contains(origin)
    }
}

/// Makes a [`Door`].
#[derive(Clone)]
pub(super) struct DoorLayer {
    config: Arc<ServerConfig>,
    tokens: Arc<Tokens>,
}

impl DoorLayer {
    pub(super) fn new(config: Arc<ServerConfig>, tokens: Arc<Tokens>) -> Self {
        Self { config, tokens }
    }
}

impl<S> Layer<S> for DoorLayer {
    type Service = Door<S>;

    fn layer(&self, inner: S) -> Door<S> {
        Door { inner, layer: self.clone() }
    }
}

/// Lets in who may come in, and tells the methods who it is.
#[derive(Clone)]
pub(super) struct Door<S> {
    inner: S,
    layer: DoorLayer,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

impl<S, B> Service<Request<B>> for Door<S>
where
    S: Service<Request<B>, Response = Response, Error = BoxError> + Send,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Answer {
        let origin = header(&request, "origin").map(str::to_owned);
        let looked_at = self.layer.look_at(&request);
        // P54: whatever is behind the door may log what it is asked.
        request.headers_mut().remove("authorization");
        let answer = match looked_at {
            Entry::Caller(caller) => {
                request.extensions_mut().insert(caller);
                Ok(self.inner.call(request))
            }
            Entry::Preflight => Err(preflight()),
            Entry::Refused(status, failure) => Err(refused(status, &failure)),
        };
        Box::pin(async move {
            let response = match answer {
                Ok(calling) => match tokio::time::timeout(ANSWER_WITHIN, calling).await {
                    Ok(response) => response?,
                    Err(_) => refused(504, &too_late()),
                },
                Err(response) => response,
            };
            Ok(match origin {
                Some(origin) => readable_by(&origin, response),
                None => response,
            })
        })
    }
}

/// What a request is.
enum Entry {
    /// One that may come in.
    Caller(Caller),
    /// A browser asks whether a page may call.
    Preflight,
    /// One that may not, with its HTTP status.
    Refused(u16, Failure),
}

impl DoorLayer {
    fn look_at<B>(&self, request: &Request<B>) -> Entry {
        let guests = &self.config.guests;
        // HTTP/2 names the host in the address that it asks for.
        let asked = request.uri().authority().map(ToString::to_string);
        let host = header(request, "host").or(asked.as_deref());
        if !host.is_some_and(|host| guests.is_host(host)) {
            return Entry::Refused(403, foreign_host());
        }
        if let Some(origin) = header(request, "origin") {
            if !guests.is_origin(origin) {
                return Entry::Refused(403, foreign_origin());
            }
            if request.method().as_str() == "OPTIONS" {
                return Entry::Preflight;
            }
        }
        let token = header(request, "authorization").and_then(|text| text.strip_prefix(BEARER));
        match token.and_then(|token| self.tokens.caller(token.trim())) {
            Some(caller) => Entry::Caller(caller),
            None => Entry::Refused(401, unauthorized(token.is_some())),
        }
    }
}

fn header<'a, B>(request: &'a Request<B>, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

fn foreign_host() -> Failure {
    Failure::new(FailureKind::Forbidden, "the call names a host that this node does not know")
        .safe("nothing was done")
        .advice("call it by 127.0.0.1 or localhost, or add the host to rpc.hosts")
}

fn foreign_origin() -> Failure {
    Failure::new(FailureKind::Forbidden, "the call comes from a web page that may not call")
        .safe("nothing was done")
        .advice("add the page's origin to rpc.origins")
}

/// Says the same of a missing and a wrong token but for the first words.
pub(super) fn unauthorized(has_token: bool) -> Failure {
    let message = if has_token { "the token is not valid" } else { "the call has no token" };
    Failure::new(FailureKind::Unauthorized, message)
        .safe("nothing was done")
        .advice("send `Authorization: Bearer <token>` with a token from the data folder's tokens")
}

fn too_late() -> Failure {
    Failure::new(FailureKind::TimedOut, "the call took too long")
        .safe("what it ordered may still happen")
        .advice("look at the channel before you order it again")
}

/// An HTTP answer that is also a JSON-RPC answer.
fn refused(status: u16, failure: &Failure) -> Response {
    let error = json!({
        "code": failure.kind.code(),
        "message": failure.message,
        "data": FailureData::from(failure),
    });
    let body = json!({ "jsonrpc": "2.0", "id": null, "error": error }).to_string();
    let mut response = with_status(status, HttpBody::from(body));
    set(&mut response, "content-type", "application/json; charset=utf-8");
    if status == 401 {
        set(&mut response, "www-authenticate", "Bearer");
    }
    response
}

fn preflight() -> Response {
    let mut response = with_status(204, HttpBody::empty());
    set(&mut response, "access-control-allow-methods", "POST");
    set(&mut response, "access-control-allow-headers", "authorization, content-type");
    response
}

/// Lets the page of this origin, which was checked before, read the answer.
fn readable_by(origin: &str, mut response: Response) -> Response {
    if response.status().as_u16() != 403 {
        set(&mut response, "access-control-allow-origin", origin);
        set(&mut response, "vary", "origin");
    }
    response
}

fn with_status(status: u16, body: HttpBody) -> Response {
    let mut response = Response::new(body);
    if let Ok(status) = status.try_into() {
        *response.status_mut() = status;
    }
    response
}

fn set(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = value.try_into() {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, expected: bool) {
        let guests = Guests { hosts: ["pay.example.org".to_owned()].into(), ..Guests::default() };
        assert_eq!(guests.is_host(host), expected, "{host}");
    }

    #[test]
    fn loopback_is_known_by_all_its_names_and_others_by_those_that_were_given() {
        for host in [
            "localhost",
            "LOCALHOST:9556",
            "127.0.0.1",
            "127.0.0.1:9556",
            "[::1]",
            "[::1]:9556",
            "pay.example.org",
            "Pay.Example.org:443",
        ] {
            check(host, true);
        }
    }

    #[test]
    fn a_name_that_a_stranger_points_at_this_machine_is_not_known() {
        for host in [
            "",
            "evil.example",
            "evil.example:9556",
            "127.0.0.1.evil.example",
            "localhost.evil.example:9556",
            "localhost@evil.example",
            "192.168.1.1:9556",
            "sub.pay.example.org",
            "[::2]:9556",
        ] {
            check(host, false);
        }
    }
}
