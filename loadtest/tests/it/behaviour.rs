//! Gateways that misbehave as they were told to.

use loadtest::gateways::journal::token_hash;
use loadtest::gateways::{AdminError, Behaviour, Fate};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Client, Gateways, PAYLOAD, fcm_token, gateways, read, token};

async fn push(gateways: &Gateways, client: &mut Client, number: u64) -> Result<u16, h2::Error> {
    Ok(client.call(gateways.apns_request(&token(number)), PAYLOAD).await?.status)
}

#[tokio::test]
async fn shares_of_requests_are_refused() {
    let gateways = gateways(Behaviour::default()).await;
    let mut apns = gateways.apns().await;
    let mut fcm = gateways.fcm().await;
    let bearer = gateways.bearer().await;
    let body = json!({ "message": { "token": fcm_token(1) } }).to_string();
    let polite = Behaviour { retry_after_s: Some(7), ..Behaviour::default() };
    for (behaviour, status, reason) in [
        (Behaviour { unavailable_share: 1.0, ..polite.clone() }, 503, "ServiceUnavailable"),
        (Behaviour { internal_error_share: 1.0, ..polite.clone() }, 500, "InternalServerError"),
        (Behaviour { throttle_share: 1.0, ..polite.clone() }, 429, "TooManyRequests"),
        (
            Behaviour { expired_jwt_once: true, expired_bearer_once: true, ..polite.clone() },
            403,
            "ExpiredProviderToken",
        ),
    ] {
        gateways.admin.set_behaviour(&behaviour).await.unwrap();
        assert_eq!(gateways.admin.behaviour().await.unwrap(), behaviour);
        let answer = apns.call(gateways.apns_request(&token(1)), PAYLOAD).await.unwrap();
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason));
        assert_eq!(answer.headers.contains_key("retry-after"), matches!(status, 429 | 503));
        let answer = fcm.call(gateways.fcm_request(&bearer), body.clone()).await.unwrap();
        assert_eq!(answer.status, if status == 403 { 401 } else { status });
    }
    // Only once.
    assert_eq!(push(&gateways, &mut apns, 1).await.unwrap(), 200);
    assert_eq!(fcm.call(gateways.fcm_request(&bearer), body).await.unwrap().status, 200);
    let device = gateways.admin.device(&token(1)).await.unwrap().unwrap();
    assert_eq!((device.accepted, device.retryable, device.rejected), (1, 3, 0));
}

#[tokio::test]
async fn a_tokens_fate_is_known_beforehand() {
    let behaviour =
        Behaviour { dead_share: 0.3, bad_share: 0.2, mismatched_share: 0.1, ..Behaviour::default() };
    let gateways = gateways(behaviour.clone()).await;
    let mut apns = gateways.apns().await;
    let mut fcm = gateways.fcm().await;
    let bearer = gateways.bearer().await;
    for number in 0..100 {
        let answer = apns.call(gateways.apns_request(&token(number)), PAYLOAD).await.unwrap();
        let reason = (answer.status != 200).then(|| answer.reason());
        let expected = match behaviour.fate(token_hash(token(number).as_bytes())) {
            Fate::Alive => None,
            Fate::Dead => Some("Unregistered"),
            Fate::Bad => Some("BadDeviceToken"),
            Fate::Mismatched => Some("DeviceTokenNotForTopic"),
        };
        assert_eq!(reason.as_deref(), expected);
        assert_eq!(answer.status == 410, answer.status != 200 && answer.json()["timestamp"].is_u64());

        let body = json!({ "message": { "token": fcm_token(number) } }).to_string();
        let answer = fcm.call(gateways.fcm_request(&bearer), body).await.unwrap();
        let expected = match behaviour.fate(token_hash(fcm_token(number).as_bytes())) {
            Fate::Alive => 200,
            Fate::Dead => 404,
            Fate::Bad => 400,
            Fate::Mismatched => 403,
        };
        assert_eq!(answer.status, expected);
    }
}

#[tokio::test]
async fn streams_are_reset_and_stalled() {
    let unlooked_at = Behaviour { lost_answer_accepted_share: 0.0, ..Behaviour::default() };
    let gateways = gateways(Behaviour { reset_share: 1.0, ..unlooked_at.clone() }).await;
    let mut client = gateways.apns().await;
    let error = push(&gateways, &mut client, 1).await.unwrap_err();
    assert_eq!((error.is_reset(), error.reason()), (true, Some(h2::Reason::INTERNAL_ERROR)));

    gateways
        .admin
        .set_behaviour(&Behaviour { apns_streams_until_proven: 9, ..Behaviour::default() })
        .await
        .unwrap();
    let mut client = gateways.apns().await;
    assert_eq!(push(&gateways, &mut client, 2).await.unwrap(), 200);
    gateways.admin.set_behaviour(&Behaviour { stall_share: 1.0, ..unlooked_at }).await.unwrap();
    let mut stalled = client.send(gateways.apns_request(&token(3)), PAYLOAD).await.unwrap();
    while gateways.admin.device(&token(3)).await.unwrap().is_none() {}
    // A later request is answered, the stalled one still is not.
    gateways.admin.set_behaviour(&Behaviour::default()).await.unwrap();
    assert_eq!(push(&gateways, &mut client, 4).await.unwrap(), 200);
    assert!(futures::poll!(&mut stalled).is_pending());
    let entries = [1, 3].map(token);
    for token in entries {
        assert_eq!(gateways.admin.device(&token).await.unwrap().unwrap().unanswered, 1);
    }
}

