//! Payments into the contract: each is paid once, whatever happens in between.

use crate::anvil::FINALITY;
use crate::disk::{Disk, LANES, RICH, nonce, submitter};
use crate::proxy::{Lie, Proxy};
use crate::scene::{Channel, DEPOSIT, Scene, endpoints, key};
use alloy_primitives::{Address, B256, Bytes, U256, address};
use alloy_sol_types::{SolCall, sol};
use lockstep_chain::error::ChainError;
use lockstep_chain::submitter::{EntryRefusal, Submitter, SubmitterEvent as Event};
use lockstep_contracts::bindings::PaymentChannel::{self as abi, PaymentChannelErrors};
use lockstep_contracts::revert::Revert;
use lockstep_core::chain::ChannelStatus;
use lockstep_core::entry::{Entry, EntryCall, EntryId, EntryKind, EntryStage};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{AccountRef, Side};
use lockstep_core::money::Amount;

sol! {
    function mint(address account, uint256 amount) external;
    function approve(address spender, uint256 amount) external;
}

const TOKEN: Address = address!("00000000000000000000000000000000000070ce");

fn amount(units: u64) -> Amount {
    Amount::from_u256(U256::from(units))
}

fn payer() -> Address {
    key(LANES[0]).address()
}

fn open(channel: &Channel) -> EntryCall {
    let consent = Some(channel.consent(u64::from(u32::MAX)));
    EntryCall::Open { terms: channel.terms, amount: amount(DEPOSIT), consent }
}

fn deposit(channel: &Channel, units: u64) -> EntryCall {
    EntryCall::Deposit { terms: channel.terms, side: Side::One, amount: amount(units) }
}

fn deposit_id(channel: &Channel, name: &[u8]) -> EntryId {
    EntryId::named(EntryKind::Deposit, channel.id.0, name)
}

async fn enter(
    submitter: &mut Submitter<Disk>,
    id: EntryId,
    call: EntryCall,
) -> Result<Entry, ChainError> {
    submitter.enter(id, payer(), call, amount(RICH)).await.map(|(entry, _)| entry)
}

async fn deposit1(scene: &Scene, channel: &Channel) -> u64 {
    u64::try_from(scene.stored(channel).await.deposit1).unwrap()
}

fn stage(submitter: &Submitter<Disk>, id: EntryId) -> EntryStage {
    submitter.entry(id).expect("it is kept").stage().clone()
}

fn refusal(error: ChainError) -> EntryRefusal {
    let ChainError::Entry(refusal) = error else { panic!("{error:?}") };
    refusal
}

#[tokio::test]
async fn an_open_with_the_other_side_s_consent_is_paid_once_and_done_only_when_it_is_final() {
    let scene = Scene::start().await;
    let channel = scene.channel(1);
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    let id = EntryId::open(channel.id);
    let entry = enter(&mut submitter, id, open(&channel)).await.unwrap();
    assert!(matches!(entry.stage(), EntryStage::Signed(_)), "{entry:?}");
    assert_eq!(disk.entries(), std::slice::from_ref(&entry), "sent before it was durable");
    let again = enter(&mut submitter, id, open(&channel)).await.unwrap();
    assert_eq!(again, entry);
    scene.anvil.mine(1).await;
    let events = submitter.step().await.unwrap();
    let is_told = |e: &Event| matches!(e, Event::Entry(e) if matches!(e.stage(), EntryStage::Included { .. }));
    assert!(events.iter().any(is_told), "{events:?}");
    assert_eq!(scene.stored(&channel).await.status, 2, "active at once");
    scene.anvil.mine(FINALITY).await;
    submitter.step().await.unwrap();
    assert!(matches!(stage(&submitter, id), EntryStage::Done { .. }));
    assert_eq!(enter(&mut submitter, id, open(&channel)).await.unwrap().tx(), entry.tx());
    assert!(submitter.is_idle());
    assert_eq!(deposit1(&scene, &channel).await, DEPOSIT);
    assert_eq!(nonce(&scene, LANES[0]).await, 1);
}

