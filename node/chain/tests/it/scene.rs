//! A deployment, channels, and the evidence of both sides.

use crate::anvil::Anvil;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use lockstep_chain::call::Contracts;
use lockstep_chain::convert;
use lockstep_chain::endpoint::Endpoint;
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::follower::{Batch, Delivery, Follower, Sighting, Start};
use lockstep_chain::profile::{Network, Profile};
use lockstep_chain::rpc::{At, CallRequest};
use lockstep_contracts::artifact::ArtifactName;
use lockstep_contracts::bindings::PaymentChannel as abi;
use lockstep_contracts::config::DeployConfig;
use lockstep_contracts::create2::{Creation, DEPLOYER};
use lockstep_contracts::deployment::Deployment;
use lockstep_contracts::window::ChainKind;
use lockstep_core::chain::{
    ChainCall, ChainFact, Evidence, Obligation, ObligationKey, ObligationKind,
};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{AccountRef, ChannelId, Digest, Domain, Version};
use lockstep_core::money::{Amount, Net};
use lockstep_core::signature::StateSignature;
use lockstep_core::state::{Open, State, StateKind};
use lockstep_core::terms::Terms;
use lockstep_core::time::{BlockTimestamp, Finality};

pub(crate) const DEPOSIT: u64 = 1_000_000;
pub(crate) const PERIOD: u32 = 100_000;

pub(crate) struct Scene {
    pub(crate) anvil: Anvil,
    pub(crate) deployment: Deployment,
    pub(crate) contracts: Contracts,
    pub(crate) owner1: Address,
    pub(crate) owner2: Address,
}

/// A channel and the keys of both sides.
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    pub(crate) terms: Terms,
    domain: Domain,
}

pub(crate) fn key(byte: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).unwrap()
}

fn sign(byte: u8, digest: Digest) -> StateSignature {
    StateSignature(key(byte).sign_hash_sync(&digest.0).unwrap().as_erc2098())
}

pub(crate) fn profile(quorum: usize) -> Profile {
    Profile { quorum, ..Network::Development.profile().unwrap() }
}

pub(crate) fn endpoints(urls: &[&str], quorum: usize) -> Endpoints {
    let all = urls.iter().map(|url| Endpoint::new(url, crate::anvil::limits()).unwrap());
    Endpoints::new(all.collect(), profile(quorum)).unwrap()
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let anvil = Anvil::start();
        let salt = B256::repeat_byte(3);
        let kind = ChainKind::Development { minimum_secs: 1 };
        let registry = Creation::plain(ArtifactName::SecretRegistry, salt).unwrap();
        let config = DeployConfig::uncapped(kind.bounds().unwrap(), registry.address);
        let name = ArtifactName::PaymentChannel;
        let channel = Creation::channel(name, &config, salt).unwrap();
        let (owner1, owner2) = (anvil.account(0).await, anvil.account(1).await);
        for creation in [registry, channel] {
            let data = json_tx(owner1, DEPLOYER, &creation.to_calldata());
            anvil.ask("eth_sendTransaction", (data,)).await;
            anvil.mine(1).await;
        }
        let deployment =
            Deployment::expected("local", 31_337, name, "2026-01-02", salt, config).unwrap();
        let contracts = Contracts::from(&deployment);
        Self { anvil, deployment, contracts, owner1, owner2 }
    }

    pub(crate) fn endpoints(&self) -> Endpoints {
        endpoints(&[&self.anvil.url], 1)
    }

    pub(crate) fn channel(&self, salt: u8) -> Channel {
        self.channel_of(salt, self.owner1, Address::ZERO)
    }

    /// A channel of another participant 1, or in another coin.
    pub(crate) fn channel_of(&self, salt: u8, owner1: Address, token: Address) -> Channel {
        let terms = Terms {
            participant1: AccountRef::Evm(owner1),
            participant2: AccountRef::Evm(self.owner2),
            signer1: key(0x11).address(),
            signer2: key(0x22).address(),
            token: AccountRef::Evm(token),
            challenge_period: PERIOD,
            salt: B256::repeat_byte(salt),
        };
        let Contracts { chain_id, channel: contract, .. } = self.contracts;
        let domain = Domain::Evm { chain_id, contract };
        Channel { id: terms.channel_id(domain), terms, domain }
    }

    /// Sends the open with side 2's acceptance, without mining it.
    pub(crate) async fn send_open(&self, channel: &Channel) -> B256 {
        let data = channel.open_call();
        self.anvil.send(self.owner1, self.contracts.channel, DEPOSIT, data).await
    }

    pub(crate) async fn open(&self, salt: u8) -> Channel {
        let channel = self.channel(salt);
        let tx = self.send_open(&channel).await;
        self.anvil.mine(1).await;
        self.anvil.must_succeed(tx).await;
        channel
    }

    /// Sends a close at a version (0: without a state), without mining it.
    pub(crate) async fn send_close(&self, channel: &Channel, version: u64) -> B256 {
        let evidence = (version > 0).then(|| channel.evidence(version, 10));
        let call = ChainCall::InitiateClose(evidence);
        let (to, data) =
            lockstep_chain::call::encode(&self.contracts, &channel.terms, &call, None).unwrap();
        self.anvil.send(self.owner1, to, 0, data).await
    }

    pub(crate) async fn close(&self, channel: &Channel, version: u64) -> B256 {
        let tx = self.send_close(channel, version).await;
        self.anvil.mine(1).await;
        self.anvil.must_succeed(tx).await;
        tx
    }

    pub(crate) async fn stored(&self, channel: &Channel) -> abi::Channel {
        let data = abi::channelOfCall { channelId: channel.id.0 }.abi_encode();
        let call = CallRequest::view(self.contracts.channel, data.into());
        let data = self.anvil.rpc.call(&call, At::Latest).await.unwrap();
        lockstep_chain::decode::channel(&data).unwrap()
    }

    pub(crate) async fn follower(&self, endpoints: Endpoints, channels: &[&Channel]) -> Follower {
        let mut follower = Follower::start(endpoints, self.contracts, Start::Now).await.unwrap();
        for channel in channels {
            follower.watch(channel.id, None);
        }
        follower
    }
}

