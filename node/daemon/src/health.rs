//! `/metrics` and `/health` over plain HTTP, for monitoring. It answers two questions and takes no orders.

use crate::metrics::Metrics;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Bytes of a request that are read; the first line is enough.
const MAX_REQUEST_BYTES: usize = 4_096;
/// Callers that are served at a time.
const MAX_CALLERS: usize = 16;
/// How long a caller may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the node is, in one word and one sentence for each trouble.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether it does everything that it should.
    pub is_well: bool,
    /// What is wrong; one line each.
    pub troubles: Vec<String>,
}

/// Says how the node is.
pub type Probe = Arc<dyn Fn() -> Health + Send + Sync>;

/// The endpoint, until it is dropped.
#[derive(Debug)]
pub struct HealthServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl HealthServer {
    /// Listens.
    ///
    /// # Errors
    /// If the address can't be listened at.
    pub async fn start(at: SocketAddr, metrics: Arc<Metrics>, probe: Probe) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(serve(listener, metrics, probe));
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HealthServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, metrics: Arc<Metrics>, probe: Probe) {
    let places = Arc::new(Semaphore::new(MAX_CALLERS));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Beyond the limit a caller is turned away by closing its connection.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (metrics, probe) = (Arc::clone(&metrics), Arc::clone(&probe));
        tokio::spawn(async move {
            let answered = tokio::time::timeout(PATIENCE, answer(stream, &metrics, &probe)).await;
            if !matches!(answered, Ok(Ok(()))) {
                tracing::trace!("a caller of the health endpoint went away");
            }
            drop(place);
        });
    }
}

async fn answer(mut stream: TcpStream, metrics: &Metrics, probe: &Probe) -> io::Result<()> {
    let mut request = vec![0; MAX_REQUEST_BYTES];
    let mut length = 0_usize;
    // Until the end of the first line.
    while let Some(room) = request.get_mut(length..).filter(|room| !room.is_empty()) {
        let read = stream.read(room).await?;
        length = length.saturating_add(read);
        if read == 0 || request.contains(&b'\n') {
            break;
        }
    }
    let line = request.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, kind, body) = match (method, path) {
        ("GET", "/metrics") => (
            "200 OK",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            metrics.render(),
        ),
        ("GET", "/health") => health(&probe()),
        ("GET", _) => {
            ("404 Not Found", "text/plain", "there are /metrics and /health\n".to_owned())
        }
        _ => ("405 Method Not Allowed", "text/plain", "only GET is answered\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

fn health(health: &Health) -> (&'static str, &'static str, String) {
    let status = if health.is_well { "200 OK" } else { "503 Service Unavailable" };
    let mut body = String::from(if health.is_well { "ok\n" } else { "not well\n" });
    for trouble in &health.troubles {
        // Writing to a string does not fail.
        if writeln!(body, "{trouble}").is_err() {
            break;
        }
    }
    (status, "text/plain; charset=utf-8", body)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn server(health: Health) -> HealthServer {
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let probe: Probe = Arc::new(move || health.clone());
        HealthServer::start(at, Arc::new(Metrics::new()), probe).await.unwrap()
    }

    #[tokio::test]
    async fn health_says_what_is_wrong_and_metrics_are_there() {
        let well = server(Health { is_well: true, troubles: vec![] }).await;
        let answer = ask(well.address(), "GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"));
        let answer = ask(well.address(), "GET /metrics HTTP/1.0\r\n\r\n").await;
        assert!(answer.contains("lockstep_chain_head_block"), "{answer}");
        let ill = server(Health { is_well: false, troubles: vec!["no disk".to_owned()] }).await;
        let answer = ask(ill.address(), "GET /health HTTP/1.1\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("no disk"), "{answer}");
    }

    #[tokio::test]
    async fn p67_anything_else_is_turned_away() {
        let server = server(Health::default()).await;
        for (request, status) in [
            ("GET /admin HTTP/1.1\r\n\r\n", "404"),
            ("POST /health HTTP/1.1\r\n\r\n", "405"),
            ("\0\u{ff}\n", "405"),
        ] {
            let answer = ask(server.address(), request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        }
    }
}
