//! Rules of the ledger: claim, renew, complete, close, and reading a bucket.

use super::Rule;
use super::bench::{Bench, Checked, Seen, same};
use super::make::{DEVICES, LEASE, batch, campaign, claim, close, complete, renew};
use common::ids::{BatchKey, CampaignId, Epoch, Fence, ShardNo};
use common::ledger::{BatchRecord, ClaimAnswer, ClaimRequest, CompleteAnswer, DeviceResult};
use common::limits::LEDGER_BUCKET;
use common::outcome::Outcome;
use common::time::UnixMs;
use std::time::Duration;

const ALL: &[u16] = &[0, 1, 2, 3];

pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::new("ledger.claim", "a first claim is granted, a second held until the lease ends", |b| {
            Box::pin(claims(b))
        }),
        Rule::new("ledger.claim_stale", "an older epoch is stale, a done batch is done", |b| {
            Box::pin(claim_stale(b))
        }),
        Rule::new("ledger.lapse", "a lapsed lease is granted again, counted as possibly doubled", |b| {
            Box::pin(lapse(b))
        }),
        Rule::new("ledger.renew", "the holder of a running lease keeps it, nobody else does", |b| {
            Box::pin(renewing(b))
        }),
        Rule::new("ledger.complete", "a completion is written, device by device", |b| {
            Box::pin(completing(b))
        }),
        Rule::new("ledger.late_complete", "a late completion is merged, accepted first", |b| {
            Box::pin(late_complete(b))
        }),
        Rule::new("ledger.close", "closing settles all but running leases; late accepts still win", |b| {
            Box::pin(closing(b))
        }),
        Rule::new("ledger.in_order", "every call answers for each entry, in order", |b| {
            Box::pin(in_order(b))
        }),
        Rule::new("ledger.many", "a call takes more entries than a table's own call does", |b| {
            Box::pin(many(b))
        }),
        Rule::new("ledger.bucket", "a bucket has exactly its numbers, in order", |b| Box::pin(bucket(b))),
        Rule::new("ledger.campaigns", "the same batch of two campaigns is two", |b| Box::pin(campaigns(b))),
    ]
}

pub(super) async fn claim_one(b: &Bench, c: CampaignId, ask: ClaimRequest) -> Checked<ClaimAnswer> {
    let mut answers = b.backend().ledger.claim_many(c, &[ask]).await?;
    same("number of answers to one claim", &answers.len(), &1)?;
    answers.pop().ok_or_else(|| Seen::Wrong("no answer".to_owned()))
}

/// The fence of a claim that must be granted.
pub(super) async fn granted(b: &Bench, c: CampaignId, ask: ClaimRequest) -> Checked<Fence> {
    match claim_one(b, c, ask).await? {
        ClaimAnswer::Granted { fence, .. } => Ok(fence),
        other => Err(Seen::Wrong(format!("a claim that must be granted: {other:?}"))),
    }
}

/// The record as its bucket has it.
pub(super) async fn record(b: &Bench, c: CampaignId, key: BatchKey) -> Checked<Option<BatchRecord>> {
    let bucket = b.backend().ledger.bucket(c, key.shard, key.number.0 / LEDGER_BUCKET).await?;
    Ok(bucket.into_iter().find(|(n, _)| *n == key.number).map(|(_, r)| r))
}

/// The outcomes as the bucket has them.
async fn outcomes(b: &Bench, c: CampaignId, key: BatchKey) -> Checked<Vec<Outcome>> {
    Ok(record(b, c, key).await?.map(|r| r.outcomes().map(|(o, _)| o).collect()).unwrap_or_default())
}

fn later(at: UnixMs, seconds: u64) -> UnixMs {
    at.plus(Duration::from_secs(seconds))
}

