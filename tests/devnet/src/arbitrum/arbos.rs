//! What ArbOS does with messages from L1, on a plain EVM chain.
//!
//! Exact: hashes, events, escrow, refunds, aliases, who may redeem, which messages are read when. Not modelled:
//! gas for L1 data, `block.number` as L1's, a ticket and its attempt in one block, the sweep of expired tickets.
//! Source: nitro `arbos/tx_processor.go`, `arbos/parse_l2.go`.

use super::Settings;
use super::abi::{Attempt, IArbRetryableTxDouble, IArbSysDouble};
use super::deploy::L1Contracts;
use super::names::{Known, Names};
use super::package::precompile;
use crate::chain::LocalChain;
use alloy::rpc::types::{Filter, Log};
use alloy_primitives::{Address, B256, Bytes, U64, U256, address, keccak256};
use alloy_sol_types::{SolCall, SolEvent};
use lockstep_bridge::arbitrum::abi::{
    ARB_RETRYABLE_TX, ARB_SYS, IArbRetryableTx, IBridge, IInbox, ISequencerInbox, NODE_INTERFACE,
};
use lockstep_bridge::arbitrum::delayed::{
    DelayedMessage, ETHER_DEPOSIT, L2_MESSAGE, RETRYABLE, SIGNED_TRANSACTION,
};
use lockstep_bridge::arbitrum::ether_deposit::EtherDeposit;
use lockstep_bridge::arbitrum::submission::{MIN_AUTO_REDEEM_GAS, submission_cost};
use lockstep_bridge::arbitrum::ticket::{Origin, Ticket, escrow_of};
use lockstep_chain::rpc::Receipt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whom the stand-ins of the precompiles obey.
const ARBOS: Address = address!("00000000000000000000000000000000000a4b05");
/// Who gets fees.
const NETWORK_FEES: Address = address!("000000000000000000000000000000000000fee0");
/// Gas of what ArbOS itself does.
const SYSTEM_GAS: u64 = 3_000_000;

/// What goes wrong on the rollup, set by tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// The sequencer takes no transactions, and no messages but those that L1 forced in.
    pub is_paused: bool,
    /// Gas that an automatic attempt gets at most, so that it runs out.
    pub auto_redeem_gas: Option<u64>,
    /// Base fee of the rollup. Units: wei per gas.
    pub base_fee: u64,
    /// A batch is posted whenever there is something new.
    pub posts_batches: bool,
}

struct Held {
    ticket: Ticket,
    from: Address,
    is_over: bool,
}

/// A batch: what it made safe once its L1 block is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    pub(super) l1_block: u64,
    pub(super) l2_head: u64,
}

pub(super) struct ArbOs {
    pub(super) chain_id: u64,
    pub(super) l1: Arc<LocalChain>,
    pub(super) l2: Arc<LocalChain>,
    pub(super) contracts: L1Contracts,
    pub(super) sequencer: Address,
    pub(super) knobs: Knobs,
    /// Seconds between two blocks of L1 that are made at once.
    pub(super) l1_block_secs: u64,
    pub(super) names: Names,
    pub(super) batches: Vec<Batch>,
    /// The first block that has the precompiles.
    pub(super) genesis: u64,
    pub(super) next_message: u64,
    accumulator: B256,
    l1_scanned: u64,
    l2_scanned: u64,
    tickets: BTreeMap<B256, Held>,
}

/// What of a deposit may still be given back.
struct Pool(U256);

impl Pool {
    fn take(&mut self, amount: U256) -> U256 {
        let taken = amount.min(self.0);
        self.0 -= taken;
        taken
    }
}