fn json_tx(from: Address, to: Address, data: &Bytes) -> serde_json::Value {
    serde_json::json!({"from": from, "to": to, "data": data, "gas": U256::from(12_000_000)})
}

impl Channel {
    /// Side 2's consent to an open with the usual deposit.
    pub(crate) fn consent(&self, deadline: u64) -> (Open, StateSignature) {
        let open = Open {
            channel_id: self.id,
            min_deposit1: Amount::from_u256(U256::from(DEPOSIT)),
            deadline: BlockTimestamp(deadline),
        };
        (open, sign(0x22, SigningDomain::new(self.domain).open(&open)))
    }

    fn open_call(&self) -> Bytes {
        let deadline = u64::from(u32::MAX);
        let (_, signature) = self.consent(deadline);
        let mut accept = U256::from(DEPOSIT).to_be_bytes::<32>().to_vec();
        accept.extend(deadline.to_be_bytes());
        accept.extend(signature.0);
        let terms = convert::terms(&self.terms).unwrap();
        let amount = U256::from(DEPOSIT);
        abi::openChannelCall { terms, amount, accept: accept.into() }.abi_encode().into()
    }

    pub(crate) fn evidence(&self, version: u64, net: i128) -> Evidence {
        self.evidence_of(StateKind::Ordinary, version, net)
    }

    pub(crate) fn evidence_of(&self, kind: StateKind, version: u64, net: i128) -> Evidence {
        let state = State {
            channel_id: self.id,
            version: Version(version),
            kind,
            net: Net::new(net).unwrap(),
            locked1: Amount::ZERO,
            locked2: Amount::ZERO,
            locks_root: B256::ZERO,
        };
        let digest = SigningDomain::new(self.domain).state(&state);
        let (one, two) = (sign(0x11, digest), sign(0x22, digest));
        Evidence { state, locks: vec![], signature1: Some(one), signature2: Some(two) }
    }

    /// `updateState` at a version.
    pub(crate) fn checkpoint(&self, scene: &Scene, version: u64) -> (Address, Bytes) {
        let evidence = self.evidence(version, 10);
        let (signature1, signature2) = convert::evidence_signatures(&evidence).unwrap();
        let terms = convert::terms(&self.terms).unwrap();
        let state = convert::state(&evidence.state);
        let call = abi::updateStateCall { terms, state, signature1, signature2 };
        (scene.contracts.channel, call.abi_encode().into())
    }

    pub(crate) fn challenge(&self, version: u64, closes_at: u64) -> Obligation {
        let key = self.key(ObligationKind::Challenge, version);
        let call = ChainCall::Challenge(self.evidence(version, 20));
        Obligation::new(key, call, Some(BlockTimestamp(closes_at)))
    }

    pub(crate) fn key(&self, kind: ObligationKind, version: u64) -> ObligationKey {
        let (channel_id, version) = (self.id, Version(version));
        ObligationKey { channel_id, kind, version, detail: B256::ZERO }
    }
}

/// The facts of a batch at a finality.
pub(crate) fn facts(batch: &Batch, finality: Finality) -> Vec<&Sighting> {
    let facts = batch.deliveries.iter().filter_map(|delivery| match delivery {
        Delivery::Fact(sighting) => Some(sighting.as_ref()),
        Delivery::Retracted { .. }
        | Delivery::CloseRetracted(_)
        | Delivery::Head(_)
        | Delivery::Finalized(_)
        | Delivery::Alarm(_) => None,
    });
    facts.filter(|sighting| sighting.event.finality == finality).collect()
}

pub(crate) fn is_opened(fact: &ChainFact) -> bool {
    matches!(fact, ChainFact::Opened { is_active: true, .. })
}

pub(crate) fn is_closing(fact: &ChainFact) -> bool {
    matches!(fact, ChainFact::Closing { .. })
}
