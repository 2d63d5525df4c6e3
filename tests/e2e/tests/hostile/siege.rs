//! A whole node under attack, with a channel on which both sides are paid all the while.
//!
//! `HOSTILE_CONNECTIONS=10000` makes the crowd larger.

use std::cell::Cell;
use std::fs;
use std::time::Duration;

use libp2p::Multiaddr;
use lockstep_core::ids::ChannelId;
use lockstep_e2e::channel::{Pair, milli, number};
use lockstep_e2e::hostile::Aim;
use lockstep_e2e::hostile::attack::{ALL, Attack, Attacker};
use lockstep_e2e::hostile::place::socket_of;
use lockstep_e2e::node::Node;
use lockstep_e2e::process::{forget_peak, memory_bytes, open_files, peak_memory_bytes};
use lockstep_p2p::invite::Invite;
use lockstep_p2p::limits::Limits;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::peer::crowd_size;

const MIB: u64 = 1024 * 1024;
/// What each side brings. Units: thousandths of a coin.
const DEPOSIT: u128 = 1_000;

/// A node that is attacked, and its honest counterparty.
pub struct Siege {
    pub pair: Pair,
    pub aim: Aim,
    memory: u64,
    files: usize,
}

impl Siege {
    /// A channel that is open; the node that joined is going to be attacked.
    pub async fn begin() -> Self {
        let mut pair = Pair::stopped().await;
        // As a node runs by default: it finds out at which addresses it can be reached.
        pair.two.set("LOCKSTEP_P2P_NAT", "true");
        pair.run().await;
        pair.add_channel(&milli(DEPOSIT), &milli(DEPOSIT), None).await;
        let aim = aim_of(&pair).await;
        forget_peak(pair.two.pid()).unwrap();
        let memory = memory_bytes(pair.two.pid()).unwrap();
        let files = open_files(pair.two.pid()).unwrap();
        Self { pair, aim, memory, files }
    }

    /// Sends a crowd, a hundred at a time, while both sides pay. How many payments there were each way.
    async fn endure(&self, count: u32, kinds: &'static [Attack]) -> u32 {
        self.while_paying(self.send(count, kinds)).await
    }

    /// Lets something happen while both sides pay. How many payments there were each way.
    pub async fn while_paying(&self, what: impl Future<Output = ()>) -> u32 {
        let is_over = Cell::new(false);
        let paying = async {
            let mut paid = 0;
            while !is_over.get() {
                tokio::join!(
                    self.pair.one.pay(&self.pair.id, "7"),
                    self.pair.two.pay(&self.pair.id, "7")
                );
                paid += 1;
            }
            paid
        };
        let attacking = async {
            what.await;
            is_over.set(true);
        };
        tokio::join!(paying, attacking).0
    }

    async fn send(&self, count: u32, kinds: &'static [Attack]) {
        let (mut crowd, mut sent) = (JoinSet::new(), 0);
        while sent < count || !crowd.is_empty() {
            while sent < count && crowd.len() < 100 {
                let by = Attacker::new(sent, Duration::from_secs(1));
                let attack = kinds[usize::try_from(sent).unwrap() % kinds.len()];
                let aim = self.aim.clone();
                // What becomes of it, the victim tells.
                crowd.spawn(async move { drop(attack.run(&by, &aim).await) });
                sent += 1;
            }
            crowd.join_next().await.unwrap().unwrap();
        }
    }

    /// Nothing was lost or refused, and the node is what it was.
    pub async fn ends(self, paid: u32) {
        let Pair { one, two, id } = &self.pair;
        println!("{paid} payments each way, {} MiB taken", self.taken() / MIB);
        assert!(paid > 1, "{paid} payments");
        let each = number(&json!(milli(DEPOSIT)));
        self.pair.until_balances(each, each).await;
        for node in [one, two] {
            let payments = node.payments().await;
            let is_final = |payment: &&Value| payment["state"] == "final";
            assert_eq!(payments.iter().filter(is_final).count(), payments.len(), "{payments:?}");
            assert_eq!(payments.len(), 2 * usize::try_from(paid).unwrap());
        }
        two.cli(&["status"]).await.expect_done();
        assert_eq!(two.channel(id).await["phase"], "open");
        assert_eq!(peers_of(two).await.len(), 1, "a stranger is remembered");
        let ceiling = u64::try_from(Limits::default().stranger_ceiling_bytes(2)).unwrap();
        assert!(self.taken() <= ceiling, "{} of {} MiB", self.taken() / MIB, ceiling / MIB);
        let limits = Limits::default().connections;
        let files = self.opened();
        assert!(files <= limits.strangers + limits.pending_inbound, "{files} files");
    }

    /// Units: bytes that the attacked node has taken at most, beside what it had before.
    pub fn taken(&self) -> u64 {
        peak_memory_bytes(self.pair.two.pid()).unwrap().saturating_sub(self.memory)
    }