impl ArbOs {
    /// Installs the precompiles.
    pub(super) async fn install(
        settings: &Settings,
        l1: Arc<LocalChain>,
        l2: Arc<LocalChain>,
        contracts: L1Contracts,
        sequencer: Address,
    ) -> Self {
        let (chain_id, knobs) = (settings.l2_chain_id, settings.knobs);
        for (address, name) in [(ARB_SYS, "ArbSys"), (ARB_RETRYABLE_TX, "ArbRetryableTx")] {
            l2.ask("anvil_setCode", json!([address, precompile(name)])).await;
        }
        l2.ask("anvil_setCode", json!([NODE_INTERFACE, "0xfe"])).await;
        l2.ask("anvil_impersonateAccount", json!([ARBOS])).await;
        l2.set_balance(ARBOS, U256::from(10).pow(U256::from(30))).await;
        l2.ask("evm_mine", json!([])).await;
        let genesis = l2.head().await;
        Self {
            chain_id,
            l1,
            l2,
            contracts,
            sequencer,
            knobs,
            l1_block_secs: settings.l1_block_secs.unwrap_or(12),
            names: Names::default(),
            batches: Vec::new(),
            genesis,
            next_message: 0,
            accumulator: B256::ZERO,
            l1_scanned: 0,
            l2_scanned: genesis,
            tickets: BTreeMap::new(),
        }
    }

    /// Does whatever is due: messages of L1, attempts that were asked for, cancellations, a batch.
    pub(super) async fn catch_up(&mut self) {
        self.serve_tickets().await;
        let readable = self.readable().await;
        if readable > self.next_message {
            for (message, data) in self.messages().await {
                if self.next_message >= readable {
                    break;
                }
                self.read(&message, data).await;
            }
        }
        self.serve_tickets().await;
        if self.knobs.posts_batches && !self.knobs.is_paused {
            let posted = self.batches.last().map_or(0, |batch| batch.l2_head);
            if self.l2.head().await > posted {
                self.post_batch().await;
            }
        }
    }

    /// How many messages the rollup must have read: those that a batch or force has put in, and while the
    /// sequencer works, those of final L1 blocks.
    async fn readable(&self) -> u64 {
        let call = ISequencerInbox::totalDelayedMessagesReadCall {};
        let forced = self.l1.read(self.contracts.sequencer_inbox, &call).await.to::<u64>();
        if self.knobs.is_paused {
            return forced;
        }
        let call = IBridge::delayedMessageCountCall {}.abi_encode();
        let request =
            json!([{"to": self.contracts.bridge, "data": Bytes::from(call)}, "finalized"]);
        let answer = self.l1.ask("eth_call", request).await;
        let answer: Bytes = serde_json::from_value(answer).expect("bytes");
        // Before the bridge was there the answer is empty.
        let settled = U256::try_from_be_slice(&answer).unwrap_or_default().to::<u64>();
        forced.max(settled)
    }

    /// The messages that were not read yet, in order, each with what it says if an inbox of users wrote it.
    async fn messages(&mut self) -> Vec<(Log, Option<Bytes>)> {
        let filter = Filter::new().from_block(self.l1_scanned).address(self.contracts.bridge);
        let filter = filter.event_signature(IBridge::MessageDelivered::SIGNATURE_HASH);
        let delivered = self.l1.endpoint().logs(&filter).await.expect("logs of L1");
        let filter = Filter::new().from_block(self.l1_scanned).address(self.contracts.inbox);
        let filter = filter.event_signature(IInbox::InboxMessageDelivered::SIGNATURE_HASH);
        let written = self.l1.endpoint().logs(&filter).await.expect("logs of L1");
        let written: BTreeMap<U256, Bytes> = written
            .iter()
            .map(|log| IInbox::InboxMessageDelivered::decode_log(&log.inner).expect("an event"))
            .map(|event| (event.messageNum, event.data.data.clone()))
            .collect();
        let mut messages: Vec<_> = delivered
            .into_iter()
            .map(|log| {
                let number = U256::from_be_bytes(log.topics()[1].0);
                (number, (log, written.get(&number).cloned()))
            })
            .filter(|(number, _)| *number >= U256::from(self.next_message))
            .collect();
        messages.sort_by_key(|(number, _)| *number);
        messages.into_iter().map(|(_, message)| message).collect()
    }

