//! A network, the channel contract on it, and the product's courier with somebody who sends.

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256, U64, U256};
use alloy_sol_types::SolCall;
use lockstep_bridge::arbitrum::Arbitrum;
use lockstep_bridge::arbitrum::abi::IL1GatewayRouter;
use lockstep_bridge::arbitrum::submission::HeadRoom;
use lockstep_bridge::courier::{Courier, Payers};
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::network::{BridgeNetwork, Stack};
use lockstep_bridge::order::{FundOrder, WithdrawOrder};
use lockstep_bridge::port::{Postman, TransferStore};
use lockstep_bridge::rollup::Rollup;
use lockstep_bridge::step::{Call, Layer};
use lockstep_chain::call::Contracts;
use lockstep_chain::endpoint::{Endpoint, RequestLimits};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::port::StoreFailed;
use lockstep_chain::profile::{Network as Kind, Profile};
use lockstep_chain::rpc::{BlockTag, Receipt};
use lockstep_chain::token::IERC20;
use lockstep_contracts::artifact::ArtifactName;
use lockstep_contracts::bindings::PaymentChannel as abi;
use lockstep_contracts::config::DeployConfig;
use lockstep_contracts::create2::{Creation, DEPLOYER};
use lockstep_contracts::deployment::Deployment;
use lockstep_contracts::window::ChainKind;
use lockstep_core::digest::SigningDomain;
use lockstep_core::entry::{BridgeCall, Entry, EntryCall, EntryId, EntryStage, Offer, SignedEntry};
use lockstep_core::ids::{AccountRef, ChainRef, ChannelId, Domain};
use lockstep_core::money::Amount;
use lockstep_core::signature::StateSignature;
use lockstep_core::state::Open;
use lockstep_core::terms::Terms;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::transfer::{TransferRecord, TransferStage};
use lockstep_devnet::arbitrum::{Network, Settings};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

alloy_sol_types::sol! {
    interface ITransfer {
        function transfer(address to, uint256 amount) external returns (bool);
    }
}

pub(crate) const DEPOSIT: u64 = 1_000_000_000_000_000;
/// A transfer that has not come to its end after so many looks never will.
const MAX_LOOKS: usize = 30;

pub(crate) fn key(byte: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).unwrap()
}

/// Where transfers are kept: all that a life of the node leaves to the next one.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<BTreeMap<B256, TransferRecord>>>);

impl TransferStore for Disk {
    async fn put(&self, record: &TransferRecord) -> Result<(), StoreFailed> {
        self.0.lock().unwrap().insert(record.transfer.id, record.clone());
        Ok(())
    }
}

/// Sends from accounts that need no key, each name once.
#[derive(Clone)]
pub(crate) struct Sender {
    network: Arc<Network>,
    rollup: Arc<Endpoint>,
    sent: Arc<Mutex<BTreeMap<EntryId, Posted>>>,
}

#[derive(Clone)]
struct Posted {
    tx: B256,
    layer: Layer,
    from: Address,
    call: Call,
}

impl Sender {
    /// The call of a contract that was sent.
    pub(crate) fn call_to(&self, to: Address) -> Call {
        let sent = self.sent.lock().unwrap();
        sent.values().find(|posted| posted.call.to == to).unwrap().call.clone()
    }

    /// The transaction that called a contract.
    pub(crate) fn tx_to(&self, to: Address) -> B256 {
        let sent = self.sent.lock().unwrap();
        sent.values().find(|posted| posted.call.to == to).unwrap().tx
    }

