//! Short names for what a channel's two sides do, and for what must be so.

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use serde_json::{Value, json};

use crate::node::{Node, Options};
use crate::world::World;

/// One thousandth of a coin: amounts of tests are counted in these.
const MILLI: u128 = 1_000_000_000_000_000;
/// The pinned ABI of a plain ERC-20 with `mint`, and its code.
const TOKEN: &str = include_str!("../../differential/fixtures/FixtureToken.json");

/// The event of a channel's end: first what was paid to whom opened it, then to whom joined.
const CLOSED: &str = "ChannelClosed(bytes32,uint64,uint256,uint256,uint256,uint256,uint8)";

/// Thousandths of a coin, as the interface writes them.
pub fn milli(count: u128) -> String {
    (count * MILLI).to_string()
}

/// A number that the interface has written as text.
///
/// # Panics
/// When it is no number.
pub fn number(value: &Value) -> u128 {
    let number = value.as_str().and_then(|text| text.parse().ok());
    number.unwrap_or_else(|| panic!("{value} is no amount"))
}

/// Two nodes with one channel between them: `one` has opened it.
pub struct Pair {
    /// Opened the channel.
    pub one: Node,
    /// Joined it.
    pub two: Node,
    /// The channel.
    pub id: String,
}

impl Pair {
    /// Two nodes on a chain of their own, which do not run yet.
    pub async fn stopped() -> Self {
        let (world, one) = World::start().await;
        let two = world.node(&Options::default()).await;
        Self { one, two, id: String::new() }
    }

    /// Both run.
    pub async fn run(&mut self) {
        tokio::join!(self.one.start(), self.two.start());
    }

    /// Two running nodes on a chain of their own, without a channel.
    pub async fn start() -> Self {
        let mut pair = Self::stopped().await;
        pair.run().await;
        pair
    }

    /// The same, with an open channel.
    pub async fn open(brought: &str, asked: &str) -> Self {
        let mut pair = Self::start().await;
        pair.add_channel(brought, asked, None).await;
        pair
    }

    /// Opens a channel, and waits until both sides may pay.
    pub async fn add_channel(&mut self, brought: &str, asked: &str, token: Option<Address>) {
        self.id = self.offer(brought, asked, token).await;
        self.join(&self.id).await;
        let capacity = number(&json!(brought)) + number(&json!(asked));
        self.until_open(&self.id, capacity).await;
    }

    /// The same many times at once, in coins.
    pub async fn add_channels(&self, deposits: &[(u128, u128)]) -> Vec<String> {
        let mut ids = Vec::new();
        for (brought, asked) in deposits {
            let id = self.offer(&brought.to_string(), &asked.to_string(), None).await;
            self.join(&id).await;
            ids.push(id);
        }
        for (id, (brought, asked)) in ids.iter().zip(deposits) {
            self.until_open(id, brought + asked).await;
        }
        ids
    }

    async fn offer(&self, brought: &str, asked: &str, token: Option<Address>) -> String {
        let invite = self.two.invite().await;
        let call = json!({
            "peer": invite, "deposit": brought, "counterpartyDeposit": asked, "token": token,
        });
        let offered = self.one.ask("lockstep_openChannel", call).await;
        offered["channelId"].as_str().expect("an id").to_owned()
    }

    async fn join(&self, id: &str) {
        let is_offered = |offers: &Value| offers.as_array().is_some_and(|it| !it.is_empty());
        self.two.until("lockstep_listPendingOpens", json!([]), "offer", is_offered).await;
        self.two.ask("lockstep_joinChannel", json!([id])).await;
    }

    async fn until_open(&self, id: &str, capacity: u128) {
        for node in [&self.one, &self.two] {
            node.until_channel(id, "an open channel", |channel| {
                channel["phase"] == "open"
                    && channel["capacity"] == capacity.to_string()
                    && channel["isConnected"] == true
            })
            .await;
        }
    }

    /// The world of both.
    pub fn world(&self) -> &World {
        self.one.world()
    }

