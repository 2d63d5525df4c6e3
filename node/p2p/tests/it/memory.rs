//! A thousand hostile connections against one process (P64): what it keeps is counted, what it takes is
//! measured against the formula, and its honest counterparty does not notice.
//!
//! `LOCKSTEP_HOSTILE=10000` makes it ten thousand; that needs a limit of open files above it.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use lockstep_p2p::limits::Limits;
use lockstep_p2p::{Contact, Event, Multiaddr};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpSocket;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::fixture::{TestKey, channel, every_message};
use crate::mallory::{connect, fill, until_closed};
use crate::node::{Node, TCP, identity, soon};
use lockstep_p2p::port::NodeKey;

const NAME: &str = "memory::p64_memory_stays_below_the_formula_under_hostile_connections";
const VICTIM: &str = "LOCKSTEP_P2P_VICTIM";
const FRIEND: u8 = 2;

/// The default limits with fewer strangers and less patience, so that the test is short.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.connections.strangers = 16;
    // All that authenticate come from one address.
    limits.connections.strangers_per_ip = 16;
    limits.connections.inbound_per_sec = 10_000;
    limits.connections.inbound_per_ip_per_sec = 10_000;
    limits.times.transport = Duration::from_secs(3);
    limits.times.stranger = Duration::from_secs(4);
    limits.times.idle = Duration::from_secs(4);
    limits.times.penalty = Duration::ZERO;
    limits
}

/// The test runs twice: in a process of its own it is the victim.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p64_memory_stays_below_the_formula_under_hostile_connections() {
    if std::env::var_os(VICTIM).is_some() {
        be_the_victim().await;
    } else {
        attack().await;
    }
}

/// Answers its friend, and says what it keeps whenever it is asked.
async fn be_the_victim() {
    let mut node = Node::start(1, |config| {
        config.limits = limits();
        config.listen.push(TCP.parse().unwrap());
    })
    .await;
    let friend = Contact {
        node_id: TestKey::new(FRIEND).node_id(),
        peer_id: identity(FRIEND).peer_id(),
        addresses: Vec::new(),
        seen_head: None,
    };
    node.network.register(friend).await.unwrap();
    println!("\nat {}", node.address());
    let mut asks = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            event = node.events.next() => if let Some(Event::Message(received)) = event {
                let session = node.network.session(&received.node_id).unwrap();
                session.send(received.channel_id, &received.message).await.unwrap();
            },
            ask = asks.next_line() => match ask.unwrap() {
                Some(_) => {
                    let counts = node.network.counts().await.unwrap();
                    let (open, sessions) = (counts.connections.open, counts.sessions);
                    let (strangers, pending, known) = (
                        counts.connections.strangers,
                        counts.connections.pending_inbound,
                        counts.connections.pending_known,
                    );
                    let unknown = pending - known;
                    let greeting = counts.greeting;
                    println!("kept {open} {strangers} {unknown} {known} {sessions} {greeting}");
                    std::io::stdout().flush().unwrap();
                }
                None => return,
            },
        }
    }
}

/// The victim, from outside.
struct Victim {
    process: Child,
    answers: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

/// What it keeps, as it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kept {
    open: usize,
    strangers: usize,
    /// Handshakes from places that no contact has come from.
    pending: usize,
    /// Handshakes from the friend's own place.
    pending_next_door: usize,
    sessions: usize,
    greeting: usize,
}