    /// How many transactions there were.
    pub(crate) fn count(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    async fn receipt(&self, posted: &Posted) -> Option<Receipt> {
        match posted.layer {
            Layer::L1 => self.network.l1.receipt(posted.tx).await,
            Layer::L2 => self.rollup.receipt(posted.tx).await.unwrap(),
        }
    }

    async fn stage(&self, posted: &Posted) -> EntryStage {
        let offer = Offer { tx: posted.tx, max_fee_per_gas: 1, priority_fee_per_gas: 1 };
        let signed = SignedEntry::from_parts(0, 1, vec![offer], vec![1]).unwrap();
        let Some(receipt) = self.receipt(posted).await else { return EntryStage::Signed(signed) };
        let finalized = match posted.layer {
            Layer::L1 => self.network.l1.header(BlockTag::Finalized).await.number(),
            Layer::L2 => self.rollup.header(BlockTag::Finalized, false).await.unwrap().number(),
        };
        let (tx, block) = (posted.tx, receipt.block_number());
        match (block.0 <= finalized, receipt.is_success()) {
            (false, _) => EntryStage::Included { signed, tx, block },
            (true, true) => EntryStage::Done { tx, block },
            (true, false) => EntryStage::Reverted { tx, block },
        }
    }

    async fn entry_of(&self, id: EntryId, posted: &Posted) -> Entry {
        let call = EntryCall::Bridge(BridgeCall {
            chain: ChainRef::Evm(1),
            to: AccountRef::Evm(posted.call.to),
            value: Amount::from_u256(posted.call.value),
            data: posted.call.data.to_vec(),
            least_gas: posted.call.least_gas,
        });
        let stage = self.stage(posted).await;
        Entry::from_parts(id, AccountRef::Evm(posted.from), call, Amount::ZERO, stage)
    }
}

impl Postman for Sender {
    async fn send(&self, id: EntryId, from: Address, call: &Call) -> Result<Entry, BridgeError> {
        let known = self.sent.lock().unwrap().get(&id).cloned();
        if let Some(posted) = known {
            return Ok(self.entry_of(id, &posted).await);
        }
        let chain = match call.layer {
            Layer::L1 => &self.network.l1,
            Layer::L2 => &self.network.l2,
        };
        // What a call asks for at least is all that it gets, so that too little shows.
        let gas = if call.least_gas == 0 { 3_000_000 } else { call.least_gas };
        chain.ask("anvil_impersonateAccount", json!([from])).await;
        let request = json!({"from": from, "to": call.to, "value": call.value, "data": call.data,
            "gas": U64::from(gas)});
        let sent = chain.ask("eth_sendTransaction", json!([request])).await;
        let tx = serde_json::from_value(sent).unwrap();
        let posted = Posted { tx, layer: call.layer, from, call: call.clone() };
        self.sent.lock().unwrap().insert(id, posted.clone());
        Ok(self.entry_of(id, &posted).await)
    }

    async fn entry(&self, id: EntryId) -> Result<Option<Entry>, BridgeError> {
        let posted = self.sent.lock().unwrap().get(&id).cloned();
        Ok(match posted {
            Some(posted) => Some(self.entry_of(id, &posted).await),
            None => None,
        })
    }
}

/// A channel that is not there yet.
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    pub(crate) terms: Terms,
    pub(crate) domain: Domain,
}

impl Channel {
    pub(crate) fn consent(&self) -> (Open, StateSignature) {
        let open = Open {
            channel_id: self.id,
            min_deposit1: Amount::from_u256(U256::from(1)),
            deadline: BlockTimestamp(u64::from(u32::MAX)),
        };
        let digest = SigningDomain::new(self.domain).open(&open);
        let signature = key(0x22).sign_hash_sync(&digest.0).unwrap().as_erc2098();
        (open, StateSignature(signature))
    }
}

pub(crate) struct World {
    pub(crate) network: Arc<Network>,
    pub(crate) contracts: Contracts,
    pub(crate) rollup: Arc<Arbitrum>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) courier: Courier<Disk, Sender>,
    pub(crate) disk: Disk,
    pub(crate) sender: Sender,
    /// Who pays on L1.
    pub(crate) payer: Address,
    /// Our account on the rollup.
    pub(crate) ours: Address,
    /// The other side's account.
    pub(crate) theirs: Address,
}

/// The network as its data file would have it.
pub(crate) fn described(network: &Network) -> BridgeNetwork {
    BridgeNetwork {
        stack: Stack::Arbitrum,
        l1_chain_id: network.settings.l1_chain_id,
        l2_chain_id: network.settings.l2_chain_id,
        entry: network.contracts.inbox,
        entry_code_hash: None,
        token_router: Some(network.tokens.l1_router),
        source: "a local network".to_owned(),
        date: "2026-01-02".to_owned(),
    }
}

/// The product's adapter for a network.
pub(crate) fn adapter(network: &Network, bridge: BridgeNetwork) -> Arbitrum {
    let l1 = endpoints(network.l1.url(), Kind::Ethereum);
    Arbitrum::new(bridge, l1, endpoints(network.url(), Kind::Arbitrum))
}