async fn claims(b: &mut Bench) -> Checked {
    let (c, key, now) = (campaign(), batch(1, 0), b.now());
    let until = now.plus(LEASE);
    let want =
        ClaimAnswer::Granted { fence: Fence(1), unsent: vec![true; DEVICES.into()], lease_until: until };
    same("the first claim", &claim_one(b, c, claim(key, 1, 7, now)).await?, &want)?;
    let held = ClaimAnswer::HeldUntil(until);
    for (holder, at) in [(8, now), (7, now), (8, later(now, 7))] {
        same("a second claim", &claim_one(b, c, claim(key, 1, holder, at)).await?, &held)?;
    }
    Ok(())
}

async fn claim_stale(b: &mut Bench) -> Checked {
    let (c, key, now) = (campaign(), batch(1, 0), b.now());
    let fence = granted(b, c, claim(key, 3, 7, now)).await?;
    let stale = claim_one(b, c, claim(key, 2, 8, later(now, 60))).await?;
    same("a claim of an older epoch", &stale, &ClaimAnswer::Stale)?;
    let done = complete(key, fence, ALL, Outcome::Accepted, now);
    b.backend().ledger.complete_many(c, &[done]).await?;
    for epoch in [3, 4] {
        let answer = claim_one(b, c, claim(key, epoch, 8, later(now, 60))).await?;
        same("a claim of a done batch", &answer, &ClaimAnswer::Done)?;
    }
    Ok(())
}

async fn lapse(b: &mut Bench) -> Checked {
    let (c, key, now) = (campaign(), batch(1, 0), b.now());
    let first = granted(b, c, claim(key, 1, 7, now)).await?;
    let second = granted(b, c, claim(key, 1, 8, now.plus(LEASE))).await?;
    super::bench::ensure(second > first, || format!("fence {second} after fence {first}"))?;
    let doubled = record(b, c, key).await?.map(|r| r.doubled_at_most);
    same("doubled at most", &doubled, &Some(u32::from(DEVICES)))
}

async fn renewing(b: &mut Bench) -> Checked {
    let (c, key, now) = (campaign(), batch(1, 0), b.now());
    let fence = granted(b, c, claim(key, 1, 7, now)).await?;
    let ledger = b.backend().ledger;
    let asks = [
        renew(key, Fence(fence.0 + 1), now),
        renew(batch(1, 1), fence, now),
        renew(key, fence, later(now, 6)),
        renew(key, Fence(fence.0.wrapping_sub(1)), later(now, 6)),
    ];
    same("renewals", &ledger.renew_many(c, &asks).await?, &vec![false, false, true, false])?;
    let held = ClaimAnswer::HeldUntil(later(now, 6).plus(LEASE));
    same("a claim", &claim_one(b, c, claim(key, 1, 8, later(now, 9))).await?, &held)?;
    let lapsed = ledger.renew_many(c, &[renew(key, fence, later(now, 14))]).await?;
    same("a renewal after the lease", &lapsed, &vec![false])
}

async fn completing(b: &mut Bench) -> Checked {
    let (c, key, now) = (campaign(), batch(1, 0), b.now());
    let fence = granted(b, c, claim(key, 1, 7, now)).await?;
    let ledger = b.backend().ledger;
    let at = now.plus(Duration::from_millis(1_234));
    let dead = DeviceResult { index: 2, outcome: Outcome::Unregistered, at, dead_since: Some(UnixMs(77)) };
    let mut half = complete(key, fence, &[1], Outcome::Accepted, at);
    half.results.push(dead);
    let answer = ledger.complete_many(c, &[half]).await?;
    same("a completion of half", &answer, &vec![CompleteAnswer::Taken { closed: false }])?;
    let Some(record) = record(b, c, key).await? else { return Err(Seen::Wrong("no record".to_owned())) };
    same("holder", &record.holder, &None)?;
    same("answered at", &[record.answered_at(0), record.answered_at(1)], &[None, Some(at)])?;
    same("dead since", &record.dead_since, &vec![(2, UnixMs(77))])?;
    let again = claim_one(b, c, claim(key, 1, 8, at)).await?;
    let ClaimAnswer::Granted { fence, unsent, .. } = again else {
        return Err(Seen::Wrong(format!("a claim of the rest: {again:?}")));
    };
    same("still unsent", &unsent, &vec![true, false, false, true])?;
    let rest = complete(key, fence, &[0, 3], Outcome::Accepted, at);
    let unknown = complete(batch(9, 9), fence, &[0], Outcome::Accepted, at);
    let answers = ledger.complete_many(c, &[rest, unknown]).await?;
    same("the rest", &answers, &vec![CompleteAnswer::Taken { closed: true }, CompleteAnswer::Unknown])?;
    same("an unknown batch's record", &self::record(b, c, batch(9, 9)).await?, &None)
}