    /// Waits until both sides agree on who has what, with nothing under way.
    pub async fn until_balances(&self, ones: u128, twos: u128) {
        self.until_balances_of(&self.id, ones, twos).await;
    }

    /// The same of one of several channels.
    pub async fn until_balances_of(&self, id: &str, ones: u128, twos: u128) {
        for (node, own, other) in [(&self.one, ones, twos), (&self.two, twos, ones)] {
            node.until_channel(id, "these balances", |channel| {
                channel["ownBalance"] == own.to_string()
                    && channel["counterpartyBalance"] == other.to_string()
                    && channel["pendingPayments"] == 0
            })
            .await;
        }
    }

    /// Waits until the channel is settled with exactly these payouts, for both nodes and on the chain.
    pub async fn assert_settled(&self, ones: u128, twos: u128) {
        self.assert_settled_as(&self.id, ones, twos).await;
    }

    /// The same of one of several channels.
    pub async fn assert_settled_as(&self, id: &str, ones: u128, twos: u128) {
        assert_eq!(self.settled(id).await, (ones, twos), "{id}");
    }

    /// Waits until a channel is settled, with the same payouts for both nodes and on the chain: to whom opened
    /// it, to whom joined.
    pub async fn settled(&self, id: &str) -> (u128, u128) {
        let is_over = |channel: &Value| !channel["settled"].is_null();
        let own = self.one.until_channel(id, "the end", is_over).await;
        let other = self.two.until_channel(id, "the end", is_over).await;
        let (ones, twos) = (number(&own["settled"][0]), number(&own["settled"][1]));
        assert_eq!(other["settled"], json!([twos.to_string(), ones.to_string()]));
        assert_eq!(self.paid_on_chain(id).await, [(ones, twos)]);
        (ones, twos)
    }

    /// What the contract has paid at the end of a channel: to whom opened it, to whom joined.
    pub async fn paid_on_chain(&self, id: &str) -> Vec<(u128, u128)> {
        let contract = self.contract().await;
        let topic = keccak256(CLOSED);
        let id: B256 = id.parse().expect("an id");
        let filter = json!([{
            "fromBlock": "0x0", "toBlock": "latest", "address": contract, "topics": [topic, id],
        }]);
        let logs = self.world().anvil.ask("eth_getLogs", filter).await;
        let logs = logs.as_array().expect("logs").clone();
        let paid = logs.iter().map(|log| {
            let data: Bytes = log["data"].as_str().expect("data").parse().expect("hex");
            let word = |at: usize| U256::from_be_slice(&data[at * 32..(at + 1) * 32]).to::<u128>();
            (word(0), word(1))
        });
        paid.collect()
    }

    /// The contract that holds the channel.
    pub async fn contract(&self) -> Address {
        let info = self.one.ask("lockstep_getInfo", json!([])).await;
        info["contract"].as_str().and_then(|it| it.parse().ok()).expect("an address")
    }
}

impl Node {
    /// A link to it.
    pub async fn invite(&self) -> String {
        let is_found = |info: &Value| info["addresses"].as_array().is_some_and(|it| !it.is_empty());
        self.until("lockstep_getInfo", json!([]), "address", is_found).await;
        let invite = self.ask("lockstep_createInvite", json!({})).await;
        invite["invite"].as_str().expect("text").to_owned()
    }

    /// One channel as it is now.
    pub async fn channel(&self, id: &str) -> Value {
        self.ask("lockstep_getChannel", json!([id])).await
    }

    /// Waits until a channel is as it should be.
    pub async fn until_channel(
        &self,
        id: &str,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        self.until("lockstep_getChannel", json!([id]), what, is_so).await
    }

    /// Pays, and waits until it can't be taken back.
    ///
    /// # Panics
    /// When it is not final soon.
    pub async fn pay(&self, id: &str, amount: &str) {
        let call = json!({"channelId": id, "amount": amount, "waitMillis": 60_000});
        let payment = self.ask("lockstep_pay", call).await;
        assert_eq!(payment["state"], "final", "{payment}");
    }

