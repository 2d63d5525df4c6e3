//! Commands about payments and invoices.

use super::amount;
use super::args::{Invoice, Invoices, Pay, Payments};
use super::failure::CliError;
use super::output::{Terminal, pairs, table};
use super::progress;
use super::session::Session;
use super::wording;
use alloy_primitives::hex;
use lockstep_rpc::api;
use lockstep_rpc::types::{
    self, CreateInvoice, Direction, InvoiceCall, InvoiceState, ListInvoices, ListPayments, Payment,
    PaymentState,
};

/// How an invoice begins, and no channel's id does.
const INVOICE: &str = "lsi";

pub(super) async fn invoice(
    args: &Invoice,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    if is_invoice(&args.channel) {
        let call = InvoiceCall { invoice: args.channel.clone() };
        let read = session.call(&api::DECODE_INVOICE, &call).await?;
        return terminal.answer(&read, |invoice| invoice_text(invoice, session));
    }
    let call = invoice_call(args, session).await?;
    let made = session.call(&api::CREATE_INVOICE, &call).await?;
    terminal.answer(&made, |invoice: &types::Invoice| invoice.invoice.clone())
}

pub(super) async fn invoice_call(
    args: &Invoice,
    session: &Session,
) -> Result<CreateInvoice, CliError> {
    let channel = session.channel(&args.channel).await?;
    Ok(CreateInvoice {
        channel_id: channel.channel_id,
        amount: amount::read_in(&args.amount, &channel.asset)?,
        expiry_secs: args.expiry,
        memo: args.memo.clone(),
    })
}

pub(super) async fn invoices(
    args: &Invoices,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let channel_id = session.channel_id_if_any(args.channel.as_deref()).await?;
    let call = ListInvoices { channel_id, include_ended: Some(args.all) };
    let listed = session.call(&api::LIST_INVOICES, &call).await?;
    terminal.answer(&listed, |listed| invoice_table(listed, session))
}

fn invoice_table(invoices: &[types::Invoice], session: &Session) -> String {
    if invoices.is_empty() {
        return "No invoices. `lockstep invoice` makes one.".to_owned();
    }
    let rows = invoices.iter().map(|invoice| {
        vec![
            wording::short(&invoice.channel_id),
            amount_text(invoice, session),
            wording::moment(invoice.expires_at),
            state_text(invoice.state).to_owned(),
            invoice.memo.clone().unwrap_or_default(),
            invoice.invoice.clone(),
        ]
    });
    table(&["CHANNEL", "AMOUNT", "UNTIL (UTC)", "STATE", "FOR", "INVOICE"], rows)
}

pub(super) async fn pay(
    args: &Pay,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let call = pay_call(args, session).await?;
    let again = match &call.idempotency_key {
        Some(key) if args.key.is_none() => format!(
            "the payment may still happen; run the command again with --key {key}, which pays at most once"
        ),
        Some(_) | None => "run the same command again: it pays at most once".to_owned(),
    };
    let work = session.call(&api::PAY, &call);
    let paid = progress::watched("paying", terminal, work).await.map_err(|error| {
        if error.exit_code() == super::failure::TRANSIENT { error.advice(again) } else { error }
    })?;
    if paid.state == PaymentState::Failed {
        let why = paid.problem.clone().unwrap_or_else(|| "the counterparty left it out".to_owned());
        return Err(
            CliError::refused(format!("the payment failed: {why}")).safe("nothing was paid")
        );
    }
    terminal.answer(&paid, one)
}

/// The call of a payment, with a key so that it happens at most once.
pub(super) async fn pay_call(args: &Pay, session: &Session) -> Result<types::Pay, CliError> {
    let mut call = types::Pay {
        memo: args.memo.clone(),
        idempotency_key: Some(args.key.clone().map_or_else(new_key, Ok)?),
        wait_millis: args.wait.no_wait.then_some(0),
        ..types::Pay::default()
    };
    if is_invoice(&args.target) {
        if !args.amount.is_empty() {
            return Err(CliError::refused("an invoice says its amount itself")
                .safe("nothing was paid")
                .advice("leave the amount away"));
        }
        call.invoice = Some(args.target.clone());
    } else {
        let channel = session.channel(&args.target).await?;
        if args.amount.is_empty() {
            return Err(CliError::refused("the amount is missing")
                .safe("nothing was paid")
                .advice("add it with its unit, such as 0.01ETH"));
        }
        call.channel_id = Some(channel.channel_id);
        call.amount = Some(amount::read_in(&args.amount, &channel.asset)?);
    }
    Ok(call)
}

