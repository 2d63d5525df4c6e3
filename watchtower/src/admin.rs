//! The operator's own questions, over plain HTTP on loopback: health and metrics for monitoring, and, with
//! the token from the data folder, what the commands show. It takes no orders.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy_primitives::hex;
use lockstep_p2p::tower::message::{ActedStage, ChainHealth};
use lockstep_p2p::tower::{TowerAddress, TowerServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::holding::Holdings;
use crate::news::News;
use crate::store::{TowerStore, TowerStoreError};
use crate::tower::name_of;
use crate::watch::Board;

/// Bytes of a request that are read; its head is enough.
const MAX_REQUEST_BYTES: usize = 8_192;
/// Callers that are served at a time.
const MAX_CALLERS: usize = 16;
/// How long a caller may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Channels that one answer names.
const MAX_SHOWN: usize = 10_000;

/// What was counted since the start.
#[derive(Debug, Default)]
pub struct Counters {
    acted: Mutex<BTreeMap<ActedStage, u64>>,
    alarms: Mutex<u64>,
}

impl Counters {
    /// Counts what a tower tells.
    pub fn note(&self, news: &News) {
        match news {
            News::Acted(acted) => {
                let mut counts = self.acted.lock().unwrap_or_else(PoisonError::into_inner);
                let count = counts.entry(acted.stage).or_default();
                *count = count.saturating_add(1);
            }
            News::Failed { .. }
            | News::HalfOfWindow { .. }
            | News::EscapeFails { .. }
            | News::Chain(_) => {
                let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
                *alarms = alarms.saturating_add(1);
            }
            News::EscapeWorks { .. } => {}
        }
    }
}

/// What the answers are made of.
pub struct Admin {
    /// The store.
    pub store: TowerStore,
    /// What is kept, by its hashes.
    pub holdings: Arc<Holdings>,
    /// The server.
    pub server: TowerServer,
    /// How each chain stands.
    pub boards: Vec<Board>,
    /// Where clients find the tower.
    pub address: TowerAddress,
    /// What was counted.
    pub counters: Arc<Counters>,
    /// The accounts that send, by chain.
    pub accounts: Value,
    /// Opens what is not for monitoring.
    pub token: String,
}

impl Admin {
    /// Answers until it is aborted.
    ///
    /// # Errors
    /// If the address can't be listened at.
    pub async fn serve(self, at: SocketAddr) -> io::Result<tokio::task::JoinHandle<()>> {
        let listener = TcpListener::bind(at).await?;
        tracing::info!(address = %listener.local_addr()?, "the operator's questions are answered");
        Ok(tokio::spawn(accept(listener, Arc::new(self))))
    }

    fn health(&self) -> Vec<ChainHealth> {
        self.boards.iter().filter_map(Board::health).collect()
    }

    async fn answer(&self, method: &str, path: &str, token: Option<&str>) -> Answer {
        if method != "GET" {
            return Answer::text("405 Method Not Allowed", "only GET is answered\n".to_owned());
        }
        let is_open = matches!(path, "/health" | "/metrics");
        if !is_open && token != Some(self.token.as_str()) {
            return Answer::text(
                "401 Unauthorized",
                "the token is in the data folder\n".to_owned(),
            );
        }
        let answered = match path {
            "/health" => return self.say_health(),
            "/metrics" => self.metrics().await.map(|text| Answer::text("200 OK", text)),
            "/info" => Ok(Answer::json(&self.info())),
            "/stats" => self.stats().await.map(|value| Answer::json(&value)),
            "/clients" => self.clients().await.map(|value| Answer::json(&value)),
            "/appointments" => self.appointments().await.map(|value| Answer::json(&value)),
            _ => return Answer::text("404 Not Found", "there is no such page\n".to_owned()),
        };
        answered.unwrap_or_else(|error| {
            tracing::error!(%error, "the operator's question cannot be answered");
            Answer::text("500 Internal Server Error", "the store cannot be read\n".to_owned())
        })
    }

    fn say_health(&self) -> Answer {
        let chains = self.health();
        let mut troubles = String::new();
        if chains.len() < self.boards.len() {
            troubles.push_str("a chain was not looked at yet\n");
        }
        for chain in chains {
            let id = chain.chain_id;
            let what = match (chain.is_following, chain.gas_reserve.is_zero()) {
                (false, _) => "cannot be followed now",
                (true, true) => "has no money for fees",
                (true, false) => continue,
            };
            // Writing to a string does not fail.
            if writeln!(troubles, "chain {id} {what}").is_err() {
                break;
            }
        }
        if self.boards.iter().any(Board::is_escape_failing) {
            troubles.push_str("an answer does not get through L1\n");
        }
        if troubles.is_empty() {
            Answer::text("200 OK", "ok\n".to_owned())
        } else {
            Answer::text("503 Service Unavailable", format!("not well\n{troubles}"))
        }
    }

    fn info(&self) -> Value {
        json!({
            "address": self.address.to_string(),
            "key": hex::encode_prefixed(self.address.key.0),
            "name": name_of(self.address.key).map(|name| name.to_string()),
            "accounts": self.accounts,
        })
    }

    async fn stats(&self) -> Result<Value, TowerStoreError> {
        let totals = self.store.totals(self.holdings.count()).await?;
        let sessions = self.server.counts().await.map(|counts| counts.sessions).unwrap_or(0);
        let chains: Vec<Value> = self
            .health()
            .into_iter()
            .map(|chain| {
                json!({
                    "chainId": chain.chain_id,
                    "head": chain.head_number,
                    "finalized": chain.finalized_number,
                    "lanes": chain.lanes,
                    "lanesBusy": chain.lanes_busy,
                    "gasReserveWei": chain.gas_reserve.to_string(),
                    "isFollowing": chain.is_following,
                })
            })
            .collect();
        Ok(json!({
            "channels": totals.channels,
            "clients": totals.accounts,
            "closes": totals.closes,
            "sessions": sessions,
            "chains": chains,
        }))
    }

    async fn clients(&self) -> Result<Value, TowerStoreError> {
        let accounts = self.store.accounts().await?;
        Ok(accounts
            .into_iter()
            .map(|(key, account)| {
                json!({
                    "account": hex::encode_prefixed(key.0),
                    "slots": account.slots,
                    "used": account.used,
                })
            })
            .collect())
    }

    async fn appointments(&self) -> Result<Value, TowerStoreError> {
        let records = self.store.records(None, MAX_SHOWN).await?;
        Ok(records
            .into_iter()
            .map(|record| {
                json!({
                    "channelId": record.appointment.state.channel_id.to_string(),
                    "version": record.appointment.state.version.0,
                    "challengePeriodSecs": record.appointment.terms.challenge_period,
                    "isClosed": record.buried_at > 0,
                })
            })
            .collect())
    }

    async fn metrics(&self) -> Result<String, TowerStoreError> {
        let totals = self.store.totals(self.holdings.count()).await?;
        let sessions = self.server.counts().await.map(|counts| counts.sessions).unwrap_or(0);
        let sessions = u64::try_from(sessions).unwrap_or(u64::MAX);
        let mut page = Page::default();
        page.gauge("lockstep_watchtower_channels_count", "", totals.channels);
        page.gauge("lockstep_watchtower_clients_count", "", totals.accounts);
        page.gauge("lockstep_watchtower_closes_count", "", totals.closes);
        page.gauge("lockstep_watchtower_sessions_count", "", sessions);
        for chain in self.health() {
            let label = format!("chain=\"{}\"", chain.chain_id);
            page.gauge("lockstep_watchtower_head_block", &label, chain.head_number);
            page.gauge("lockstep_watchtower_following_bool", &label, u64::from(chain.is_following));
            page.gauge("lockstep_watchtower_lanes_busy_count", &label, chain.lanes_busy.into());
            // Whole gwei: a reserve in wei leaves the range that a monitor keeps exactly.
            let gwei = chain.gas_reserve.to_u128().unwrap_or(u128::MAX).div_euclid(1_000_000_000);
            let gwei = u64::try_from(gwei).unwrap_or(u64::MAX);
            page.gauge("lockstep_watchtower_reserve_gwei", &label, gwei);
        }
        let acted = self.counters.acted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (stage, count) in acted {
            let label = format!("result=\"{}\"", stage_name(stage));
            page.gauge("lockstep_watchtower_acted_total", &label, count);
        }
        let alarms = *self.counters.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        page.gauge("lockstep_watchtower_alarms_total", "", alarms);
        Ok(page.0)
    }
}

/// The name of a stage, for people and labels.
#[must_use]
pub fn stage_name(stage: ActedStage) -> &'static str {
    match stage {
        ActedStage::Seen => "seen",
        ActedStage::Sent => "sent",
        ActedStage::Included => "included",
        ActedStage::Final => "final",
        ActedStage::Alarm => "alarm",
    }
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, labels: &str, value: u64) {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        if writeln!(self.0, "{name}{labels} {value}").is_err() {
            tracing::trace!("a line of metrics is left out");
        }
    }
}

