//! The network side of a node alone, in a process of its own, told what to do line by line.
//!
//! It answers every `CloseRequest` with a `Refuse` of the same number, and drops whatever else peers say.
//! Its commands and answers are those of [`lockstep_e2e::p2p_node`], its only user.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{B256, hex};
use lockstep_core::ids::{ChannelId, NodeId, Sequence, Version};
use lockstep_core::message::{PeerMessage, RejectReason};
use lockstep_core::signature::StateSignature;
use lockstep_core::terms::Features;
use lockstep_core::time::EngineTime;
use lockstep_e2e::hostile::identity::Identity;
use lockstep_p2p::config::RelayLimits;
use lockstep_p2p::handshake::{FeatureOffer, Handshake};
use lockstep_p2p::limits::Limits;
use lockstep_p2p::port::{Clock, NodeKey, OsEntropy, SigningRefused};
use lockstep_p2p::{
    ConnectError, Contact, Event, Network, NetworkConfig, Ports, Received, Session,
    TransportIdentity,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::Instant;

/// The clock that a node has.
struct SinceStart(Instant);

impl Clock for SinceStart {
    fn now(&self) -> EngineTime {
        EngineTime(u64::try_from(self.0.elapsed().as_millis()).expect("no test lasts for ages"))
    }
}

/// A node key in the open.
struct OpenKey(Identity);

impl NodeKey for OpenKey {
    fn node_id(&self) -> NodeId {
        self.0.node_id()
    }

    fn sign_handshake(&self, handshake: &Handshake) -> Result<StateSignature, SigningRefused> {
        Ok(self.0.sign(handshake.digest()))
    }
}

/// Numbers said to one peer, one after the other, each after the answer to the one before.
struct Conversation {
    with: NodeId,
    number: u64,
    asked: Instant,
    slowest: Duration,
    breaks: u32,
    goes_on: bool,
}

/// All that this program knows.
struct Node {
    network: Network,
    conversation: Option<Conversation>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let config = config(std::env::args().skip(1));
    let number = number_of(std::env::args().nth(1));
    let listens = config.listen.len();
    let ports = Ports {
        clock: Arc::new(SinceStart(Instant::now())),
        entropy: Arc::new(OsEntropy),
        node_key: Arc::new(OpenKey(Identity::new(number))),
    };
    let (network, mut events) = Network::start(config, ports).expect("the network side starts");
    let mut addresses = network.watch_addresses();
    addresses.wait_for(|all| all.len() >= listens).await.expect("it listens");
    for address in network.local_addresses() {
        say(&format!("at {address}"));
    }
    say("ready");
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut node = Node { network, conversation: None };
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => node.handle_event(event),
                None => return,
            },
            order = orders.next_line() => match order.expect("lines come in") {
                Some(order) => node.handle_order(&order).await,
                None => return,
            },
            changed = addresses.changed() => {
                changed.expect("the network side runs");
                for address in addresses.borrow_and_update().iter() {
                    say(&format!("now at {address}"));
                }
            }
        }
    }
}

fn number_of(word: Option<String>) -> u32 {
    word.expect("a number says who we are").parse().expect("a number")
}

fn config(mut words: impl Iterator<Item = String>) -> NetworkConfig {
    let number = number_of(words.next());
    let identity = TransportIdentity::from_secret(&mut Identity::secret(number));
    let features = FeatureOffer { required: Features::NONE, optional: Features::ALL };
    let mut config = NetworkConfig::new(identity.expect("any 32 bytes will do"), features);
    while let Some(word) = words.next() {
        let mut address = || words.next().expect("an address").parse().expect("an address");
        match word.as_str() {
            "--listen" => config.listen.push(address()),
            "--external" => config.external.push(address()),
            "--relay" => config.relays.push(address()),
            "--serve-relay" => config.relay_server = Some(RelayLimits::default()),
            "--no-nat" => config.nat = false,
            "--hurry" => hurry(&mut config.limits),
            // A stranger's minutes are seconds.
            "--hurry-strangers" => config.limits.times.stranger_session /= 100,
            other => panic!("{other} is no option"),
        }
    }
    config
}

/// A tenth of the patience that a node has.
fn hurry(limits: &mut Limits) {
    let times = &mut limits.times;
    for time in [
        &mut times.transport,
        &mut times.handshake,
        &mut times.frame,
        &mut times.write,
        &mut times.ping,
        &mut times.silence,
        &mut times.idle,
        &mut times.stranger,
    ] {
        *time /= 10;
    }
}

