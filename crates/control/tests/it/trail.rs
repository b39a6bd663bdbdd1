//! The audit trail: an entry that can't be written is tried again, and nothing waits for it.

use super::stage::{Stage, who};
use common::audit::AuditEntry;
use common::ports::Audit;
use contract::memory::Call;
use std::time::Duration;
use telemetry::metrics::AUDIT_LOST;

async fn entries(stage: &Stage, action: &str) -> Vec<AuditEntry> {
    let mut all = stage.parts.audit.list(1_000).await.unwrap();
    all.retain(|entry| entry.action == action);
    all
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_fails_three_times_is_written_the_fourth_and_nobody_waits() {
    let stage = Stage::armed(10).await;
    stage.control.flush_audit().await;
    stage.parts.faults.fail_next(Call::AuditAppend, 3);
    let began = stage.clock.now();
    stage.control.press(&who("mia"), stage.id).await.unwrap();
    let pressed = stage.clock.now();
    assert_eq!(pressed, began, "the press waited for the trail");
    stage.control.flush_audit().await;
    assert_eq!(stage.clock.now(), pressed.plus(Duration::from_millis(4_250)));
    let [entry] = &entries(&stage, "campaign.press").await[..] else { panic!("not one entry") };
    // It says when it happened, not when it was written.
    assert_eq!((entry.by.as_str(), entry.at, entry.result.as_str()), ("mia", began, "armed -> sending"));
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_fails_too_often_is_counted_as_lost() {
    let stage = Stage::armed(10).await;
    stage.control.flush_audit().await;
    stage.parts.faults.down(Call::AuditAppend, true);
    let (lost, tried) = (AUDIT_LOST.total(()), stage.parts.faults.count(Call::AuditAppend));
    stage.control.press(&who("mia"), stage.id).await.unwrap();
    stage.control.flush_audit().await;
    assert_eq!(stage.parts.faults.count(Call::AuditAppend) - tried, 4);
    assert!(AUDIT_LOST.total(()) > lost);
    stage.parts.faults.down(Call::AuditAppend, false);
    stage.control.flush_audit().await;
    assert_eq!(entries(&stage, "campaign.press").await, []);
}

#[tokio::test(start_paused = true)]
async fn an_entry_whose_answer_was_lost_stands_there_once() {
    let stage = Stage::armed(10).await;
    stage.control.flush_audit().await;
    stage.parts.faults.lose_answer(Call::AuditAppend, 0);
    stage.control.press(&who("mia"), stage.id).await.unwrap();
    stage.control.flush_audit().await;
    assert_eq!(entries(&stage, "campaign.press").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_build_is_an_entry_by_the_builder() {
    let stage = Stage::ready(10).await;
    stage.parts.faults.fail_next(Call::AuditAppend, 1);
    (stage.control.notes_builds())(stage.id, "building -> failed; the list is empty".to_owned());
    stage.control.flush_audit().await;
    let [entry] = &entries(&stage, "campaign.build").await[..] else { panic!("not one entry") };
    assert_eq!(
        (entry.by.as_str(), entry.result.as_str()),
        ("builder", "building -> failed; the list is empty")
    );
    assert_eq!(entry.campaign, Some(stage.id));
}

#[tokio::test(start_paused = true)]
async fn a_report_says_who_did_what_or_that_it_cannot_be_read() {
    let stage = Stage::armed(10).await;
    stage.control.press(&who("mia"), stage.id).await.unwrap();
    stage.control.flush_audit().await;
    let trail = stage.control.report(stage.id).await.unwrap().trail;
    let said: Vec<_> = trail.entries.iter().rev().map(|e| (e.by.as_str(), e.action.as_str())).collect();
    let wanted = [
        ("engineer", "campaign.create"),
        ("engineer", "campaign.upload"),
        ("sre", "campaign.arm"),
        ("mia", "campaign.press"),
    ];
    assert_eq!((said, trail.cut, trail.unreadable), (wanted.to_vec(), None, None));
    stage.parts.faults.down(Call::AuditList, true);
    let report = stage.control.report(stage.id).await.unwrap();
    assert_eq!((report.books.devices, report.trail.entries), (10, vec![]));
    assert!(report.trail.unreadable.unwrap().contains("ask for the report again"));
}

#[tokio::test(start_paused = true)]
async fn a_long_trail_is_cut_and_says_so() {
    let stage = Stage::ready(10).await;
    let other = stage.control.clone_campaign(&who("e"), stage.id, None).await.unwrap().id;
    stage.control.flush_audit().await;
    let noise = async |id, n: usize| {
        for _ in 0..n {
            stage.control.audit(&who("x"), "campaign.press", Some(id), "armed already".to_owned());
            stage.control.flush_audit().await;
        }
    };
    // What lies behind a thousand entries of others is found.
    noise(other, 1_200).await;
    let (entries, older) = stage.control.trail_of(stage.id, 100).await.unwrap();
    assert_eq!((entries.len(), older), (2, false));
    assert!(stage.control.trail_of(stage.id, 1).await.unwrap().1);
    noise(stage.id, 2_000).await;
    let trail = stage.control.report(stage.id).await.unwrap().trail;
    assert_eq!(trail.entries.len(), 2_000);
    assert!(trail.cut.unwrap().starts_with("the newest 2000 entries: older ones"));
    noise(other, 10_000).await;
    assert_eq!(stage.control.trail_of(stage.id, 100).await.unwrap(), (vec![], true));
}
