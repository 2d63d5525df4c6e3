//! A caller of JSON-RPC that costs next to nothing: one kept connection, bodies that are text already.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

/// Longer than any call here takes.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// One connection to one server.
pub struct Caller {
    stream: BufReader<TcpStream>,
    head: String,
    body: Vec<u8>,
}

impl Caller {
    /// Connects to `host:port`, with a token if there is one.
    ///
    /// # Errors
    /// If nobody listens there.
    pub fn connect(host: &str, token: Option<&str>) -> Result<Self> {
        let stream = TcpStream::connect(host).with_context(|| format!("nobody is at {host}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{}",
            bearer.unwrap_or_default()
        );
        Ok(Self { stream: BufReader::new(stream), head, body: Vec::new() })
    }

    /// One call.
    ///
    /// # Errors
    /// What the server says, or that it says nothing.
    #[allow(clippy::needless_pass_by_value, reason = "reads like the call that it is")]
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.send(&request(method, &params)).with_context(|| method.to_owned())
    }

    /// The same with a request that was made before, by [`request`].
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn send(&mut self, request: &str) -> Result<Value> {
        let message = format!("{}Content-Length: {}\r\n\r\n{request}", self.head, request.len());
        self.stream.get_mut().write_all(message.as_bytes())?;
        let length = self.read_head()?;
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body)?;
        let mut answer: Value = serde_json::from_slice(&self.body).context("an answer in JSON")?;
        match answer.get("error") {
            Some(error) => bail!("{error}"),
            None => Ok(answer["result"].take()),
        }
    }

    fn read_head(&mut self) -> Result<usize> {
        let mut length = None;
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(self.stream.read_line(&mut line)? > 0, "the server has hung up");
            let text = line.trim_end();
            if text.is_empty() {
                return length.context("an answer without a length");
            }
            let lower = text.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = Some(value.trim().parse().context("a length")?);
            }
        }
    }
}

/// A request as text.
#[must_use]
pub fn request(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}