impl Node {
    async fn handle_order(&mut self, order: &str) {
        let words: Vec<_> = order.split_whitespace().collect();
        match words[..] {
            ["contact", ref who @ ..] => {
                self.network.register(contact(who)).await.expect("a contact");
                say("ok");
            }
            ["connect", ref who @ ..] => {
                let (network, contact) = (self.network.clone(), contact(who));
                tokio::spawn(async move { say(&connect(&network, contact).await) });
            }
            ["count"] => {
                let kept = self.network.counts().await.expect("it runs");
                let all = kept.connections;
                say(&format!(
                    "kept {} {} {} {} {} {}",
                    all.open,
                    all.strangers,
                    all.pending_inbound,
                    all.pending_outbound,
                    kept.sessions,
                    kept.greeting
                ));
            }
            ["talk", who] => self.talk(node_id(who)),
            ["hush"] => {
                if let Some(conversation) = &mut self.conversation {
                    conversation.goes_on = false;
                }
            }
            _ => panic!("{order} is no order"),
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Connected(session) => {
                self.repeat(session.node_id());
            }
            Event::Message(received) => self.handle_message(&received),
            Event::Disconnected { node_id, end, .. } => {
                if let Some(talk) = self.conversation.as_mut().filter(|talk| talk.with == node_id) {
                    talk.breaks += 1;
                    eprintln!("a break: {end}");
                }
            }
        }
    }

    fn handle_message(&mut self, received: &Received) {
        if let PeerMessage::CloseRequest { min_version } = received.message {
            let sequence = Sequence(min_version.0);
            let answer = PeerMessage::Refuse { sequence, reason: RejectReason::Policy };
            // A peer that does not take its answer goes without.
            if let Err(error) = self.network.send(&received.node_id, received.channel_id, &answer) {
                eprintln!("no answer: {error}");
            }
        } else if let PeerMessage::Refuse { sequence, .. } = received.message {
            self.answered(received.node_id, sequence);
        }
    }

    fn talk(&mut self, with: NodeId) {
        let asked = Instant::now();
        let slowest = Duration::ZERO;
        self.conversation =
            Some(Conversation { with, number: 1, asked, slowest, breaks: 0, goes_on: true });
        self.repeat(with);
    }

    /// Says the number that is not answered yet, on whatever session there is now.
    fn repeat(&mut self, with: NodeId) {
        let Some(talk) = self.conversation.as_ref().filter(|talk| talk.with == with) else {
            return;
        };
        let question = PeerMessage::CloseRequest { min_version: Version(talk.number) };
        let channel = ChannelId(B256::repeat_byte(0x5a));
        if let Err(error) = self.network.send(&with, channel, &question) {
            eprintln!("not asked: {error}");
        }
    }

    fn answered(&mut self, by: NodeId, sequence: Sequence) {
        let Some(talk) = self.conversation.as_mut() else { return };
        if talk.with != by || talk.number != sequence.0 {
            return;
        }
        talk.slowest = talk.slowest.max(talk.asked.elapsed());
        talk.asked = Instant::now();
        if !talk.goes_on {
            let slowest = talk.slowest.as_millis();
            say(&format!("answered {} {} {slowest}", talk.number, talk.breaks));
            self.conversation = None;
            return;
        }
        talk.number += 1;
        self.repeat(by);
    }
}

async fn connect(network: &Network, contact: Contact) -> String {
    match network.connect(contact).await {
        Ok(session) => format!("connected {}", kind(&session)),
        Err(ConnectError::Stopped) => "failed stopped".to_owned(),
        Err(error) => format!("failed {error}"),
    }
}

fn kind(session: &Session) -> &'static str {
    if session.is_relayed() { "relayed" } else { "direct" }
}

fn contact(words: &[&str]) -> Contact {
    let [node, peer, addresses @ ..] = words else { panic!("{words:?} is no contact") };
    Contact {
        node_id: node_id(node),
        peer_id: peer.parse().expect("a peer id"),
        addresses: addresses.iter().map(|one| one.parse().expect("an address")).collect(),
        seen_head: None,
    }
}

fn node_id(word: &str) -> NodeId {
    let bytes = hex::decode(word).expect("a node key in hex");
    NodeId(bytes.try_into().expect("33 bytes"))
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("somebody listens");
}