#[tokio::test]
async fn p78_a_deposit_does_not_take_what_answering_a_close_needs() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    let disk = Disk::default();
    let mut one = submitter(&scene, scene.endpoints(), &disk, &[LANES[0]]).await;
    // Enough for the deposit and its fee many times over, and for nothing more.
    let coin = U256::from(500_000_000_000_000_u64);
    scene.anvil.ask("anvil_setBalance", (payer(), coin)).await;
    let id = deposit_id(&channel, b"last");
    let refused = refusal(enter(&mut one, id, deposit(&channel, 7)).await.unwrap_err());
    let EntryRefusal::NoReserve { needed, reserve, .. } = refused else { panic!("{refused:?}") };
    assert!(needed < coin && needed + reserve > coin, "{needed} and {reserve}");
    assert!(disk.entries().is_empty(), "something was kept for it");
    // Another account of the node's can answer.
    let mut two = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    scene.anvil.ask("anvil_setBalance", (payer(), coin)).await;
    let entry = enter(&mut two, id, deposit(&channel, 7)).await.unwrap();
    assert!(matches!(entry.stage(), EntryStage::Signed(_)), "{entry:?}");
}

#[tokio::test]
async fn p86_a_restart_between_durable_and_sent_sends_the_same_bytes_once() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    let disk = Disk::default();
    let hole = Proxy::start(&scene.anvil.url, Lie::Swallow).await;
    let mut first = submitter(&scene, endpoints(&[&hole.url], 1), &disk, &LANES).await;
    let id = deposit_id(&channel, b"once");
    let entry = enter(&mut first, id, deposit(&channel, 7)).await.unwrap();
    drop(first);
    scene.anvil.mine(1).await;
    assert_eq!(deposit1(&scene, &channel).await, DEPOSIT, "the hole let it through");
    for _ in 0..2 {
        // A second restart with the transaction in the pool changes nothing either.
        let mut later = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
        later.resume_entries(disk.entries());
        later.step().await.unwrap();
        let asked = enter(&mut later, id, deposit(&channel, 7)).await.unwrap();
        assert_eq!(asked.tx(), entry.tx(), "other bytes than those that were kept");
    }
    scene.anvil.mine(1 + FINALITY).await;
    let mut last = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    last.resume_entries(disk.entries());
    last.step().await.unwrap();
    assert!(matches!(stage(&last, id), EntryStage::Done { .. }));
    assert_eq!(deposit1(&scene, &channel).await, DEPOSIT + 7);
    assert_eq!(nonce(&scene, LANES[0]).await, 1);
}

#[tokio::test]
async fn p86_a_reorganisation_and_a_restart_do_not_make_two_deposits_of_one() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    scene.anvil.mine(FINALITY).await;
    let disk = Disk::default();
    let mut first = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    let id = deposit_id(&channel, b"reorg");
    let entry = enter(&mut first, id, deposit(&channel, 7)).await.unwrap();
    scene.anvil.mine(1).await;
    first.step().await.unwrap();
    assert!(matches!(stage(&first, id), EntryStage::Included { .. }));
    drop(first);
    scene.anvil.reorg(1).await;
    assert_eq!(deposit1(&scene, &channel).await, DEPOSIT, "the reorganisation removes it");
    let mut second = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    second.resume_entries(disk.entries());
    second.step().await.unwrap();
    scene.anvil.mine(1).await;
    second.step().await.unwrap();
    scene.anvil.mine(FINALITY + 1).await;
    second.step().await.unwrap();
    let EntryStage::Done { tx, .. } = stage(&second, id) else { panic!("it is not done") };
    assert_eq!(Some(tx), entry.tx(), "another transaction than the first one");
    assert_eq!(deposit1(&scene, &channel).await, DEPOSIT + 7);
}

#[tokio::test]
async fn p76_under_a_spike_every_offer_of_a_deposit_has_one_nonce_and_one_of_them_lands() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    let id = deposit_id(&channel, b"spike");
    enter(&mut submitter, id, deposit(&channel, 7)).await.unwrap();
    for spike in [20_000_000_000, 60_000_000_000] {
        scene.anvil.spike(spike).await;
        scene.anvil.mine(1).await;
        submitter.step().await.unwrap();
    }
    let EntryStage::Signed(signed) = stage(&submitter, id) else { panic!("it is not raised") };
    assert_eq!((signed.nonce(), signed.offers().len()), (0, 3));
    for pair in signed.offers().windows(2) {
        assert!(pair[1].max_fee_per_gas * 8 >= pair[0].max_fee_per_gas * 9, "{signed:?}");
    }
    scene.anvil.mine(1 + FINALITY).await;
    submitter.step().await.unwrap();
    assert!(matches!(stage(&submitter, id), EntryStage::Done { .. }));
    assert_eq!(deposit1(&scene, &channel).await, DEPOSIT + 7);
    assert_eq!(nonce(&scene, LANES[0]).await, 1);
}