    /// Files and sockets that the attacked node has opened since.
    pub fn opened(&self) -> usize {
        open_files(self.pair.two.pid()).unwrap().saturating_sub(self.files)
    }

    /// Units: bytes that the attacked node has logged.
    fn logged(&self) -> u64 {
        fs::metadata(self.pair.two.data_dir().with_extension("log")).unwrap().len()
    }
}

async fn aim_of(pair: &Pair) -> Aim {
    let invite = Invite::from_text(&pair.two.invite().await).unwrap();
    let contact = invite.contact();
    let at = contact.addresses.iter().find_map(socket_of).expect("it listens for TCP");
    let channels = vec![ChannelId(pair.id.parse().unwrap())];
    let (peer_id, node_id, domain) = (contact.peer_id, contact.node_id, invite.domain());
    Aim { at, peer_id, node_id, domain, channels }
}

async fn peers_of(node: &Node) -> Vec<Value> {
    let peers = node.ask("lockstep_listPeers", json!([])).await;
    let is_kept = |peer: &&Value| peer["channels"] != 0 || peer["isConnected"] == false;
    peers.as_array().unwrap().iter().filter(is_kept).cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p64_a_node_that_a_crowd_attacks_goes_on_paying_and_being_paid() {
    let siege = Siege::begin().await;
    let paid = siege.endure(crowd_size(), &ALL).await;
    siege.ends(paid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p63_strangers_leave_nothing_behind() {
    const SPEAKING: [Attack; 9] = [
        Attack::Sessions,
        Attack::Queries,
        Attack::Offers,
        Attack::Meddling,
        Attack::Proposals,
        Attack::Reestablishing,
        Attack::Intents,
        Attack::Lies,
        Attack::Identification,
    ];
    let mut siege = Siege::begin().await;
    let logged = siege.logged();
    siege.send(200, &SPEAKING).await;
    let logged = siege.logged().saturating_sub(logged);
    assert!(logged < 16 * 1024, "{logged} bytes logged: {}", siege.pair.two.log_tail());
    // What is on the disk is what the node knows after a start.
    siege.pair.two.kill();
    siege.pair.two.start().await;
    let two = &siege.pair.two;
    assert_eq!(two.ask("lockstep_listPeers", json!([])).await.as_array().unwrap().len(), 1);
    assert_eq!(two.ask("lockstep_listPendingOpens", json!([])).await, json!([]));
    let channels = two.ask("lockstep_listChannels", json!({})).await;
    assert_eq!(channels["channels"].as_array().or(channels.as_array()).unwrap().len(), 1);
    siege.pair.one.pay(&siege.pair.id, "7").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p62_p66_contacts_that_turn_hostile_do_not_hold_up_a_channel_with_another() {
    const KINDS: [Attack; 8] = [
        Attack::Queries,
        Attack::Offers,
        Attack::Meddling,
        Attack::Proposals,
        Attack::Reestablishing,
        Attack::Intents,
        Attack::Sessions,
        Attack::Deafness,
    ];
    let siege = Siege::begin().await;
    for number in 0..24 {
        let by = Attacker::new(number, Duration::ZERO);
        let nowhere: Multiaddr = "/ip4/127.0.0.1/tcp/9".parse().unwrap();
        let (node_id, peer_id) = (by.identity.node_id(), by.identity.peer_id());
        let invite = Invite::new(siege.aim.domain, node_id, peer_id, vec![nowhere], None).unwrap();
        let call = json!({"invite": invite.to_text(), "waitMillis": 0});
        // It is remembered, though nobody is there yet.
        drop(siege.pair.two.call("lockstep_connect", call).await);
    }
    let contacts = siege.pair.two.ask("lockstep_listPeers", json!([])).await;
    assert_eq!(contacts.as_array().unwrap().len(), 25, "{contacts}");
    let attacking = async {
        let mut crowd = JoinSet::new();
        for number in 0..24 {
            let by = Attacker::new(number, Duration::from_secs(8));
            let aim = siege.aim.clone();
            let kind = KINDS[usize::try_from(number).unwrap() % KINDS.len()];
            crowd.spawn(async move {
                // One that is cut off comes again.
                for _ in 0..4 {
                    drop(kind.run(&by, &aim).await);
                }
            });
        }
        while crowd.join_next().await.is_some() {}
    };
    let paid = siege.while_paying(attacking).await;
    println!("{paid} payments each way, {} MiB taken", siege.taken() / MIB);
    assert!(paid > 1, "{paid} payments");
    let each = number(&json!(milli(DEPOSIT)));
    siege.pair.until_balances(each, each).await;
    let offers = siege.pair.two.ask("lockstep_listPendingOpens", json!([])).await;
    assert!(offers.as_array().unwrap().len() <= 256, "{offers}");
    let ceiling = u64::try_from(Limits::default().memory_ceiling_bytes(2)).unwrap();
    assert!(siege.taken() <= ceiling);
    siege.pair.two.cli(&["status"]).await.expect_done();
}
