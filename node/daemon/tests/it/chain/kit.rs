//! A node that has nothing but a journal and the chain's tasks.

use crate::scene::{Channel, Scene, key};
use alloy_primitives::U256;
use lockstep::chain::{ChainHandle, ChainNews, ChainSetup, ChainTask, WatchedChannel};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::follower::{Delivery, Start};
use lockstep_chain::port::{AccountSigner, LocalAccount};
use lockstep_core::chain::{ChainFact, CloseSighting, Cursor};
use lockstep_core::money::Amount;
use lockstep_core::time::Finality;
use lockstep_store::faulty::{FaultPlan, FaultyDisk};
use lockstep_store::journal::DiskJournal;
use lockstep_store::open::Options;
use lockstep_store::writer::JournalThread;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Far longer than anything takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const PAYER: u8 = 0x51;
/// Units: wei.
pub(crate) const RICH: u64 = 100_000_000_000_000_000;

pub(crate) fn rich() -> Amount {
    Amount::from_u256(U256::from(RICH))
}

/// What survives a restart.
pub(crate) struct Disk(TempDir);

impl Disk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

/// A running node.
pub(crate) struct Node {
    pub(crate) chain: ChainHandle,
    pub(crate) faults: FaultPlan,
    news: mpsc::Receiver<ChainNews>,
    task: tokio::task::JoinHandle<()>,
    journal: JournalThread,
    acknowledges: bool,
}

pub(crate) fn watched(channel: &Channel, known: Option<CloseSighting>) -> WatchedChannel {
    WatchedChannel { channel_id: channel.id, terms: channel.terms, known, max_cost: rich() }
}

impl Node {
    pub(crate) async fn start(scene: &Scene, disk: &Disk, channels: Vec<WatchedChannel>) -> Self {
        Self::start_on(scene, disk, scene.endpoints(), channels).await
    }

    pub(crate) async fn start_on(
        scene: &Scene,
        disk: &Disk,
        endpoints: Endpoints,
        channels: Vec<WatchedChannel>,
    ) -> Self {
        Self::start_at(scene, disk, endpoints, channels, Start::Now).await
    }

    pub(crate) async fn start_at(
        scene: &Scene,
        disk: &Disk,
        endpoints: Endpoints,
        channels: Vec<WatchedChannel>,
        start: Start,
    ) -> Self {
        let (mut journal, _) = DiskJournal::open(&disk.data(), &Options::default()).unwrap();
        let faults = FaultPlan::default();
        let plan = faults.clone();
        journal.engine_mut().wrap_disk(|inner| Box::new(FaultyDisk::new(inner, plan)));
        let (journal, handle) = JournalThread::start(journal).unwrap();
        let mut accounts: Vec<Arc<dyn AccountSigner>> = Vec::new();
        for byte in [PAYER, 0x52] {
            accounts.push(Arc::new(LocalAccount::from_secret(&[byte; 32]).unwrap()));
            scene.anvil.fund(key(byte).address()).await;
        }
        let setup = ChainSetup {
            endpoints,
            deployment: scene.deployment.clone(),
            start,
            journal: handle,
            accounts,
            channels,
            secrets: Vec::new(),
        };
        let (chain, news, task) = ChainTask::start(setup).await.unwrap();
        Self { chain, faults, news, task, journal, acknowledges: true }
    }

    /// From now on nothing is acknowledged, as if a driver never committed its part.
    pub(crate) fn stop_acknowledging(&mut self) {
        self.acknowledges = false;
    }

    /// Waits for news, and acknowledges every batch on the way.
    pub(crate) async fn until(&mut self, what: &str, is_it: impl Fn(&ChainNews) -> bool) {
        let wait = async {
            loop {
                let news = self.news.recv().await.expect("the tasks run");
                if let (ChainNews::Checkpoint(cursor), true) = (&news, self.acknowledges) {
                    self.chain.acknowledge(*cursor, true).await.unwrap();
                }
                if is_it(&news) {
                    return;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, wait).await;
        assert!(found.is_ok(), "never: {what}");
    }

    /// Waits for a batch whose end is at least this block.
    pub(crate) async fn until_final(&mut self, block: u64) -> Cursor {
        let wait = async {
            loop {
                let news = self.news.recv().await.expect("the tasks run");
                if let ChainNews::Checkpoint(cursor) = news {
                    self.chain.acknowledge(cursor, true).await.unwrap();
                    if cursor.block.number.0 >= block {
                        return cursor;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the chain goes on")
    }

    /// Waits for news, with a block now and then.
    pub(crate) async fn until_news_while_mining(
        &mut self,
        scene: &Scene,
        what: &str,
        is_it: impl Fn(&ChainNews) -> bool,
    ) {
        let wait = async {
            loop {
                let news = self.news.recv().await.expect("the tasks run");
                if let ChainNews::Checkpoint(cursor) = &news {
                    self.chain.acknowledge(*cursor, true).await.unwrap();
                }
                if is_it(&news) {
                    return;
                }
                if matches!(news, ChainNews::Delivery(Delivery::Head(_))) {
                    scene.anvil.mine(1).await;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, wait).await;
        assert!(found.is_ok(), "never: {what}");
    }

    /// The news of this many batches.
    pub(crate) async fn batches(&mut self, count: usize) -> Vec<ChainNews> {
        let mut all = Vec::new();
        let mut ended = 0;
        while ended < count {
            let news = tokio::time::timeout(PATIENCE, self.news.recv()).await;
            let news = news.expect("the chain is followed").expect("the tasks run");
            if let ChainNews::Checkpoint(cursor) = &news {
                self.chain.acknowledge(*cursor, true).await.unwrap();
                ended += 1;
            }
            all.push(news);
        }
        all
    }

    /// Waits for a fact of a finality.
    pub(crate) async fn until_fact(
        &mut self,
        what: &str,
        finality: Finality,
        is_it: impl Fn(&ChainFact) -> bool,
    ) {
        self.until(what, |news| match news {
            ChainNews::Delivery(Delivery::Fact(sighting)) => {
                sighting.event.finality == finality && is_it(&sighting.event.fact)
            }
            ChainNews::Delivery(_)
            | ChainNews::Checkpoint(_)
            | ChainNews::Call(_)
            | ChainNews::Entry(_)
            | ChainNews::EntryRefused { .. }
            | ChainNews::OnL1(_)
            | ChainNews::EscapeFails(_)
            | ChainNews::Broken(_) => false,
        })
        .await;
    }

    /// Ends everything in order, as a restart does.
    pub(crate) async fn stop(self) {
        let Self { chain, news, task, journal, .. } = self;
        drop((chain, news));
        tokio::time::timeout(PATIENCE, task).await.expect("the tasks end").unwrap();
        drop(journal);
    }
}