#[tokio::test]
async fn p86_a_deposit_whose_nonce_another_transaction_took_ends_and_is_paid_only_when_ordered_anew()
 {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    let id = deposit_id(&channel, b"displaced");
    let entry = enter(&mut submitter, id, deposit(&channel, 7)).await.unwrap();
    scene.anvil.ask("anvil_dropTransaction", (entry.tx().unwrap(),)).await;
    scene.anvil.ask("anvil_impersonateAccount", (payer(),)).await;
    scene.anvil.send(payer(), scene.owner2, 1, Bytes::new()).await;
    scene.anvil.mine(1).await;
    submitter.step().await.unwrap();
    assert!(matches!(stage(&submitter, id), EntryStage::Signed(_)), "given up before it is final");
    scene.anvil.mine(FINALITY).await;
    submitter.step().await.unwrap();
    assert_eq!(stage(&submitter, id), EntryStage::Displaced { nonce: 0 });
    submitter.step().await.unwrap();
    scene.anvil.mine(1).await;
    assert_eq!(deposit1(&scene, &channel).await, DEPOSIT, "paid without a new order");
    enter(&mut submitter, id, deposit(&channel, 7)).await.unwrap();
    scene.anvil.mine(1 + FINALITY).await;
    submitter.step().await.unwrap();
    assert!(matches!(stage(&submitter, id), EntryStage::Done { .. }));
    assert_eq!(deposit1(&scene, &channel).await, DEPOSIT + 7);
}

#[tokio::test]
async fn p86_what_the_contract_refuses_in_a_block_ends_only_when_that_is_final_and_says_so() {
    let scene = Scene::start().await;
    let channel = scene.channel_of(1, payer(), Address::ZERO);
    let disk = Disk::default();
    let gate = Proxy::start(&scene.anvil.url, Lie::None).await;
    let through = endpoints(&[&gate.url], 1);
    let mut submitter = submitter(&scene, through, &disk, &LANES).await;
    let call = EntryCall::Open { terms: channel.terms, amount: amount(DEPOSIT), consent: None };
    enter(&mut submitter, EntryId::open(channel.id), call).await.unwrap();
    scene.anvil.mine(1).await;
    gate.set(Lie::Swallow);
    let id = EntryId::cancel(channel.id);
    let cancel = EntryCall::CancelOpen { terms: channel.terms };
    enter(&mut submitter, id, cancel.clone()).await.unwrap();
    // The other side joins first: there is nothing to cancel any more.
    let terms = lockstep_chain::convert::terms(&channel.terms).unwrap();
    let join = abi::joinChannelCall { terms, amount: U256::ZERO, accept: Bytes::new() };
    scene.anvil.send(scene.owner2, scene.contracts.channel, 0, join.abi_encode().into()).await;
    scene.anvil.mine(1).await;
    gate.set(Lie::None);
    submitter.step().await.unwrap();
    scene.anvil.mine(1).await;
    submitter.step().await.unwrap();
    // A reorganisation may still put it before the join, so it is not given up.
    assert!(matches!(stage(&submitter, id), EntryStage::Included { .. }));
    scene.anvil.mine(FINALITY).await;
    submitter.step().await.unwrap();
    assert!(matches!(stage(&submitter, id), EntryStage::Reverted { .. }));
    assert_eq!(
        (scene.stored(&channel).await.status, deposit1(&scene, &channel).await),
        (2, DEPOSIT)
    );
    let refused = refusal(enter(&mut submitter, id, cancel).await.unwrap_err());
    assert_eq!(refused, EntryRefusal::WrongStatus { status: ChannelStatus::Active });
}

