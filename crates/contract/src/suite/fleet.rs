//! Rules of the fleet's rows: heartbeats and counters.

use super::Rule;
use super::bench::{Bench, Checked, same};
use super::make::campaign;
use common::fleet::{CounterRow, LinkRow, Role, WorkerRow};
use common::ids::{CampaignId, ContentId, Epoch, SnapshotId, WorkerId};
use common::time::UnixMs;
use std::time::Duration;

pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::new("fleet.beat", "a heartbeat overwrites the worker's row", |b| Box::pin(beat(b))),
        Rule::new("fleet.leave", "a worker that leaves has no row", |b| Box::pin(leave(b))),
        Rule::new("fleet.after", "workers answers the rows written since", |b| Box::pin(after(b))),
        Rule::new("fleet.count", "the same worker and second again replaces", |b| Box::pin(count(b))),
        Rule::new("fleet.counters", "counters are by campaign and from a second on", |b| {
            Box::pin(counters(b))
        }),
    ]
}

pub(super) fn worker(n: u64, at: UnixMs) -> WorkerRow {
    WorkerRow {
        worker: WorkerId(u64::MAX - n),
        role: if n.is_multiple_of(2) { Role::Push } else { Role::Interim },
        at,
        started_at: UnixMs(5),
        campaign: Some(CampaignId(uuid())),
        epoch: Epoch(3),
        snapshot: Some(SnapshotId([1; 32])),
        content: Some(ContentId([2; 32])),
        prepare_ms: 17,
        trouble: Some("no link to `fcm`".to_owned()),
        ready: false,
        claims: 4,
        tripped: true,
        links: vec![LinkRow {
            gateway: "apns".to_owned(),
            connections: 2,
            streams: 2_000,
            quota_per_s: None,
            credentials_until: Some(UnixMs(99)),
            trouble: None,
        }],
        payload_bytes_max: 240,
        rehearsal: true,
        version: Some("0.1.0".to_owned()),
    }
}

fn uuid() -> uuid::Uuid {
    uuid::Uuid::from_bytes([6; 16])
}

pub(super) fn counter(n: u64, second: i64, batches: u32) -> CounterRow {
    CounterRow {
        worker: WorkerId(u64::MAX - n),
        second,
        outcomes: vec![(1, 40), (0x81, 60)],
        latency: vec![0, 3, 97],
        batches,
        shards_received: 1,
        expanded: 2,
    }
}

async fn workers(b: &Bench, after: UnixMs) -> Checked<Vec<WorkerRow>> {
    let mut rows = b.backend().fleet.workers(after).await?;
    rows.sort_by_key(|r| std::cmp::Reverse(r.worker));
    Ok(rows)
}

async fn rows(b: &Bench, c: CampaignId, from: i64) -> Checked<Vec<CounterRow>> {
    let mut rows = b.backend().fleet.counters(c, from).await?;
    rows.sort_by_key(|r| (r.second, std::cmp::Reverse(r.worker)));
    Ok(rows)
}

fn ago(b: &Bench, seconds: u64) -> UnixMs {
    b.now().minus(Duration::from_secs(seconds))
}

async fn beat(b: &mut Bench) -> Checked {
    let (now, then) = (b.now(), ago(b, 60));
    same("no workers", &workers(b, then).await?, &vec![])?;
    b.backend().fleet.beat(&WorkerRow { trouble: None, ready: true, ..worker(0, ago(b, 1)) }).await?;
    b.backend().fleet.beat(&worker(1, now)).await?;
    b.backend().fleet.beat(&worker(0, now)).await?;
    same("workers", &workers(b, then).await?, &vec![worker(0, now), worker(1, now)])
}

async fn leave(b: &mut Bench) -> Checked {
    let (now, fleet) = (b.now(), b.backend().fleet);
    for n in 0..2 {
        fleet.beat(&worker(n, now)).await?;
    }
    fleet.leave(worker(0, now).worker).await?;
    fleet.leave(WorkerId(12)).await?;
    same("workers", &workers(b, ago(b, 60)).await?, &vec![worker(1, now)])
}

async fn after(b: &mut Bench) -> Checked {
    for (n, seconds) in [(0, 30), (1, 10), (2, 0)] {
        b.backend().fleet.beat(&worker(n, ago(b, seconds))).await?;
    }
    for (seconds, want) in [(60, 3), (20, 2), (5, 1)] {
        let got = workers(b, ago(b, seconds)).await?.len();
        same(&format!("rows of the last {seconds} s"), &got, &want)?;
    }
    Ok(())
}

async fn count(b: &mut Bench) -> Checked {
    let c = campaign();
    for batches in [1, 5] {
        b.backend().fleet.count(c, &counter(0, 100, batches)).await?;
    }
    b.backend().fleet.count(c, &counter(1, 100, 2)).await?;
    b.backend().fleet.count(c, &counter(0, 101, 3)).await?;
    let want = vec![counter(0, 100, 5), counter(1, 100, 2), counter(0, 101, 3)];
    same("rows", &rows(b, c, 0).await?, &want)
}

async fn counters(b: &mut Bench) -> Checked {
    let (c, other) = (campaign(), campaign());
    // 9 and 10, 99 and 100: in order of numbers, not of text.
    for second in [9, 10, 99, 100] {
        b.backend().fleet.count(c, &counter(0, second, 1)).await?;
    }
    b.backend().fleet.count(other, &counter(0, 50, 9)).await?;
    for (from, want) in [(0, vec![9, 10, 99, 100]), (10, vec![10, 99, 100]), (100, vec![100]), (101, vec![])]
    {
        let got: Vec<i64> = rows(b, c, from).await?.iter().map(|r| r.second).collect();
        same(&format!("seconds from {from}"), &got, &want)?;
    }
    same("another campaign's rows", &rows(b, other, 0).await?, &vec![counter(0, 50, 9)])
}
