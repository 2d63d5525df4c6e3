//! What can be done to the contract, in the reference's own types, and the transaction that does it.

use crate::chain::Transaction;
use crate::fixture::{FixtureResolver, FixtureToken, FixtureWallet};
use crate::world::{World, address_of};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use lockstep_contracts::bindings::{PaymentChannel as C, SecretRegistry};
use lockstep_core::adjudicator::{
    PresentedConsent, PresentedIntent, PresentedState, PresentedWithdraw, Signatures,
};
use lockstep_core::ids::Version;
use lockstep_core::lock::Lock;
use lockstep_core::money::RawNet;
use lockstep_core::signature::StateSignature;
use lockstep_core::state::Take;
use lockstep_core::terms::Terms;

/// Money that a call announces and the ether that really goes with it.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    /// As the argument says. Base units.
    pub amount: U256,
    /// Wei.
    pub value: U256,
}

/// One item of a batch of challenges.
#[derive(Clone, Debug)]
pub struct ChallengeItem {
    /// Whose close.
    pub terms: Terms,
    /// The state.
    pub state: PresentedState,
    /// By both.
    pub signatures: Signatures,
}

/// How a resolver answers about one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How the resolver behaves: 0 proper, 1 reverts, 2 answers too little, 3 burns its gas, 4 answers
    /// with something that is no boolean.
    pub manner: u8,
    /// Whether it has decided.
    pub done: bool,
    /// For the payee?
    pub ok: bool,
    /// When.
    pub decided_at: u64,
}

/// One call.
#[derive(Clone, Debug)]
pub enum Action {
    /// `openChannel`.
    Open(Terms, Incoming, PresentedConsent),
    /// `joinChannel`.
    Join(Terms, Incoming, PresentedConsent),
    /// `deposit` to a side.
    Deposit(Terms, u8, Incoming),
    /// `cancelOpen`.
    CancelOpen(Terms, PresentedIntent),
    /// `updateState`.
    Update(Terms, PresentedState, Signatures),
    /// `partialWithdraw`.
    Withdraw(Terms, PresentedWithdraw, Signatures),
    /// `initiateClose`.
    Initiate(Terms, PresentedState, Signatures, PresentedIntent),
    /// `challengeClose`.
    Challenge(Terms, PresentedState, Signatures),
    /// `challengeCloseBatch`.
    Batch(Vec<ChallengeItem>),
    /// `closeChannel`.
    Close(Terms),
    /// `cooperativeClose`.
    Cooperate(Terms, Version, RawNet, Signatures),
    /// `resolveLocks`.
    Resolve(Terms, Vec<Lock>, u32),
    /// `withdraw` of credit: token, receiver, amount.
    TakeCredit(Address, Address, U256),
    /// `withdrawFor`.
    TakeFor(Take, StateSignature),
    /// `registerSecret` of the registry.
    Register(Vec<B256>),
    /// A resolver makes up its mind.
    Answer(B256, Answer),
    /// A token, or the wallet for ether, refuses to pay somebody, or does so again.
    Refuse(Address, Address, bool),
}

/// A call with its sender.
#[derive(Clone, Debug)]
pub struct Step {
    /// `msg.sender` of the called contract.
    pub sender: Address,
    /// The call.
    pub action: Action,
}

impl Step {
    /// The transaction that makes the call.
    #[must_use]
    pub fn transaction(&self, world: &World) -> Transaction {
        let (to, value, data) = self.action.call(world);
        if self.sender == world.wallet {
            return through_wallet(world, to, value, data);
        }
        Transaction { from: self.sender, to, value, data }
    }
}

/// A call that the wallet makes, on anybody's word.
pub(crate) fn through_wallet(
    world: &World,
    target: Address,
    value: U256,
    data: Bytes,
) -> Transaction {
    let data = FixtureWallet::actCall { target, value, data }.abi_encode().into();
    Transaction { from: world.stranger.address, to: world.wallet, value: U256::ZERO, data }
}

