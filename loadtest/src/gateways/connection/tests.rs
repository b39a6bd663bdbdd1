//! What depends on time, with the clock stopped: it moves on when nobody has anything to do.

use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

struct Client {
    send: SendRequest<Bytes>,
    /// The connection as the client sees it.
    ended: JoinHandle<Result<(), h2::Error>>,
    /// The connection as the gateway sees it.
    served: JoinHandle<End>,
    /// Dropped when the client hangs up.
    hang_up: oneshot::Sender<()>,
    shared: Arc<Shared>,
}

fn open(
    mode: ServerKind,
    behaviour: Behaviour,
) -> (DuplexStream, JoinHandle<End>, oneshot::Sender<()>, Arc<Shared>) {
    let behaviour = Behaviour { apns_streams_until_proven: 1_000, ..behaviour };
    let shared = Shared::for_tests(mode, behaviour);
    let (ours, served, hang_up) = open_at(Platform::Apns, &shared);
    (ours, served, hang_up, shared)
}

fn open_at(platform: Platform, shared: &Arc<Shared>) -> (DuplexStream, JoinHandle<End>, oneshot::Sender<()>) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (hang_up, gone) = oneshot::channel();
    let gone = async { drop(gone.await) };
    let served = tokio::spawn(serve(Arc::clone(shared), platform, theirs, gone));
    (ours, served, hang_up)
}

async fn connect(mode: ServerKind, behaviour: Behaviour) -> Client {
    let (ours, served, hang_up, shared) = open(mode, behaviour);
    let (send, connection) = h2::client::handshake(ours).await.expect("a handshake");
    Client { send, ended: tokio::spawn(connection), served, hang_up, shared }
}

/// An access token that never expires.
const BEARER: &str = "ya29.token";

/// An FCM that validates, and takes [`BEARER`].
fn fcm(behaviour: Behaviour) -> Arc<Shared> {
    let shared = Shared::for_tests(ServerKind::Validating, behaviour);
    shared.token_endpoint.issue(BEARER, i64::MAX);
    shared
}

async fn connect_to_fcm(shared: &Arc<Shared>) -> Client {
    let (ours, served, hang_up) = open_at(Platform::Fcm, shared);
    let (send, connection) = h2::client::handshake(ours).await.expect("a handshake");
    Client { send, ended: tokio::spawn(connection), served, hang_up, shared: Arc::clone(shared) }
}

impl Client {
    fn send(&mut self) -> ResponseFuture {
        let request = Request::post("https://localhost/4/device/abc").body(()).expect("a request");
        self.send.send_request(request, true).expect("an open connection").0
    }

