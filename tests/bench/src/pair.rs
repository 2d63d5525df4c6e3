//! Two nodes on one chain, with channels between them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lockstep_core::ids::{Domain, Side};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chain::Chain;
use crate::forge::{self, Party};
use crate::node::Node;
use crate::proxy::DelayProxy;
use crate::setting::Setting;

/// What each side brings to an opened channel. Units: wei.
const BROUGHT: u128 = 10_000_000_000_000_000_000;

/// Two nodes. What holds them together ends after them.
pub struct Pair {
    /// Opened the channels: the proposer.
    pub one: Node,
    /// Joined them: the acceptor.
    pub two: Node,
    /// The channels, by id.
    pub channels: Vec<String>,
    /// The chain.
    pub chain: Chain,
    proxy: Option<DelayProxy>,
    folder: TempDir,
}

impl Pair {
    /// Two nodes that do not run yet, on a chain with the contracts.
    ///
    /// # Errors
    /// If something of it fails.
    pub fn stopped(setting: &Setting) -> Result<Self> {
        let mut folder = tempfile::Builder::new().prefix("pair-").tempdir_in(&setting.folder)?;
        folder.disable_cleanup(setting.keeps);
        let chain = Chain::start(setting)?;
        let one = Node::make(setting, &chain, folder.path(), "one")?;
        let two = Node::make(setting, &chain, folder.path(), "two")?;
        one.cli(&["deploy", "--yes"])?;
        Ok(Self { one, two, channels: vec![], chain, proxy: None, folder })
    }

    /// The link between them takes this much longer for a round trip.
    ///
    /// # Errors
    /// If the proxy does not start.
    pub fn delay(&mut self, round_trip: Duration) -> Result<()> {
        let proxy = DelayProxy::start(self.two.port, round_trip)?;
        // A name instead of a loopback address: then it is the only one in the invite.
        self.two.set("LOCKSTEP_P2P_EXTERNAL", format!("/dns4/localhost/tcp/{}", proxy.port));
        self.proxy = Some(proxy);
        Ok(())
    }

    /// Two running nodes with one channel, opened on the chain with money on both sides.
    ///
    /// # Errors
    /// If something of it fails.
    pub fn open(setting: &Setting, round_trip: Duration) -> Result<Self> {
        let mut pair = Self::stopped(setting)?;
        if !round_trip.is_zero() {
            pair.delay(round_trip)?;
        }
        pair.one.start()?;
        pair.two.start()?;
        pair.open_channel()?;
        pair.chain.hurry(false);
        Ok(pair)
    }

    fn open_channel(&mut self) -> Result<()> {
        let invite = self.two.invite()?;
        let brought = BROUGHT.to_string();
        let call = json!({"peer": invite, "deposit": brought, "counterpartyDeposit": brought});
        let offered = self.one.call("lockstep_openChannel", call)?;
        let id = offered["channelId"].as_str().context("an id")?.to_owned();
        let is_offered = |offers: &Value| offers.as_array().is_some_and(|it| !it.is_empty());
        self.two.until("lockstep_listPendingOpens", &json!([]), is_offered)?;
        self.two.call("lockstep_joinChannel", json!([id]))?;
        let capacity = (2 * BROUGHT).to_string();
        for node in [&self.one, &self.two] {
            node.until("lockstep_getChannel", &json!([id]), |channel| {
                channel["phase"] == "open"
                    && channel["capacity"] == capacity
                    && channel["isConnected"] == true
            })?;
        }
        self.channels.push(id);
        Ok(())
    }

    /// Two running nodes with this many channels, written into their journals.
    ///
    /// # Errors
    /// If something of it fails.
    pub fn forged(setting: &Setting, count: u64) -> Result<Self> {
        let mut pair = Self::stopped(setting)?;
        let domain = pair.domain()?;
        let (one, two) = (Party::of(&pair.one)?, Party::of(&pair.two)?);
        for (node, side) in [(&pair.one, Side::One), (&pair.two, Side::Two)] {
            let records: Result<Vec<_>> =
                (0..count).map(|number| forge::record(domain, &one, &two, side, number)).collect();
            let records = records?;
            if side == Side::One {
                let id =
                    |record: &lockstep_core::record::ChannelRecord| record.channel_id().to_string();
                pair.channels = records.iter().map(id).collect();
            }
            forge::write(&node.data_dir(), records)?;
        }
        pair.one.start()?;
        pair.two.start()?;
        // Both must know each other: what a stranger sends is dealt with slowly.
        for (from, to) in [(&pair.one, &pair.two), (&pair.two, &pair.one)] {
            let invite = to.invite()?;
            from.call("lockstep_connect", json!({"invite": invite, "waitMillis": 30_000}))?;
        }
        for id in &pair.channels {
            for node in [&pair.one, &pair.two] {
                node.until("lockstep_getChannel", &json!([id]), |it| it["isConnected"] == true)?;
            }
        }
        pair.chain.hurry(false);
        Ok(pair)
    }

    /// Chain and contract, as the deployment's record says.
    ///
    /// # Errors
    /// If there is no record.
    pub fn domain(&self) -> Result<Domain> {
        let mut files = std::fs::read_dir(self.folder.path().join("deployments"))?;
        let file = files.next().context("a deployment's record")??;
        let record: Value = serde_json::from_str(&std::fs::read_to_string(file.path())?)?;
        let contract = record["channel"]["address"].as_str().context("a contract")?;
        let chain_id = record["chainId"].as_u64().context("a chain id")?;
        Ok(Domain::Evm { chain_id, contract: contract.parse()? })
    }

    /// Our balance and the other's in a channel, as a node has it, once nothing waits. Units: wei.
    ///
    /// # Errors
    /// If something goes on waiting.
    pub fn balances(node: &Node, id: &str) -> Result<(u128, u128)> {
        let is_quiet = |channel: &Value| channel["pendingPayments"] == 0;
        let channel = node.until("lockstep_getChannel", &json!([id]), is_quiet)?;
        let number = |name: &str| -> Result<u128> {
            Ok(channel[name].as_str().context("an amount")?.parse()?)
        };
        Ok((number("ownBalance")?, number("counterpartyBalance")?))
    }

    /// Both nodes must come to agree to the wei on what one and two have in every channel.
    ///
    /// # Errors
    /// If a sum is wrong.
    pub fn expect_moved(&self, before: &[(u128, u128)], from_one: i128) -> Result<()> {
        for (id, (one, two)) in self.channels.iter().zip(before) {
            let moved = |amount: u128, by: i128| amount.checked_add_signed(by).context("an amount");
            let (one, two) = (moved(*one, -from_one)?, moved(*two, from_one)?);
            for (node, own, other) in [(&self.one, one, two), (&self.two, two, one)] {
                node.until("lockstep_getChannel", &json!([id]), |channel| {
                    channel["pendingPayments"] == 0
                        && channel["ownBalance"] == own.to_string()
                        && channel["counterpartyBalance"] == other.to_string()
                })?;
            }
        }
        Ok(())
    }

    /// What one and two have in every channel.
    ///
    /// # Errors
    /// As [`Self::balances`].
    pub fn all_balances(&self) -> Result<Vec<(u128, u128)>> {
        self.channels.iter().map(|id| Self::balances(&self.one, id)).collect()
    }
}