#[tokio::test]
async fn what_only_a_participant_may_call_is_refused_to_others_before_it_becomes_their_loss() {
    let scene = Scene::start().await;
    let channel = scene.channel(1);
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    let terms = channel.terms;
    let calls = [
        EntryCall::Open { terms, amount: amount(DEPOSIT), consent: None },
        EntryCall::Join { terms, amount: amount(DEPOSIT) },
        EntryCall::CancelOpen { terms },
    ];
    for call in calls {
        let refused = enter(&mut submitter, deposit_id(&channel, b"not mine"), call).await;
        assert!(matches!(refusal(refused.unwrap_err()), EntryRefusal::NotOwner { .. }));
    }
    let early = enter(&mut submitter, deposit_id(&channel, b"early"), deposit(&channel, 7)).await;
    let refused = refusal(early.unwrap_err());
    assert_eq!(refused, EntryRefusal::WrongStatus { status: ChannelStatus::None });
    assert!(submitter.is_idle() && disk.entries().is_empty());
}

#[tokio::test]
async fn what_cannot_be_paid_is_refused_in_words_and_nothing_is_signed_or_kept() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &[LANES[0]]).await;
    let id = deposit_id(&channel, b"refused");
    let too_much = EntryCall::Deposit {
        terms: channel.terms,
        side: Side::One,
        amount: Amount::from_u256(U256::from(10).pow(U256::from(20))),
    };
    let poor = refusal(enter(&mut submitter, id, too_much).await.unwrap_err());
    assert!(matches!(poor, EntryRefusal::NoFunds { token: Address::ZERO, .. }), "{poor}");
    let closed = refusal(enter(&mut submitter, id, open(&channel)).await.unwrap_err());
    assert_eq!(closed, EntryRefusal::WrongStatus { status: ChannelStatus::Active });
    let unknown = scene.channel(9);
    let stale = EntryCall::Open {
        terms: unknown.terms,
        amount: amount(DEPOSIT),
        consent: Some(unknown.consent(1)),
    };
    let stale = refusal(enter(&mut submitter, id, stale).await.unwrap_err());
    assert!(matches!(stale, EntryRefusal::ConsentExpired { .. }), "{stale}");
    let small = EntryCall::Open {
        terms: unknown.terms,
        amount: amount(DEPOSIT - 1),
        consent: Some(unknown.consent(u64::from(u32::MAX))),
    };
    let small = refusal(enter(&mut submitter, id, small).await.unwrap_err());
    let EntryRefusal::Reverts { revert: Revert::Channel(error) } = &small else {
        panic!("{small}")
    };
    assert!(matches!(error, PaymentChannelErrors::DepositTooSmall(_)), "{small}");
    let foreign = submitter.enter(id, scene.owner1, deposit(&channel, 1), amount(RICH)).await;
    assert!(matches!(refusal(foreign.unwrap_err()), EntryRefusal::NoAccount { .. }));
    let cheap = submitter.enter(id, payer(), deposit(&channel, 1), amount(1_000)).await;
    let cheap = cheap.unwrap_err();
    assert_eq!(cheap.class(), ErrorClass::Refused);
    assert!(matches!(refusal(cheap), EntryRefusal::TooExpensive { .. }));
    let token = AccountRef::Evm(Address::ZERO);
    let take = EntryCall::TakeCredit { token, to: AccountRef::Evm(payer()), amount: amount(1) };
    let take = refusal(enter(&mut submitter, id, take).await.unwrap_err());
    assert!(matches!(take, EntryRefusal::NoCredit { .. }), "{take}");
    assert!(disk.entries().is_empty() && submitter.is_idle());
    scene.anvil.mine(1).await;
    assert_eq!(nonce(&scene, LANES[0]).await, 0);
    let first = enter(&mut submitter, id, deposit(&channel, 1)).await.unwrap();
    let other = refusal(enter(&mut submitter, id, deposit(&channel, 2)).await.unwrap_err());
    assert_eq!(other, EntryRefusal::OtherCall);
    assert_eq!(disk.entries(), [first]);
}