impl Victim {
    fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(VICTIM, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, answers }
    }

    async fn line(&mut self, start: &str) -> String {
        loop {
            let line = soon(self.answers.next_line()).await.unwrap().expect("the victim lives");
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    async fn kept(&mut self) -> Kept {
        self.process.stdin.as_mut().unwrap().write_all(b"?\n").await.unwrap();
        let line = self.line("kept ").await;
        let numbers: Vec<usize> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        let [open, strangers, pending, pending_next_door, sessions, greeting] = numbers[..] else {
            panic!("{line}")
        };
        Kept { open, strangers, pending, pending_next_door, sessions, greeting }
    }

    /// Units: bytes; `VmRSS` now, `VmHWM` at most so far.
    fn memory(&self, field: &str) -> usize {
        let path = format!("/proc/{}/status", self.process.id().unwrap());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }
}

async fn attack() {
    let count = std::env::var("LOCKSTEP_HOSTILE").map_or(1_000, |count| count.parse().unwrap());
    let mut victim = Victim::start();
    let at: Multiaddr = victim.line("at ").await.parse().unwrap();
    let mut friend = Node::start(FRIEND, |_| {}).await;
    let contact = Contact {
        node_id: TestKey::new(1).node_id(),
        peer_id: identity(1).peer_id(),
        addresses: vec![at.clone()],
        seen_head: None,
    };
    let session = soon(friend.network.connect(contact)).await.unwrap();
    friend.connected().await;
    // The friend is through the door before the victim has heard the last of it.
    let before = Kept { open: 1, sessions: 1, ..Kept::default() };
    soon(async { while victim.kept().await != before {} }).await;
    let at_rest = victim.memory("VmRSS");
    let mut hostile = JoinSet::new();
    for number in 0..count {
        if number % 3 == 0 {
            hostile.spawn(fill_windows(number, at.clone()));
        } else {
            hostile.spawn(knock(number, socket_of(&at)));
        }
    }
    let (mut worst, mut answered) = (before, 0_u32);
    while !hostile.is_empty() {
        tokio::select! {
            ended = hostile.join_next() => ended.unwrap().unwrap(),
            // The friend goes on all the while.
            answer = echo(&session, &mut friend) => {
                answered += answer;
                let now = victim.kept().await;
                worst.open = worst.open.max(now.open);
                worst.strangers = worst.strangers.max(now.strangers);
                worst.pending = worst.pending.max(now.pending);
                worst.pending_next_door = worst.pending_next_door.max(now.pending_next_door);
                worst.greeting = worst.greeting.max(now.greeting);
            }
        }
    }
    let taken = victim.memory("VmHWM").saturating_sub(at_rest);
    let ceiling = limits().stranger_ceiling_bytes(2);
    println!("{count} hostile connections: at worst {worst:?}, {taken} of {ceiling} bytes taken, ");
    println!("{answered} messages of the friend answered meanwhile");
    assert!(worst.strangers <= 16 && worst.open <= 17 && worst.pending <= 64, "{worst:?}");
    // Those that authenticate come from where the friend is: places of contacts have a count of their own, and
    // no place has more than its share of it.
    assert!(worst.pending_next_door <= 16, "{worst:?}");
    assert!(taken <= ceiling, "{taken} > {ceiling}");
    assert!(answered > 0);
    soon(async { while victim.kept().await != before {} }).await;
}

/// A message there and back.
async fn echo(session: &lockstep_p2p::Session, friend: &mut Node) -> u32 {
    let message = &every_message()[4];
    session.send(channel(), message).await.unwrap();
    assert_eq!(friend.message().await.1, *message);
    1
}

fn socket_of(at: &Multiaddr) -> SocketAddr {
    let port = at.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap()))
}

/// A connection from an address of its own that says nothing, or nonsense.
async fn knock(number: u32, at: SocketAddr) {
    let source = Ipv4Addr::from(0x7f01_0000 + number);
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((source, 0))).unwrap();
    let Ok(mut stream) = socket.connect(at).await else { return };
    if number.is_multiple_of(2) {
        // It may be closed by now.
        let _ = stream.write_all(&[0x13; 4_096]).await;
    }
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

/// A connection that authenticates and fills every window that it is given.
async fn fill_windows(number: u32, at: Multiaddr) {
    let seed = u16::try_from(number % 60_000 + 1).unwrap();
    if let Some(mut muxer) = connect(seed, at).await {
        let _held = fill(&mut muxer).await;
        until_closed(&mut muxer).await;
    }
}
