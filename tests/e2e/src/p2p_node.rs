//! The program `p2p-node` as a test holds it: the network side of a node, in a process of its own.

use std::process::Stdio;

use alloy_primitives::{Address, hex};
use libp2p::{Multiaddr, PeerId};
use lockstep_core::ids::Domain;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::hostile::identity::Identity;
use crate::hostile::{Aim, place::socket_of};
use crate::soon;

/// A running network side. It ends when this is dropped.
pub struct P2pNode {
    number: u32,
    addresses: Vec<Multiaddr>,
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// What a network side keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Open connections.
    pub open: usize,
    /// Of these, strangers'.
    pub strangers: usize,
    /// Inbound transport handshakes.
    pub pending_inbound: usize,
    /// Dials under way.
    pub pending_outbound: usize,
    /// Sessions that stand.
    pub sessions: usize,
    /// Sessions in their handshake.
    pub greeting: usize,
}

/// How a conversation went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Talked {
    /// Questions that were answered: all of them.
    pub answered: u64,
    /// How often the session broke.
    pub breaks: u32,
    /// Units: milliseconds that the slowest answer took.
    pub slowest_millis: u64,
}

impl P2pNode {
    /// Starts `program` with the identity of a number. `before` is a command that runs it, such as one that
    /// enters a namespace; `options` are those of the program.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(program: &str, before: &[String], number: u32, options: &[&str]) -> Self {
        let number_word = number.to_string();
        let mut words = before.iter().map(String::as_str).chain([program, &number_word]);
        let mut child = Command::new(words.next().expect("a program"))
            .args(words)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let orders = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut node = Self { number, addresses: Vec::new(), child, orders, answers };
        loop {
            let line = node.line().await;
            match line.strip_prefix("at ") {
                Some(address) => node.addresses.push(address.parse().expect("an address")),
                None if line == "ready" => return node,
                None => {}
            }
        }
    }

    /// Its process.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[Multiaddr] {
        &self.addresses
    }

    /// Its transport identity.
    pub fn peer_id(&self) -> PeerId {
        Identity::new(self.number).peer_id()
    }

    /// Its node key, as orders name it.
    pub fn node_key(&self) -> String {
        hex::encode(Identity::new(self.number).node_id().0)
    }

    /// It as a target.
    ///
    /// # Panics
    /// When it listens nowhere.
    pub fn aim(&self) -> Aim {
        let at = self.addresses.iter().find_map(socket_of).expect("it listens for TCP");
        let identity = Identity::new(self.number);
        let domain = Domain::Evm { chain_id: 31_337, contract: Address::repeat_byte(0xcc) };
        let channels = Vec::new();
        Aim { at, peer_id: identity.peer_id(), node_id: identity.node_id(), domain, channels }
    }

    /// Makes another one its contact, without looking for it.
    pub async fn register(&mut self, other: &Identity) {
        let order = format!("contact {} {}", hex::encode(other.node_id().0), other.peer_id());
        self.order(&order).await;
        self.answer("ok").await;
    }

    /// Who it is.
    pub fn identity(&self) -> Identity {
        Identity::new(self.number)
    }

    /// Connects to another one and says how: `relayed` or `direct`, or why not.
    ///
    /// # Errors
    /// With the reason.
    pub async fn connect(&mut self, other: &Self, at: &[Multiaddr]) -> Result<String, String> {
        let at: Vec<_> = at.iter().map(ToString::to_string).collect();
        let who = format!("{} {}", other.node_key(), other.peer_id());
        self.order(&format!("connect {who} {}", at.join(" "))).await;
        loop {
            let line = self.line().await;
            if let Some(kind) = line.strip_prefix("connected ") {
                return Ok(kind.to_owned());
            }
            if let Some(reason) = line.strip_prefix("failed ") {
                return Err(reason.to_owned());
            }
        }
    }

    /// What it keeps.
    ///
    /// # Panics
    /// When it does not say.
    pub async fn kept(&mut self) -> Kept {
        self.order("count").await;
        let answer = self.answer("kept ").await;
        let numbers: Vec<usize> =
            answer.split(' ').map(|word| word.parse().expect("a number")).collect();
        let [open, strangers, pending_inbound, pending_outbound, sessions, greeting] = numbers[..]
        else {
            panic!("{answer} is not what is kept");
        };
        Kept { open, strangers, pending_inbound, pending_outbound, sessions, greeting }
    }

    /// Waits until what it keeps is as it should be.
    pub async fn settles(&mut self, is_so: impl Fn(&Kept) -> bool) {
        soon(async { while !is_so(&self.kept().await) {} }).await;
    }

    /// Asks another one question after question.
    pub async fn talk(&mut self, with: &Self) {
        let order = format!("talk {}", with.node_key());
        self.order(&order).await;
    }

    /// Ends that after the next answer.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn hush(&mut self) -> Talked {
        self.order("hush").await;
        let answer = self.answer("answered ").await;
        let numbers: Vec<u64> =
            answer.split(' ').map(|word| word.parse().expect("a number")).collect();
        let [answered, breaks, slowest_millis] = numbers[..] else {
            panic!("{answer} is no end of a conversation");
        };
        let breaks = u32::try_from(breaks).expect("few breaks");
        Talked { answered, breaks, slowest_millis }
    }

    /// Waits for a line that begins so, and gives the rest of it.
    pub async fn answer(&mut self, begin: &str) -> String {
        loop {
            if let Some(rest) = self.line().await.strip_prefix(begin) {
                return rest.to_owned();
            }
        }
    }

    async fn order(&mut self, order: &str) {
        let line = format!("{order}\n");
        self.orders.write_all(line.as_bytes()).await.expect("it takes orders");
    }

    async fn line(&mut self) -> String {
        let line = soon(self.answers.next_line()).await.expect("it answers");
        line.expect("it runs")
    }
}
