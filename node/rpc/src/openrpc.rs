//! The interface as an OpenRPC document, made from the methods and types themselves.

use crate::api;
use crate::failure::{FailureData, FailureKind};
use crate::method::{Call, Method, Reply};
use crate::types::Event;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Version of OpenRPC that the document follows.
const OPENRPC: &str = "1.3.2";
const DESCRIPTION: &str = "A Lockstep node. Every call needs `Authorization: Bearer <token>`; the token's \
scope must be at least `x-scope`. Parameters come by name, by position, or as one object in an array. Amounts \
are decimal strings of base units, times are seconds since 1970.";

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut book = Book { schemas: SchemaGenerator::new(settings), methods: Vec::new() };
    describe_node(&mut book);
    describe_channels(&mut book);
    describe_payments(&mut book);
    describe_access(&mut book);
    book.schemas.subschema_for::<Event>();
    book.schemas.subschema_for::<FailureData>();
    let schemas = Value::Object(book.schemas.take_definitions(true));
    json!({
        "openrpc": OPENRPC,
        "info": {
            "title": "Lockstep",
            "description": DESCRIPTION,
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "methods": book.methods,
        "components": { "schemas": schemas, "errors": errors() },
        "x-notifications": [{
            "name": api::NOTIFICATION,
            "summary": "One event of a subscription, or `error` at its end.",
            "params": {
                "subscription": { "type": "string" },
                "result": { "$ref": "#/components/schemas/Event" },
            },
        }],
    })
}

fn describe_node(book: &mut Book) {
    book.add(&api::GET_INFO);
    book.add(&api::STATUS);
    book.add(&api::LIST_PEERS);
    book.add(&api::CREATE_INVITE);
    book.add(&api::DECODE_INVITE);
    book.add(&api::CONNECT);
    book.add(&api::DISCONNECT_PEER);
    book.add(&api::FORGET_PEER);
    book.add(&api::LIST_EVENTS);
    book.add(&api::SUBSCRIBE);
    book.add(&api::UNSUBSCRIBE);
    book.add(&api::STOP);
    book.add(&api::DISCOVER);
}

fn describe_channels(book: &mut Book) {
    book.add(&api::OPEN_CHANNEL);
    book.add(&api::LIST_PENDING_OPENS);
    book.add(&api::JOIN_CHANNEL);
    book.add(&api::REJECT_CHANNEL);
    book.add(&api::CANCEL_OPEN);
    book.add(&api::DEPOSIT);
    book.add(&api::WITHDRAW);
    book.add(&api::CASH_CREDIT);
    book.add(&api::FUND);
    book.add(&api::WITHDRAW_TO_L1);
    book.add(&api::CANCEL_TRANSFER);
    book.add(&api::FIND_ALIAS);
    book.add(&api::LIST_TRANSFERS);
    book.add(&api::LIST_NETWORKS);
    book.add(&api::LIST_CHANNELS);
    book.add(&api::GET_CHANNEL);
    book.add(&api::CLOSE_CHANNEL);
    book.add(&api::FORCE_CLOSE);
    book.add(&api::FREEZE_CHANNEL);
    book.add(&api::CHECK);
    book.add(&api::EXPORT_PROOF);
    book.add(&api::BACKUP);
    book.add(&api::RECOVER);
    book.add(&api::ADD_TOWER);
    book.add(&api::LIST_TOWERS);
    book.add(&api::REMOVE_TOWER);
    book.add(&api::LIST_RECEIPTS);
}

fn describe_payments(book: &mut Book) {
    book.add(&api::PAY);
    book.add(&api::PAY_BATCH);
    book.add(&api::GET_PAYMENT);
    book.add(&api::LIST_PAYMENTS);
    book.add(&api::CREATE_INVOICE);
    book.add(&api::DECODE_INVOICE);
    book.add(&api::LIST_INVOICES);
}

fn describe_access(book: &mut Book) {
    book.add(&api::CREATE_TOKEN);
    book.add(&api::LIST_TOKENS);
    book.add(&api::REVOKE_TOKEN);
}