    /// Pays many times at once, with a note for each, and waits until all is final.
    ///
    /// # Panics
    /// When it is not.
    pub async fn pay_batch(&self, id: &str, amount: &str, count: usize) {
        let payments = vec![json!({"amount": amount}); count];
        let call = json!({"channelId": id, "payments": payments, "waitMillis": 60_000});
        let receipt = self.ask("lockstep_payBatch", call).await;
        assert_eq!(receipt["finalCount"], count, "{receipt}");
    }

    /// Orders a payment, and does not wait for what becomes of it.
    ///
    /// # Panics
    /// When it is not under way.
    pub async fn begin_to_pay(&self, id: &str, amount: &str) {
        let call = json!({"channelId": id, "amount": amount, "waitMillis": 0});
        let payment = self.ask("lockstep_pay", call).await;
        assert_eq!(payment["state"], "pending", "{payment}");
    }

    /// Closes without the other side.
    pub async fn force_close(&self, id: &str) {
        let report = self.ask("lockstep_forceClose", json!([id])).await;
        assert_eq!(report["isOrdered"], true, "{report}");
    }

    /// The proof that it could bring to the chain now.
    pub async fn proof(&self, id: &str) -> Value {
        self.ask("lockstep_exportProof", json!([id])).await["proof"].take()
    }

    /// All payments that it has listed, in order.
    pub async fn payments(&self) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let call = json!({"fromIndex": all.len(), "limit": 1_000});
            let page = self.ask("lockstep_listPayments", call).await;
            let page = page["payments"].as_array().expect("payments").clone();
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }
}

impl World {
    /// A new ERC-20 token on the chain; whoever is named gets some of it.
    ///
    /// # Panics
    /// When the chain takes it not.
    pub async fn token(&self, owners: &[Address], amount: u128) -> Address {
        let accounts = self.anvil.ask("eth_accounts", json!([])).await;
        let maker: Address = serde_json::from_value(accounts[0].clone()).expect("an account");
        let fixture: Value = serde_json::from_str(TOKEN).expect("JSON");
        let code = fixture["bytecode"].as_str().expect("bytecode");
        // Its constructor takes a fee in per cent: none.
        let code: Bytes = format!("{code}{:064x}", 0).parse().expect("hex");
        let receipt = self.send_as(maker, None, &code).await;
        let token = receipt["contractAddress"].as_str().and_then(|it| it.parse().ok());
        let token = token.expect("an address");
        for owner in owners {
            let data = call("mint(address,uint256)", &[word(*owner), U256::from(amount)]);
            self.send_as(maker, Some(token), &data).await;
        }
        token
    }

    /// What an account holds of a token.
    pub async fn held(&self, token: Address, account: Address) -> u128 {
        let data = call("balanceOf(address)", &[word(account)]);
        self.view(token, &data).await.to::<u128>()
    }
}

/// Calldata of a function that takes words.
pub fn call(signature: &str, words: &[U256]) -> Bytes {
    let mut data = keccak256(signature)[..4].to_vec();
    words.iter().for_each(|word| data.extend_from_slice(&word.to_be_bytes::<32>()));
    data.into()
}

fn word(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

/// Brings a state to the chain by hand, in the name of one of the participants, as its proof file says how.
///
/// # Panics
/// When the contract refuses it.
pub async fn initiate_close_by_hand(world: &World, proof: &Value, by: Address) {
    let calls = proof["calls"].as_array().expect("calls");
    let is_start =
        |call: &&Value| call["function"].as_str().is_some_and(|it| it.starts_with("initiateClose"));
    let start = calls.iter().find(is_start).expect("the call that starts a close");
    let to = start["to"].as_str().and_then(|it| it.parse().ok()).expect("an address");
    let data = hex::decode(start["calldata"].as_str().expect("calldata")).expect("hex");
    world.send_as(by, Some(to), &data.into()).await;
}