impl Action {
    /// Who is called, with what value and data.
    fn call(&self, world: &World) -> (Address, U256, Bytes) {
        let mut value = U256::ZERO;
        let mut to = world.channels;
        let data = match self {
            Self::Open(t, money, consent) => {
                value = money.value;
                let accept = accept(consent);
                C::openChannelCall { terms: terms(t), amount: money.amount, accept }.abi_encode()
            }
            Self::Join(t, money, consent) => {
                value = money.value;
                let accept = accept(consent);
                C::joinChannelCall { terms: terms(t), amount: money.amount, accept }.abi_encode()
            }
            Self::Deposit(t, side, money) => {
                value = money.value;
                let amount = money.amount;
                C::depositCall { terms: terms(t), side: *side, amount }.abi_encode()
            }
            Self::TakeCredit(token, receiver, amount) => {
                C::withdrawCall { token: *token, to: *receiver, amount: *amount }.abi_encode()
            }
            Self::TakeFor(order, by) => {
                let signature = Bytes::copy_from_slice(&by.0);
                C::withdrawForCall { order: take(order), signature }.abi_encode()
            }
            Self::Register(secrets) => {
                to = world.registry;
                SecretRegistry::registerSecretCall { secrets: secrets.clone() }.abi_encode()
            }
            Self::Answer(id, answer) => {
                to = world.resolver;
                set_answer(*id, *answer)
            }
            Self::Refuse(token, account, refuses) => {
                to = if token.is_zero() { world.wallet } else { *token };
                refuse(*token, *account, *refuses)
            }
            Self::CancelOpen(..)
            | Self::Update(..)
            | Self::Withdraw(..)
            | Self::Initiate(..)
            | Self::Challenge(..)
            | Self::Batch(..)
            | Self::Close(..)
            | Self::Cooperate(..)
            | Self::Resolve(..) => self.exit_call(),
        };
        (to, value, data.into())
    }

    /// Calldata of the exits; empty for what is none.
    fn exit_call(&self) -> Vec<u8> {
        match self {
            Self::CancelOpen(t, order) => {
                C::cancelOpenCall { terms: terms(t), intent: intent(order) }.abi_encode()
            }
            Self::Update(t, s, by) => {
                let (signature1, signature2) = both(by);
                C::updateStateCall { terms: terms(t), state: state(s), signature1, signature2 }
                    .abi_encode()
            }
            Self::Withdraw(t, w, by) => {
                let (signature1, signature2) = both(by);
                let (terms, order) = (terms(t), withdraw(w));
                C::partialWithdrawCall { terms, order, signature1, signature2 }.abi_encode()
            }
            Self::Initiate(t, s, by, order) => {
                let (signature1, signature2) = both(by);
                let (terms, state, intent) = (terms(t), state(s), intent(order));
                C::initiateCloseCall { terms, state, signature1, signature2, intent }.abi_encode()
            }
            Self::Challenge(t, s, by) => {
                let (signature1, signature2) = both(by);
                C::challengeCloseCall { terms: terms(t), state: state(s), signature1, signature2 }
                    .abi_encode()
            }
            Self::Batch(items) => {
                let items = items.iter().map(challenge_item).collect();
                C::challengeCloseBatchCall { items }.abi_encode()
            }
            Self::Close(t) => C::closeChannelCall { terms: terms(t) }.abi_encode(),
            Self::Cooperate(t, version, net, by) => {
                let (signature1, signature2) = both(by);
                let state = C::FinalState { version: version.0, net: net.to_i256() };
                C::cooperativeCloseCall { terms: terms(t), state, signature1, signature2 }
                    .abi_encode()
            }
            Self::Resolve(t, list, mask) => {
                let locks = list.iter().map(lock).collect();
                C::resolveLocksCall { terms: terms(t), locks, mask: *mask }.abi_encode()
            }
            Self::Open(..)
            | Self::Join(..)
            | Self::Deposit(..)
            | Self::TakeCredit(..)
            | Self::TakeFor(..)
            | Self::Register(..)
            | Self::Answer(..)
            | Self::Refuse(..) => vec![],
        }
    }
}