/// Every error of ours, by its kind.
fn errors() -> Value {
    let all = FailureKind::ALL.into_iter().filter_map(|kind| {
        let name = serde_json::to_value(kind).ok()?.as_str()?.to_owned();
        let class = crate::failure::class_name(kind.class());
        Some((name.clone(), json!({ "code": kind.code(), "message": name, "data": class })))
    });
    Value::Object(all.collect())
}

/// A document in the making.
struct Book {
    schemas: SchemaGenerator,
    methods: Vec<Value>,
}

impl Book {
    fn add<P: Call, R: Reply>(&mut self, method: &Method<P, R>) {
        let call = P::json_schema(&mut self.schemas);
        let params: Vec<Value> = method
            .params
            .iter()
            .map(|name| {
                let (schema, is_required) = field(call.as_value(), name);
                let summary = schema.get("description").cloned().unwrap_or_default();
                json!({ "name": name, "summary": summary, "required": is_required, "schema": schema })
            })
            .collect();
        let answer = self.schemas.subschema_for::<R>();
        self.methods.push(json!({
            "name": method.name,
            "summary": method.summary,
            "x-scope": method.scope.name(),
            "paramStructure": "either",
            "params": params,
            "result": { "name": "result", "schema": answer },
        }));
    }
}

/// The schema of a field, and whether it must be given. In a choice of shapes, what the field is in each.
fn field(schema: &Value, name: &str) -> (Value, bool) {
    let is_required = |shape: &Value| {
        let required = shape.get("required").and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|one| one == name))
    };
    let own = |shape: &Value| shape.pointer("/properties").and_then(|all| all.get(name)).cloned();
    if let Some(found) = own(schema) {
        return (found, is_required(schema));
    }
    let shapes = schema.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    let choices: Vec<Value> = shapes.iter().filter_map(own).collect();
    if choices.is_empty() {
        return (Value::Object(Map::new()), false);
    }
    (json!({ "oneOf": choices }), shapes.iter().all(is_required))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_has_a_schema_and_a_sentence() {
        let document = document();
        for method in document["methods"].as_array().unwrap() {
            for param in method["params"].as_array().unwrap() {
                let schema = param["schema"].as_object().unwrap();
                assert!(!schema.is_empty(), "{}.{}", method["name"], param["name"]);
            }
            assert!(method["summary"].as_str().unwrap().ends_with('.'), "{}", method["name"]);
        }
    }

    #[test]
    fn every_field_of_a_call_can_be_given_by_position() {
        fn check<P: Call, R>(method: &Method<P, R>) {
            let mut schemas = SchemaGenerator::default();
            let call = P::json_schema(&mut schemas);
            let fields: Vec<&String> =
                call.as_value()["properties"].as_object().unwrap().keys().collect();
            let mut params = method.params.to_vec();
            params.sort_unstable();
            assert_eq!(fields, params, "{}", method.name);
        }
        check(&api::CREATE_INVITE);
        check(&api::DECODE_INVITE);
        check(&api::CONNECT);
        check(&api::DISCONNECT_PEER);
        check(&api::FORGET_PEER);
        check(&api::OPEN_CHANNEL);
        check(&api::JOIN_CHANNEL);
        check(&api::REJECT_CHANNEL);
        check(&api::CANCEL_OPEN);
        check(&api::DEPOSIT);
        check(&api::LIST_CHANNELS);
        check(&api::GET_CHANNEL);
        check(&api::CREATE_INVOICE);
        check(&api::DECODE_INVOICE);
        check(&api::LIST_INVOICES);
        check(&api::PAY);
        check(&api::PAY_BATCH);
        check(&api::GET_PAYMENT);
        check(&api::LIST_PAYMENTS);
        check(&api::WITHDRAW);
        check(&api::CASH_CREDIT);
        check(&api::FUND);
        check(&api::WITHDRAW_TO_L1);
        check(&api::CANCEL_TRANSFER);
        check(&api::FIND_ALIAS);
        check(&api::FORCE_CLOSE);
        check(&api::BACKUP);
        check(&api::RECOVER);
        check(&api::ADD_TOWER);
        check(&api::REMOVE_TOWER);
        check(&api::LIST_RECEIPTS);
        check(&api::LIST_EVENTS);
        check(&api::CREATE_TOKEN);
        check(&api::REVOKE_TOKEN);
        check(&api::SUBSCRIBE);
        check(&api::UNSUBSCRIBE);
    }
}
