//! Every method, its parameters and its errors.

use crate::fake::{CHANNEL, Host, MISSING};
use crate::http::{call, post};
use lockstep_rpc::Spender;
use lockstep_rpc::openrpc;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Each method with parameters that it takes and what the node is asked then.
fn every_call() -> Vec<(&'static str, Value, &'static str)> {
    let channel = json!({ "channelId": CHANNEL });
    let name = format!("{CHANNEL}/1/1");
    vec![
        ("lockstep_getInfo", json!([]), "info"),
        ("lockstep_status", json!({}), "status"),
        ("lockstep_listPeers", json!([]), "peers"),
        ("lockstep_createInvite", json!(["5", "6"]), "create_invite"),
        ("lockstep_decodeInvite", json!(["lockstep:a"]), "decode_invite"),
        ("lockstep_connect", json!(["lockstep:a", 5]), "connect"),
        ("lockstep_disconnectPeer", json!([format!("0x{}", "02".repeat(33))]), "disconnect_peer"),
        ("lockstep_forgetPeer", json!([format!("0x{}", "02".repeat(33))]), "forget_peer"),
        ("lockstep_openChannel", json!(["lockstep:a", "5"]), "open_channel"),
        ("lockstep_listPendingOpens", json!([]), "pending_opens"),
        ("lockstep_joinChannel", channel.clone(), "join_channel"),
        ("lockstep_rejectChannel", channel.clone(), "reject_channel"),
        ("lockstep_cancelOpen", channel.clone(), "cancel_open"),
        ("lockstep_deposit", json!([CHANNEL, "5", "key"]), "deposit"),
        ("lockstep_withdraw", json!([CHANNEL, "5"]), "withdraw"),
        ("lockstep_cashCredit", json!([]), "cash_credit"),
        ("lockstep_fund", json!([CHANNEL, "5"]), "fund"),
        ("lockstep_withdrawToL1", json!(["5"]), "withdraw_to_l1"),
        ("lockstep_cancelTransfer", json!([format!("0x{}", "09".repeat(32))]), "cancel_transfer"),
        ("lockstep_findAlias", json!([format!("0x{}", "09".repeat(20))]), "find_alias"),
        ("lockstep_listTransfers", json!([]), "transfers"),
        ("lockstep_listNetworks", json!([]), "networks"),
        ("lockstep_listChannels", json!({ "limit": 5 }), "channels"),
        ("lockstep_getChannel", json!([CHANNEL]), "channel"),
        ("lockstep_closeChannel", json!([CHANNEL]), "close_channel"),
        ("lockstep_forceClose", json!([CHANNEL, true]), "force_close"),
        ("lockstep_freezeChannel", json!([CHANNEL]), "freeze_channel"),
        ("lockstep_check", json!(["closeChannel", channel]), "check"),
        ("lockstep_exportProof", json!([CHANNEL]), "export_proof"),
        ("lockstep_backup", json!([]), "backup"),
        ("lockstep_recover", json!({ "invite": "lockstep:a" }), "recover"),
        ("lockstep_addTower", json!(["lockstep-tower:03@"]), "add_tower"),
        ("lockstep_listTowers", json!([]), "towers"),
        ("lockstep_removeTower", json!([format!("0x{}", "03".repeat(33))]), "remove_tower"),
        ("lockstep_listReceipts", json!([CHANNEL]), "receipts"),
        ("lockstep_pay", json!([CHANNEL, "7"]), "pay"),
        ("lockstep_payBatch", json!([CHANNEL, [{ "amount": "7" }]]), "pay_batch"),
        ("lockstep_getPayment", json!([name]), "payment"),
        ("lockstep_listPayments", json!([0, 10]), "payments"),
        ("lockstep_createInvoice", json!([CHANNEL, "7"]), "create_invoice"),
        ("lockstep_decodeInvoice", json!(["lsi1"]), "decode_invoice"),
        ("lockstep_listInvoices", json!([CHANNEL]), "invoices"),
        ("lockstep_listEvents", json!(["payments", 0]), "events"),
        ("lockstep_stop", json!([]), "stop"),
    ]
}

/// Methods that never come to the node, and those of WebSockets.
const OTHERS: [&str; 6] = [
    "lockstep_createToken",
    "lockstep_listTokens",
    "lockstep_revokeToken",
    "rpc.discover",
    "lockstep_subscribe",
    "lockstep_unsubscribe",
];

