//! Both gateways against the stand-ins, over real TLS and HTTP/2: what is answered, and what the journal proves.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop where something is not as they expect"
)]

use crate::stand::{BOTH, PATIENCE, deadline, local, prepare, pushes, send, stand, stand_on, targets};
use common::content::Content;
use common::device::{Platform, Target, TargetKind};
use common::outcome::Outcome;
use common::time::SystemClock;
use loadtest::gateways::{Behaviour, Fate, ServerKind};
use push_worker::apns::{ApnsConfig, ApnsGateway};
use push_worker::fcm::{FcmConfig, FcmGateway};
use push_worker::gateway::{Answer, Answered, Gateway, Push};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn tally(answered: &[Answered]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for a in answered {
        *tally.entry(format!("{:?}", a.answer)).or_default() += 1;
    }
    tally
}

fn all(answered: &[Answered], answer: Answer) -> bool {
    answered.iter().all(|a| a.answer == answer)
}

#[tokio::test]
async fn everybody_gets_one_and_the_gateways_find_nothing_wrong() {
    for mode in BOTH {
        everybody_gets_one_and_the_gateways_find_nothing_wrong_on(mode).await;
    }
}

async fn everybody_gets_one_and_the_gateways_find_nothing_wrong_on(mode: ServerKind) {
    local(async {
        let stand = stand_on(mode, Behaviour { round_trip_ms: 2, ..Behaviour::default() }).await;
        for gateway in &stand.both().await {
            let targets = targets(gateway.platform(), 700);
            assert!(all(&send(&**gateway, &pushes(&targets), PATIENCE).await, Answer::Accepted));
            let link = gateway.link();
            assert_eq!((link.connections, link.trouble.clone()), (2, None));
            assert!(link.streams >= 200, "{link:?}");
            assert!(link.credentials_until.unwrap() > deadline());
            assert!(gateway.is_rehearsal());
        }
        let summary = stand.admin.summary().await.unwrap();
        assert_eq!(
            (summary.accepted_devices, summary.distinct_jwts, summary.connections_opened),
            (1_400, 1, 4)
        );
        assert_eq!(summary.by_reason.len(), 2, "{:?}", summary.by_reason);
    })
    .await;
}

#[tokio::test]
async fn a_silent_content_and_an_installation_id_are_taken() {
    local(async {
        let stand = stand(Behaviour::default()).await;
        let (apns, fcm) = (stand.apns(), stand.fcm());
        for gateway in [&apns as &dyn Gateway, &fcm] {
            let bytes = prepare(gateway, &Content::silent()).await.unwrap();
            assert!(bytes < 100);
            let targets = targets(gateway.platform(), 3);
            assert!(all(&send(gateway, &pushes(&targets), PATIENCE).await, Answer::Accepted));
        }
        let fid = Target::parse(Platform::Fcm, TargetKind::Fid, "cXyZ0123456789AbCdEfGh").unwrap();
        let wrong = targets(Platform::Apns, 1).remove(0);
        let answered = send(&fcm, &pushes(&[fid, wrong]), PATIENCE).await;
        let unsendable = Answer::Rejected(Outcome::Unsendable);
        assert_eq!(tally(&answered), [("Accepted".to_owned(), 1), (format!("{unsendable:?}"), 1)].into());
    })
    .await;
}

#[tokio::test]
async fn tokens_are_told_apart() {
    for mode in BOTH {
        tokens_are_told_apart_on(mode).await;
    }
}