#[tokio::test]
async fn connections_go_away_gracefully_or_not() {
    let gateways = gateways(Behaviour { goaway_every: 2, ..Behaviour::default() }).await;
    let mut client = gateways.apns().await;
    assert_eq!(push(&gateways, &mut client, 1).await.unwrap(), 200);
    assert_eq!(push(&gateways, &mut client, 2).await.unwrap(), 200);
    client.ended.await.unwrap().unwrap();

    let close = Behaviour { close_every: 2, ..Behaviour::default() };
    gateways.admin.set_behaviour(&close).await.unwrap();
    let mut client = gateways.apns().await;
    assert_eq!(push(&gateways, &mut client, 3).await.unwrap(), 200);
    assert!(push(&gateways, &mut client, 4).await.is_err());
    let device = gateways.admin.device(&token(4)).await.unwrap().unwrap();
    assert_eq!((device.accepted, device.unanswered), (0, 1));
}

#[tokio::test]
async fn answers_take_their_round_trip_and_die_with_the_connection() {
    let gateways = gateways(Behaviour { round_trip_ms: 40, ..Behaviour::default() }).await;
    let mut client = gateways.apns().await;
    let start = std::time::Instant::now();
    assert_eq!(push(&gateways, &mut client, 1).await.unwrap(), 200);
    assert!(start.elapsed() >= std::time::Duration::from_millis(40));

    let slow =
        Behaviour { round_trip_ms: 3_600_000, lost_answer_accepted_share: 1.0, ..Behaviour::default() };
    gateways.admin.set_behaviour(&slow).await.unwrap();
    let waiting = client.send(gateways.apns_request(&token(2)), PAYLOAD).await.unwrap();
    // The third request cuts the connection, so the second has arrived by then.
    gateways.admin.set_behaviour(&Behaviour { close_every: 3, ..slow }).await.unwrap();
    let cut = client.send(gateways.apns_request(&token(3)), PAYLOAD).await.unwrap();
    assert!(read(cut).await.is_err());
    assert!(read(waiting).await.is_err());
    while gateways.admin.summary().await.unwrap().open_connections > 0 {}
    let summary = gateways.admin.summary().await.unwrap();
    let counts = ["apns/200", "apns/accepted, answer lost", "apns/closed"].map(|key| summary.by_reason[key]);
    assert_eq!((summary.requests, counts), (3, [1; 3]));
    // The one that waited was accepted, as was asked for; that at which it was cut was not looked at.
    for (number, accepted) in [(2, 1), (3, 0)] {
        let device = gateways.admin.device(&token(number)).await.unwrap().unwrap();
        assert_eq!((device.accepted, device.unanswered), (accepted, 1 - accepted));
    }
}

/// Stands between a client and a gateway, and counts the TLS records with data that the gateway sends.
async fn counting_records(gateway: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, records) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&records);
    tokio::spawn(async move {
        let (mut client_reads, mut client) = listener.accept().await.unwrap().0.into_split();
        let (mut gateway_reads, mut gateway) = TcpStream::connect(gateway).await.unwrap().into_split();
        tokio::spawn(async move { tokio::io::copy(&mut client_reads, &mut gateway).await });
        let mut head = [0; 5];
        while gateway_reads.read_exact(&mut head).await.is_ok() {
            let mut record = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
            gateway_reads.read_exact(&mut record).await.unwrap();
            counted.fetch_add(usize::from(head[0] == APPLICATION_DATA), Relaxed);
            client.write_all(&[&head[..], &record].concat()).await.unwrap();
        }
    });
    (address, records)
}

/// The content type of TLS records with data.
const APPLICATION_DATA: u8 = 23;

#[tokio::test]
async fn answers_are_written_singly_if_asked_for() {
    let gateways = gateways(Behaviour { answer_singly: true, ..Behaviour::default() }).await;
    let (address, records) = counting_records(gateways.info().apns.clone()).await;
    let mut client = Client::connect(gateways.info(), &address).await;
    assert_eq!(push(&gateways, &mut client, 0).await.unwrap(), 200);
    // Together, so that without it they would be answered together.
    gateways
        .admin
        .set_behaviour(&Behaviour { round_trip_ms: 20, answer_singly: true, ..Behaviour::default() })
        .await
        .unwrap();
    let before = records.load(Relaxed);
    let mut waiting = Vec::new();
    for number in 1..=50 {
        waiting.push(client.send(gateways.apns_request(&token(number)), PAYLOAD).await.unwrap());
    }
    for answer in waiting {
        assert_eq!(read(answer).await.unwrap().status, 200);
    }
    assert!(records.load(Relaxed) - before >= 50);
}

#[tokio::test]
async fn a_paused_gateway_answers_nothing_until_it_goes_on() {
    let gateways = gateways(Behaviour::default()).await;
    let mut client = gateways.apns().await;
    assert_eq!(push(&gateways, &mut client, 1).await.unwrap(), 200);
    gateways.admin.set_behaviour(&Behaviour { pause: true, ..Behaviour::default() }).await.unwrap();
    let mut waiting = client.send(gateways.apns_request(&token(2)), PAYLOAD).await.unwrap();
    assert!(futures::poll!(&mut waiting).is_pending());
    assert_eq!(gateways.admin.device(&token(2)).await.unwrap(), None);
    gateways.admin.set_behaviour(&Behaviour::default()).await.unwrap();
    assert_eq!(read(waiting).await.unwrap().status, 200);
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let gateways = gateways(Behaviour::default()).await;
    for wrong in [json!({ "dead_share": 2.0 }), json!({ "dead_sahre": 0.1 }), json!({ "round_trip_ms": "1" })]
    {
        let error = gateways.admin.put_json("/v1/behaviour", &wrong).await.unwrap_err();
        assert!(matches!(error, AdminError::Refused { status: 400, .. }), "{error}");
    }
    assert_eq!(gateways.admin.behaviour().await.unwrap(), Behaviour::default());
}
