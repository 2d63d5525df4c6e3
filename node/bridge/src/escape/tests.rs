//! Many calls, and such as do not get through.

use super::*;
use crate::order::{FundOrder, Start, WithdrawOrder};
use crate::rollup::{Progress, Report, Sent};
use alloy_primitives::U256;
use futures::FutureExt;
use futures::executor::block_on;
use futures::future::BoxFuture;
use lockstep_core::time::BlockNumber;
use lockstep_core::transfer::TransferRecord;
use std::sync::Mutex as SyncMutex;

/// Takes every call but those that begin with this byte, and never reads what waits in its inbox.
struct Inbox(u8);

impl Rollup for Inbox {
    fn chains(&self) -> (u64, u64) {
        (1, 10)
    }

    fn check(&self) -> BoxFuture<'_, Result<(), BridgeError>> {
        async { Ok(()) }.boxed()
    }

    fn fund<'a>(&'a self, _: &'a FundOrder) -> BoxFuture<'a, Result<Start, BridgeError>> {
        panic!("no money is sent")
    }

    fn withdraw<'a>(&'a self, _: &'a WithdrawOrder) -> BoxFuture<'a, Result<Start, BridgeError>> {
        panic!("no money is sent")
    }

    fn advance<'a>(
        &'a self,
        _: &'a TransferRecord,
        _: &'a Sent,
    ) -> BoxFuture<'a, Result<Progress, BridgeError>> {
        panic!("no money is sent")
    }

    fn force<'a>(&'a self, order: &'a ForceOrder) -> BoxFuture<'a, Result<Call, BridgeError>> {
        let (is_taken, data) = (order.data[0] != self.0, order.data.clone());
        let call = Call { layer: Layer::L1, to: order.to, value: U256::ZERO, data, least_gas: 0 };
        async move { if is_taken { Ok(call) } else { Err(BridgeError::NoForce) } }.boxed()
    }

    fn hurry(&self, _: B256) -> BoxFuture<'_, Result<Option<Call>, BridgeError>> {
        async { Ok(None) }.boxed()
    }

    fn caused_by(&self, _: B256) -> BoxFuture<'_, Result<Vec<B256>, BridgeError>> {
        async { Ok(vec![]) }.boxed()
    }

    fn report(&self) -> BoxFuture<'_, Result<Report, BridgeError>> {
        panic!("nobody asks")
    }
}

/// What was sent, in order. Each call ends at once, as it is told.
#[derive(Clone)]
struct Desk {
    sent: Arc<SyncMutex<Vec<Bytes>>>,
    entries: Arc<SyncMutex<BTreeMap<EntryId, Entry>>>,
    is_refused: bool,
}

impl Postman for Desk {
    async fn send(&self, id: EntryId, from: Address, call: &Call) -> Result<Entry, BridgeError> {
        let bridge_call = BridgeCall {
            chain: ChainRef::Evm(1),
            to: AccountRef::Evm(call.to),
            value: Amount::ZERO,
            data: call.data.to_vec(),
            least_gas: 0,
        };
        let (tx, block) = (B256::repeat_byte(1), BlockNumber(1));
        let stage = if self.is_refused {
            EntryStage::Reverted { tx, block }
        } else {
            EntryStage::Done { tx, block }
        };
        let (from, call_of) = (AccountRef::Evm(from), EntryCall::Bridge(bridge_call));
        let entry = Entry::from_parts(id, from, call_of, Amount::ZERO, stage);
        self.sent.lock().unwrap().push(call.data.clone());
        self.entries.lock().unwrap().insert(id, entry.clone());
        Ok(entry)
    }

    async fn entry(&self, id: EntryId) -> Result<Option<Entry>, BridgeError> {
        Ok(self.entries.lock().unwrap().get(&id).cloned())
    }
}

fn owed(byte: u8) -> (B256, Owed) {
    // The name's order is not the deadline's.
    let (name, to) = (B256::repeat_byte(!byte), Address::repeat_byte(9));
    let deadline = BlockTimestamp(1_000 + u64::from(byte));
    (name, Owed { to, data: vec![byte].into(), usual_gas: 1, deadline })
}

/// A way that owes calls with the bytes from 1 to this one.
fn escape(count: u8, (refuses, is_refused): (u8, bool)) -> (Escape<Desk>, Desk) {
    let desk = Desk { sent: Arc::default(), entries: Arc::default(), is_refused };
    let mut escape = Escape::new(Arc::new(Inbox(refuses)), desk.clone(), Address::ZERO);
    for byte in 1..=count {
        let (name, call) = owed(byte);
        assert!(escape.owe(name, call.clone()) && !escape.owe(name, call));
    }
    (escape, desk)
}

fn sent(desk: &Desk) -> Vec<u8> {
    desk.sent.lock().unwrap().iter().map(|data| data[0]).collect()
}

#[test]
fn p77_many_calls_are_sent_a_few_at_a_time_the_next_deadline_first() {
    let (mut escape, desk) = escape(20, (0, false));
    for so_far in [8, 16, 20] {
        assert!(block_on(escape.step()).is_empty());
        assert_eq!(sent(&desk), (1..=so_far).collect::<Vec<u8>>());
    }
    // What is on its way is looked after, and keeps nothing that is new.
    for _ in 0..5 {
        assert!(block_on(escape.step()).is_empty());
    }
    let (name, call) = owed(200);
    escape.owe(name, call);
    block_on(escape.step());
    assert_eq!(sent(&desk).last(), Some(&200));
}

#[test]
fn p77_calls_in_trouble_keep_no_other_from_its_turn_and_the_trouble_stands() {
    let (mut escape, desk) = escape(20, (1, false));
    let (name, _) = owed(1);
    for _ in 0..3 {
        block_on(escape.step());
        assert!(escape.is_troubled());
    }
    assert_eq!(sent(&desk), (2..=20).collect::<Vec<u8>>());
    let troubles = block_on(escape.step());
    assert!(troubles.iter().all(|(troubled, _)| *troubled == name), "{troubles:?}");
    escape.over(&name);
    assert!(!escape.is_troubled());
}

#[test]
fn p77_a_call_that_l1_refuses_again_and_again_is_trouble_until_it_is_over() {
    let (mut escape, desk) = escape(1, (0, true));
    for _ in 0..20 {
        block_on(escape.step());
    }
    assert_eq!(sent(&desk).len(), usize::from(MAX_ATTEMPTS), "it is not tried for ever");
    let troubles = block_on(escape.step());
    assert!(
        matches!(troubles[..], [(_, BridgeError::ForceRefused { attempts: 4 })]),
        "{troubles:?}"
    );
    assert!(escape.is_troubled());
    escape.retain(|_| false);
    assert!(!escape.is_troubled() && escape.is_idle());
}