async fn late_complete(b: &mut Bench) -> Checked {
    let (c, key, now) = (campaign(), batch(1, 0), b.now());
    let old = granted(b, c, claim(key, 1, 7, now)).await?;
    let new = granted(b, c, claim(key, 1, 8, later(now, 9))).await?;
    let ledger = b.backend().ledger;
    let late = complete(key, old, &[0, 1], Outcome::Accepted, later(now, 10));
    same("a late one", &ledger.complete_many(c, &[late]).await?, &vec![CompleteAnswer::Merged])?;
    let (accepted, ambiguous) = (Outcome::Accepted, Outcome::Ambiguous);
    let want = vec![accepted, accepted, Outcome::Unsent, Outcome::Unsent];
    same("outcomes after it", &outcomes(b, c, key).await?, &want)?;
    let held = ledger.renew_many(c, &[renew(key, new, later(now, 11))]).await?;
    same("the new holder's renewal", &held, &vec![true])?;
    let mine = complete(key, new, ALL, ambiguous, later(now, 12));
    let answer = ledger.complete_many(c, &[mine]).await?;
    same("the new holder's completion", &answer, &vec![CompleteAnswer::Taken { closed: true }])?;
    let want = vec![accepted, accepted, ambiguous, ambiguous];
    same("outcomes in the end", &outcomes(b, c, key).await?, &want)
}

async fn closing(b: &mut Bench) -> Checked {
    let (c, now) = (campaign(), b.now());
    let [never, lapsed, running, done] = [0, 1, 2, 3].map(|n| batch(1, n));
    let lost = granted(b, c, claim(lapsed, 1, 7, now)).await?;
    granted(b, c, claim(running, 1, 7, later(now, 5))).await?;
    let fence = granted(b, c, claim(done, 1, 7, now)).await?;
    let ledger = b.backend().ledger;
    ledger.complete_many(c, &[complete(done, fence, ALL, Outcome::Accepted, now)]).await?;
    let asks: Vec<_> = [never, lapsed, running, done].map(|k| close(k, later(now, 9))).into();
    same("closed", &ledger.close_many(c, &asks).await?, &vec![true, true, false, true])?;
    for (key, want) in [
        (never, Outcome::Expired),
        (lapsed, Outcome::Ambiguous),
        (running, Outcome::Unsent),
        (done, Outcome::Accepted),
    ] {
        same(&format!("outcomes of {key}"), &outcomes(b, c, key).await?, &vec![want; DEVICES.into()])?;
    }
    let claimed = claim_one(b, c, claim(never, 2, 8, later(now, 10))).await?;
    same("a claim of a closed batch", &claimed, &ClaimAnswer::Done)?;
    let late = complete(lapsed, lost, &[0], Outcome::Accepted, later(now, 10));
    same("a late one", &ledger.complete_many(c, &[late]).await?, &vec![CompleteAnswer::Merged])?;
    same("its outcome", &outcomes(b, c, lapsed).await?[0], &Outcome::Accepted)
}