fn endpoints(url: &str, kind: Kind) -> Endpoints {
    let endpoint = Endpoint::new(url, RequestLimits::default()).unwrap();
    let profile = Profile { quorum: 1, ..kind.profile().unwrap() };
    Endpoints::new(vec![endpoint], profile).unwrap()
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(Settings::default(), HeadRoom::default()).await
    }

    pub(crate) async fn start_with(settings: Settings, room: HeadRoom) -> Self {
        let network = Arc::new(Network::start(settings).await);
        let contracts = deploy(&network).await;
        let bridge = described(&network);
        let rollup = Arc::new(adapter(&network, bridge).with_room(room));
        rollup.check().await.unwrap();
        let (payer, ours, theirs) =
            (Address::repeat_byte(0xa1), Address::repeat_byte(0xb1), Address::repeat_byte(0xb2));
        let ten = U256::from(10).pow(U256::from(19));
        network.l1.set_balance(payer, ten).await;
        network.l2.set_balance(ours, ten).await;
        let endpoint = Arc::new(Endpoint::new(network.url(), RequestLimits::default()).unwrap());
        let disk = Disk::default();
        let sender =
            Sender { network: network.clone(), rollup: endpoint.clone(), sent: Arc::default() };
        let payers = Payers { l1: payer, l2: ours };
        let courier = Courier::new(rollup.clone(), disk.clone(), sender.clone(), payers);
        Self { network, contracts, rollup, endpoint, courier, disk, sender, payer, ours, theirs }
    }

    /// The node is killed and started again: only what is on disk and on chain is left.
    pub(crate) fn restart(&mut self) {
        let payers = Payers { l1: self.payer, l2: self.ours };
        let (disk, sender) = (self.disk.clone(), self.sender.clone());
        self.courier = Courier::new(self.rollup.clone(), disk, sender, payers);
        let records = self.disk.0.lock().unwrap().values().cloned().collect();
        self.courier.resume(records);
    }

    pub(crate) fn channel(&self, salt: u8, token: Address) -> Channel {
        let terms = Terms {
            participant1: AccountRef::Evm(self.ours),
            participant2: AccountRef::Evm(self.theirs),
            signer1: key(0x11).address(),
            signer2: key(0x22).address(),
            token: AccountRef::Evm(token),
            challenge_period: 100_000,
            salt: B256::repeat_byte(salt),
        };
        let Contracts { chain_id, channel: contract, .. } = self.contracts;
        let domain = Domain::Evm { chain_id, contract };
        Channel { id: terms.channel_id(domain), terms, domain }
    }

    pub(crate) fn order(&self, channel: &Channel, call: EntryCall, l1_token: Address) -> FundOrder {
        FundOrder {
            id: B256::from(U256::from(self.sender.count() + 1)),
            payer: self.payer,
            refund_to: self.ours,
            contracts: self.contracts,
            channel_id: channel.id,
            call,
            l1_token,
        }
    }

    pub(crate) fn open_order(&self, channel: &Channel, l1_token: Address) -> FundOrder {
        let call = EntryCall::Open {
            terms: channel.terms,
            amount: Amount::from_u256(U256::from(DEPOSIT)),
            consent: Some(channel.consent()),
        };
        self.order(channel, call, l1_token)
    }

    pub(crate) fn withdraw_order(&self, l2_token: Address, amount: u64) -> WithdrawOrder {
        WithdrawOrder {
            id: B256::from(U256::from(self.sender.count() + 1_000)),
            owner: self.ours,
            prover: self.payer,
            recipient: Address::repeat_byte(0xc1),
            l2_token,
            amount: Amount::from_u256(U256::from(amount)),
        }
    }

    pub(crate) async fn fund(&mut self, order: &FundOrder) -> B256 {
        let start = self.rollup.fund(order).await.unwrap();
        self.courier.begin(start).await.unwrap();
        order.id
    }

    pub(crate) fn stage(&self, id: B256) -> TransferStage {
        self.courier.view(id).unwrap().transfer.stage
    }

    pub(crate) fn record(&self, id: B256) -> TransferRecord {
        self.disk.0.lock().unwrap()[&id].clone()
    }

    /// Looks once, without anything having happened on L1.
    pub(crate) async fn look(&mut self) {
        self.courier.step().await;
    }

    /// Looks until a stage is there, without anything having happened on L1: an answer of it may be late.
    pub(crate) async fn look_for(&mut self, id: B256, wanted: TransferStage) {
        for _ in 0..MAX_LOOKS {
            self.look().await;
            if self.stage(id) == wanted {
                return;
            }
        }
        panic!("{wanted:?} was not reached: {:?}", self.courier.view(id));
    }

    /// Lets both chains become final and looks, killing the node before each look, until a stage is there.
    /// Returns every stage on the way.
    pub(crate) async fn until(&mut self, id: B256, wanted: TransferStage) -> Vec<TransferStage> {
        let mut seen = vec![self.stage(id)];
        for _ in 0..MAX_LOOKS {
            if self.stage(id) == wanted {
                return seen;
            }
            self.network.finalize_l1().await;
            self.restart();
            self.look().await;
            if seen.last() != Some(&self.stage(id)) {
                seen.push(self.stage(id));
            }
        }
        panic!("{wanted:?} was not reached: {seen:?}, {:?}", self.courier.view(id));
    }

    /// Lets both chains become final and looks a few times.
    pub(crate) async fn until_quiet(&mut self) {
        for _ in 0..4 {
            self.network.finalize_l1().await;
            self.restart();
            self.look().await;
        }
    }

    /// The bridge's form of the network's token on the rollup.
    pub(crate) async fn l2_token(&self) -> Address {
        let tokens = self.network.tokens;
        let call = IL1GatewayRouter::calculateL2TokenAddressCall { token: tokens.token };
        self.network.l1.read(tokens.l1_router, &call).await
    }

    /// Gives the payer some of the network's token.
    pub(crate) async fn grant_token(&self, amount: u64) {
        let call = ITransfer::transferCall { to: self.payer, amount: U256::from(amount) };
        let (owner, token) = (self.network.owner, self.network.tokens.token);
        assert!(self.send_l1(owner, token, &call).await.is_success());
    }

    pub(crate) async fn stored(&self, channel: &Channel) -> abi::Channel {
        let call = abi::channelOfCall { channelId: channel.id.0 };
        self.network.l2.read(self.contracts.channel, &call).await
    }

    pub(crate) async fn token_balance(&self, layer: Layer, token: Address, of: Address) -> U256 {
        let call = IERC20::balanceOfCall { account: of };
        match layer {
            Layer::L1 => self.network.l1.read(token, &call).await,
            Layer::L2 => self.network.l2.read(token, &call).await,
        }
    }

    pub(crate) async fn send_l1<C: SolCall>(
        &self,
        from: Address,
        to: Address,
        call: &C,
    ) -> Receipt {
        let data = call.abi_encode().into();
        let tx = self.network.l1.send_as(from, Some(to), U256::ZERO, data).await;
        self.network.l1.landed(tx).await
    }

    pub(crate) async fn send_l2<C: SolCall>(
        &self,
        from: Address,
        to: Address,
        call: &C,
    ) -> Receipt {
        let data = call.abi_encode().into();
        let tx = self.network.l2.send_as(from, Some(to), U256::ZERO, data).await;
        self.network.l2.landed(tx).await
    }
}

async fn deploy(network: &Network) -> Contracts {
    let salt = B256::repeat_byte(3);
    let kind = ChainKind::Development { minimum_secs: 1 };
    let registry = Creation::plain(ArtifactName::SecretRegistry, salt).unwrap();
    let config = DeployConfig::uncapped(kind.bounds().unwrap(), registry.address);
    let name = ArtifactName::PaymentChannel;
    let channel = Creation::channel(name, &config, salt).unwrap();
    for creation in [registry, channel] {
        let data = creation.to_calldata();
        let tx = network.l2.send_as(network.owner, Some(DEPLOYER), U256::ZERO, data).await;
        assert!(network.l2.landed(tx).await.is_success());
    }
    let chain_id = network.settings.l2_chain_id;
    let expected = Deployment::expected("local", chain_id, name, "2026-01-02", salt, config);
    Contracts::from(&expected.unwrap())
}