#[tokio::test]
async fn every_method_of_the_document_comes_to_the_node() {
    let host = Host::start().await;
    let document = openrpc::document();
    let described: BTreeSet<&str> = document["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["name"].as_str().unwrap())
        .collect();
    let calls = every_call();
    let tested: BTreeSet<&str> = calls.iter().map(|(name, ..)| *name).chain(OTHERS).collect();
    assert_eq!(described, tested);

    for (method, params, asked) in calls {
        let answer = call(host.server.address(), &host.admin, method, params).await;
        let heard = host.fake.take_asked();
        assert_eq!(heard.first().map(|(name, _)| *name), Some(asked), "{method}: {answer}");
        assert_eq!(heard.len(), 1, "{method}: {heard:?}");
        assert_eq!(answer["id"], 1);
        let has_failed = answer.get("error").is_some();
        assert_ne!(has_failed, answer.get("result").is_some(), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_is_in_the_words_of_the_interface() {
    let host = Host::start().await;
    let answer =
        call(host.server.address(), &host.admin, "lockstep_getChannel", json!([CHANNEL])).await;
    let channel = &answer["result"];
    assert_eq!(channel["channelId"], CHANNEL);
    assert_eq!(channel["ownBalance"], "60");
    assert_eq!(channel["phase"], "open");
    assert_eq!(channel["asset"]["symbol"], "ETH");
    assert_eq!(channel["counterparty"], format!("0x{}", "02".repeat(33)));
}

#[tokio::test]
async fn errors_say_their_code_class_and_what_to_do() {
    let host = Host::start().await;
    let address = host.server.address();
    let error =
        async |method, params| call(address, &host.admin, method, params).await["error"].clone();

    let unknown = error("lockstep_getChannel", json!([MISSING])).await;
    let expected = json!({
        "code": -32_021,
        "message": "this node has no channel 0x22..",
        "data": {
            "kind": "unknownChannel",
            "class": "refused",
            "safe": "nothing was done",
            "advice": "look for its id in lockstep_listChannels",
        },
    });
    assert_eq!(unknown, expected);

    for (method, params, code, class) in [
        ("lockstep_decodeInvite", json!(["x"]), -32_027, "refused"),
        ("lockstep_decodeInvoice", json!(["x"]), -32_029, "refused"),
        ("lockstep_connect", json!(["x"]), -32_050, "transient"),
        ("lockstep_stop", json!([]), -32_060, "fatal"),
        ("lockstep_recover", json!([]), -32_070, "peerFault"),
    ] {
        let error = error(method, params).await;
        assert_eq!(
            (error["code"].as_i64(), error["data"]["class"].as_str()),
            (Some(code), Some(class))
        );
    }
    assert_eq!(error("lockstep_pay", json!(["0x1"])).await["code"], -32_602);
    assert_eq!(error("lockstep_fly", json!([])).await["code"], -32_601);
    assert_eq!(error("lockstep_subscribe", json!(["payments"])).await["code"], -32_603);
}

#[tokio::test]
async fn bytes_that_are_no_call_are_refused() {
    let host = Host::start().await;
    for (body, code) in [
        ("", -32_700),
        ("{", -32_700),
        ("null", -32_700),
        ("[]", -32_600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32_600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"lockstep_status"}"#, -32_600),
    ] {
        let response = post(host.server.address(), &host.admin, body).await;
        assert_eq!(response.json()["error"]["code"], code, "{body}: {response:?}");
    }
    assert_eq!(host.fake.take_asked(), []);
}

#[tokio::test]
async fn a_batch_is_answered_by_id() {
    let host = Host::start().await;
    let one = |id, method| json!({ "jsonrpc": "2.0", "id": id, "method": method });
    let batch =
        json!([one(7, "lockstep_status"), one(8, "lockstep_fly"), one(9, "lockstep_getInfo")]);
    let answers = post(host.server.address(), &host.admin, &batch.to_string()).await.json();
    let by_id = |id: u64| {
        let answers = answers.as_array().unwrap();
        answers.iter().find(|answer| answer["id"] == id).cloned().unwrap()
    };
    assert_eq!(by_id(7)["result"]["state"], "ready");
    assert_eq!(by_id(8)["error"]["code"], -32_601);
    assert_eq!(by_id(9)["result"]["chainId"], "31337");
}

#[tokio::test]
async fn a_token_that_pays_is_counted_and_the_operator_is_not() {
    let (host, payer) = Host::with_payer().await;
    let pay = json!([CHANNEL, "7"]);
    call(host.server.address(), &host.admin, "lockstep_pay", pay.clone()).await;
    assert_eq!(host.fake.last_spender(), Spender::Operator);

    let batch = json!([CHANNEL, [{ "amount": "7" }]]);
    let check = json!(["pay", { "channelId": CHANNEL, "amount": "7" }]);
    for (method, params) in
        [("lockstep_pay", pay), ("lockstep_payBatch", batch), ("lockstep_check", check)]
    {
        call(host.server.address(), &payer, method, params).await;
        let Spender::Token(limit) = host.fake.last_spender() else { panic!("no limit") };
        assert_eq!(limit.limit.to_string(), "100", "{method}");
    }
}

#[tokio::test]
async fn tokens_are_made_listed_and_ended_over_the_interface() {
    let host = Host::start().await;
    let address = host.server.address();
    let admin = async |method, params| call(address, &host.admin, method, params).await;

    let made = admin("lockstep_createToken", json!(["shop", "pay", "100"])).await;
    let secret = made["result"]["secret"].as_str().unwrap().to_owned();
    assert!(host.folder.path().join("shop.token").exists());
    let listed = admin("lockstep_listTokens", json!([])).await;
    let token = &listed["result"][2];
    assert_eq!((token["name"].as_str(), token["limit"].as_str()), (Some("shop"), Some("100")));
    assert!(!listed.to_string().contains("lockstep_pay_"), "no secret is listed");

    let paid = call(address, &secret, "lockstep_pay", json!([CHANNEL, "7"])).await;
    assert_eq!(paid["result"]["state"], "final");
    let forbidden = call(address, &secret, "lockstep_closeChannel", json!([CHANNEL])).await;
    assert_eq!(forbidden["error"]["code"], -32_081);

    admin("lockstep_revokeToken", json!(["shop"])).await;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "lockstep_status" }).to_string();
    assert_eq!(post(address, &secret, &body).await.status, 401);
    let last = admin("lockstep_revokeToken", json!(["admin"])).await;
    assert_eq!(last["error"]["data"]["kind"], "refused");
}