#[tokio::test]
async fn p86_a_full_disk_lets_no_deposit_out() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    *disk.is_full.lock().unwrap() = true;
    let id = deposit_id(&channel, b"full");
    let refused = enter(&mut submitter, id, deposit(&channel, 7)).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Fatal);
    scene.anvil.mine(1).await;
    submitter.step().await.unwrap();
    scene.anvil.mine(1).await;
    assert_eq!(deposit1(&scene, &channel).await, DEPOSIT);
    assert!(submitter.entry(id).is_none());
    *disk.is_full.lock().unwrap() = false;
    enter(&mut submitter, id, deposit(&channel, 7)).await.unwrap();
    scene.anvil.mine(1).await;
    assert_eq!(deposit1(&scene, &channel).await, DEPOSIT + 7);
}

async fn put_token(scene: &Scene) {
    let code = include_str!("../fixtures/StubbornToken.hex").trim();
    scene.anvil.ask("anvil_setCode", (TOKEN, code)).await;
    let mint = mintCall { account: payer(), amount: U256::from(1_000) };
    scene.anvil.send(scene.owner1, TOKEN, 0, mint.abi_encode().into()).await;
    scene.anvil.mine(1).await;
}

#[tokio::test]
async fn a_token_is_approved_first_through_zero_if_it_must_and_then_deposited_once() {
    let scene = Scene::start().await;
    put_token(&scene).await;
    let channel = scene.channel_of(1, payer(), TOKEN);
    let disk = Disk::default();
    let mut first = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    // A leftover of an earlier deposit, which this token lets nobody change but through zero.
    scene.anvil.ask("anvil_impersonateAccount", (payer(),)).await;
    let leftover = approveCall { spender: scene.contracts.channel, amount: U256::from(5) };
    scene.anvil.send(payer(), TOKEN, 0, leftover.abi_encode().into()).await;
    scene.anvil.mine(1).await;
    let id = EntryId::open(channel.id);
    let call = EntryCall::Open { terms: channel.terms, amount: amount(600), consent: None };
    let entry = enter(&mut first, id, call.clone()).await.unwrap();
    assert_eq!(entry.stage(), &EntryStage::Wanted, "it waits for the approval");
    drop(first);
    let mut second = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    second.resume_entries(disk.entries());
    for _ in 0..4 {
        scene.anvil.mine(1).await;
        second.step().await.unwrap();
    }
    scene.anvil.mine(1 + FINALITY).await;
    second.step().await.unwrap();
    assert!(matches!(stage(&second, id), EntryStage::Done { .. }), "{:?}", stage(&second, id));
    let stored = scene.stored(&channel).await;
    assert_eq!((stored.status, u64::try_from(stored.deposit1).unwrap()), (1, 600));
    let left = scene.endpoints().token_balance(TOKEN, payer()).await.unwrap();
    assert_eq!(left, U256::from(400));
    let kept: Vec<_> = disk.entries().iter().map(Entry::id).collect();
    assert_eq!(kept, [id], "approvals are forgotten with what they were for");
    let info = scene.endpoints().token_info(TOKEN).await.unwrap();
    assert_eq!((info.symbol.as_str(), info.decimals), ("STB", 6));
}

#[tokio::test]
async fn a_token_that_is_short_or_none_is_refused_before_anything_is_approved() {
    let scene = Scene::start().await;
    put_token(&scene).await;
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    for (token, units) in [(TOKEN, 1_001), (Address::repeat_byte(9), 1)] {
        let channel = scene.channel_of(1, payer(), token);
        let call = EntryCall::Open { terms: channel.terms, amount: amount(units), consent: None };
        let refused = enter(&mut submitter, EntryId::open(channel.id), call).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Refused, "{refused}");
    }
    assert!(disk.entries().is_empty());
    scene.anvil.mine(1).await;
    assert_eq!(nonce(&scene, LANES[0]).await, 0);
}

