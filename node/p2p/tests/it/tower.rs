//! A tower's end and its clients, over loopback.

use std::sync::Arc;

use lockstep_core::ids::NodeId;
use lockstep_core::terms::Features;
use lockstep_p2p::handshake::{FeatureOffer, HandshakeError};
use lockstep_p2p::port::{Clock, NodeKey};
use lockstep_p2p::session::SessionEnd;
use lockstep_p2p::tower::message::{RefusalCode, Reply, Request};
use lockstep_p2p::tower::{
    CallError, Pushes, ServerConfig, TowerAddress, TowerClient, TowerLimits, TowerLink, TowerOrder,
    TowerRequests, TowerServer,
};
use lockstep_p2p::{ConnectError, Ports, TransportIdentity};

use crate::fixture::{SeededEntropy, TestKey, TokioClock, channel};

fn identity(byte: u8) -> TransportIdentity {
    TransportIdentity::from_secret(&mut [byte; 32]).unwrap()
}

async fn server() -> (TowerServer, TowerRequests, TowerAddress) {
    let node_key = Arc::new(TestKey::new(7));
    let key = node_key.node_id();
    let config = ServerConfig {
        identity: identity(1),
        features: FeatureOffer { required: Features::NONE, optional: Features::NONE },
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        external: vec![],
        limits: TowerLimits::default(),
    };
    let clock = Arc::new(TokioClock::new());
    let ports = Ports { clock, entropy: Arc::new(SeededEntropy::new(1)), node_key };
    let (server, requests) = TowerServer::start(config, ports).unwrap();
    let mut watch = server.watch_addresses();
    let addresses = watch.wait_for(|all| !all.is_empty()).await.unwrap().clone();
    let address = TowerAddress { key, peer_id: server.local_peer(), addresses };
    (server, requests, address)
}

fn client(seed: u8) -> TowerClient {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::new());
    let entropy = Arc::new(SeededEntropy::new(seed.into()));
    TowerClient::start(&identity(seed), TowerLimits::default(), &clock, entropy).unwrap()
}

async fn connect(
    client: &TowerClient,
    tower: &TowerAddress,
    key: u8,
) -> Result<(TowerLink, Pushes), ConnectError> {
    let session_key: Arc<dyn NodeKey> = Arc::new(TestKey::new(key));
    let order = TowerOrder { tower: tower.clone(), session_key, head: None };
    client.connect(order).await
}

#[tokio::test]
async fn p68_a_request_comes_with_the_key_that_its_session_has_shown() {
    let (server, mut requests, address) = server().await;
    let client = client(2);
    let (link, _pushes) = connect(&client, &address, 9).await.unwrap();
    assert_eq!(link.tower(), address.key);
    let asking = link.prove(channel());
    let answering = async {
        let asked = requests.next().await.unwrap();
        assert_eq!(asked.account, TestKey::new(9).node_id());
        assert_eq!(asked.request, Request::Prove { channel_id: channel() });
        // Another question's answer is no answer.
        asked.answer(Reply::Listed { channel_ids: vec![] });
    };
    let (proved, ()) = tokio::join!(asking, answering);
    assert_eq!(proved, Err(CallError::OutOfPlace));
    server.stop().await;
    requests.stopped().await;
}

#[tokio::test]
async fn p68_a_tower_with_another_key_than_its_address_names_is_refused() {
    let (server, requests, address) = server().await;
    let other: NodeId = TestKey::new(8).node_id();
    let wrong = TowerAddress { key: other, ..address };
    let client = client(2);
    let refused = connect(&client, &wrong, 9).await.map(|_| ());
    let Err(ConnectError::Session(SessionEnd::Handshake(error))) = refused else {
        panic!("{refused:?}")
    };
    assert!(matches!(error, HandshakeError::OtherNodeKey { .. }), "{error:?}");
    server.stop().await;
    requests.stopped().await;
}

#[tokio::test]
async fn p66_a_request_that_nobody_decides_reads_as_busy_and_may_be_asked_again() {
    let (server, mut requests, address) = server().await;
    let client = client(2);
    let (link, _pushes) = connect(&client, &address, 9).await.unwrap();
    let dropping = async { drop(requests.next().await.unwrap()) };
    let (listed, ()) = tokio::join!(link.list(None), dropping);
    let Err(CallError::Refused(refusal)) = listed else { panic!("{listed:?}") };
    assert_eq!(refusal.code, RefusalCode::Busy);
    assert!(refusal.retry_after_secs > 0);
    server.stop().await;
    requests.stopped().await;
}

#[tokio::test]
async fn p61_an_account_that_comes_a_third_time_loses_its_oldest_session() {
    let (server, mut requests, address) = server().await;
    let client = client(2);
    let (_first, mut first) = connect(&client, &address, 9).await.unwrap();
    let (second, _pushes) = connect(&client, &address, 9).await.unwrap();
    let (_third, _more) = connect(&client, &address, 9).await.unwrap();
    assert!(first.next().await.is_none(), "the oldest ends");
    let answering = async {
        let asked = requests.next().await.unwrap();
        asked.answer(Reply::Listed { channel_ids: vec![channel()] });
    };
    let (listed, ()) = tokio::join!(second.list(None), answering);
    assert_eq!(listed, Ok(vec![channel()]));
    server.stop().await;
    requests.stopped().await;
}
