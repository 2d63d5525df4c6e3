//! Getting a call into the rollup although its sequencer is down or does not want it.
//!
//! A message enters the delayed inbox on L1. The sequencer reads it once its block is final; if it does not,
//! anybody may force it in after the delay.

use super::Arbitrum;
use super::abi::{IInbox, ISequencerInbox};
use super::delayed::SIGNED_TRANSACTION;
use super::delivery::attempts_in;
use super::ether_deposit::EtherDeposit;
use super::funding::{Message, ticket_call};
use super::message::{SentMessage, messages_in};
use super::submission::TicketFees;
use crate::error::BridgeError;
use crate::order::ForceOrder;
use crate::step::{Call, Layer};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;

/// Price of the rollup's gas where no endpoint of it answers; what is not used is given back. Units: wei per gas.
const FALLBACK_PRICE: u128 = 1_000_000_000;

/// Whether a message can be forced in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inclusion {
    /// No block of L1 holds it.
    Unsent,
    /// A batch has read it already.
    Read,
    /// The sequencer still has time.
    TooSoon {
        /// L1 block from which on it can be forced.
        block: u64,
    },
    /// This call does it, whoever sends it.
    Due(Call),
}

impl Arbitrum {
    /// A call without coin as a ticket, which pays for its own gas. The caller on the rollup is the payer's alias.
    pub(super) async fn order_force(&self, order: &ForceOrder) -> Result<Call, BridgeError> {
        let site = self.known_site().await?;
        let message = Message {
            sender: order.payer,
            to: order.to,
            value: U256::ZERO,
            data: order.data.clone(),
            refund_to: order.payer,
        };
        let gas = match self.try_message(&message).await {
            Ok(gas) => gas,
            Err(error) if super::site::is_refusal(&error) => {
                return Err(super::site::would_fail(error));
            }
            Err(_) => order.usual_gas,
        };
        let price = U256::from(self.l2.base_fee().await.unwrap_or(FALLBACK_PRICE));
        let l1_base_fee = U256::from(self.l1.base_fee().await?);
        let length = message.data.len();
        let fees = TicketFees::estimated(length, l1_base_fee, gas, price, self.room)
            .ok_or(BridgeError::AbsurdFee)?;
        ticket_call(&site, &message, &fees)
    }

    /// The L1 call that hands a signed transaction to the rollup. Its sender stays who signed it, and pays there.
    ///
    /// # Errors
    /// If L1 can't be read.
    pub async fn signed_message(&self, raw: &[u8]) -> Result<Call, BridgeError> {
        let site = self.site().await?;
        let message: Bytes = [&[SIGNED_TRANSACTION], raw].concat().into();
        let data = IInbox::sendL2MessageCall { messageData: message }.abi_encode().into();
        Ok(Call { layer: Layer::L1, to: site.inbox, value: U256::ZERO, data, least_gas: 0 })
    }

    /// Whether the last message of an L1 transaction can be forced in now, with all that came before it.
    ///
    /// # Errors
    /// If L1 can't be read.
    pub async fn inclusion(&self, l1_tx: B256) -> Result<Inclusion, BridgeError> {
        let site = self.known_site().await?;
        let landed = self.l1.landed(l1_tx).await?;
        let messages = landed
            .receipt()
            .map(|receipt| messages_in(receipt, site.bridge, site.inbox))
            .unwrap_or_default();
        let Some(message) = messages.last() else { return Ok(Inclusion::Unsent) };
        let inbox = site.sequencer_inbox;
        let read = self.l1.read(inbox, &ISequencerInbox::totalDelayedMessagesReadCall {}).await?;
        if read > message.delayed.number {
            return Ok(Inclusion::Read);
        }
        let call = ISequencerInbox::forceInclusionDeadlineCall {
            blockNumber: message.delayed.block_number,
        };
        let deadline = self.l1.read(inbox, &call).await?;
        if self.l1.head().await?.number.0 <= deadline {
            return Ok(Inclusion::TooSoon { block: deadline.saturating_add(1) });
        }
        Ok(Inclusion::Due(force_call(inbox, message)))
    }

    pub(super) async fn caused(&self, l1_tx: B256) -> Result<Vec<B256>, BridgeError> {
        let site = self.site().await?;
        let landed = self.l1.landed(l1_tx).await?;
        let Some(receipt) = landed.receipt() else { return Ok(Vec::new()) };
        let chain_id = self.network.l2_chain_id;
        let mut caused = Vec::new();
        for message in messages_in(receipt, site.bridge, site.inbox) {
            if let Some((id, _)) = message.ticket(chain_id) {
                caused.push(id);
                // Its own attempts have hashes that only the rollup's base fee decides.
                if let Some(creation) = self.l2.landed(id).await?.receipt() {
                    caused.extend(attempts_in(creation, id));
                }
            } else {
                caused.extend(hash_of(&message, chain_id));
            }
        }
        Ok(caused)
    }
}

/// The hash that a message without a ticket has on the rollup.
fn hash_of(message: &SentMessage, chain_id: u64) -> Option<B256> {
    match message.delayed.kind {
        super::delayed::ETHER_DEPOSIT => {
            let deposit = EtherDeposit::from_message(&message.data)?;
            Some(deposit.hash(&message.origin(chain_id)))
        }
        super::delayed::L2_MESSAGE => {
            let raw = message.data.strip_prefix(&[SIGNED_TRANSACTION])?;
            Some(alloy_primitives::keccak256(raw))
        }
        _ => None,
    }
}

fn force_call(inbox: Address, message: &SentMessage) -> Call {
    let delayed = &message.delayed;
    let data = ISequencerInbox::forceInclusionCall {
        totalDelayedMessagesRead: delayed.number.saturating_add(U256::from(1)),
        kind: delayed.kind,
        l1BlockAndTime: [delayed.block_number, delayed.timestamp],
        baseFeeL1: delayed.base_fee,
        sender: delayed.sender,
        messageDataHash: delayed.data_hash,
    };
    let data = data.abi_encode().into();
    Call { layer: Layer::L1, to: inbox, value: U256::ZERO, data, least_gas: 0 }
}