async fn in_order(b: &mut Bench) -> Checked {
    let (c, now, ledger) = (campaign(), b.now(), b.backend().ledger);
    let keys: Vec<_> = [(3, 250), (1, 7), (2, 100), (1, 2), (3, 0), (2, 99)].map(|(s, n)| batch(s, n)).into();
    // Every second batch is held already.
    for key in keys.iter().step_by(2) {
        granted(b, c, claim(*key, 1, 7, now)).await?;
    }
    let asks: Vec<_> = keys.iter().map(|k| claim(*k, 1, 8, now)).collect();
    let granted: Vec<bool> =
        ledger.claim_many(c, &asks).await?.iter().map(|a| matches!(a, ClaimAnswer::Granted { .. })).collect();
    same("claims that were granted", &granted, &vec![false, true, false, true, false, true])?;
    let fence = |i: usize| Fence(if i < 3 { 1 } else { 99 });
    let asks: Vec<_> = keys.iter().enumerate().map(|(i, k)| renew(*k, fence(i), now)).collect();
    let renewed = ledger.renew_many(c, &asks).await?;
    same("renewals", &renewed, &vec![true, true, true, false, false, false])?;
    let done: Vec<_> =
        keys.iter().enumerate().map(|(i, k)| complete(*k, fence(i), ALL, Outcome::Accepted, now)).collect();
    let (taken, merged) = (CompleteAnswer::Taken { closed: true }, CompleteAnswer::Merged);
    let want = vec![taken, taken, taken, merged, merged, merged];
    same("completions", &ledger.complete_many(c, &done).await?, &want)?;
    let asks: Vec<_> = keys.iter().rev().map(|k| close(*k, now)).collect();
    let closed = ledger.close_many(c, &asks).await?;
    same("closings", &closed, &vec![false, false, false, true, true, true])?;
    same("a call for nothing", &ledger.claim_many(c, &[]).await?, &Vec::new())
}

async fn many(b: &mut Bench) -> Checked {
    let (c, now, ledger) = (campaign(), b.now(), b.backend().ledger);
    let asks: Vec<_> = (0..250).map(|n| claim(batch(1, n), 1, 7, now)).collect();
    let answers = ledger.claim_many(c, &asks).await?;
    let granted = answers.iter().filter(|a| matches!(a, ClaimAnswer::Granted { .. })).count();
    same("claims answered and granted", &(answers.len(), granted), &(250, 250))?;
    let done: Vec<_> =
        (0..250).map(|n| complete(batch(1, n), Fence(1), ALL, Outcome::Accepted, now)).collect();
    let answers = ledger.complete_many(c, &done).await?;
    same("completions", &answers, &vec![CompleteAnswer::Taken { closed: true }; 250])
}

async fn bucket(b: &mut Bench) -> Checked {
    let (c, now, ledger) = (campaign(), b.now(), b.backend().ledger);
    let numbers = [200, 2, 101, 10, 99, 199, 100, 0, 1_000_000, 103];
    let mut asks: Vec<_> = numbers.map(|n| claim(batch(3, n), 1, 7, now)).into();
    asks.extend([claim(batch(2, 150), 1, 7, now), claim(batch(4, 150), 1, 7, now)]);
    ledger.claim_many(c, &asks).await?;
    for (bucket, want) in [
        (0, vec![0, 2, 10, 99]),
        (1, vec![100, 101, 103, 199]),
        (2, vec![200]),
        (3, vec![]),
        (10_000, vec![1_000_000]),
    ] {
        let got = ledger.bucket(c, ShardNo(3), bucket).await?;
        let got: Vec<u32> = got.into_iter().map(|(n, _)| n.0).collect();
        same(&format!("numbers of bucket {bucket}"), &got, &want)?;
    }
    Ok(())
}

async fn campaigns(b: &mut Bench) -> Checked {
    let (one, other, key, now) = (campaign(), campaign(), batch(1, 0), b.now());
    granted(b, one, claim(key, 5, 7, now)).await?;
    granted(b, other, claim(key, 1, 8, now)).await?;
    let epochs = [record(b, one, key).await?, record(b, other, key).await?].map(|r| r.map(|r| r.epoch));
    same("epochs", &epochs, &[Some(Epoch(5)), Some(Epoch(1))])?;
    same("a third campaign's", &record(b, campaign(), key).await?, &None)
}