    /// Reads one message, after checking that the bridge's accumulator is what our formula makes of all before.
    async fn read(&mut self, log: &Log, data: Option<Bytes>) {
        let event = IBridge::MessageDelivered::decode_log(&log.inner).expect("an event").data;
        assert_eq!(event.messageIndex, U256::from(self.next_message), "messages come in order");
        assert_eq!(event.beforeInboxAcc, self.accumulator, "the bridge counts as we do");
        let message = DelayedMessage {
            kind: event.kind,
            sender: event.sender,
            block_number: log.block_number.expect("a mined log"),
            timestamp: event.timestamp,
            number: event.messageIndex,
            base_fee: event.baseFeeL1,
            data_hash: event.messageDataHash,
        };
        self.accumulator = message.accumulate(self.accumulator);
        self.next_message += 1;
        self.l1_scanned = message.block_number;
        let Some(data) = data else { return };
        assert_eq!(keccak256(&data), message.data_hash, "the inbox says what the bridge hashed");
        let number = self.l1.head().await;
        self.system(ARB_SYS, &IArbSysDouble::setL1BlockCall { number }).await;
        match message.kind {
            RETRYABLE => self.submit(&message, &data).await,
            ETHER_DEPOSIT => self.deposit(&message, &data).await,
            L2_MESSAGE if data.first() == Some(&SIGNED_TRANSACTION) => {
                let raw = Bytes::copy_from_slice(&data[1..]);
                self.hold_base_fee().await;
                // ArbOS drops what is not valid, without a trace.
                let _dropped = self.l2.try_ask("eth_sendRawTransaction", json!([raw])).await;
            }
            kind => panic!("the local network does not read messages of kind {kind}"),
        }
    }

    fn origin(&self, message: &DelayedMessage) -> Origin {
        Origin {
            chain_id: self.chain_id,
            message_number: message.number,
            sender: message.sender,
            l1_base_fee: message.base_fee,
        }
    }

    async fn deposit(&mut self, message: &DelayedMessage, data: &[u8]) {
        let deposit = EtherDeposit::from_message(data).expect("the inbox writes 52 bytes");
        self.mint(deposit.to, deposit.value).await;
        let hash = deposit.hash(&self.origin(message));
        let backend = self.nothing().await.transaction_hash;
        let known = Known { backend, kind: 0x64, from: message.sender, to: deposit.to };
        self.names.insert(hash, known);
    }

    /// Creates a ticket, and makes the automatic attempt if the bid allows it.
    async fn submit(&mut self, message: &DelayedMessage, data: &[u8]) {
        let ticket = Ticket::from_message(data).expect("the inbox writes tickets");
        let (id, from) = (ticket.id(&self.origin(message)), message.sender);
        let mut pool = Pool(ticket.deposit_value);
        pool.take(ticket.call_value);
        self.mint(from, ticket.deposit_value).await;
        let fee = submission_cost(ticket.data.len(), message.base_fee).expect("a real fee");
        let submission = ticket.max_submission_cost;
        if self.l2.balance(from).await < submission || submission < fee {
            return self.fail_submission(id, from).await;
        }
        assert!(self.shift(from, NETWORK_FEES, fee).await, "it was just checked");
        let withheld_submission = pool.take(fee);
        let unused = pool.take(submission - fee);
        self.shift(from, ticket.excess_refund, unused).await;
        if !self.shift(from, escrow_of(id), ticket.call_value).await {
            self.shift(NETWORK_FEES, from, fee).await;
            self.shift(from, ticket.excess_refund, withheld_submission).await;
            return self.fail_submission(id, from).await;
        }
        let price = U256::from(self.knobs.base_fee);
        let most = ticket.max_fee_per_gas.saturating_mul(ticket.gas_limit);
        let is_tried = self.l2.balance(from).await >= most
            && ticket.gas_limit >= U256::from(MIN_AUTO_REDEEM_GAS)
            && ticket.max_fee_per_gas >= price;
        let attempt = if is_tried {
            let cost = price * ticket.gas_limit;
            self.shift(from, NETWORK_FEES, cost).await;
            let withheld_gas = pool.take(cost);
            let unused = pool.take((ticket.max_fee_per_gas - price) * ticket.gas_limit);
            self.shift(from, ticket.excess_refund, unused).await;
            let gas = ticket.gas_limit.to::<u64>();
            let gas = self.knobs.auto_redeem_gas.map_or(gas, |cap| cap.min(gas));
            Attempt {
                gas,
                price,
                refundTo: ticket.excess_refund,
                maxRefund: pool.0 + withheld_gas + withheld_submission,
                submissionFeeRefund: fee,
            }
        } else {
            let unused = pool.take(most);
            self.shift(from, ticket.excess_refund, unused).await;
            Attempt {
                gas: 0,
                price,
                refundTo: Address::ZERO,
                maxRefund: U256::ZERO,
                submissionFeeRefund: U256::ZERO,
            }
        };
        let call = IArbRetryableTxDouble::createCall {
            ticketId: id,
            from,
            to: ticket.to,
            beneficiary: ticket.call_value_refund,
            callValue: ticket.call_value,
            data: ticket.data.clone(),
            attempt,
        };
        let receipt = self.system(ARB_RETRYABLE_TX, &call).await;
        assert!(receipt.is_success(), "ArbOS creates tickets");
        let backend = receipt.transaction_hash;
        self.names.insert(id, Known { backend, kind: 0x69, from, to: ARB_RETRYABLE_TX });
        self.tickets.insert(id, Held { ticket, from, is_over: false });
        self.l2_scanned = receipt.block_number().0;
        if let Some(scheduled) = scheduled_in(&receipt) {
            self.attempt(&scheduled).await;
        }
    }

