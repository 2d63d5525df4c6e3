//! Amounts as people write them: a number and its unit.
//!
//! A number without a unit is refused: nobody should guess whether 1500 are coins or their smallest parts.

use super::failure::CliError;
use lockstep_rpc::types::{AmountText, Asset, Text};

/// The smallest part of the chain's own coin, and of every token in this command line.
const BASE_UNIT: &str = "wei";
/// A thousand million of them.
const GWEI: &str = "gwei";
const GWEI_DECIMALS: u8 = 9;
/// Of the chain's own coins; only these have wei.
const COIN_DECIMALS: u8 = 18;

/// An amount and the asset that its unit names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Money {
    pub(super) amount: AmountText,
    pub(super) asset: Asset,
}

/// Reads an amount in one of these assets; the first is the chain's own coin.
///
/// `parts` are the words of the command line: `1.5 ETH` comes in two, `1.5ETH` in one.
pub(super) fn read(parts: &[String], assets: &[Asset]) -> Result<Money, CliError> {
    let text: String = parts.concat().split_whitespace().collect();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != ',');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    if number.is_empty() {
        return Err(refused(&text, "does not begin with a number", assets));
    }
    if number.contains(',') {
        return Err(refused(
            &text,
            "has a comma: use a point, and nothing between thousands",
            assets,
        ));
    }
    if unit.is_empty() {
        return Err(refused(&text, "has no unit", assets));
    }
    let (asset, decimals) = asset_of(unit, assets)
        .ok_or_else(|| refused(&text, "is in a unit that this node does not know", assets))?;
    let amount = scaled(number, decimals).map_err(|why| refused(&text, &why, assets))?;
    Ok(Money { amount, asset: asset.clone() })
}

/// Reads an amount that must be in this asset.
pub(super) fn read_in(parts: &[String], asset: &Asset) -> Result<AmountText, CliError> {
    Ok(read(parts, std::slice::from_ref(asset))?.amount)
}

/// Writes an amount in whole tokens with its symbol: `1.5 ETH`.
pub(super) fn show(amount: AmountText, asset: &Asset) -> String {
    format!("{} {}", decimal(amount, asset.decimals), asset.symbol)
}

/// Writes an amount in whole tokens, exactly.
pub(super) fn decimal(amount: AmountText, decimals: u8) -> String {
    let digits = amount.to_string();
    let decimals = usize::from(decimals);
    let padded = format!("{digits:0>width$}", width = decimals.saturating_add(1));
    let (whole, fraction) = padded.split_at(padded.len().saturating_sub(decimals));
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// The asset of a unit, and how many decimals the unit has.
fn asset_of<'a>(unit: &str, assets: &'a [Asset]) -> Option<(&'a Asset, u8)> {
    let named = assets.iter().find(|asset| asset.symbol.eq_ignore_ascii_case(unit));
    if let Some(asset) = named {
        return Some((asset, asset.decimals));
    }
    let coin =
        assets.iter().find(|asset| asset.token.0.is_zero() && asset.decimals == COIN_DECIMALS);
    match (unit.to_ascii_lowercase().as_str(), assets) {
        (BASE_UNIT, _) if coin.is_some() => coin.map(|coin| (coin, 0)),
        (GWEI, _) => coin.map(|coin| (coin, GWEI_DECIMALS)),
        // The smallest part of the only token that can be meant.
        (BASE_UNIT, [only]) => Some((only, 0)),
        (_, _) => None,
    }
}

/// A decimal number in units of 10^-decimals.
fn scaled(number: &str, decimals: u8) -> Result<AmountText, String> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return Err("is no number".to_owned());
    }
    let fraction = fraction.trim_end_matches('0');
    let decimals = usize::from(decimals);
    if fraction.len() > decimals {
        return Err(format!("has {} decimal places, the unit has {decimals}", fraction.len()));
    }
    let digits = format!("{whole}{fraction:0<decimals$}");
    let digits = digits.trim_start_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    digits.parse::<AmountText>().map_err(|_| "is too large".to_owned())
}

