//! A chain in memory: revm with the committed bytecode on it.

use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256, keccak256};
use revm::context::TxEnv;
use revm::context::result::ExecutionResult;
use revm::database::{CacheDB, EmptyDB};
use revm::handler::{MainnetContext, MainnetEvm};
use revm::primitives::hardfork::SpecId;
use revm::state::AccountInfo;
use revm::{Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext};

/// As much as a block of a large chain gives one transaction.
const GAS_LIMIT: u64 = 16_000_000;

/// One transaction.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Who sends it.
    pub from: Address,
    /// Who is called.
    pub to: Address,
    /// Ether that goes with it. Wei.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
}

/// What came of a transaction.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It succeeded.
    Success {
        /// What it returned.
        output: Bytes,
        /// What it logged.
        logs: Vec<Log>,
    },
    /// It reverted with this data.
    Revert(Bytes),
    /// It ran out of gas or into an invalid instruction.
    Halt(String),
}

/// A chain in memory.
pub struct Chain {
    evm: MainnetEvm<MainnetContext<CacheDB<EmptyDB>>>,
    /// Timestamp of the next block. Seconds.
    pub now: u64,
}

impl Chain {
    /// An empty chain of this id, by these rules.
    #[must_use]
    pub fn new(chain_id: u64, rules: SpecId, now: u64) -> Self {
        let evm = Context::mainnet()
            .with_db(CacheDB::new(EmptyDB::default()))
            .modify_cfg_chained(|cfg| {
                cfg.chain_id = chain_id;
                cfg.set_spec_and_mainnet_gas_params(rules);
                cfg.disable_nonce_check = true;
            })
            .build_mainnet();
        Self { evm, now }
    }

    /// Gives an account ether.
    pub fn endow(&mut self, account: Address, balance: U256) {
        let info = AccountInfo { balance, ..AccountInfo::default() };
        self.evm.ctx.journaled_state.database.insert_account_info(account, info);
    }

    /// Deploys a contract and says where it is.
    ///
    /// # Panics
    /// If the constructor fails.
    pub fn deploy(&mut self, from: Address, code: Bytes) -> Address {
        let tx = self.transaction(from, TxKind::Create, U256::ZERO, code);
        let result = self.evm.transact_commit(tx).expect("a valid transaction");
        result.created_address().unwrap_or_else(|| panic!("deployment failed: {result:?}"))
    }

    /// Sends a transaction.
    ///
    /// # Panics
    /// If it is one that no chain would take, such as one that its sender can't pay.
    pub fn send(&mut self, tx: &Transaction) -> Outcome {
        let Transaction { from, to, value, data } = tx.clone();
        let tx = self.transaction(from, TxKind::Call(to), value, data);
        outcome(self.evm.transact_commit(tx).expect("a valid transaction"))
    }

    /// Calls a view.
    ///
    /// # Panics
    /// If it fails.
    pub fn view(&mut self, to: Address, data: Vec<u8>) -> Bytes {
        let tx = self.transaction(Address::ZERO, TxKind::Call(to), U256::ZERO, data.into());
        let result = self.evm.transact(tx).expect("a valid call").result;
        match outcome(result) {
            Outcome::Success { output, .. } => output,
            failed @ (Outcome::Revert(_) | Outcome::Halt(_)) => panic!("view failed: {failed:?}"),
        }
    }

    /// Ether of an account. Wei.
    #[must_use]
    pub fn ether_of(&self, account: Address) -> U256 {
        let accounts = &self.evm.ctx.journaled_state.database.cache.accounts;
        accounts.get(&account).map(|account| account.info.balance).unwrap_or_default()
    }

    /// A word of a contract's storage.
    #[must_use]
    pub fn storage(&self, contract: Address, slot: B256) -> U256 {
        let accounts = &self.evm.ctx.journaled_state.database.cache.accounts;
        let slot = U256::from_be_bytes(slot.0);
        accounts
            .get(&contract)
            .and_then(|account| account.storage.get(&slot))
            .copied()
            .unwrap_or_default()
    }

    /// An entry of a mapping whose own slot is `slot`.
    #[must_use]
    pub fn mapping(&self, contract: Address, slot: u64, key: Address) -> U256 {
        let words = [key.into_word(), B256::from(U256::from(slot))].concat();
        self.storage(contract, keccak256(words))
    }

    /// The runtime code of a contract.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn code(&self, contract: Address) -> Bytes {
        let database = &self.evm.ctx.journaled_state.database;
        let hash = database.cache.accounts[&contract].info.code_hash;
        database.cache.contracts[&hash].original_bytes()
    }

    fn transaction(&mut self, from: Address, kind: TxKind, value: U256, data: Bytes) -> TxEnv {
        self.evm.ctx.block.timestamp = U256::from(self.now);
        TxEnv::builder()
            .chain_id(Some(self.evm.ctx.cfg.chain_id))
            .caller(from)
            .kind(kind)
            .value(value)
            .data(data)
            .gas_limit(GAS_LIMIT)
            .gas_price(0)
            .build_fill()
    }
}

fn outcome(result: ExecutionResult) -> Outcome {
    match result {
        ExecutionResult::Success { logs, output, .. } => {
            Outcome::Success { output: output.into_data(), logs }
        }
        ExecutionResult::Revert { output, .. } => Outcome::Revert(output),
        ExecutionResult::Halt { reason, .. } => Outcome::Halt(format!("{reason:?}")),
    }
}
