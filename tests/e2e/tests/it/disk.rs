//! A node whose disk is full: nothing that was not durable leaves it, it says so, and it watches on.

use std::os::unix::net::UnixDatagram;

use lockstep_e2e::PATIENCE;
use lockstep_e2e::channel::{Pair, initiate_close_by_hand, number};
use lockstep_e2e::node::{Node, PERIOD};
use lockstep_e2e::small_disk::SmallDisk;
use serde_json::{Value, json};

/// Far more payments of one unit than the room that a node has set aside can take.
const MOST: u128 = 5_000;
/// Far longer than a payment takes. Units: milliseconds.
const A_WHILE: u64 = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn p51_a_node_whose_disk_is_full_signs_nothing_says_so_and_still_answers_a_stale_close() {
    let mut pair = Pair::stopped().await;
    let disk = match SmallDisk::under(&pair.two.data_dir(), 64) {
        Ok(disk) => disk,
        Err(denied) => return denied.skip("a node whose disk is full"),
    };
    let socket = pair.world().folder().join("notify");
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    pair.two.set("NOTIFY_SOCKET", socket.display().to_string());
    pair.run().await;
    let ids = pair.add_channels(&[(1_000_000, 1_000); 2]).await;
    let [honest, cheated] = ids.try_into().expect("two");
    pair.one.pay(&cheated, "100").await;
    let stale = pair.one.proof(&cheated).await;
    pair.one.pay(&cheated, "300").await;
    pair.until_balances_of(&cheated, 999_600, 1_400).await;

    disk.fill();
    let paid = pay_until_full(&pair, &honest).await;
    println!("{paid} payments found room");
    // It says so, and takes no order.
    let says = |status: &Value| {
        let alarms = status["alarms"].as_array().expect("alarms");
        let text = |it: &Value| it["message"].as_str().expect("text").to_lowercase();
        status["state"] != "ready" && alarms.iter().any(|it| text(it).contains("disk"))
    };
    let status = pair.two.until("lockstep_status", json!([]), "an alarm", says).await;
    println!("{:#}", status["alarms"]);
    let refused = pair.two.call("lockstep_pay", json!({"channelId": honest, "amount": "1"})).await;
    println!("{refused:?}");
    // Nothing of what it could not keep has left it.
    let before = pair.one.channel(&honest).await;
    assert!(before["pendingPayments"].as_u64() > Some(0), "{before}");

    // It watches on, and answers a stale close with what was signed before.
    initiate_close_by_hand(pair.world(), &stale, pair.one.account()).await;
    let answered = |it: &Value| it["close"]["version"] == 2;
    pair.one.until_channel(&cheated, "the answer", answered).await;
    let after = pair.one.channel(&honest).await;
    assert_eq!(after["version"], before["version"], "signed without room");
    assert_eq!(paid_in(&pair.one, &honest).await, paid);

    // Whoever supervises it is told, too, again and again.
    let heard = tokio::task::spawn_blocking(move || until_told(&manager)).await;
    println!("{}", heard.expect("it is told"));

    // There is room again: it goes on where it was after a start.
    disk.make_room();
    pair.two.kill();
    pair.two.start().await;
    let paid = paid + 1;
    pair.until_balances_of(&honest, 1_000_000 - paid, 1_000 + paid).await;
    assert_eq!(paid_in(&pair.one, &honest).await, paid);
    pair.two.pay(&honest, "50").await;
    pair.one.ask("lockstep_closeChannel", json!([honest])).await;
    pair.world().pass(PERIOD).await;
    pair.assert_settled_as(&cheated, 999_600, 1_400).await;
    pair.assert_settled_as(&honest, 1_000_050 - paid, 950 + paid).await;
    drop(pair);
    drop(disk);
}

/// Waits until the service manager is told that nothing is signed any more.
fn until_told(manager: &UnixDatagram) -> String {
    // It is said once a minute.
    manager.set_read_timeout(Some(2 * PATIENCE)).expect("a limit");
    let mut said = [0; 256];
    loop {
        let len = manager.recv(&mut said).expect("a word");
        let said = String::from_utf8_lossy(&said[..len]);
        if said.contains("STATUS=") && said.contains("signs nothing") {
            return said.into_owned();
        }
    }
}

/// Pays one unit at a time until the payee can't keep one any more; how many it has kept.
async fn pay_until_full(pair: &Pair, id: &str) -> u128 {
    for paid in 0..MOST {
        let call = json!({"channelId": id, "amount": "1", "waitMillis": A_WHILE});
        let payment = pair.one.ask("lockstep_pay", call).await;
        if payment["state"] == "pending" {
            return paid;
        }
        assert_eq!(payment["state"], "final", "{payment}");
    }
    panic!("{MOST} payments found room on a full disk");
}

/// What a node has paid for good in a channel.
async fn paid_in(node: &Node, id: &str) -> u128 {
    let payments = node.payments().await;
    let is_it = |it: &&Value| it["channelId"] == id && it["state"] == "final";
    payments.iter().filter(is_it).map(|it| number(&it["amount"])).sum()
}
