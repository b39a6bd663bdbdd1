//! Preflight: what makes which light red, and what arming does about it.

use super::stage::{Stage, who};
use common::campaign::{Refusal, RefusalCode, State};
use common::fleet::{Expected, Role, WorkerRow};
use common::ids::{SnapshotId, WorkerId};
use common::ports::{Audit, Backend, Disk};
use control::{ArmRequest, Check, Control, ControlError, Edit, Leave, Light, Who};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

async fn check(stage: &Stage, name: &str) -> Check {
    let checks = stage.control.preflight(stage.id, &Expected::default()).await.unwrap().checks;
    checks.into_iter().find(|c| c.name == name).unwrap()
}

async fn light(stage: &Stage, name: &str) -> Light {
    check(stage, name).await.light
}

/// One that hangs, was killed or is cut off is spoken of for a minute; one that left is not.
#[tokio::test(start_paused = true)]
async fn a_worker_that_fell_silent_is_told_from_one_that_left() {
    let stage = Stage::ready(10).await;
    tokio::time::advance(Duration::from_secs(7)).await;
    let said = check(&stage, "push_workers").await.sentence;
    assert_eq!(
        said,
        "0 of 1 push workers ready (0 live); 1 fell silent, the last one 7 s ago: dead, hanging, cut off, or a clock that is behind"
    );
    stage.parts.backend().fleet.leave(WorkerId(2)).await.unwrap();
    assert_eq!(check(&stage, "push_workers").await.sentence, "0 of 1 push workers ready (0 live)");
    assert!(check(&stage, "interim_workers").await.sentence.contains("fell silent"));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(check(&stage, "interim_workers").await.sentence, "0 of 1 interim workers ready (0 live)");
    // It is back.
    stage.beat(|_| {}).await;
    assert_eq!(check(&stage, "interim_workers").await.light, Light::Green);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_is_ready_is_all_green() {
    let stage = Stage::ready(10).await;
    let checks = stage.control.preflight(stage.id, &Expected::default()).await.unwrap();
    assert!(checks.go && checks.checks.iter().all(|c| c.light == Light::Green), "{checks:?}");
}

#[tokio::test(start_paused = true)]
async fn each_trouble_has_its_light() {
    type Trouble = (&'static str, Light, &'static str, fn(&mut WorkerRow));
    let troubles: [Trouble; 11] = [
        ("interim_workers", Light::Red, "0 of 1 interim workers ready (1 live)", |w| {
            w.ready = w.role == Role::Push;
        }),
        ("push_workers", Light::Red, "0 of 1 push workers ready (1 live)", |w| {
            w.ready = w.role == Role::Interim;
        }),
        ("push_workers", Light::Red, "; one says: it hurts", |w| {
            (w.tripped, w.trouble) = (true, Some("it hurts".to_owned()));
        }),
        ("snapshot_hash", Light::Red, "1 workers hold another snapshot than ", |w| {
            w.snapshot = w.snapshot.filter(|_| w.role == Role::Push).or(Some(SnapshotId([9; 32])));
        }),
        ("gateways", Light::Red, "no connection to apns: none is configured", |w| w.links.clear()),
        ("credentials", Light::Red, "the credentials for apns have expired", |w| {
            w.links[0].credentials_until = Some(common::time::UnixMs(5));
        }),
        ("gateway_quota", Light::Amber, "at 1/s, apns's 10 devices take about 10 s", |w| {
            w.links[0].quota_per_s = Some(1);
        }),
        ("clock_skew", Light::Amber, "a worker's clock is 5000 ms ahead of this one", |w| {
            w.at = w.at.plus(Duration::from_secs(5));
        }),
        ("clock_skew", Light::Amber, "3000 ms old: its clock is behind this one, or it hangs", |w| {
            w.at = w.at.minus(Duration::from_secs(3));
        }),
        ("push_workers", Light::Red, "1 fell silent, the last one 6 s ago: ", |w| {
            w.at = w.at.minus(Duration::from_secs(6));
        }),
        ("interim_workers", Light::Red, "cut off, or a clock that is behind", |w| {
            w.at = w.at.minus(Duration::from_secs(6));
        }),
    ];
    for (name, expected, words, with) in troubles {
        let stage = Stage::ready(10).await;
        stage.beat(with).await;
        let check = check(&stage, name).await;
        assert_eq!(check.light, expected, "{name}: {}", check.sentence);
        assert!(check.sentence.contains(words), "{name}: {}", check.sentence);
    }
}

/// A disk with so many bytes left.
struct Left(u64);

impl Disk for Left {
    fn free_bytes(&self) -> Option<u64> {
        Some(self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fills_up_is_said_before_the_press_and_hinders_arming() {
    let stage = Stage::ready(10).await;
    let whole = stage.control.preflight(stage.id, &Expected::default()).await.unwrap().checks;
    assert!(!whole.iter().any(|check| check.name == "disk"), "a cloud's services have none");
    let on = |left| {
        let backend = Backend { disk: Some(Arc::new(Left(left))), ..stage.parts.backend() };
        Control::new(backend, stage.clock.clone())
    };
    // As large as on the night; nobody looks into it here.
    let mut large = stage.campaign().await;
    let snapshot = large.snapshot.as_mut().unwrap();
    snapshot.devices = [("apns".to_owned(), 4_200_000)].into();
    snapshot.batches = 40_025;
    stage.parts.campaigns.poke(large);
    let red = "the data directory's disk has 850 MB left, and this may write 857 MB: make room, or it may stop in the middle";
    for (left, expected, sentence) in [
        (855_000_000, Light::Red, red),
        (999_999, Light::Red, &red.replace("850 MB", "0 MB")),
        (
            1_712_000_000,
            Light::Amber,
            "the data directory's disk has 1700 MB left, and this may write 857 MB: make room",
        ),
        (
            1_713_000_000,
            Light::Green,
            "the data directory's disk has room for the 857 MB that this may write",
        ),
    ] {
        let checks = on(left).preflight(stage.id, &Expected::default()).await.unwrap().checks;
        let check = checks.into_iter().find(|check| check.name == "disk").unwrap();
        assert_eq!((check.light, check.sentence.as_str()), (expected, sentence));
    }
    // What waiting doesn't mend is not waited for.
    let before = tokio::time::Instant::now();
    let refused = on(855_000_000).arm(&who("sre"), stage.id, &ArmRequest::default()).await.unwrap_err();
    assert!(matches!(&refused, ControlError::NotReady(p) if p.reds() == format!("disk: {red}")), "{refused}");
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    let overrides = [("disk".to_owned(), "another one is being mounted".to_owned())].into();
    let request = ArmRequest { overrides, ..ArmRequest::default() };
    on(855_000_000).arm(&who("sre"), stage.id, &request).await.unwrap();

    // A canary writes little: the press is still to come. While that runs, only what is nearly full is said.
    let light = async |left| {
        let checks = on(left).preflight(stage.id, &Expected::default()).await.unwrap().checks;
        checks.into_iter().find(|check| check.name == "disk").unwrap().light
    };
    on(855_000_000).canary(&who("m"), stage.id).await.unwrap();
    assert_eq!(light(855_000_000).await, Light::Red);
    on(855_000_000).press(&who("m"), stage.id).await.unwrap();
    assert_eq!((light(855_000_000).await, light(50_000_000).await), (Light::Green, Light::Red));
}

#[tokio::test(start_paused = true)]
async fn arming_waits_and_then_names_what_is_red() {
    let stage = Stage::ready(10).await;
    let expect = Expected { interim: Some(1), push: Some(3), percent: Some(90) };
    let request = ArmRequest { expect, wait_ms: 300, ..ArmRequest::default() };
    let error = stage.control.arm(&who("sre"), stage.id, &request).await.unwrap_err();
    assert!(
        matches!(error, ControlError::NotReady(_)) && error.to_string().contains("1 of 3 push workers"),
        "{error}"
    );
    assert_eq!(stage.campaign().await.state, State::Ready);
    let overrides = [("push_workers".to_owned(), "one is enough tonight".to_owned())].into();
    let armed = stage.control.arm(&who("sre"), stage.id, &ArmRequest { overrides, ..request }).await.unwrap();
    assert_eq!(armed.state, State::Armed);
    assert_eq!(armed.armed.unwrap().overrides.len(), 1);
    // Nobody is warned of what was overridden before.
    let preflight = stage.control.preflight(stage.id, &Expected::default()).await.unwrap();
    let check = preflight.checks.iter().find(|c| c.name == "push_workers").unwrap();
    assert_eq!((check.light, check.overridden.as_deref()), (Light::Red, Some("one is enough tonight")));
    assert!(!preflight.warnings().iter().any(|warning| warning.starts_with("push_workers")));
    // A disarm takes it out of the record, and not out of the trail.
    stage.control.disarm(&who("sre"), stage.id).await.unwrap();
    stage.control.flush_audit().await;
    let trail = stage.parts.audit.list(100).await.unwrap();
    let said = trail.iter().find(|entry| entry.action == "campaign.override").unwrap();
    assert_eq!((said.by.as_str(), said.result.as_str()), ("sre", "push_workers: one is enough tonight"));
}

#[tokio::test(start_paused = true)]
async fn the_trail_says_what_an_edit_changed() {
    let stage = Stage::ready(10).await;
    let content = common::content::Content::english("Superb Owl", "Now");
    let options = common::campaign::Options { deadline_ms: 60_000, ..stage.campaign().await.options };
    let edit = Edit { name: Some("finale".to_owned()), content: Some(content), options: Some(options) };
    stage.control.edit(&who("bea"), stage.id, edit).await.unwrap();
    stage.control.flush_audit().await;
    let trail = stage.parts.audit.list(100).await.unwrap();
    let said = &trail.iter().find(|entry| entry.action == "campaign.edit").unwrap().result;
    for part in ["-> `finale`", "content ", "deadline 600 s -> 60 s"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn some_checks_cannot_be_overridden_and_a_reason_is_wanted() {
    let stage = Stage::ready(10).await;
    for (check, reason) in
        [("snapshot_hash", "x"), ("payload_size", "x"), ("queues_empty", " "), ("nonsense", "x")]
    {
        let overrides = [(check.to_owned(), reason.to_owned())].into();
        let request = ArmRequest { overrides, ..ArmRequest::default() };
        let error = stage.control.arm(&who("sre"), stage.id, &request).await.unwrap_err();
        assert!(matches!(error, ControlError::BadField(_)), "{check}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_armed_campaign_has_the_fleet() {
    let stage = Stage::armed(10).await;
    let copy = stage.control.clone_campaign(&who("e"), stage.id, None).await.unwrap();
    assert_eq!(copy.name, "night (copy)");
    let mut ready = stage.campaign().await;
    (ready.id, ready.state, ready.armed) = (copy.id, State::Ready, None);
    stage.parts.campaigns.poke(ready);
    let request = ArmRequest { wait_ms: 0, ..ArmRequest::default() };
    let error = stage.control.arm(&who("e"), copy.id, &request).await.unwrap_err();
    assert!(error.to_string().contains("the fleet is taken: `night` is armed"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn once_armed_a_press_works_whatever_turns_red() {
    let stage = Stage::armed(10).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(light(&stage, "push_workers").await, Light::Red, "no heartbeat for a minute");
    stage.control.press(&who("m"), stage.id).await.unwrap();
    assert_eq!(stage.campaign().await.state, State::Sending);
}

#[tokio::test(start_paused = true)]
async fn who_may_no_longer_do_it_does_not_arm() {
    let stage = Stage::ready(10).await;
    let looks = Arc::new(AtomicU32::new(0));
    // Good when it begins, and for the first look at the fleet.
    let counted = Arc::clone(&looks);
    let leave = Leave::asking(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(()),
        _ => Err(Refusal { code: RefusalCode::TokenRevoked, detail: "revoked".to_owned() }),
    });
    let person = Who { leave, ..who("sre") };
    let error = stage.control.arm(&person, stage.id, &ArmRequest::default()).await.unwrap_err();
    assert!(matches!(error, ControlError::Refused(no) if no.code == RefusalCode::TokenRevoked));
    assert_eq!(stage.campaign().await.state, State::Ready);
    assert_eq!(looks.load(Ordering::Relaxed), 2, "the second was right before the write");
    assert!(stage.control.disarm(&person, stage.id).await.is_err());
}