fn set_answer(id: B256, answer: Answer) -> Vec<u8> {
    let answer = FixtureResolver::Answer {
        manner: answer.manner,
        done: answer.done,
        ok: answer.ok,
        decidedAt: alloy_primitives::Uint::from(answer.decided_at),
    };
    FixtureResolver::setCall { id, answer }.abi_encode()
}

fn refuse(token: Address, account: Address, refuses: bool) -> Vec<u8> {
    if token.is_zero() {
        FixtureWallet::setRefusesCall { refuses }.abi_encode()
    } else {
        FixtureToken::setRefusedCall { account, isRefused: refuses }.abi_encode()
    }
}

/// Terms as calldata has them.
pub(crate) fn terms(terms: &Terms) -> C::Terms {
    C::Terms {
        participant1: address_of(terms.participant1),
        participant2: address_of(terms.participant2),
        signer1: terms.signer1,
        signer2: terms.signer2,
        token: address_of(terms.token),
        challengePeriod: terms.challenge_period,
        salt: terms.salt,
    }
}

fn state(state: &PresentedState) -> C::State {
    C::State {
        version: state.version.0,
        kind: state.kind,
        net: state.net.to_i256(),
        locked1: state.locked1.to_u256(),
        locked2: state.locked2.to_u256(),
        locksRoot: state.locks_root,
    }
}

fn withdraw(order: &PresentedWithdraw) -> C::PartialWithdraw {
    C::PartialWithdraw {
        version: order.version.0,
        net: order.net.to_i256(),
        locked1: order.locked1.to_u256(),
        locked2: order.locked2.to_u256(),
        locksRoot: order.locks_root,
        out1: order.out1.to_u256(),
        out2: order.out2.to_u256(),
        deadline: order.deadline.0,
    }
}

fn intent(intent: &PresentedIntent) -> C::CloseIntent {
    C::CloseIntent {
        side: intent.side,
        minVersion: intent.min_version.0,
        deadline: intent.deadline.0,
        signature: signature(intent.signature),
    }
}

fn lock(lock: &Lock) -> C::Lock {
    C::Lock {
        hash: lock.hash,
        resolver: address_of(lock.resolver),
        amount: alloy_primitives::Uint::from(lock.amount.to_u256()),
        expiry: alloy_primitives::Uint::from(lock.expiry.0),
        from1: lock.from1,
    }
}

fn take(take: &Take) -> C::Take {
    C::Take {
        token: address_of(take.token),
        account: address_of(take.account),
        to: address_of(take.to),
        amount: take.amount.to_u256(),
        id: take.id,
        deadline: take.deadline.0,
    }
}

fn challenge_item(item: &ChallengeItem) -> C::ChallengeItem {
    let (signature1, signature2) = both(&item.signatures);
    C::ChallengeItem {
        terms: terms(&item.terms),
        state: state(&item.state),
        signature1,
        signature2,
    }
}

fn signature(signature: StateSignature) -> C::Signature {
    let (r, vs) = signature.0.split_at(32);
    C::Signature { r: B256::from_slice(r), vs: B256::from_slice(vs) }
}

fn both(signatures: &Signatures) -> (C::Signature, C::Signature) {
    (signature(signatures.one), signature(signatures.two))
}

/// `abi.encodePacked(uint256 minDeposit1, uint64 deadline, signature)`, or nothing.
fn accept(consent: &PresentedConsent) -> Bytes {
    if consent.signature.is_empty() {
        return Bytes::new();
    }
    let mut bytes = consent.min_deposit1.to_be_bytes().to_vec();
    bytes.extend(consent.deadline.0.to_be_bytes());
    bytes.extend(&consent.signature);
    bytes.into()
}
