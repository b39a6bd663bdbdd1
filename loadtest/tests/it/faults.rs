//! Faults that a profile asks for, as a client sees them. What depends on time is tested with the clock stopped, beside the
//! code of a connection.

use std::time::{Duration, Instant};

use loadtest::gateways::journal::{Platform, token_hash};
use loadtest::gateways::{Behaviour, Beyond, Burst, BurstKind, Fate, GatewayArgs, ServerKind, start};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Client, Gateways, PAYLOAD, fcm_token, gateways, now_s, read, token};

async fn push(gateways: &Gateways, client: &mut Client, number: u64) -> u16 {
    client.call(gateways.apns_request(&token(number)), PAYLOAD).await.unwrap().status
}

fn now_and_for_ever(what: BurstKind, platform: Option<Platform>) -> Burst {
    Burst { what, every_s: 0.0, for_s: 1e6, after_s: 0.0, share: 1.0, platform }
}

#[tokio::test]
async fn a_burst_hits_its_gateway_while_it_is_on() {
    let gateways = gateways(Behaviour {
        burst: vec![
            Burst { after_s: 1e6, ..now_and_for_ever(BurstKind::Stall, None) },
            now_and_for_ever(BurstKind::Unavailable, Some(Platform::Apns)),
            now_and_for_ever(BurstKind::Throttle, Some(Platform::Fcm)),
        ],
        ..Behaviour::default()
    })
    .await;
    let (mut apns, mut fcm) = (gateways.apns().await, gateways.fcm().await);
    assert_eq!(push(&gateways, &mut apns, 1).await, 503);
    let bearer = gateways.bearer().await;
    let body = json!({ "message": { "token": fcm_token(1) } }).to_string();
    assert_eq!(fcm.call(gateways.fcm_request(&bearer), body).await.unwrap().status, 429);
    gateways.admin.set_behaviour(&Behaviour::default()).await.unwrap();
    assert_eq!(push(&gateways, &mut apns, 1).await, 200);
}

#[tokio::test]
async fn what_gets_no_answer_is_accepted_in_its_share_by_both_servers() {
    for mode in [ServerKind::Validating, ServerKind::Witness] {
        let gateways = Gateways::over(start(GatewayArgs { mode, ..GatewayArgs::default() }).await.unwrap());
        let mut number = 0;
        for (share, dead_share, accepted) in [(1.0, 0.0, 1), (0.0, 0.0, 0), (1.0, 1.0, 0)] {
            for (reset_share, stall_share) in [(1.0, 0.0), (0.0, 1.0)] {
                let behaviour = Behaviour {
                    lost_answer_accepted_share: share,
                    dead_share,
                    reset_share,
                    stall_share,
                    ..Behaviour::default()
                };
                gateways.admin.set_behaviour(&behaviour).await.unwrap();
                let mut client = gateways.apns().await;
                number += 1;
                let _unheard = client.send(gateways.apns_request(&token(number)), PAYLOAD).await.unwrap();
                let device = loop {
                    if let Some(device) = gateways.admin.device(&token(number)).await.unwrap() {
                        break device;
                    }
                };
                assert_eq!((device.accepted, device.unanswered), (accepted, 1 - accepted), "{behaviour:?}");
                client.ended.abort();
            }
        }
        // The end of its connection notes nothing a second time.
        while gateways.admin.summary().await.unwrap().open_connections > 0 {}
        assert_eq!(gateways.admin.summary().await.unwrap().requests, number);
    }
}

#[tokio::test]
async fn the_same_requests_meet_the_same_faults_after_a_reset() {
    let gateways = gateways(Behaviour { seed: 9, unavailable_share: 0.5, ..Behaviour::default() }).await;
    let mut client = gateways.apns().await;
    let mut nights = Vec::new();
    for _ in 0..2 {
        gateways.admin.reset().await.unwrap();
        let mut night = Vec::new();
        for number in 0..40 {
            night.push(push(&gateways, &mut client, number).await);
        }
        nights.push(night);
    }
    assert_eq!(nights[0], nights[1]);
    assert!(nights[0].contains(&200) && nights[0].contains(&503));
}