fn refused(text: &str, why: &str, assets: &[Asset]) -> CliError {
    let symbols: Vec<&str> = assets.iter().map(|asset| asset.symbol.as_str()).collect();
    let example = symbols.first().copied().unwrap_or("ETH");
    CliError::refused(format!("amount `{text}` {why}")).safe("nothing was done").advice(format!(
        "write it with its unit, such as 1.5{example} or 1000wei ({})",
        symbols.join(", ")
    ))
}

/// Nothing.
pub(super) fn is_zero(amount: &AmountText) -> bool {
    let Text(amount) = amount;
    amount.is_zero()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Address;
    use lockstep_core::ids::AccountRef;

    fn asset(token: u8, symbol: &str, decimals: u8) -> Asset {
        let token = Text(AccountRef::Evm(Address::repeat_byte(token)));
        Asset { token, symbol: symbol.to_owned(), decimals }
    }

    fn assets() -> [Asset; 2] {
        [asset(0, "ETH", 18), asset(7, "USDC", 6)]
    }

    fn check(words: &[&str], expected: &str, symbol: &str) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let money = read(&words, &assets()).unwrap();
        assert_eq!(
            (money.amount.to_string().as_str(), money.asset.symbol.as_str()),
            (expected, symbol)
        );
    }

    fn check_refused(text: &str, why: &str) {
        let error = read(&[text.to_owned()], &assets()).unwrap_err().to_text();
        assert!(error.contains(why), "{text}: {error}");
    }

    #[test]
    fn a_number_and_its_unit_are_an_amount() {
        check(&["1.5ETH"], "1500000000000000000", "ETH");
        check(&["1.5", "eth"], "1500000000000000000", "ETH");
        check(&["1.5 ETH"], "1500000000000000000", "ETH");
        check(&["0.000000000000000001ETH"], "1", "ETH");
        check(&[".5ETH"], "500000000000000000", "ETH");
        check(&["1.50000000000000000000ETH"], "1500000000000000000", "ETH");
        check(&["2gwei"], "2000000000", "ETH");
        check(&["1000", "wei"], "1000", "ETH");
        check(&["20usdc"], "20000000", "USDC");
        check(&["0ETH"], "0", "ETH");
        let usdc = asset(7, "USDC", 6);
        assert_eq!(read_in(&["15wei".to_owned()], &usdc).unwrap().to_string(), "15");
    }

    #[test]
    fn what_could_be_misread_is_refused_with_its_reason() {
        check_refused("1500", "has no unit");
        check_refused("ETH", "does not begin with a number");
        check_refused("1,5ETH", "has a comma");
        check_refused("1.5.1ETH", "is no number");
        check_refused(".ETH", "is no number");
        check_refused("-1ETH", "does not begin with a number");
        check_refused("1e3ETH", "does not know");
        check_refused("1BTC", "does not know");
        check_refused("0.0000001USDC", "has 7 decimal places, the unit has 6");
        check_refused("1.5wei", "has 1 decimal places, the unit has 0");
        check_refused(&format!("{}ETH", "9".repeat(78)), "is too large");
        let usdc = asset(7, "USDC", 6);
        assert!(read_in(&["1ETH".to_owned()], &usdc).is_err());
        assert!(read_in(&["1gwei".to_owned()], &usdc).is_err());
    }

    #[test]
    fn an_amount_is_shown_exactly_and_reads_back() {
        let [eth, usdc] = assets();
        for (base, asset, shown) in [
            ("0", &eth, "0 ETH"),
            ("1", &eth, "0.000000000000000001 ETH"),
            ("1500000000000000000", &eth, "1.5 ETH"),
            ("123456789", &usdc, "123.456789 USDC"),
            ("100000000", &usdc, "100 USDC"),
        ] {
            let amount: AmountText = base.parse().unwrap();
            assert_eq!(show(amount, asset), shown);
            assert_eq!(read_in(&[shown.to_owned()], asset).unwrap(), amount);
        }
    }
}
