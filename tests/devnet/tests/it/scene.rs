//! A channel contract on the rollup, two sides, and a node's bridge side as the daemon puts it together: one
//! submitter per chain, a courier, and a store that survives its death.

use crate::token::TokenPair;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolValue;
use lockstep_bridge::courier::{Courier, Payers, TransferView};
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::network::{BridgeNetwork, Stack};
use lockstep_bridge::optimism::Optimism as Adapter;
use lockstep_bridge::optimism::memo::DepositMemo;
use lockstep_bridge::order::FundOrder;
use lockstep_bridge::port::{Postman, TransferStore};
use lockstep_bridge::rollup::Rollup;
use lockstep_bridge::step::{Call, Layer};
use lockstep_chain::call::Contracts;
use lockstep_chain::convert;
use lockstep_chain::endpoint::{Endpoint, RequestLimits};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::port::{AccountSigner, LocalAccount, ObligationStore, StoreFailed};
use lockstep_chain::profile::{Network, Profile};
use lockstep_chain::submitter::Submitter;
use lockstep_contracts::artifact::ArtifactName;
use lockstep_contracts::bindings::PaymentChannel as abi;
use lockstep_contracts::config::DeployConfig;
use lockstep_contracts::create2::{Creation, DEPLOYER};
use lockstep_contracts::deployment::Deployment;
use lockstep_contracts::window::ChainKind;
use lockstep_core::chain::{Evidence, Obligation};
use lockstep_core::digest::SigningDomain;
use lockstep_core::entry::{BridgeCall, Entry, EntryCall, EntryId};
use lockstep_core::ids::{AccountRef, ChainRef, ChannelId, Digest, Domain, Side, Version};
use lockstep_core::money::{Amount, Net};
use lockstep_core::signature::StateSignature;
use lockstep_core::state::{CloseIntent, Open, State, StateKind};
use lockstep_core::terms::Terms;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::transfer::TransferRecord;
use lockstep_devnet::optimism::{L1_CHAIN_ID, L2_CHAIN_ID, Optimism, SYSTEM_CONFIG, ether};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub(crate) const PERIOD: u32 = 100_000;
/// Pays on L1.
pub(crate) const PAYER: u8 = 0x51;
/// Owns side 1 on the rollup.
pub(crate) const OWNER: u8 = 0x52;
/// Owns side 2 on the rollup.
pub(crate) const OTHER: u8 = 0x53;
const SIGNER_1: u8 = 0x11;
const SIGNER_2: u8 = 0x22;
/// Turns after which something that should have happened never will.
const TURNS: u32 = 60;

pub(crate) fn key(byte: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).unwrap()
}

pub(crate) fn address(byte: u8) -> Address {
    key(byte).address()
}

fn sign(byte: u8, digest: Digest) -> StateSignature {
    StateSignature(key(byte).sign_hash_sync(&digest.0).unwrap().as_erc2098())
}

/// What survives the death of a node.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    transfers: Arc<Mutex<BTreeMap<B256, TransferRecord>>>,
    entries: Arc<Mutex<BTreeMap<EntryId, Entry>>>,
}

impl TransferStore for Disk {
    async fn put(&self, record: &TransferRecord) -> Result<(), StoreFailed> {
        self.transfers.lock().unwrap().insert(record.transfer.id, record.clone());
        Ok(())
    }
}

impl ObligationStore for Disk {
    async fn put(&self, _: &Obligation) -> Result<(), StoreFailed> {
        Ok(())
    }

    async fn put_entry(&self, entry: &Entry) -> Result<(), StoreFailed> {
        self.entries.lock().unwrap().insert(entry.id(), entry.clone());
        Ok(())
    }

    async fn remove_entry(&self, id: EntryId) -> Result<(), StoreFailed> {
        self.entries.lock().unwrap().remove(&id);
        Ok(())
    }
}

/// Both submitters of a node.
#[derive(Clone)]
pub(crate) struct Desk {
    l1: Arc<tokio::sync::Mutex<Submitter<Disk>>>,
    l2: Arc<tokio::sync::Mutex<Submitter<Disk>>>,
}

