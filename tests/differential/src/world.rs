//! Who and what there is: the deployed contracts, accounts, keys and tokens.

use crate::chain::{Chain, Transaction};
use crate::fixture::{FixtureToken, resolver_code, token_code, wallet_code};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolValue};
use k256::ecdsa::SigningKey;
use lockstep_contracts::artifact::{Artifact, ArtifactName};
use lockstep_contracts::config::{DeployConfig, LaunchSchedule};
use lockstep_contracts::deployment::registry_of;
use lockstep_core::ids::{AccountRef, Domain};
use lockstep_core::signature::SignerKey;
use lockstep_core::terms::PeriodBounds;
use revm::primitives::hardfork::SpecId;

/// Bounds of the challenge period, in seconds: short, so that runs cross every deadline.
pub const BOUNDS: PeriodBounds = PeriodBounds { minimum: 60, maximum: 600 };
/// Where time begins. Seconds.
pub const START: u64 = 1_700_000_000;
/// Chain id of the runs.
pub const CHAIN_ID: u64 = 31_337;
/// What the token with a fee keeps of each transfer.
pub const FEE_PERCENT: u64 = 3;
/// What everybody has at first, of ether and of each token.
pub const WEALTH_BITS: usize = 200;

/// Whose code is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// For chains with transient storage.
    Cancun,
    /// For chains without.
    Shanghai,
}

impl Build {
    /// Its artifact.
    #[must_use]
    pub fn artifact(self) -> ArtifactName {
        match self {
            Self::Cancun => ArtifactName::PaymentChannel,
            Self::Shanghai => ArtifactName::PaymentChannelShanghai,
        }
    }

    /// The rules of the chain that it is for.
    fn rules(self) -> SpecId {
        match self {
            Self::Cancun => SpecId::CANCUN,
            Self::Shanghai => SpecId::SHANGHAI,
        }
    }
}

/// An account with its key.
#[derive(Clone, Debug)]
pub struct Account {
    /// The key.
    pub key: SigningKey,
    /// The key's address.
    pub address: Address,
}

impl Account {
    fn new(role: u8, index: u8) -> Self {
        let mut bytes = [role; 32];
        bytes[31] = index;
        let key = SigningKey::from_slice(&bytes).expect("a scalar in range");
        let address = SignerKey::from_verifying_key(*key.verifying_key()).address();
        Self { key, address }
    }
}

/// Addresses that never change during a run.
#[derive(Clone, Debug)]
pub struct World {
    /// The channel contract.
    pub channels: Address,
    /// The registry of secrets.
    pub registry: Address,
    /// A resolver that answers as it is told.
    pub resolver: Address,
    /// A participant that is a contract.
    pub wallet: Address,
    /// Native coin, a plain token, and one that takes a fee.
    pub tokens: [Address; 3],
    /// Owners of side 1, besides the wallet.
    pub owners1: Vec<Account>,
    /// Owners of side 2.
    pub owners2: Vec<Account>,
    /// Keys that sign states.
    pub signers: Vec<Account>,
    /// Somebody else, with money.
    pub stranger: Account,
    /// Somebody else, without a token or an allowance.
    pub pauper: Account,
    /// Receives what others withdraw.
    pub recipient: Address,
}

impl World {
    /// Deploys everything and endows everybody.
    ///
    /// # Panics
    /// If something cannot be deployed.
    #[must_use]
    pub fn create(build: Build, channel_code: &Bytes) -> (Self, Chain) {
        let mut chain = Chain::new(CHAIN_ID, build.rules(), START);
        let stranger = Account::new(5, 1);
        let deployer = stranger.address;
        let wealth = U256::ONE << WEALTH_BITS;
        chain.endow(deployer, wealth);
        let registry_code = Artifact::committed(registry_of(build.artifact()));
        let registry = chain.deploy(deployer, registry_code.expect("an artifact").creation_code);
        let args = config(registry).to_constructor_args().expect("a good configuration");
        let channels = chain.deploy(deployer, [channel_code.as_ref(), &args].concat().into());
        let token = |chain: &mut Chain, fee: u64| {
            let args = U256::from(fee).abi_encode();
            chain.deploy(deployer, [token_code().as_ref(), &args].concat().into())
        };
        let tokens = [Address::ZERO, token(&mut chain, 0), token(&mut chain, FEE_PERCENT)];
        let resolver = chain.deploy(deployer, resolver_code());
        let wallet = chain.deploy(deployer, wallet_code());
        let accounts = |role: u8, count: u8| (1..=count).map(|i| Account::new(role, i)).collect();
        let world = Self {
            channels,
            registry,
            resolver,
            wallet,
            tokens,
            owners1: accounts(1, 2),
            owners2: accounts(2, 3),
            signers: accounts(3, 6),
            stranger,
            pauper: Account::new(6, 1),
            recipient: Address::repeat_byte(0xbb),
        };
        world.endow_all(&mut chain, wealth);
        (world, chain)
    }

