//! What the journal says of devices, from outside.

use loadtest::gateways::journal::{Platform, token_hash};
use loadtest::gateways::{Behaviour, GatewayArgs, GatewayInfo, start};
use serde_json::json;

use crate::support::{PAYLOAD, fcm_token, gateways, token};

#[tokio::test]
async fn every_device_is_counted_once_per_answer() {
    let gateways = gateways(Behaviour::default()).await;
    let mut apns = gateways.apns().await;
    for number in [1, 2, 2, 0xabc] {
        let token = token(number).to_uppercase();
        assert_eq!(apns.call(gateways.apns_request(&token), PAYLOAD).await.unwrap().status, 200);
    }
    let bad = gateways.apns_request(&token(3)).header("apns-id", "wrong");
    assert_eq!(apns.call(bad, PAYLOAD).await.unwrap().status, 400);
    let bearer = gateways.bearer().await;
    let body = json!({ "message": { "token": fcm_token(1) } }).to_string();
    assert_eq!(gateways.fcm().await.call(gateways.fcm_request(&bearer), body).await.unwrap().status, 200);

    let summary = gateways.admin.summary().await.unwrap();
    assert_eq!((summary.requests, summary.devices, summary.accepted_devices), (6, 5, 4));
    assert_eq!((summary.duplicates, summary.rejected_devices, summary.distinct_jwts > 0), (1, 1, true));
    assert_eq!(summary.by_reason["apns/200"], 4);
    assert_eq!(summary.by_reason["apns/400 BadMessageId"], 1);
    assert_eq!(summary.by_reason["fcm/200"], 1);
    assert_eq!(summary.connections_opened, 2);
    assert!(summary.last_answer_unix_ms >= summary.start_unix_ms);

    let journal = gateways.admin.journal().await.unwrap();
    assert_eq!(journal.entries().len(), 5);
    assert_eq!(journal.start_unix_ms, summary.start_unix_ms);
    let of = |token: &str| journal.lookup_token(token).map(|e| (e.platform, e.accepted, e.rejected));
    assert_eq!(of(&token(2)), Some((Platform::Apns, 2, 0)));
    assert_eq!(of(&token(0xabc)), Some((Platform::Apns, 1, 0)));
    assert_eq!(of(&token(3)), Some((Platform::Apns, 0, 1)));
    assert_eq!(of(&fcm_token(1)), Some((Platform::Fcm, 1, 0)));
    assert_eq!(of(&token(4)), None);

    let device = gateways.admin.device(&fcm_token(1)).await.unwrap().unwrap();
    assert_eq!(Some(&device), journal.lookup(token_hash(fcm_token(1).as_bytes())));
    assert_eq!(gateways.admin.device(&token(4)).await.unwrap(), None);

    gateways.admin.reset().await.unwrap();
    assert_eq!(gateways.admin.summary().await.unwrap().requests, 0);
    assert!(gateways.admin.journal().await.unwrap().entries().is_empty());
    gateways.running.stop().await.unwrap();
}

#[tokio::test]
async fn the_description_is_served_and_keys_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let gateways = gateways(Behaviour::default()).await;
    let info = gateways.info().clone();
    let served: loadtest::gateways::GatewayInfo = gateways.admin.get_json("/v1/info").await.unwrap();
    assert_eq!(served, info);
    for file in [&info.apns_key_file, &info.fcm_service_account_file] {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    gateways.running.stop().await.unwrap();
    assert!(!info.ca_file.exists(), "a temporary directory stays behind");
}

#[tokio::test]
async fn dropping_the_gateways_ends_them() {
    let gateways = gateways(Behaviour::default()).await;
    let (info, admin) = (gateways.info().clone(), gateways.admin.clone());
    let mut client = gateways.apns().await;
    assert_eq!(client.call(gateways.apns_request(&token(1)), PAYLOAD).await.unwrap().status, 200);
    drop(gateways);
    while admin.summary().await.is_ok() {}
    while tokio::net::TcpStream::connect(&info.apns).await.is_ok() {}
    let _ = client.ended.await;
}

#[tokio::test]
async fn a_given_directory_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let args = GatewayArgs { dir: Some(dir.path().join("keys")), ..GatewayArgs::default() };
    start(args.clone()).await.unwrap().stop().await.unwrap();
    // A second start replaces what the first wrote.
    let running = start(args).await.unwrap();
    let described = std::fs::read(dir.path().join("keys/gateways.json")).unwrap();
    assert_eq!(serde_json::from_slice::<GatewayInfo>(&described).unwrap(), running.info);
    running.stop().await.unwrap();
    assert!(dir.path().join("keys/ca.pem").exists());
}