    /// A good message for one of FCM's devices.
    fn notify(&mut self, device: u64) -> ResponseFuture {
        let request = Request::post("https://localhost/v1/projects/owl/messages:send")
            .header("authorization", format!("Bearer {BEARER}"))
            .body(())
            .expect("a request");
        let (answer, mut body) = self.send.send_request(request, false).expect("an open connection");
        let message = format!(r#"{{"message":{{"token":"token:{device:030}"}}}}"#);
        body.send_data(message.into(), true).expect("room for it");
        answer
    }

    async fn ask(&mut self) -> u16 {
        self.send().await.expect("an answer").status().as_u16()
    }

    fn count(&self, reason: &str) -> u64 {
        self.shared.journal.summary().by_reason.get(reason).copied().unwrap_or(0)
    }
}

#[tokio::test(start_paused = true)]
async fn answers_come_when_the_distribution_says_and_overtake_each_other() {
    let behaviour =
        Behaviour { seed: 3, round_trip: "lognormal:30,120".parse().ok(), ..Behaviour::default() };
    let mut client = connect(ServerKind::Sink, behaviour.clone()).await;
    client.send = client.send.ready().await.expect("open");
    let start = Instant::now();
    let answers: Vec<_> = (0..90)
        .map(|_| {
            let answer = client.send();
            tokio::spawn(
                async move { answer.await.map(|answer| (answer.status().as_u16(), start.elapsed())) },
            )
        })
        .collect();
    let mut times = Vec::new();
    for (number, answer) in answers.into_iter().enumerate() {
        let (status, took) = answer.await.expect("no panic").expect("an answer");
        let due = behaviour.takes(Platform::Apns, || number as u64);
        assert!(status == 200 && took >= due && took <= due + Duration::from_millis(2), "{took:?} {due:?}");
        times.push(took);
    }
    assert!(!times.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn what_is_beyond_a_connections_rate_waits_its_turn_and_another_connection_has_its_own() {
    let behaviour = Behaviour { apns_requests_per_s: 100, round_trip_ms: 30, ..Behaviour::default() };
    let mut clients =
        [connect(ServerKind::Sink, behaviour.clone()).await, connect(ServerKind::Sink, behaviour).await];
    for client in &mut clients {
        client.send = client.send.clone().ready().await.expect("open");
    }
    let start = Instant::now();
    let all: Vec<_> = (0..50)
        .flat_map(|n| clients.iter_mut().map(move |client| (n, client.send())).collect::<Vec<_>>())
        .collect();
    for (n, answer) in all {
        assert_eq!(answer.await.expect("an answer").status(), 200);
        let due = Duration::from_millis(10 * n + 30);
        let took = start.elapsed();
        assert!(took >= due && took <= due + Duration::from_millis(2), "{n}: {took:?}");
    }
    // Nothing is saved up, and nothing owed.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let again = Instant::now();
    let late = [clients[0].send(), clients[0].send()];
    for answer in late {
        answer.await.expect("an answer");
    }
    assert!((40..43).contains(&again.elapsed().as_millis()), "{:?}", again.elapsed());
    // What waits goes on waiting; a rate that changes begins anew.
    let [client, _] = &mut clients;
    let waiting: Vec<_> = (0..200).map(|_| client.send()).collect();
    tokio::time::sleep(Duration::from_millis(5)).await;
    client.shared.set_behaviour(Behaviour { apns_requests_per_s: 1_000, ..Behaviour::default() });
    let again = Instant::now();
    client.ask().await;
    assert!(again.elapsed() < Duration::from_millis(5), "{:?}", again.elapsed());
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn a_connection_goes_away_at_its_age_and_answers_what_it_took() {
    let behaviour = Behaviour { goaway_after_s: 10.0, round_trip_ms: 8_000, ..Behaviour::default() };
    let mut client = connect(ServerKind::Sink, behaviour).await;
    let start = Instant::now();
    assert_eq!(client.ask().await, 200);
    let late = client.send();
    assert_eq!(late.await.expect("an answer").status(), 200);
    client.ended.await.expect("no panic").expect("a graceful end");
    assert_eq!(client.served.await.expect("no panic"), End::Closed);
    assert_eq!(start.elapsed().as_secs(), 16);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_goes_away_too_and_says_why() {
    let behaviour = Behaviour {
        goaway_after_s: 10.0,
        apns_goaway_reason: Some("Shutdown".to_owned()),
        ..Behaviour::default()
    };
    let (mut ours, served, _hang_up, _) = open(ServerKind::Sink, behaviour);
    let start = Instant::now();
    let mut said = Vec::new();
    ours.read_to_end(&mut said).await.expect("an end");
    assert!(said.ends_with(br#"{"reason":"Shutdown"}"#), "{said:?}");
    assert_eq!((start.elapsed().as_secs(), served.await.expect("no panic")), (10, End::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_silent_until_the_client_hangs_up() {
    let behaviour = Behaviour { half_open_after_s: 5.0, ..Behaviour::default() };
    let mut client = connect(ServerKind::Sink, behaviour).await;
    assert_eq!(client.ask().await, 200);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let unheard = client.send();
    assert!(tokio::time::timeout(Duration::from_secs(600), unheard).await.is_err());
    assert!(!client.ended.is_finished() && !client.served.is_finished());
    drop(client.hang_up);
    assert_eq!(client.served.await.expect("no panic"), End::Silent);
}

#[tokio::test(start_paused = true)]
async fn after_so_many_requests_all_that_wait_are_lost() {
    let behaviour = Behaviour { half_open_every: 3, round_trip_ms: 50, ..Behaviour::default() };
    let mut client = connect(ServerKind::Sink, behaviour).await;
    assert_eq!(client.ask().await, 200);
    let lost = [client.send(), client.send()];
    for answer in lost {
        assert!(tokio::time::timeout(Duration::from_secs(600), answer).await.is_err());
    }
    assert_eq!((client.count("apns/200"), client.count("apns/closed")), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn what_waits_when_a_connection_is_cut_is_accepted_in_the_share_that_was_asked_for() {
    for (share, accepted) in [(1.0, 20), (0.0, 0)] {
        let cut = Behaviour {
            close_every: 21,
            round_trip_ms: 50,
            lost_answer_accepted_share: share,
            ..Behaviour::default()
        };
        let shared = fcm(cut);
        let mut client = connect_to_fcm(&shared).await;
        let lost: Vec<_> = (0..21).map(|device| client.notify(device)).collect();
        for answer in lost {
            answer.await.expect_err("no answer leaves");
        }
        assert_eq!((&mut client.served).await.expect("no panic"), End::Cut);
        // The request at which it was cut was not looked at.
        let counts = (client.count("fcm/accepted, answer lost"), client.count("fcm/closed"));
        assert_eq!(counts, (accepted, 21 - accepted));
        assert_eq!(shared.journal.summary().accepted_devices, accepted);

        // Who sends again sends twice to those.
        shared.set_behaviour(Behaviour::default());
        let mut client = connect_to_fcm(&shared).await;
        for device in 0..21 {
            assert_eq!(client.notify(device).await.expect("an answer").status(), 200);
        }
        let said = shared.journal.summary();
        assert_eq!((said.requests, said.accepted_devices, said.duplicates), (42, 21, accepted));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_in_the_turn_of_the_cut_is_lost_too() {
    let cut = Behaviour { close_every: 21, lost_answer_accepted_share: 0.0, ..Behaviour::default() };
    let shared = fcm(cut);
    let mut client = connect_to_fcm(&shared).await;
    let lost: Vec<_> = (0..21).map(|device| client.notify(device)).collect();
    let mut answered = 0;
    for answer in lost {
        answered += u64::from(answer.await.is_ok());
    }
    assert_eq!((client.count("fcm/200"), client.count("fcm/closed")), (answered, 21 - answered));
}

#[tokio::test(start_paused = true)]
async fn who_is_reset_stalled_or_gives_up_may_have_been_accepted_and_a_dead_token_never() {
    let lost = Behaviour { lost_answer_accepted_share: 1.0, ..Behaviour::default() };
    let shared = fcm(Behaviour { reset_share: 1.0, ..lost.clone() });
    let mut client = connect_to_fcm(&shared).await;
    client.notify(1).await.expect_err("a reset");
    shared.set_behaviour(Behaviour { stall_share: 1.0, ..lost.clone() });
    let stalled = client.notify(2);
    assert!(tokio::time::timeout(Duration::from_secs(600), stalled).await.is_err());
    shared.set_behaviour(Behaviour { round_trip_ms: 9_000, ..lost.clone() });
    let given_up = client.notify(3);
    assert!(tokio::time::timeout(Duration::from_secs(1), given_up).await.is_err());
    shared.set_behaviour(Behaviour { reset_share: 1.0, dead_share: 1.0, ..lost });
    client.notify(4).await.expect_err("a reset");
    // The one that was given up is noted when that is heard, or else when its answer is due.
    while shared.journal.summary().requests < 4 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((client.count("fcm/accepted, answer lost"), client.count("fcm/reset")), (3, 1));
    let said = shared.journal.summary();
    assert_eq!((said.requests, said.accepted_devices), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn many_4xx_slow_a_connection_down_and_then_end_it() {
    let behaviour = Behaviour {
        apns_slowdown_share: Some(0.2),
        apns_slowdown_ms: 500,
        apns_disconnect_share: Some(0.5),
        ..Behaviour::default()
    };
    let mut client = connect(ServerKind::Validating, behaviour).await;
    let start = Instant::now();
    for _ in 0..22 {
        assert_eq!(client.ask().await, 404);
    }
    assert!(start.elapsed().is_zero());
    assert_eq!(client.ask().await, 404);
    assert_eq!(start.elapsed().as_millis() / 10, 50);
    let mut answers = 23;
    while !client.served.is_finished() && answers < 100 {
        assert_eq!(client.ask().await, 404);
        answers += 1;
        // A GOAWAY and what follows is not the answer's business.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(answers, 69);
    client.ended.await.expect("no panic").expect("a graceful end");
}