#[tokio::test]
async fn dead_tokens_have_died_at_different_times_and_some_expired() {
    let before = now_s();
    let behaviour = Behaviour {
        dead_share: 1.0,
        expired_token_share: 0.5,
        dead_within_s: 86_400,
        ..Behaviour::default()
    };
    let gateways = gateways(behaviour.clone()).await;
    let mut client = gateways.apns().await;
    let (mut times, mut reasons) = (Vec::new(), Vec::new());
    for number in 0..40 {
        assert_eq!(behaviour.fate(token_hash(token(number).as_bytes())), Fate::Dead);
        let answer = client.call(gateways.apns_request(&token(number)), PAYLOAD).await.unwrap();
        assert_eq!(answer.status, 410);
        times.push(answer.json()["timestamp"].as_i64().unwrap() / 1000);
        reasons.push(answer.reason());
    }
    assert!(times.iter().all(|time| (before - 86_401..=now_s()).contains(time)));
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > 35);
    for reason in ["ExpiredToken", "Unregistered"] {
        let count = reasons.iter().filter(|seen| *seen == reason).count();
        assert!((10..30).contains(&count), "{reason}: {count}");
    }
}

#[tokio::test]
async fn an_answer_may_say_nothing_of_when_to_come_again() {
    let behaviour = Behaviour { throttle_share: 1.0, retry_after_s: Some(7), ..Behaviour::default() };
    let gateways = gateways(Behaviour { retry_after_share: 0.5, ..behaviour }).await;
    let mut client = gateways.apns().await;
    let mut told = 0;
    for number in 0..60 {
        let answer = client.call(gateways.apns_request(&token(number)), PAYLOAD).await.unwrap();
        told += usize::from(answer.headers.contains_key("retry-after"));
    }
    assert!((15..45).contains(&told), "{told}");
    // FCM's quota too.
    let none = Behaviour { fcm_quota_per_minute: Some(0), retry_after_share: 0.0, ..Behaviour::default() };
    let bearer = gateways.bearer().await;
    let body = json!({ "message": { "token": fcm_token(1) } }).to_string();
    let mut fcm = gateways.fcm().await;
    for (behaviour, tells) in [(Behaviour { retry_after_share: 1.0, ..none.clone() }, true), (none, false)] {
        gateways.admin.set_behaviour(&behaviour).await.unwrap();
        let answer = fcm.call(gateways.fcm_request(&bearer), body.clone()).await.unwrap();
        assert_eq!((answer.status, answer.headers.contains_key("retry-after")), (429, tells));
    }
}

#[tokio::test]
async fn a_jwt_lives_as_long_as_it_was_said() {
    let gateways = gateways(Behaviour { apns_jwt_life_s: 600, ..Behaviour::default() }).await;
    let mut client = gateways.apns().await;
    for (age, status) in [(500, 200), (700, 403)] {
        let mut request = gateways.apns_request(&token(1));
        let jwt = format!("bearer {}", gateways.jwt(now_s() - age));
        request.headers_mut().unwrap().insert("authorization", jwt.parse().unwrap());
        assert_eq!(client.call(request, PAYLOAD).await.unwrap().status, status);
    }
}

#[tokio::test]
async fn streams_are_as_many_as_was_said_and_fewer_after_a_refusal() {
    let behaviour = Behaviour {
        apns_streams: 50,
        fcm_streams: 20,
        apns_streams_until_proven: 2,
        apns_streams_after_reject: 3,
        ..Behaviour::default()
    };
    let gateways = gateways(behaviour).await;
    let mut client = gateways.apns().await;
    // A limit comes in a frame of its own, and has been read once a later answer is there.
    for (request, status, streams) in
        [(token(1), 200, 50), (token(1), 200, 50), ("abc".to_owned(), 400, 3), (token(1), 200, 50)]
    {
        let answer = client.call(gateways.apns_request(&request), PAYLOAD).await.unwrap();
        assert_eq!(answer.status, status);
        while client.max_streams() != streams {
            tokio::task::yield_now().await;
        }
    }
    let bearer = gateways.bearer().await;
    let body = json!({ "message": { "token": fcm_token(1) } }).to_string();
    let mut fcm = gateways.fcm().await;
    assert_eq!(fcm.call(gateways.fcm_request(&bearer), body).await.unwrap().status, 200);
    assert_eq!(fcm.max_streams(), 20);
}

