//! Our own caller.

use crate::fake::{CHANNEL, Host, MISSING};
use lockstep_core::error::ErrorClass;
use lockstep_rpc::FailureKind;
use lockstep_rpc::api;
use lockstep_rpc::client::{Client, ClientError};
use lockstep_rpc::method::NoParams;
use lockstep_rpc::types::ChannelCall;

fn named(id: &str) -> ChannelCall {
    ChannelCall { channel_id: id.parse().unwrap() }
}

#[tokio::test]
async fn answers_and_failures_come_back_as_they_were() {
    let host = Host::start().await;
    let client = Client::new(host.server.address(), &host.admin).unwrap();
    let channel = client.call(&api::GET_CHANNEL, &named(CHANNEL)).await.unwrap();
    assert_eq!(channel.own_balance.to_string(), "60");
    client.call(&api::REJECT_CHANNEL, &reject()).await.unwrap();

    let refused = client.call(&api::GET_CHANNEL, &named(MISSING)).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Refused);
    let ClientError::Refused(failure) = refused else { panic!("{refused:?}") };
    assert_eq!(failure.kind, FailureKind::UnknownChannel);
    assert_eq!(failure.advice.as_deref(), Some("look for its id in lockstep_listChannels"));
}

fn reject() -> lockstep_rpc::types::RejectChannel {
    lockstep_rpc::types::RejectChannel { channel_id: CHANNEL.parse().unwrap() }
}

#[tokio::test]
async fn a_wrong_token_and_an_absent_node_are_told_apart() {
    let host = Host::start().await;
    let address = host.server.address();
    let stranger = Client::new(address, "lockstep_admin_00").unwrap();
    let refused = stranger.call(&api::STATUS, &NoParams {}).await.unwrap_err();
    assert!(matches!(refused, ClientError::Unauthorized { .. }), "{refused:?}");
    assert_eq!(refused.class(), ErrorClass::Refused);

    host.server.stop().await;
    let absent = stranger.call(&api::STATUS, &NoParams {}).await.unwrap_err();
    assert!(matches!(absent, ClientError::Unreachable { .. }), "{absent:?}");
    assert_eq!(absent.class(), ErrorClass::Transient);
    assert!(Client::new(address, "a\nb").is_err());
}
