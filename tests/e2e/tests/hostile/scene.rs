//! A victim, and a friend of it that asks it one question after the other while others attack.

use std::time::Duration;

use lockstep_e2e::hostile::Aim;
use lockstep_e2e::hostile::attack::Attacker;
use lockstep_e2e::hostile::attack::greeting::FRIEND;
use lockstep_e2e::p2p_node::{Kept, P2pNode};
use lockstep_e2e::process::{memory_bytes, peak_memory_bytes};

/// The program that is attacked.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_p2p-node");
/// Anywhere on loopback.
pub const TCP: &str = "/ip4/127.0.0.1/tcp/0";
/// How long an attack goes on.
pub const HOLD: Duration = Duration::from_secs(3);

pub struct Scene {
    pub victim: P2pNode,
    pub friend: P2pNode,
    pub aim: Aim,
    pub before: Kept,
    pub memory_before: u64,
}

impl Scene {
    /// Two nodes that talk.
    pub async fn start(options: &[&str]) -> Self {
        let options = [&["--listen", TCP][..], options].concat();
        let mut victim = P2pNode::start(PROGRAM, &[], 1, &options).await;
        let mut friend = P2pNode::start(PROGRAM, &[], FRIEND, &[]).await;
        victim.register(&friend.identity()).await;
        friend.connect(&victim, victim.addresses()).await.expect("friends meet");
        victim.settles(|kept| kept.sessions == 1).await;
        friend.talk(&victim).await;
        let (aim, before) = (victim.aim(), victim.kept().await);
        let memory_before = memory_bytes(victim.pid()).unwrap();
        Self { victim, friend, aim, before, memory_before }
    }

    /// An attacker of its own place and name.
    pub fn attacker(&self, number: u32) -> Attacker {
        Attacker::new(number, HOLD)
    }

    /// Units: bytes that the victim has taken since it has a friend, at most.
    pub fn taken(&self) -> u64 {
        peak_memory_bytes(self.victim.pid()).unwrap().saturating_sub(self.memory_before)
    }

    /// The friend has noticed nothing, and nothing is left of those who attacked.
    pub async fn undisturbed(mut self) {
        let talked = self.friend.hush().await;
        println!("{talked:?}, {} MiB taken", self.taken() >> 20);
        assert!(talked.answered > 1, "{talked:?}");
        assert_eq!(talked.breaks, 0, "{talked:?}");
        self.left_alone().await;
    }

    /// Nothing is left of those who attacked.
    pub async fn left_alone(mut self) {
        let before = self.before;
        self.victim.settles(|kept| *kept == before).await;
    }
}