#[tokio::test]
async fn a_stream_too_many_costs_the_connection_if_that_is_asked_for() {
    for (goaway_on_excess, ends) in [(false, false), (true, true)] {
        let behaviour = Behaviour { goaway_on_excess, round_trip_ms: 1_000, ..Behaviour::default() };
        let gateways = gateways(behaviour).await;
        // This one does not know yet that only one stream is allowed, and is not told before it has asked for the second.
        let mut client = Client::connect_boldly(gateways.info(), &gateways.info().apns, 3).await;
        let first = client.send(gateways.apns_request(&token(1)), PAYLOAD).await.unwrap();
        let second = client.send(gateways.apns_request(&token(2)), PAYLOAD).await.unwrap();
        // The one within the limit is answered all the same.
        assert_eq!(read(first).await.unwrap().status, 200);
        assert_eq!(
            read(second).await.err().and_then(|error| error.reason()),
            Some(h2::Reason::REFUSED_STREAM)
        );
        if ends {
            let error = client.ended.await.unwrap().unwrap_err();
            assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
        } else {
            assert_eq!(push(&gateways, &mut client, 3).await, 200);
        }
    }
}

#[tokio::test]
async fn a_half_open_connection_keeps_quiet_and_is_given_up_with_the_client() {
    let gateways = gateways(Behaviour { half_open_every: 2, ..Behaviour::default() }).await;
    let mut client = gateways.apns().await;
    assert_eq!(push(&gateways, &mut client, 1).await, 200);
    let mut unheard = client.send(gateways.apns_request(&token(2)), PAYLOAD).await.unwrap();
    while gateways.admin.device(&token(2)).await.unwrap().is_none_or(|device| device.unanswered == 0) {}
    let mut later = client.send(gateways.apns_request(&token(3)), PAYLOAD).await.unwrap();
    assert!(futures::poll!(&mut unheard).is_pending() && futures::poll!(&mut later).is_pending());
    assert_eq!(gateways.admin.summary().await.unwrap().open_connections, 1);
    assert!(!client.ended.is_finished());
    client.ended.abort();
    while gateways.admin.summary().await.unwrap().open_connections > 0 {}
    assert_eq!(gateways.admin.device(&token(3)).await.unwrap(), None);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_reset_or_meet_silence() {
    let behaviour =
        Behaviour { connections_max: 1, connections_beyond: Beyond::Reset, ..Behaviour::default() };
    let gateways = gateways(behaviour.clone()).await;
    let mut client = gateways.apns().await;
    assert_eq!(push(&gateways, &mut client, 1).await, 200);
    let mut reset = TcpStream::connect(&gateways.info().apns).await.unwrap();
    let ended = reset.read(&mut [0; 1]).await.map_err(|error| error.kind());
    assert_eq!(ended, Err(std::io::ErrorKind::ConnectionReset));
    // The other gateway has seats of its own.
    let _fcm = gateways.fcm().await;

    let silent = Behaviour { connections_beyond: Beyond::Silence, ..behaviour };
    gateways.admin.set_behaviour(&silent).await.unwrap();
    let mut beyond = TcpStream::connect(&gateways.info().apns).await.unwrap();
    beyond.write_all(b"hello").await.unwrap();
    assert!(futures::poll!(std::pin::pin!(beyond.read(&mut [0; 1]))).is_pending());
    // A seat that was left is free again; who waits in silence keeps none.
    client.ended.abort();
    while gateways.admin.summary().await.unwrap().open_connections > 1 {}
    loop {
        let free = tokio::time::timeout(Duration::from_secs(60), gateways.try_apns()).await;
        if let Ok(Some(mut client)) = free {
            assert_eq!(push(&gateways, &mut client, 2).await, 200);
            break;
        }
    }
    drop(beyond);
}

#[tokio::test]
async fn a_handshake_takes_its_time() {
    let gateways = gateways(Behaviour { tls_handshake_ms: 60, ..Behaviour::default() }).await;
    let start = Instant::now();
    let mut client = gateways.apns().await;
    assert!(start.elapsed() >= Duration::from_millis(60));
    assert_eq!(push(&gateways, &mut client, 1).await, 200);
}