    async fn fail_submission(&mut self, id: B256, from: Address) {
        let call = IArbRetryableTxDouble::failSubmissionCall {};
        let receipt = self.system(ARB_RETRYABLE_TX, &call).await;
        let backend = receipt.transaction_hash;
        self.names.insert(id, Known { backend, kind: 0x69, from, to: ARB_RETRYABLE_TX });
    }

    /// Runs a ticket once.
    async fn attempt(&mut self, scheduled: &IArbRetryableTx::RedeemScheduled) {
        let price = U256::from(self.knobs.base_fee);
        let Some(held) = self.tickets.get(&scheduled.ticketId).filter(|held| !held.is_over) else {
            return;
        };
        let (ticket, from) = (held.ticket.clone(), held.from);
        let (id, gas) = (scheduled.ticketId, U256::from(scheduled.donatedGas));
        let escrow = escrow_of(id);
        assert!(self.shift(escrow, from, ticket.call_value).await, "the escrow holds the value");
        self.mint(from, gas * price).await;
        let donor = scheduled.gasDonor;
        self.system(ARB_RETRYABLE_TX, &IArbRetryableTxDouble::setRedeemerCall { account: donor })
            .await;
        let ran = self.run(from, ticket.to, ticket.call_value, ticket.data.clone(), gas).await;
        let Some(receipt) = ran else {
            // Not even the calldata was paid for: ArbOS drops the attempt, the ticket stays.
            self.burn(from, gas * price).await;
            self.shift(from, escrow, ticket.call_value).await;
            return;
        };
        let used = U256::from(receipt.gas_used());
        let unused = price * (gas - used);
        self.burn(from, unused).await;
        let mut pool = Pool(scheduled.maxRefund);
        let submission = scheduled.submissionFeeRefund;
        if receipt.is_success() {
            self.refund(&mut pool, submission, donor, from).await;
        } else {
            pool.take(submission);
        }
        pool.take(price * used);
        self.refund(&mut pool, unused, donor, from).await;
        let known = Known { backend: receipt.transaction_hash, kind: 0x68, from, to: ticket.to };
        self.names.insert(scheduled.retryTxHash, known);
        if receipt.is_success() {
            self.system(ARB_RETRYABLE_TX, &IArbRetryableTxDouble::removeCall { ticketId: id })
                .await;
            self.end(id, ticket.call_value_refund).await;
        } else {
            assert!(self.shift(from, escrow, ticket.call_value).await, "a revert gives it back");
        }
    }