    /// The domain of its signatures.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain::Evm { chain_id: CHAIN_ID, contract: self.channels }
    }

    /// Everybody whose money is watched.
    #[must_use]
    pub fn everybody(&self) -> Vec<Address> {
        let accounts = [&self.owners1, &self.owners2, &self.signers];
        let mut all: Vec<_> = accounts.into_iter().flatten().map(|a| a.address).collect();
        let others = [self.stranger.address, self.pauper.address];
        all.extend([self.wallet, self.recipient, self.channels].into_iter().chain(others));
        all
    }

    /// The key of an account that has one.
    #[must_use]
    pub fn key_of(&self, address: Address) -> Option<&SigningKey> {
        let strangers = [&self.stranger, &self.pauper];
        [&self.owners1, &self.owners2, &self.signers]
            .into_iter()
            .flatten()
            .chain(strangers)
            .find(|account| account.address == address)
            .map(|account| &account.key)
    }

    /// What somebody has of a token.
    #[must_use]
    pub fn balance(&self, chain: &Chain, token: Address, account: Address) -> U256 {
        if token.is_zero() {
            return chain.ether_of(account);
        }
        // `balanceOf` is the token's first variable.
        chain.mapping(token, 0, account)
    }

    fn endow_all(&self, chain: &mut Chain, wealth: U256) {
        for account in self.everybody() {
            if account == self.wallet {
                // A contract keeps its code: it is paid like anybody.
                let tx = Transaction {
                    from: self.stranger.address,
                    to: account,
                    value: wealth >> 1,
                    data: Bytes::new(),
                };
                assert!(matches!(chain.send(&tx), crate::chain::Outcome::Success { .. }));
            } else if account != self.channels && account != self.recipient {
                chain.endow(account, wealth);
            }
        }
        for token in &self.tokens[1..] {
            for account in self.everybody() {
                if account != self.channels && account != self.pauper.address {
                    self.give_token(chain, *token, account, wealth);
                }
            }
        }
    }

    fn give_token(&self, chain: &mut Chain, token: Address, account: Address, wealth: U256) {
        let mint = FixtureToken::mintCall { account, amount: wealth }.abi_encode();
        let approve = FixtureToken::approveCall { spender: self.channels, amount: U256::MAX };
        let approve = approve.abi_encode();
        let from_account = if account == self.wallet {
            crate::action::through_wallet(self, token, U256::ZERO, approve.into())
        } else {
            Transaction { from: account, to: token, value: U256::ZERO, data: approve.into() }
        };
        let from = self.stranger.address;
        let mint = Transaction { from, to: token, value: U256::ZERO, data: mint.into() };
        for tx in [mint, from_account] {
            assert!(matches!(chain.send(&tx), crate::chain::Outcome::Success { .. }));
        }
    }
}

/// The constructor argument of the runs.
#[must_use]
pub fn config(registry: Address) -> DeployConfig {
    DeployConfig {
        min_challenge_period: BOUNDS.minimum,
        max_challenge_period: BOUNDS.maximum,
        secret_registry: registry,
        permit2: Address::ZERO,
        launch: LaunchSchedule::default(),
    }
}

/// The address of an account that is on an EVM chain.
///
/// # Panics
/// If it is not.
#[must_use]
pub fn address_of(account: AccountRef) -> Address {
    match account {
        AccountRef::Evm(address) => address,
        AccountRef::Starknet(felt) => panic!("{felt} is no EVM account"),
    }
}

/// A number as a word.
#[must_use]
pub fn word(number: u64) -> B256 {
    B256::from(U256::from(number))
}