async fn tokens_are_told_apart_on(mode: ServerKind) {
    local(async {
        let behaviour =
            Behaviour { dead_share: 0.2, bad_share: 0.2, mismatched_share: 0.2, ..Behaviour::default() };
        let stand = stand_on(mode, behaviour.clone()).await;
        for gateway in &stand.both().await {
            let targets = targets(gateway.platform(), 100);
            for answered in send(&**gateway, &pushes(&targets), PATIENCE).await {
                let fate = behaviour.fate(targets[usize::from(answered.place)].hash());
                let as_expected = match (fate, gateway.platform()) {
                    (Fate::Alive, _) => answered.answer == Answer::Accepted,
                    (Fate::Dead, platform) => {
                        let Answer::TokenGone { since } = answered.answer else { panic!("{answered:?}") };
                        since.is_some() == (platform == Platform::Apns)
                    }
                    (Fate::Bad, _) => answered.answer == Answer::Rejected(Outcome::BadDeviceToken),
                    (Fate::Mismatched, Platform::Apns) => {
                        answered.answer == Answer::Rejected(Outcome::TokenNotForTopic)
                    }
                    (Fate::Mismatched, Platform::Fcm) => {
                        answered.answer == Answer::Rejected(Outcome::SenderIdMismatch)
                    }
                };
                assert!(as_expected, "{fate:?} {answered:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn refusals_of_the_moment_say_when_to_come_back() {
    local(Box::pin(async {
        let stand = stand(Behaviour::default()).await;
        let polite = Behaviour { retry_after_s: Some(7), ..Behaviour::default() };
        let retry_after = Some(Duration::from_secs(7));
        for gateway in &stand.both().await {
            let targets = targets(gateway.platform(), 5);
            let device = gateway.platform() == Platform::Apns;
            for (behaviour, answer) in [
                (Behaviour { unavailable_share: 1.0, ..polite.clone() }, Answer::Unavailable { retry_after }),
                (
                    Behaviour { internal_error_share: 1.0, ..Behaviour::default() },
                    Answer::Unavailable { retry_after: None },
                ),
                (
                    Behaviour { throttle_share: 1.0, ..polite.clone() },
                    Answer::Throttled { retry_after, device },
                ),
            ] {
                stand.admin.set_behaviour(&behaviour).await.unwrap();
                let answered = send(&**gateway, &pushes(&targets), PATIENCE).await;
                assert!(all(&answered, answer), "{answered:?}");
            }
        }
    }))
    .await;
}

#[tokio::test]
async fn an_expired_credential_is_renewed_for_a_second_try() {
    local(async {
        let once = Behaviour { expired_jwt_once: true, expired_bearer_once: true, ..Behaviour::default() };
        let stand = stand(once).await;
        for gateway in &stand.both().await {
            let targets = targets(gateway.platform(), 20);
            let first = send(&**gateway, &pushes(&targets), PATIENCE).await;
            assert_eq!(
                tally(&first),
                [("Accepted".to_owned(), 19), ("CredentialsExpired".to_owned(), 1)].into()
            );
            assert!(all(&send(&**gateway, &pushes(&targets), PATIENCE).await, Answer::Accepted));
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_never_answered_is_ambiguous_and_harms_nobody_else() {
    for mode in BOTH {
        what_is_never_answered_is_ambiguous_and_harms_nobody_else_on(mode).await;
    }
}

async fn what_is_never_answered_is_ambiguous_and_harms_nobody_else_on(mode: ServerKind) {
    local(async {
        let stand = stand_on(mode, Behaviour::default()).await;
        for gateway in &stand.both().await {
            let targets = targets(gateway.platform(), 60);
            // Proves the connections, so that all streams are open.
            assert!(all(&send(&**gateway, &pushes(&targets), PATIENCE).await, Answer::Accepted));
            stand.admin.reset().await.unwrap();
            for fault in [
                Behaviour { stall_share: 1.0, ..Behaviour::default() },
                Behaviour { reset_share: 1.0, ..Behaviour::default() },
            ] {
                stand.admin.set_behaviour(&fault).await.unwrap();
                let answered = send(&**gateway, &pushes(&targets), Duration::from_millis(300)).await;
                assert!(all(&answered, Answer::Ambiguous), "{:?}", tally(&answered));
            }
            stand.admin.set_behaviour(&Behaviour::default()).await.unwrap();
            assert!(all(&send(&**gateway, &pushes(&targets), PATIENCE).await, Answer::Accepted));
            assert_eq!(gateway.link().connections, 2);
        }
        assert_eq!(stand.admin.summary().await.unwrap().connections_opened, 4);
    })
    .await;
}

/// Sends until nothing is left that may be sent again; answers with the devices that ended otherwise.
async fn send_out(gateway: &dyn Gateway, targets: &[Target]) -> BTreeMap<String, usize> {
    let mut left = pushes(targets);
    let mut ended = BTreeMap::new();
    while !left.is_empty() {
        let answered = send(gateway, &left, PATIENCE).await;
        let again: Vec<u16> =
            answered.iter().filter(|a| a.answer == Answer::NotSent).map(|a| a.place).collect();
        for a in answered.iter().filter(|a| a.answer != Answer::NotSent) {
            *ended.entry(format!("{:?}", a.answer)).or_default() += 1;
        }
        left.retain(|p| again.contains(&p.place));
    }
    ended
}

#[tokio::test]
async fn connections_that_go_away_lose_nobody() {
    for mode in BOTH {
        connections_that_go_away_lose_nobody_on(mode).await;
    }
}

async fn connections_that_go_away_lose_nobody_on(mode: ServerKind) {
    local(async {
        let stand = stand_on(mode, Behaviour::default()).await;
        for gateway in &stand.both().await {
            stand.admin.reset().await.unwrap();
            let behaviour = Behaviour { goaway_every: 20, round_trip_ms: 1, ..Behaviour::default() };
            stand.admin.set_behaviour(&behaviour).await.unwrap();
            let targets = targets(gateway.platform(), 400);
            assert_eq!(send_out(&**gateway, &targets).await, [("Accepted".to_owned(), 400)].into());
            let summary = stand.admin.summary().await.unwrap();
            assert_eq!((summary.accepted_devices, summary.duplicates), (400, 0), "{summary:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn connections_that_are_cut_double_nobody() {
    for mode in BOTH {
        connections_that_are_cut_double_nobody_on(mode).await;
    }
}

async fn connections_that_are_cut_double_nobody_on(mode: ServerKind) {
    local(async {
        let stand = stand_on(mode, Behaviour::default()).await;
        for gateway in &stand.both().await {
            stand.admin.reset().await.unwrap();
            let behaviour = Behaviour { close_every: 50, ..Behaviour::default() };
            stand.admin.set_behaviour(&behaviour).await.unwrap();
            let targets = targets(gateway.platform(), 400);
            let ended = send_out(&**gateway, &targets).await;
            let count = |answer: &str| ended.get(answer).copied().unwrap_or(0);
            assert_eq!(count("Accepted") + count("Ambiguous"), 400, "{ended:?}");
            assert!(count("Ambiguous") > 0, "{ended:?}");
            let summary = stand.admin.summary().await.unwrap();
            assert_eq!(summary.duplicates, 0);
            assert!(summary.accepted_devices as usize >= count("Accepted"));
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_leaves_once_it_may_not() {
    local(async {
        let stand = stand(Behaviour::default()).await;
        for gateway in &stand.both().await {
            stand.admin.reset().await.unwrap();
            let targets = targets(gateway.platform(), 300);
            let pushes = pushes(&targets);
            let answered = gateway.send(&pushes, deadline(), &|| false, PATIENCE).await;
            assert!(answered.len() == 300 && all(&answered, Answer::NotSent));
            assert_eq!(stand.admin.summary().await.unwrap().requests, 0);

            let asked = Cell::new(0);
            let thrice = || {
                asked.set(asked.get() + 1);
                asked.get() <= 3
            };
            let answered = gateway.send(&pushes, deadline(), &thrice, PATIENCE).await;
            let tally = tally(&answered);
            let accepted = tally["Accepted"];
            assert!(accepted <= 3 * push_worker::transport::limits::WRITE_GROUP && accepted > 0, "{tally:?}");
            assert_eq!(tally["NotSent"], 300 - accepted);
            let summary = stand.admin.summary().await.unwrap();
            assert_eq!(summary.accepted_devices as usize, accepted);
        }
    })
    .await;
}

#[tokio::test]
async fn who_waits_behind_a_gateway_that_stopped_listening_is_not_sent() {
    local(async {
        let stand = stand(Behaviour { stall_share: 1.0, ..Behaviour::default() }).await;
        let apns = stand.apns();
        prepare(&apns, &Content::english("Superb", "Owl")).await.unwrap();
        // Unproven connections have one stream each.
        let targets = targets(Platform::Apns, 10);
        let start = std::time::Instant::now();
        let until = || start.elapsed() < Duration::from_millis(250);
        let answered = apns.send(&pushes(&targets), deadline(), &until, Duration::from_secs(1)).await;
        assert_eq!(tally(&answered), [("Ambiguous".to_owned(), 2), ("NotSent".to_owned(), 8)].into());
    })
    .await;
}

#[tokio::test]
async fn groups_share_the_streams() {
    local(async {
        let stand = stand(Behaviour { round_trip_ms: 1, ..Behaviour::default() }).await;
        for gateway in &stand.both().await {
            let targets = targets(gateway.platform(), 2_000);
            let groups: Vec<Vec<Push<'_>>> = pushes(&targets).chunks(100).map(<[_]>::to_vec).collect();
            let sends = groups.iter().map(|group| send(&**gateway, group, PATIENCE));
            let answered = futures::future::join_all(sends).await.concat();
            assert!(answered.len() == 2_000 && all(&answered, Answer::Accepted));
        }
        assert_eq!(stand.admin.summary().await.unwrap().duplicates, 0);
    })
    .await;
}

#[tokio::test]
async fn closing_says_goodbye() {
    local(async {
        let stand = stand(Behaviour::default()).await;
        for gateway in &stand.both().await {
            let targets = targets(gateway.platform(), 1);
            send(&**gateway, &pushes(&targets), PATIENCE).await;
            gateway.close().await;
            assert!(all(&send(&**gateway, &pushes(&targets), PATIENCE).await, Answer::NotSent));
            assert_eq!(gateway.link().connections, 0);
        }
        while stand.admin.summary().await.unwrap().open_connections > 0 {}
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_named() {
    local(async {
        let (stand, other) = (stand(Behaviour::default()).await, stand(Behaviour::default()).await);
        let config = ApnsConfig { ca_file: Some(other.running.info.ca_file.clone()), ..stand.apns_config() };
        let clock = Arc::new(SystemClock::default());
        let gateway = ApnsGateway::new(Arc::new(config.check().unwrap()), clock.clone());
        let error = prepare(&gateway, &Content::english("a", "b")).await.unwrap_err();
        assert!(error.contains("TLS") && error.contains("127.0.0.1"), "{error}");
        assert!(gateway.link().trouble.is_some());

        let config = FcmConfig { endpoint: Some("127.0.0.1:1".to_owned()), ..stand.fcm_config() };
        let gateway = FcmGateway::new(Arc::new(config.check().unwrap()), clock);
        let error = prepare(&gateway, &Content::english("a", "b")).await.unwrap_err();
        assert!(error.contains("takes connections"), "{error}");
    })
    .await;
}