struct Answer {
    status: &'static str,
    kind: &'static str,
    body: String,
}

impl Answer {
    fn text(status: &'static str, body: String) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body }
    }

    fn json(value: &Value) -> Self {
        Self { status: "200 OK", kind: "application/json", body: format!("{value}\n") }
    }
}

async fn accept(listener: TcpListener, admin: Arc<Admin>) {
    let places = Arc::new(Semaphore::new(MAX_CALLERS));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Beyond the limit a caller is turned away by closing its connection.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let admin = Arc::clone(&admin);
        tokio::spawn(async move {
            let answered = tokio::time::timeout(PATIENCE, converse(stream, &admin)).await;
            if !matches!(answered, Ok(Ok(()))) {
                tracing::trace!("a caller went away");
            }
            drop(place);
        });
    }
}

async fn converse(mut stream: TcpStream, admin: &Admin) -> io::Result<()> {
    let mut request = vec![0; MAX_REQUEST_BYTES];
    let mut length = 0_usize;
    while let Some(room) = request.get_mut(length..).filter(|room| !room.is_empty()) {
        let read = stream.read(room).await?;
        length = length.saturating_add(read);
        let is_whole = request.windows(4).any(|part| part == b"\r\n\r\n");
        if read == 0 || is_whole {
            break;
        }
    }
    let text = String::from_utf8_lossy(request.get(..length).unwrap_or_default()).into_owned();
    let mut lines = text.lines();
    let mut words = lines.next().unwrap_or_default().split_ascii_whitespace();
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let token = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_token = name.eq_ignore_ascii_case("authorization");
        is_token.then(|| value.trim().strip_prefix("Bearer ")).flatten()
    });
    let Answer { status, kind, body } = admin.answer(method, path, token).await;
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// Asks a running tower; the body of its answer, if it is a good one.
///
/// # Errors
/// If nobody answers, or not well.
pub async fn ask(at: SocketAddr, path: &str, token: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(at).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: tower\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    if head.starts_with("HTTP/1.1 200") {
        Ok(body.to_owned())
    } else {
        Err(io::ErrorKind::Other.into())
    }
}
