//! Both gateways against the stand-ins, over real TLS and HTTP/2: what is answered, and what the journal proves.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop where something is not as they expect"
)]

use common::content::Content;
use common::device::{Platform, Target, TargetKind};
use common::ids::CampaignId;
use common::outcome::Outcome;
use common::time::{Clock as _, SystemClock, UnixMs};
use loadtest::gateways::{AdminClient, Behaviour, Fate, GatewayArgs, Running, ServerKind, start};
use push_worker::Secret;
use push_worker::apns::{ApnsConfig, ApnsGateway, ApnsKind};
use push_worker::fcm::{FcmConfig, FcmGateway, FcmKind};
use push_worker::gateway::{Answer, Answered, Gateway, Prepare, Push};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::LocalSet;

/// Our own server, and the `h2` crate's.
pub(super) const BOTH: [ServerKind; 2] = [ServerKind::Validating, ServerKind::Witness];
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Stand {
    running: Running,
    pub(super) admin: AdminClient,
}

async fn stand(behaviour: Behaviour) -> Stand {
    stand_on(ServerKind::Validating, behaviour).await
}

/// On our own server, or on one that is not ours.
pub(super) async fn stand_on(mode: ServerKind, behaviour: Behaviour) -> Stand {
    let running = start(GatewayArgs { mode, behaviour, ..GatewayArgs::default() }).await.unwrap();
    let admin = AdminClient::new(&running.info.admin);
    Stand { running, admin }
}

impl Stand {
    fn apns_config(&self) -> ApnsConfig {
        let info = &self.running.info;
        ApnsConfig {
            kind: ApnsKind::Rehearsal,
            endpoint: Some(info.apns.clone()),
            ca_file: Some(info.ca_file.clone()),
            key_file: Some(info.apns_key_file.clone()),
            key: None,
            key_id: info.apns_key_id.clone(),
            team_id: info.apns_team_id.clone(),
            topic: info.apns_topic.clone(),
            connections: 2,
        }
    }

    fn fcm_config(&self) -> FcmConfig {
        let info = &self.running.info;
        FcmConfig {
            kind: FcmKind::Rehearsal,
            endpoint: Some(info.fcm.clone()),
            ca_file: Some(info.ca_file.clone()),
            service_account_file: Some(info.fcm_service_account_file.clone()),
            service_account: None,
            project: None,
            connections: 2,
            quota_per_minute: None,
        }
    }

    fn apns(&self) -> ApnsGateway {
        ApnsGateway::new(Arc::new(self.apns_config().check().unwrap()), Arc::new(SystemClock::default()))
    }

    fn fcm(&self) -> FcmGateway {
        FcmGateway::new(Arc::new(self.fcm_config().check().unwrap()), Arc::new(SystemClock::default()))
    }

    /// Both, prepared for an alert.
    pub(super) async fn both(&self) -> [Box<dyn Gateway>; 2] {
        let both: [Box<dyn Gateway>; 2] = [Box::new(self.apns()), Box::new(self.fcm())];
        for gateway in &both {
            prepare(&**gateway, &Content::english("Superb", "Owl")).await.unwrap();
        }
        both
    }
}

pub(super) async fn prepare(gateway: &dyn Gateway, content: &Content) -> Result<u32, String> {
    let locales = ["en".to_owned(), "de".to_owned()];
    let campaign = CampaignId(uuid::Uuid::from_u128(7));
    gateway.prepare(&Prepare { campaign, content, locales: &locales }).await
}

/// Devices of one gateway.
pub(super) fn targets(platform: Platform, n: u16) -> Vec<Target> {
    let text = |i| match platform {
        Platform::Apns => format!("{i:064x}"),
        Platform::Fcm => format!("fcm-token:APA91b{i:032x}"),
    };
    (0..n).map(|i| Target::parse(platform, TargetKind::Token, &text(i)).unwrap()).collect()
}

pub(super) fn pushes(targets: &[Target]) -> Vec<Push<'_>> {
    let push =
        |(place, target): (u16, _)| Push { place, target: Target::as_ref(target), locale: (place % 3) as u8 };
    (0..).zip(targets).map(push).collect()
}

fn deadline() -> UnixMs {
    SystemClock::default().now().plus(Duration::from_secs(600))
}