impl Postman for Desk {
    async fn send(&self, id: EntryId, from: Address, call: &Call) -> Result<Entry, BridgeError> {
        let (chain, submitter) = match call.layer {
            Layer::L1 => (L1_CHAIN_ID, &self.l1),
            Layer::L2 => (L2_CHAIN_ID, &self.l2),
        };
        let call_of = BridgeCall {
            chain: ChainRef::Evm(chain),
            to: AccountRef::Evm(call.to),
            value: Amount::from_u256(call.value),
            data: call.data.to_vec(),
            least_gas: call.least_gas,
        };
        let budget = Amount::from_u256(ether(1));
        let mut submitter = submitter.lock().await;
        let entered = submitter.enter(id, from, EntryCall::Bridge(call_of), budget).await;
        let layer = call.layer;
        entered.map(|(entry, _)| entry).map_err(|source| BridgeError::Chain { layer, source })
    }

    async fn entry(&self, id: EntryId) -> Result<Option<Entry>, BridgeError> {
        if let Some(found) = self.l1.lock().await.entry(id) {
            return Ok(Some(found.clone()));
        }
        Ok(self.l2.lock().await.entry(id).cloned())
    }
}

pub(crate) struct Scene {
    pub(crate) network: Optimism,
    pub(crate) contracts: Contracts,
    pub(crate) adapter: Arc<Adapter>,
    pub(crate) courier: Courier<Disk, Desk>,
    pub(crate) desk: Desk,
    disk: Disk,
}

pub(crate) fn endpoints(url: &str, network: Network) -> Endpoints {
    let endpoint = Endpoint::new(url, RequestLimits::default()).unwrap();
    let profile = Profile { quorum: 1, ..network.profile().unwrap() };
    Endpoints::new(vec![endpoint], profile).unwrap()
}

/// The entry of the local network, as a file would have it.
pub(crate) fn local_network() -> BridgeNetwork {
    BridgeNetwork {
        stack: Stack::Optimism,
        l1_chain_id: L1_CHAIN_ID,
        l2_chain_id: L2_CHAIN_ID,
        entry: SYSTEM_CONFIG,
        entry_code_hash: None,
        token_router: None,
        source: "the local network".to_owned(),
        date: "2026-11-23".to_owned(),
    }
}

impl Scene {
    pub(crate) async fn start() -> Self {
        // What a node would log is part of what a failed test shows. Only the first test of a process begins it.
        let _begun = tracing_subscriber::fmt().with_test_writer().with_ansi(false).try_init();
        let mut network = Optimism::start().await;
        for byte in [PAYER, OWNER, OTHER] {
            network.l1.set_balance(address(byte), ether(100)).await;
        }
        for byte in [OWNER, OTHER] {
            network.l2.set_balance(address(byte), ether(100)).await;
        }
        let contracts = deploy(&mut network).await;
        let disk = Disk::default();
        let (adapter, desk, courier) = Self::node(&network, contracts, &disk);
        adapter.check().await.unwrap();
        Self { network, contracts, adapter, courier, desk, disk }
    }

    fn node(
        network: &Optimism,
        contracts: Contracts,
        disk: &Disk,
    ) -> (Arc<Adapter>, Desk, Courier<Disk, Desk>) {
        let l1 = endpoints(network.l1.url(), Network::Ethereum);
        let l2 = endpoints(network.l2.url(), Network::Optimism);
        let adapter = Arc::new(Adapter::new(l1.clone(), l2.clone(), local_network()));
        let zero = Address::ZERO;
        let on_l1 = Contracts { chain_id: L1_CHAIN_ID, channel: zero, registry: zero };
        let submitter = |endpoints, contracts, byte: u8| {
            let account = LocalAccount::from_secret(&[byte; 32]).unwrap();
            let accounts: Vec<Arc<dyn AccountSigner>> = vec![Arc::new(account)];
            let submitter = Submitter::new(endpoints, contracts, disk.clone(), accounts).unwrap();
            Arc::new(tokio::sync::Mutex::new(submitter))
        };
        let desk = Desk { l1: submitter(l1, on_l1, PAYER), l2: submitter(l2, contracts, OWNER) };
        let payers = Payers { l1: address(PAYER), l2: address(OWNER) };
        let rollup: Arc<dyn Rollup> = Arc::clone(&adapter) as Arc<dyn Rollup>;
        let courier = Courier::new(rollup, disk.clone(), desk.clone(), payers);
        (adapter, desk, courier)
    }

