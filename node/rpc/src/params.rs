//! Reads parameters: by name, or by position.

use crate::method::{Call, Method};
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::types::error::INVALID_PARAMS_CODE;
use serde_json::{Map, Value};

/// As much of a message as is sent back. Units: characters.
const MAX_MESSAGE: usize = 400;

/// The parameters of a call. They come as an object, as an array with that object alone, or as an array of
/// the fields in order, of which the last ones may be missing.
///
/// # Errors
/// "Invalid params", with what is wrong.
pub(crate) fn read<P: Call, R>(
    method: &Method<P, R>,
    raw: Option<&str>,
) -> Result<P, ErrorObjectOwned> {
    let value = match raw {
        Some(raw) => serde_json::from_str(raw).map_err(|error| refused(&error.to_string()))?,
        None => Value::Array(Vec::new()),
    };
    let fields = by_name(value, method.params).map_err(|message| refused(&message))?;
    serde_json::from_value(Value::Object(fields)).map_err(|error| refused(&error.to_string()))
}

fn by_name(value: Value, names: &[&str]) -> Result<Map<String, Value>, String> {
    let mut positions = match value {
        Value::Object(fields) => return Ok(fields),
        Value::Array(positions) => positions,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err("parameters are neither an object nor an array".to_owned());
        }
    };
    if let [Value::Object(_)] = positions.as_slice()
        && let Some(Value::Object(fields)) = positions.pop()
    {
        return Ok(fields);
    }
    if positions.len() > names.len() {
        let (found, allowed) = (positions.len(), names.len());
        return Err(format!("{found} parameters are given, at most {allowed} are taken"));
    }
    let given = names.iter().zip(positions).filter(|(_, value)| !value.is_null());
    Ok(given.map(|(name, value)| ((*name).to_owned(), value)).collect())
}

fn refused(message: &str) -> ErrorObjectOwned {
    // The message may quote what was sent.
    let message: String = message.chars().take(MAX_MESSAGE).collect();
    ErrorObjectOwned::owned(
        INVALID_PARAMS_CODE,
        format!("invalid parameters: {message}"),
        None::<()>,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{CHECK, LIST_PAYMENTS, PAY, STATUS};
    use crate::types::{CheckCall, Pay};

    const CHANNEL: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";

    fn check_pay(raw: &str) {
        let expected = Pay {
            channel_id: Some(CHANNEL.parse().unwrap()),
            amount: Some("7".parse().unwrap()),
            ..Pay::default()
        };
        assert_eq!(read(&PAY, Some(raw)).unwrap(), expected, "{raw}");
    }

    fn check_refused<P: Call + std::fmt::Debug, R>(
        method: &Method<P, R>,
        raw: &str,
        expected: &str,
    ) {
        let error = read(method, Some(raw)).unwrap_err();
        assert_eq!(error.code(), -32_602);
        assert!(error.message().contains(expected), "{raw}: {}", error.message());
    }

    #[test]
    fn parameters_come_by_name_and_by_position() {
        check_pay(&format!(r#"{{"channelId":"{CHANNEL}","amount":"7"}}"#));
        check_pay(&format!(r#"[{{"channelId":"{CHANNEL}","amount":"7"}}]"#));
        check_pay(&format!(r#"["{CHANNEL}","7"]"#));
        check_pay(&format!(r#"["{CHANNEL}",7,null,null]"#));
        assert!(read(&STATUS, None).is_ok());
        assert!(read(&STATUS, Some("[]")).is_ok());
        assert!(read(&LIST_PAYMENTS, Some("[null, 5]")).unwrap().from_index.is_none());
    }

    #[test]
    fn an_order_to_check_is_read_by_its_method() {
        let raw = format!(r#"["pay", {{"channelId":"{CHANNEL}","amount":"7"}}]"#);
        assert!(matches!(read(&CHECK, Some(&raw)), Ok(CheckCall::Pay(_))));
        check_refused(&CHECK, r#"["stop", {}]"#, "unknown variant `stop`");
    }

    #[test]
    fn wrong_parameters_are_refused_by_what_is_wrong_with_them() {
        check_refused(&PAY, "[1, 2", "EOF");
        check_refused(&PAY, "7", "neither an object nor an array");
        check_refused(&PAY, r#"["0x12"]"#, "a channel id as 0x and 64 hex digits");
        check_refused(&PAY, r#"{"amuont":"7"}"#, "unknown field `amuont`");
        check_refused(&PAY, r#"[null,"1.5"]"#, "decimal string of base units");
        check_refused(&PAY, "[1,2,3,4,5,6,7]", "at most 6 are taken");
        check_refused(&STATUS, "[1]", "at most 0 are taken");
        check_refused(&crate::api::GET_CHANNEL, "[]", "missing field `channelId`");
    }
}
