//! Preflight: what makes which light red, and what arming does about it.

use super::stage::{Stage, who};
use common::campaign::{Refusal, RefusalCode, State};
use common::fleet::{Expected, Role, WorkerRow};
use common::ids::SnapshotId;
use control::{ArmRequest, ControlError, Leave, Light, Who};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

async fn light(stage: &Stage, name: &str) -> Light {
    let checks = stage.control.preflight(stage.id, &Expected::default()).await.unwrap().checks;
    checks.into_iter().find(|c| c.name == name).unwrap().light
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_is_ready_is_all_green() {
    let stage = Stage::ready(10).await;
    let checks = stage.control.preflight(stage.id, &Expected::default()).await.unwrap();
    assert!(checks.go && checks.checks.iter().all(|c| c.light == Light::Green), "{checks:?}");
}

#[tokio::test(start_paused = true)]
async fn each_trouble_has_its_light() {
    type Trouble = (&'static str, Light, fn(&mut WorkerRow));
    let troubles: [Trouble; 8] = [
        ("interim_workers", Light::Red, |w| w.ready = w.role == Role::Push),
        ("push_workers", Light::Red, |w| w.ready = w.role == Role::Interim),
        ("push_workers", Light::Red, |w| w.tripped = true),
        ("snapshot_hash", Light::Red, |w| w.snapshot = Some(SnapshotId([9; 32]))),
        ("gateways", Light::Red, |w| w.links.clear()),
        ("credentials", Light::Red, |w| w.links[0].credentials_until = Some(common::time::UnixMs(5))),
        ("gateway_quota", Light::Amber, |w| w.links[0].quota_per_s = Some(1)),
        ("clock_skew", Light::Amber, |w| w.at = w.at.plus(Duration::from_secs(3))),
    ];
    for (name, expected, with) in troubles {
        let stage = Stage::ready(10).await;
        stage.beat(with).await;
        assert_eq!(light(&stage, name).await, expected, "{name}");
    }
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