#[tokio::test]
async fn a_channel_that_nobody_joined_is_cancelled_and_its_money_comes_back() {
    let scene = Scene::start().await;
    let channel = scene.channel_of(1, payer(), Address::ZERO);
    let disk = Disk::default();
    let mut submitter = submitter(&scene, scene.endpoints(), &disk, &LANES).await;
    let call = EntryCall::Open { terms: channel.terms, amount: amount(DEPOSIT), consent: None };
    enter(&mut submitter, EntryId::open(channel.id), call).await.unwrap();
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.status, 1);
    let cancel = EntryCall::CancelOpen { terms: channel.terms };
    enter(&mut submitter, EntryId::cancel(channel.id), cancel).await.unwrap();
    scene.anvil.mine(1 + FINALITY).await;
    submitter.step().await.unwrap();
    let id = EntryId::cancel(channel.id);
    assert!(matches!(stage(&submitter, id), EntryStage::Done { .. }));
    assert_eq!(scene.stored(&channel).await.status, 4);
    submitter.forget_entry(id).await.unwrap();
    assert!(submitter.entry(id).is_none());
}

#[tokio::test]
async fn p96_no_lie_of_one_endpoint_ends_a_deposit_or_makes_it_two() {
    for lie in [Lie::FakeReceipts, Lie::NoReceipts, Lie::KnowsAll, Lie::ZeroCalls] {
        let scene = Scene::start().await;
        let channel = scene.open(1).await;
        let disk = Disk::default();
        let liar = Proxy::start(&scene.anvil.url, Lie::None).await;
        let both = endpoints(&[&liar.url, &scene.anvil.url], 2);
        let mut submitter = submitter(&scene, both, &disk, &[LANES[0]]).await;
        let id = deposit_id(&channel, b"lie");
        enter(&mut submitter, id, deposit(&channel, 7)).await.unwrap();
        liar.set(lie);
        submitter.step().await.unwrap();
        assert!(matches!(stage(&submitter, id), EntryStage::Signed(_)), "{lie:?}");
        scene.anvil.mine(1 + FINALITY).await;
        submitter.step().await.unwrap();
        let is_over = submitter.entry(id).unwrap().is_over();
        let may_know = matches!(lie, Lie::KnowsAll | Lie::ZeroCalls);
        assert_eq!(is_over, may_know, "{lie:?}: over on one endpoint's word");
        liar.set(Lie::None);
        submitter.step().await.unwrap();
        assert!(matches!(stage(&submitter, id), EntryStage::Done { .. }), "{lie:?}");
        assert_eq!(deposit1(&scene, &channel).await, DEPOSIT + 7, "{lie:?}");
        assert_eq!(nonce(&scene, LANES[0]).await, 1, "{lie:?}");
    }
}

#[tokio::test]
async fn p96_a_deposit_is_bound_to_no_nonce_that_the_endpoints_do_not_agree_on() {
    let scene = Scene::start().await;
    let channel = scene.open(1).await;
    let disk = Disk::default();
    let liar = Proxy::start(&scene.anvil.url, Lie::Nonce(9)).await;
    let both = endpoints(&[&liar.url, &scene.anvil.url], 2);
    let mut submitter = submitter(&scene, both, &disk, &[LANES[0]]).await;
    let id = deposit_id(&channel, b"nonce");
    let waits = enter(&mut submitter, id, deposit(&channel, 7)).await.unwrap_err();
    assert_eq!(waits.class(), ErrorClass::Transient);
    assert!(disk.entries().is_empty());
    liar.set(Lie::None);
    enter(&mut submitter, id, deposit(&channel, 7)).await.unwrap();
    liar.set(Lie::Nonce(9));
    scene.anvil.mine(1 + FINALITY).await;
    submitter.step().await.unwrap();
    assert!(matches!(stage(&submitter, id), EntryStage::Done { .. }));
    assert_eq!(deposit1(&scene, &channel).await, DEPOSIT + 7);
}

#[test]
fn every_refusal_says_what_to_do() {
    let refusals = [
        EntryRefusal::NoAccount { account: TOKEN },
        EntryRefusal::OtherCall,
        EntryRefusal::WrongStatus { status: ChannelStatus::Closing },
        EntryRefusal::NoApproval { token: TOKEN },
        EntryRefusal::Reverts { revert: Revert::Empty },
    ];
    for refusal in refusals {
        let text = refusal.to_string();
        assert!(text.len() > 30 && !text.ends_with('.'), "{text}");
        assert_eq!(refusal.class(), ErrorClass::Refused);
    }
    assert_ne!(EntryId(B256::ZERO), EntryId::approval(EntryId(B256::ZERO), 0));
}