    /// The node dies at once, and a new one starts from its disk.
    pub(crate) async fn kill_and_restart(&mut self) {
        let (adapter, desk, mut courier) = Self::node(&self.network, self.contracts, &self.disk);
        adapter.check().await.unwrap();
        let entries: Vec<Entry> = self.disk.entries.lock().unwrap().values().cloned().collect();
        let is_on = |chain: u64| {
            move |entry: &Entry| entry.call().bridge_chain() == Some(ChainRef::Evm(chain))
        };
        let (l1, l2): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_on(L1_CHAIN_ID));
        desk.l1.lock().await.resume_entries(l1);
        desk.l2.lock().await.resume_entries(l2);
        courier.resume(self.disk.transfers.lock().unwrap().values().cloned().collect());
        (self.adapter, self.desk, self.courier) = (adapter, desk, courier);
    }

    /// What the disk holds of a transfer.
    pub(crate) fn kept(&self, id: B256) -> TransferRecord {
        self.disk.transfers.lock().unwrap()[&id].clone()
    }

    /// One block of L1 and a step of everything.
    pub(crate) async fn turn(&mut self) {
        self.network.tick().await;
        self.desk.l1.lock().await.step().await.unwrap();
        self.desk.l2.lock().await.step().await.unwrap();
        self.courier.step().await;
    }

    /// Turns until a transfer is as it should be.
    pub(crate) async fn until(
        &mut self,
        id: B256,
        is_so: impl Fn(&TransferView) -> bool,
    ) -> TransferView {
        for _ in 0..TURNS {
            let view = self.courier.view(id).expect("the transfer is known");
            if is_so(&view) {
                return view;
            }
            self.turn().await;
        }
        panic!("it never came to be: {:?}", self.courier.view(id));
    }

    pub(crate) fn terms(&self, salt: u8, token: Address) -> Terms {
        Terms {
            participant1: AccountRef::Evm(address(OWNER)),
            participant2: AccountRef::Evm(address(OTHER)),
            signer1: address(SIGNER_1),
            signer2: address(SIGNER_2),
            token: AccountRef::Evm(token),
            challenge_period: PERIOD,
            salt: B256::repeat_byte(salt),
        }
    }

    pub(crate) fn domain(&self) -> Domain {
        Domain::Evm { chain_id: L2_CHAIN_ID, contract: self.contracts.channel }
    }

    pub(crate) fn id_of(&self, terms: &Terms) -> ChannelId {
        terms.channel_id(self.domain())
    }

    /// An open of side 1 with side 2's consent.
    pub(crate) fn open(&self, terms: Terms, amount: U256) -> EntryCall {
        let amount = Amount::from_u256(amount);
        let open = Open {
            channel_id: self.id_of(&terms),
            min_deposit1: amount,
            deadline: BlockTimestamp(u64::from(u32::MAX)),
        };
        let consent = sign(SIGNER_2, SigningDomain::new(self.domain()).open(&open));
        EntryCall::Open { terms, amount, consent: Some((open, consent)) }
    }

    /// A state that both sides have signed.
    pub(crate) fn evidence(&self, terms: &Terms, version: u64) -> Evidence {
        let state = State {
            channel_id: self.id_of(terms),
            version: Version(version),
            kind: StateKind::Ordinary,
            net: Net::new(10).unwrap(),
            locked1: Amount::ZERO,
            locked2: Amount::ZERO,
            locks_root: B256::ZERO,
        };
        let digest = SigningDomain::new(self.domain()).state(&state);
        let (one, two) = (sign(SIGNER_1, digest), sign(SIGNER_2, digest));
        Evidence { state, locks: vec![], signature1: Some(one), signature2: Some(two) }
    }

    /// The same as one of many challenges.
    pub(crate) fn challenge_item(&self, terms: &Terms, version: u64) -> abi::ChallengeItem {
        let evidence = self.evidence(terms, version);
        let (signature1, signature2) = convert::evidence_signatures(&evidence).unwrap();
        let (terms, state) = (convert::terms(terms).unwrap(), convert::state(&evidence.state));
        abi::ChallengeItem { terms, state, signature1, signature2 }
    }

    /// Side 1's order to close, for whoever sends it.
    pub(crate) fn intent(&self, terms: &Terms) -> (CloseIntent, StateSignature) {
        let intent = CloseIntent {
            channel_id: self.id_of(terms),
            side: Side::One,
            min_version: Version(1),
            deadline: BlockTimestamp(u64::from(u32::MAX)),
        };
        (intent, sign(SIGNER_1, SigningDomain::new(self.domain()).close_intent(&intent)))
    }

    pub(crate) fn order(&self, name: u8, call: EntryCall, l1_token: Address) -> FundOrder {
        let terms = *call.terms().unwrap();
        FundOrder {
            id: B256::repeat_byte(name),
            payer: address(PAYER),
            refund_to: address(OWNER),
            contracts: self.contracts,
            channel_id: self.id_of(&terms),
            call,
            l1_token,
        }
    }

    pub(crate) async fn begin(&mut self, order: &FundOrder) -> Result<TransferView, BridgeError> {
        let start = self.adapter.fund(order).await?;
        self.courier.begin(start).await
    }

    /// A real token of L1, which the payer has some of, and the bridge's own form of it on the rollup.
    pub(crate) async fn token_pair(&mut self) -> (Address, Address) {
        let TokenPair { l1, l2 } =
            TokenPair::make(&mut self.network, address(PAYER), ether(1)).await;
        (l1, l2)
    }

    /// A deposit's notes with another call.
    pub(crate) fn with_call(&self, memo: &[u8], data: Vec<u8>) -> Vec<u8> {
        let memo = DepositMemo::abi_decode(memo).unwrap();
        DepositMemo { data: data.into(), ..memo }.abi_encode()
    }

    /// Somebody puts other code behind the portal.
    pub(crate) async fn upgrade_portal(&self) {
        let slot = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";
        let portal = lockstep_devnet::optimism::PORTAL;
        // The same code at another address: nothing but the address tells.
        let old = self.network.l1.ask("eth_getStorageAt", json!([portal, slot, "latest"])).await;
        let old: B256 = serde_json::from_value(old).unwrap();
        let code = self.network.l1.ask("eth_getCode", json!([Address::from_word(old), "latest"]));
        let copy = Address::repeat_byte(0xc0);
        let code = code.await;
        self.network.l1.ask("anvil_setCode", json!([copy, code])).await;
        let params = json!([portal, slot, copy.into_word()]);
        self.network.l1.ask("anvil_setStorageAt", params).await;
    }

    /// What the contract holds of a channel.
    pub(crate) async fn stored(&self, id: ChannelId) -> abi::Channel {
        let call = abi::channelOfCall { channelId: id.0 };
        self.network.l2.read(self.contracts.channel, &call).await
    }
}

async fn deploy(network: &mut Optimism) -> Contracts {
    let salt = B256::repeat_byte(3);
    let kind = ChainKind::Development { minimum_secs: 1 };
    let registry = Creation::plain(ArtifactName::SecretRegistry, salt).unwrap();
    let config = DeployConfig::uncapped(kind.bounds().unwrap(), registry.address);
    let name = ArtifactName::PaymentChannel;
    let channel = Creation::channel(name, &config, salt).unwrap();
    for creation in [registry, channel] {
        let data = creation.to_calldata();
        let receipt = network.send_l2(address(OTHER), Some(DEPLOYER), U256::ZERO, data).await;
        assert!(receipt.is_success(), "the contracts can be deployed");
    }
    let deployed = Deployment::expected("local", L2_CHAIN_ID, name, "2026-11-23", salt, config);
    Contracts::from(&deployed.unwrap())
}