    async fn refund(&self, pool: &mut Pool, amount: U256, to: Address, from: Address) {
        let given = pool.take(amount);
        self.mint(to, given).await;
        self.mint(from, amount - given).await;
    }

    /// A ticket is no more; what is left in its escrow belongs to the beneficiary.
    async fn end(&mut self, id: B256, beneficiary: Address) {
        let left = self.l2.balance(escrow_of(id)).await;
        self.shift(escrow_of(id), beneficiary, left).await;
        if let Some(held) = self.tickets.get_mut(&id) {
            held.is_over = true;
        }
    }

    /// Attempts that somebody asked for, and cancellations.
    async fn serve_tickets(&mut self) {
        let head = self.l2.head().await;
        if head <= self.l2_scanned {
            return;
        }
        let filter = Filter::new().from_block(self.l2_scanned + 1).to_block(head);
        let filter = filter.address(ARB_RETRYABLE_TX);
        let logs = self.l2.endpoint().logs(&filter).await.expect("logs of the rollup");
        self.l2_scanned = head;
        for log in logs {
            if let Ok(event) = IArbRetryableTx::RedeemScheduled::decode_log(&log.inner) {
                self.attempt(&event.data).await;
            } else if let Ok(event) = IArbRetryableTx::Canceled::decode_log(&log.inner)
                && let Some(held) = self.tickets.get(&event.ticketId)
            {
                let beneficiary = held.ticket.call_value_refund;
                self.end(event.ticketId, beneficiary).await;
            }
        }
    }

    /// Base fee that the next block has, whatever the chain itself would choose.
    pub(super) async fn hold_base_fee(&self) {
        let fee = U64::from(self.knobs.base_fee);
        self.l2.ask("anvil_setNextBlockBaseFeePerGas", json!([fee])).await;
    }

    async fn system<C: SolCall>(&self, to: Address, call: &C) -> Receipt {
        let gas = U256::from(SYSTEM_GAS);
        let data = call.abi_encode().into();
        self.run(ARBOS, to, U256::ZERO, data, gas).await.expect("ArbOS can pay")
    }

    async fn nothing(&self) -> Receipt {
        let gas = U256::from(SYSTEM_GAS);
        self.run(ARBOS, ARBOS, U256::ZERO, Bytes::new(), gas).await.expect("ArbOS can pay")
    }

    /// Runs a transaction of any account at the base fee; none if it is no valid one.
    async fn run(
        &self,
        from: Address,
        to: Address,
        value: U256,
        data: Bytes,
        gas: U256,
    ) -> Option<Receipt> {
        self.hold_base_fee().await;
        self.l2.ask("anvil_impersonateAccount", json!([from])).await;
        let price = U256::from(self.knobs.base_fee);
        let to = (!to.is_zero()).then_some(to);
        let call = json!({"from": from, "to": to, "value": value, "data": data, "gas": gas,
            "gasPrice": price});
        let sent: Value = self.l2.try_ask("eth_sendTransaction", json!([call])).await.ok()?;
        let hash = serde_json::from_value(sent).expect("a hash");
        Some(self.l2.landed(hash).await)
    }

    async fn mint(&self, account: Address, amount: U256) {
        if !amount.is_zero() {
            let balance = self.l2.balance(account).await;
            self.l2.set_balance(account, balance + amount).await;
        }
    }

    async fn burn(&self, account: Address, amount: U256) {
        let balance = self.l2.balance(account).await;
        self.l2.set_balance(account, balance - amount).await;
    }

    /// Moves money, or says that there is not enough.
    async fn shift(&self, from: Address, to: Address, amount: U256) -> bool {
        if self.l2.balance(from).await < amount {
            return false;
        }
        if !amount.is_zero() && from != to {
            self.burn(from, amount).await;
            self.mint(to, amount).await;
        }
        true
    }
}

/// The attempt that a transaction announced.
fn scheduled_in(receipt: &Receipt) -> Option<IArbRetryableTx::RedeemScheduled> {
    let decode = |log: &Log| IArbRetryableTx::RedeemScheduled::decode_log(&log.inner).ok();
    receipt.logs.iter().find_map(decode).map(|event| event.data)
}
