//! Which method of the backend answers which call.

use super::door::unauthorized;
use super::{MAX_SEATS, ServerError, subscription};
use crate::access::{Caller, Tokens, grant_of};
use crate::api;
use crate::backend::{Answer, Backend};
use crate::failure::{Failure, FailureData, FailureKind};
use crate::method::{Call, Method, Reply, Scope};
use crate::openrpc;
use crate::params;
use crate::types::Text;
use jsonrpsee::server::{Extensions, Methods, ResponsePayload, RpcModule};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What the methods work with.
pub(super) struct Desk<B> {
    pub(super) backend: Arc<B>,
    pub(super) tokens: Arc<Tokens>,
    /// One for each call that may be under way.
    seats: Semaphore,
    /// A few more for the operator, so that others who wait can't keep it from closing a channel.
    spare: Semaphore,
}

/// The longest that a call holds its seat. Over HTTP it has ended before.
const CALL_WITHIN: Duration = Duration::from_secs(110);
/// Seats that only the operator's calls may take.
const SPARE_SEATS: usize = 32;

impl<B> Desk<B> {
    /// Who calls, if the token is still valid and allows this much.
    ///
    /// # Errors
    /// [`FailureKind::Unauthorized`] or [`FailureKind::Forbidden`].
    pub(super) fn caller(&self, extensions: &Extensions, scope: Scope) -> Answer<Caller> {
        // A WebSocket lives longer than a token that is revoked.
        let caller = extensions.get::<Caller>().filter(|caller| self.tokens.is_valid(caller));
        let caller = *caller.ok_or_else(|| unauthorized(true))?;
        caller.may(scope)?;
        Ok(caller)
    }
}

/// Every method of [`api`].
pub(super) fn all<B: Backend>(
    backend: Arc<B>,
    tokens: Arc<Tokens>,
    max_calls: u32,
) -> Result<Methods, ServerError> {
    let seats = Semaphore::new(usize::try_from(max_calls).unwrap_or(MAX_SEATS));
    let spare = Semaphore::new(SPARE_SEATS);
    let mut counter = Counter { module: RpcModule::new(Desk { backend, tokens, seats, spare }) };
    node(&mut counter)?;
    channels(&mut counter)?;
    payments(&mut counter)?;
    closing(&mut counter)?;
    towers(&mut counter)?;
    access(&mut counter)?;
    subscription::register(&mut counter.module)?;
    Ok(counter.module.into())
}

type Registered = Result<(), ServerError>;

fn node<B: Backend>(counter: &mut Counter<B>) -> Registered {
    counter.add(&api::GET_INFO, |desk, _, _| async move { Ok(desk.backend.info()) })?;
    counter.add(&api::STATUS, |desk, _, _| async move { Ok(desk.backend.status()) })?;
    counter.add(&api::LIST_PEERS, |desk, _, _| async move { desk.backend.peers().await })?;
    counter.add(&api::CREATE_INVITE, |desk, call, _| async move {
        desk.backend.create_invite(call).await
    })?;
    counter.add(&api::DECODE_INVITE, |desk, call, _| async move {
        desk.backend.decode_invite(call).await
    })?;
    counter.add(&api::CONNECT, |desk, call, _| async move { desk.backend.connect(call).await })?;
    counter.add(&api::DISCONNECT_PEER, |desk, call, _| async move {
        desk.backend.disconnect_peer(call).await
    })?;
    counter.add(&api::FORGET_PEER, |desk, call, _| async move {
        desk.backend.forget_peer(call).await
    })?;
    counter
        .add(&api::LIST_EVENTS, |desk, call, _| async move { desk.backend.events(call).await })?;
    counter.add(&api::STOP, |desk, _, _| async move { desk.backend.stop().await })?;
    counter.add(&api::DISCOVER, |_, _, _| async move { Ok(openrpc::document()) })
}