pub(super) async fn send(gateway: &dyn Gateway, pushes: &[Push<'_>], patience: Duration) -> Vec<Answered> {
    let answered = gateway.send(pushes, deadline(), &|| true, patience).await;
    let mut places: Vec<u16> = answered.iter().map(|a| a.place).collect();
    places.sort_unstable();
    let asked: Vec<u16> = pushes.iter().map(|p| p.place).collect();
    assert_eq!(places, asked, "exactly one answer for each push");
    answered
}

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

pub(super) async fn local<F: Future<Output = ()>>(test: F) {
    LocalSet::new().run_until(test).await;
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

#[tokio::test]
async fn all_faults_of_a_configuration_come_together_and_quote_no_key() {
    let stand = stand(Behaviour::default()).await;
    let fields = |faults: push_worker::transport::Faults| -> Vec<String> {
        faults.0.into_iter().map(|fault| fault.field).collect()
    };
    let wrong = ApnsConfig {
        endpoint: Some("api.push.apple.com:443".to_owned()),
        key_id: "short".to_owned(),
        key_file: Some(stand.running.info.ca_file.clone()),
        connections: 0,
        ..stand.apns_config()
    };
    let found = fields(wrong.check().unwrap_err());
    assert_eq!(found, ["apns.key_id", "apns.connections", "apns.endpoint", "apns.key_file"]);
    let pointed = ApnsConfig { kind: ApnsKind::Production, ..stand.apns_config() };
    assert_eq!(fields(pointed.check().unwrap_err()), ["apns.endpoint", "apns.ca_file"]);
    let real = ApnsConfig { endpoint: None, ca_file: None, ..pointed };
    assert!(real.check().is_ok());
    // A rehearsal's account is no good for the real gateway, nor the other way round.
    let real = FcmConfig { kind: FcmKind::Production, endpoint: None, ca_file: None, ..stand.fcm_config() };
    assert_eq!(fields(real.check().unwrap_err()), ["fcm.service_account_file"]);
    let account = std::fs::read_to_string(&stand.running.info.fcm_service_account_file).unwrap();
    let uri = &stand.running.info.token_uri;
    let dir = tempfile::tempdir().unwrap();
    for wrong in
        ["https://oauth2.googleapis.com/token", "http://169.254.169.254/token", "http://a@google.com/"]
    {
        let file = dir.path().join("account.json");
        std::fs::write(&file, account.replace(uri, wrong)).unwrap();
        let config = FcmConfig { service_account_file: Some(file), ..stand.fcm_config() };
        let faults = config.check().unwrap_err();
        assert!(!faults.to_string().contains("BEGIN"));
        assert_eq!(fields(faults), ["fcm.service_account_file"], "{wrong}");
    }
}

/// As ECS hands them over: the text itself, in exactly one way, and shown nowhere.
#[tokio::test]
async fn secrets_may_be_given_as_text() {
    let stand = stand(Behaviour::default()).await;
    let secret = |path: &std::path::Path| Some(Secret::new(std::fs::read_to_string(path).unwrap()));
    let info = &stand.running.info;
    let apns = ApnsConfig { key_file: None, key: secret(&info.apns_key_file), ..stand.apns_config() };
    let account = secret(&info.fcm_service_account_file);
    let fcm = FcmConfig { service_account_file: None, service_account: account, ..stand.fcm_config() };
    assert!(apns.check().is_ok() && fcm.check().is_ok());
    let shown = format!("{apns:?} {fcm:?} {}", serde_json::json!([apns, fcm]));
    assert!(!shown.contains("PRIVATE") && shown.contains("(hidden)"), "{shown}");
    for twice in
        [ApnsConfig { key: None, ..apns.clone() }, ApnsConfig { key: apns.key, ..stand.apns_config() }]
    {
        let faults = twice.check().unwrap_err().to_string();
        assert!(faults.contains("apns.key_file") && !faults.contains("PRIVATE"), "{faults}");
    }
}

#[tokio::test]
async fn a_public_ca_is_no_rehearsals() {
    let stand = stand(Behaviour::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let two = dir.path().join("two.pem");
    let one = std::fs::read_to_string(&stand.running.info.ca_file).unwrap();
    std::fs::write(&two, format!("{one}{one}")).unwrap();
    let config = ApnsConfig { ca_file: Some(two), ..stand.apns_config() };
    assert!(config.check().unwrap_err().to_string().contains("exactly one"));
}