/// A key that nobody else uses.
pub(super) fn new_key() -> Result<String, CliError> {
    let mut key = [0_u8; 16];
    getrandom::fill(&mut key).map_err(|_| CliError::failed("the system gives no randomness"))?;
    Ok(format!("cli-{}", hex::encode(key)))
}

pub(super) async fn list(
    args: &Payments,
    session: &Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let channel_id = session.channel_id_if_any(args.channel.as_deref()).await?;
    let call = ListPayments {
        from_index: args.from,
        limit: Some(args.limit),
        channel_id,
        newest_first: Some(true),
    };
    let page = session.call(&api::LIST_PAYMENTS, &call).await?;
    terminal.answer(&page, |page: &types::PaymentPage| many(&page.payments))
}

fn is_invoice(text: &str) -> bool {
    text.to_ascii_lowercase().starts_with(INVOICE)
}

/// One payment.
fn one(payment: &Payment) -> String {
    let amount = amount::show(payment.amount, &payment.asset);
    let verb = match payment.direction {
        Direction::Sent => "paid",
        Direction::Received => "received",
    };
    match payment.state {
        PaymentState::Final => format!("{verb} {amount}, final (payment {})", payment.payment_id),
        PaymentState::Pending => {
            format!("{amount} is on its way, not final yet (payment {})", payment.payment_id)
        }
        PaymentState::Failed => {
            let why = payment.problem.as_deref().unwrap_or("left out");
            format!("{amount} was not paid: {why}")
        }
    }
}

/// A list of payments.
pub(super) fn many(payments: &[Payment]) -> String {
    if payments.is_empty() {
        return "No payments.".to_owned();
    }
    let rows = payments.iter().map(|payment| {
        let sign = match payment.direction {
            Direction::Sent => "-",
            Direction::Received => "+",
        };
        vec![
            payment.index.map_or_else(String::new, |index| index.to_string()),
            wording::moment(payment.at),
            wording::short(&payment.channel_id),
            format!("{sign}{}", amount::show(payment.amount, &payment.asset)),
            wording::payment(payment.state).to_owned(),
            payment.memo.clone().or_else(|| payment.problem.clone()).unwrap_or_default(),
        ]
    });
    table(&["INDEX", "TIME (UTC)", "CHANNEL", "AMOUNT", "STATE", "NOTE"], rows)
}

fn amount_text(invoice: &types::Invoice, session: &Session) -> String {
    let asset = session.info.assets.iter().find(|asset| asset.token == invoice.token);
    match asset {
        Some(asset) => amount::show(invoice.amount, asset),
        None => format!("{} base units of {}", invoice.amount, invoice.token),
    }
}

fn state_text(state: InvoiceState) -> &'static str {
    match state {
        InvoiceState::Open => "open",
        InvoiceState::Paid => "paid",
        InvoiceState::Expired => "expired",
        InvoiceState::Foreign => "of another network, or of no channel of this node",
    }
}

fn invoice_text(invoice: &types::Invoice, session: &Session) -> String {
    let rows = [
        ("amount", amount_text(invoice, session)),
        ("to", if invoice.is_ours { "us".to_owned() } else { invoice.payee.to_string() }),
        ("channel", invoice.channel_id.to_string()),
        ("until", wording::moment(invoice.expires_at)),
        ("for", invoice.memo.clone().unwrap_or_default()),
        ("state", state_text(invoice.state).to_owned()),
    ];
    pairs(rows.into_iter().map(|(name, value)| (name.to_owned(), value)))
}
