//! Serves the methods over HTTP and WebSocket.
//!
//! Everything has a bound: connections, calls, time without a byte, request and answer sizes, calls in a batch,
//! subscriptions. A caller that does not read is not read from, and is cut off after a while.

mod door;
mod methods;
mod stream;
mod subscription;

use crate::access::Tokens;
use crate::backend::Backend;
use jsonrpsee::server::{
    BatchRequestConfig, Methods, PingConfig, RegisterMethodError, ServerBuilder,
    ServerConfig as Settings, ServerHandle as StopSender, StopHandle, serve_with_graceful_shutdown,
    stop_channel,
};
use lockstep_core::error::ErrorClass;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceBuilder;

pub use door::{ANSWER_WITHIN, Guests};

/// The largest answer. A page of 500 channels takes about 1 MiB. Units: bytes.
const MAX_ANSWER_BYTES: u32 = 8 * 1024 * 1024;
/// Subscriptions of one connection: a few for each kind of event.
const MAX_SUBSCRIPTIONS: u32 = 16;
/// Answers and notifications that wait for one WebSocket caller to read.
const MAX_WAITING_MESSAGES: u32 = 64;
/// How often a WebSocket caller is pinged, so that a dead one is noticed.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Two pings went unanswered.
const DEAD_AFTER: Duration = Duration::from_secs(40);
/// Where a number does not fit this machine's own.
const MAX_SEATS: usize = 65_535;
/// How long the server waits for calls that are under way when it stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes any.
    pub listen: SocketAddr,
    /// Listen on another address than loopback, too.
    pub allow_remote: bool,
    /// Host names and origins that may be named by callers.
    pub guests: Guests,
    /// Connections at once.
    pub max_connections: NonZeroU32,
    /// The largest request. Units: bytes.
    pub max_request_bytes: u32,
    /// Calls in one batch.
    pub max_batch: u32,
    /// Calls at once, over all connections.
    pub max_calls: u32,
}

impl ServerConfig {
    /// On loopback, with default limits.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            allow_remote: false,
            guests: Guests::default(),
            max_connections: NonZeroU32::MIN.saturating_add(63),
            max_request_bytes: 1024 * 1024,
            max_batch: 64,
            max_calls: 1_024,
        }
    }
}

/// Why nothing is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// The address is not on this machine alone.
    #[error(
        "JSON-RPC would listen on {address}, which others can reach: tokens travel unencrypted"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The address can't be had.
    #[error("JSON-RPC can't listen on {address}: {kind}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        kind: ErrorKind,
    },
    /// Two methods have one name.
    #[error("a method is defined twice")]
    Methods,
}

impl ServerError {
    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotLoopback { .. } | Self::Listen { .. } => ErrorClass::Refused,
            Self::Methods => ErrorClass::Fatal,
        }
    }
}

impl From<RegisterMethodError> for ServerError {
    fn from(_: RegisterMethodError) -> Self {
        Self::Methods
    }
}

/// A server that runs. It stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: StopSender,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts to serve.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn start<B: Backend>(
        config: ServerConfig,
        tokens: Arc<Tokens>,
        backend: Arc<B>,
    ) -> Result<Self, ServerError> {
        let address = config.listen;
        if !address.ip().is_loopback() && !config.allow_remote {
            return Err(ServerError::NotLoopback { address });
        }
        let refused = |error: std::io::Error| ServerError::Listen { address, kind: error.kind() };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let methods = methods::all(backend, Arc::clone(&tokens), config.max_calls)?;
        let (stopped, stop) = stop_channel();
        let house = House { config: Arc::new(config), tokens, methods, stopped };
        let task = tokio::spawn(house.welcome(listener));
        Ok(Self { address, stop, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more calls, and waits a little for those that are under way.
    pub async fn stop(self) {
        if self.stop.stop().is_err() {
            return;
        }
        let abort = self.task.abort_handle();
        if tokio::time::timeout(STOP_WITHIN, self.task).await.is_err() {
            abort.abort();
        }
    }
}

/// What every connection shares.
struct House {
    config: Arc<ServerConfig>,
    tokens: Arc<Tokens>,
    methods: Methods,
    stopped: StopHandle,
}

impl House {
    /// Takes connections until it is told to stop, then waits for those that are open.
    async fn welcome(self, listener: TcpListener) {
        let most = self.config.max_connections.get();
        let seats = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(MAX_SEATS)));
        let mut connections = JoinSet::new();
        let stopped = self.stopped.clone().shutdown();
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                () = &mut stopped => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => match Arc::clone(&seats).try_acquire_owned() {
                        Ok(seat) => { connections.spawn(self.serve(socket, seat)); }
                        // Dropped: the caller sees a closed connection.
                        Err(_) => tracing::warn!(connections = most, "too many RPC connections"),
                    },
                    Err(error) => {
                        // Out of file descriptors, for instance: others may close soon.
                        tracing::warn!(error = %error, "RPC connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        while connections.join_next().await.is_some() {}
    }

    /// Serves one connection to its end, or until it has become a WebSocket, which then lives by itself.
    fn serve(
        &self,
        socket: TcpStream,
        seat: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + use<> {
        let door = door::DoorLayer::new(Arc::clone(&self.config), Arc::clone(&self.tokens));
        let service = ServerBuilder::with_config(self.settings())
            .set_http_middleware(ServiceBuilder::new().layer(door))
            .to_service_builder()
            .build(self.methods.clone(), self.stopped.clone());
        let stopped = self.stopped.clone().shutdown();
        async move {
            let stream = stream::Guarded::new(socket, seat);
            if let Err(error) = serve_with_graceful_shutdown(stream, service, stopped).await {
                tracing::debug!(error = %error, "RPC connection ended");
            }
        }
    }

    fn settings(&self) -> Settings {
        let ping = PingConfig::new().ping_interval(PING_EVERY).inactive_limit(DEAD_AFTER);
        Settings::builder()
            .max_connections(self.config.max_connections.get())
            .max_request_body_size(self.config.max_request_bytes)
            .max_response_body_size(MAX_ANSWER_BYTES)
            .max_subscriptions_per_connection(MAX_SUBSCRIPTIONS)
            .set_message_buffer_capacity(MAX_WAITING_MESSAGES)
            .set_batch_request_config(BatchRequestConfig::Limit(self.config.max_batch))
            .enable_ws_ping(ping)
            .build()
    }
}