fn channels<B: Backend>(counter: &mut Counter<B>) -> Registered {
    counter.add(&api::OPEN_CHANNEL, |desk, call, _| async move {
        desk.backend.open_channel(call).await
    })?;
    counter.add(&api::LIST_PENDING_OPENS, |desk, _, _| async move {
        desk.backend.pending_opens().await
    })?;
    counter.add(&api::JOIN_CHANNEL, |desk, call, _| async move {
        desk.backend.join_channel(call).await
    })?;
    counter.add(&api::REJECT_CHANNEL, |desk, call, _| async move {
        desk.backend.reject_channel(call).await
    })?;
    counter.add(&api::CANCEL_OPEN, |desk, call, _| async move {
        desk.backend.cancel_open(call).await
    })?;
    counter.add(&api::DEPOSIT, |desk, call, _| async move { desk.backend.deposit(call).await })?;
    counter
        .add(&api::WITHDRAW, |desk, call, _| async move { desk.backend.withdraw(call).await })?;
    counter.add(&api::CASH_CREDIT, |desk, call, _| async move {
        desk.backend.cash_credit(call).await.map(Text)
    })?;
    counter.add(&api::FUND, |desk, call, _| async move { desk.backend.fund(call).await })?;
    counter.add(&api::WITHDRAW_TO_L1, |desk, call, _| async move {
        desk.backend.withdraw_to_l1(call).await
    })?;
    counter.add(&api::CANCEL_TRANSFER, |desk, call, _| async move {
        desk.backend.cancel_transfer(call).await
    })?;
    counter.add(
        &api::FIND_ALIAS,
        |desk, call, _| async move { desk.backend.find_alias(call).await },
    )?;
    counter
        .add(&api::LIST_TRANSFERS, |desk, _, _| async move { desk.backend.transfers().await })?;
    counter.add(&api::LIST_NETWORKS, |desk, _, _| async move { desk.backend.networks().await })?;
    counter.add(&api::LIST_CHANNELS, |desk, call, _| async move {
        desk.backend.channels(call).await
    })?;
    counter.add(&api::GET_CHANNEL, |desk, call, _| async move { desk.backend.channel(call).await })
}

fn payments<B: Backend>(counter: &mut Counter<B>) -> Registered {
    counter.add(&api::PAY, |desk, call, caller| async move {
        desk.backend.pay(call, caller.spender()).await
    })?;
    counter.add(&api::PAY_BATCH, |desk, call, caller| async move {
        desk.backend.pay_batch(call, caller.spender()).await
    })?;
    counter
        .add(&api::GET_PAYMENT, |desk, call, _| async move { desk.backend.payment(call).await })?;
    counter.add(&api::LIST_PAYMENTS, |desk, call, _| async move {
        desk.backend.payments(call).await
    })?;
    counter.add(&api::CREATE_INVOICE, |desk, call, _| async move {
        desk.backend.create_invoice(call).await
    })?;
    counter.add(&api::DECODE_INVOICE, |desk, call, _| async move {
        desk.backend.decode_invoice(call).await
    })?;
    counter
        .add(&api::LIST_INVOICES, |desk, call, _| async move { desk.backend.invoices(call).await })
}

fn closing<B: Backend>(counter: &mut Counter<B>) -> Registered {
    counter.add(&api::CLOSE_CHANNEL, |desk, call, _| async move {
        desk.backend.close_channel(call).await
    })?;
    counter.add(&api::FORCE_CLOSE, |desk, call, _| async move {
        desk.backend.force_close(call).await
    })?;
    counter.add(&api::FREEZE_CHANNEL, |desk, call, _| async move {
        desk.backend.freeze_channel(call).await
    })?;
    counter.add(&api::CHECK, |desk, call, caller| async move {
        desk.backend.check(call, caller.spender()).await
    })?;
    counter.add(&api::EXPORT_PROOF, |desk, call, _| async move {
        desk.backend.export_proof(call).await
    })?;
    counter.add(&api::BACKUP, |desk, call, _| async move { desk.backend.backup(call).await })?;
    counter.add(&api::RECOVER, |desk, call, _| async move { desk.backend.recover(call).await })
}

fn towers<B: Backend>(counter: &mut Counter<B>) -> Registered {
    counter
        .add(&api::ADD_TOWER, |desk, call, _| async move { desk.backend.add_tower(call).await })?;
    counter.add(&api::LIST_TOWERS, |desk, _, _| async move { Ok(desk.backend.towers()) })?;
    counter.add(&api::REMOVE_TOWER, |desk, call, _| async move {
        desk.backend.remove_tower(call).await
    })?;
    counter.add(&api::LIST_RECEIPTS, |desk, call, _| async move { Ok(desk.backend.receipts(call)) })
}

fn access<B: Backend>(counter: &mut Counter<B>) -> Registered {
    counter.add(&api::CREATE_TOKEN, |desk, call, _| async move {
        Ok(desk.tokens.create(&call.name, grant_of(&call)?)?)
    })?;
    counter.add(&api::LIST_TOKENS, |desk, _, _| async move { Ok(desk.tokens.list()) })?;
    counter
        .add(&api::REVOKE_TOKEN, |desk, call, _| async move { Ok(desk.tokens.revoke(&call.name)?) })
}

/// Where methods are registered.
struct Counter<B> {
    module: RpcModule<Desk<B>>,
}

impl<B: Backend> Counter<B> {
    /// Answers a method: looks at the token, reads the parameters, and only then calls.
    fn add<P, R, F, A>(&mut self, method: &'static Method<P, R>, answer: F) -> Registered
    where
        P: Call,
        R: Reply,
        F: Fn(Arc<Desk<B>>, P, Caller) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Answer<R>> + Send,
    {
        self.module.register_async_method(method.name, move |raw, desk, extensions| {
            let answer = answer.clone();
            async move {
                match serve(method, &raw, desk, &extensions, answer).await {
                    Ok(reply) => ResponsePayload::success(reply),
                    Err(error) => ResponsePayload::error(error),
                }
            }
        })?;
        Ok(())
    }
}

async fn serve<B, P, R, F, A>(
    method: &Method<P, R>,
    raw: &Params<'_>,
    desk: Arc<Desk<B>>,
    extensions: &Extensions,
    answer: F,
) -> Result<R, ErrorObjectOwned>
where
    B: Backend,
    P: Call,
    F: FnOnce(Arc<Desk<B>>, P, Caller) -> A,
    A: Future<Output = Answer<R>>,
{
    let caller = desk.caller(extensions, method.scope).map_err(|failure| error_of(&failure))?;
    let call = params::read(method, raw.as_str())?;
    let busy_desk = Arc::clone(&desk);
    let seat = match (busy_desk.seats.try_acquire(), method.scope) {
        (Err(_), Scope::Admin) => busy_desk.spare.try_acquire(),
        (seat, Scope::Admin | Scope::Pay | Scope::Read) => seat,
    };
    let _seat = seat.map_err(|_| error_of(&busy()))?;
    // A call over a WebSocket has no other limit.
    let answered = tokio::time::timeout(CALL_WITHIN, answer(desk, call, caller)).await;
    answered.unwrap_or_else(|_| Err(late())).map_err(|failure| {
        tracing::debug!(method = method.name, error = %failure, "call refused");
        error_of(&failure)
    })
}

fn busy() -> Failure {
    Failure::new(FailureKind::Busy, "too many calls are under way")
        .safe("nothing was done")
        .advice("wait for answers, then call again")
}

fn late() -> Failure {
    Failure::new(FailureKind::TimedOut, "the call is not answered yet")
        .safe("what was ordered may go on")
        .advice("look before you order it again")
}

/// The error object of a failure.
pub(super) fn error_of(failure: &Failure) -> ErrorObjectOwned {
    if failure.kind == FailureKind::Internal {
        tracing::error!(error = %failure, "call failed inside");
    }
    let data = FailureData::from(failure);
    ErrorObjectOwned::owned(failure.kind.code(), failure.message.clone(), Some(data))
}
