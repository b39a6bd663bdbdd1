//! Rules of the ledger under concurrency: one grant, and no lost result.

use super::Rule;
use super::bench::{Bench, Checked, Seen, same};
use super::ledger::{granted, record};
use super::make::{DEVICES, batch, campaign, claim, complete};
use common::ids::{BatchKey, CampaignId};
use common::ledger::ClaimAnswer;
use common::outcome::Outcome;
use common::time::UnixMs;
use std::collections::BTreeMap;
use std::time::Duration;

const CLAIMERS: u64 = 8;
const BATCHES: u32 = 12;

pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::new("ledger.claim_race", "exactly one of many concurrent claimers is granted", |b| {
            Box::pin(claim_race(b))
        }),
        Rule::new("ledger.lapse_race", "exactly one claimer gets a lapsed lease", |b| {
            Box::pin(lapse_race(b))
        }),
        Rule::new("ledger.twice_in_a_call", "one call can't be granted a batch twice", |b| {
            Box::pin(twice_in_a_call(b))
        }),
        Rule::new("ledger.complete_race", "concurrent completions of a batch are all in it", |b| {
            Box::pin(complete_race(b))
        }),
    ]
}

fn is_granted(answer: &ClaimAnswer) -> bool {
    matches!(answer, ClaimAnswer::Granted { .. })
}

/// Everybody claims every batch at once, each in another order. Answers how often each was granted.
async fn everybody(b: &Bench, c: CampaignId, now: UnixMs) -> Checked<BTreeMap<BatchKey, usize>> {
    let mut claimers = tokio::task::JoinSet::new();
    for holder in 1..=CLAIMERS {
        let ledger = b.backend().ledger;
        let turn = usize::try_from(holder).unwrap_or(0) % 12;
        let mut asks: Vec<_> = (0..BATCHES).map(|n| claim(batch(1, n * 30), 1, holder, now)).collect();
        asks.rotate_left(turn);
        claimers.spawn(async move {
            let answers = ledger.claim_many(c, &asks).await?;
            let keys = asks.into_iter().zip(answers).filter(|(_, a)| is_granted(a)).map(|(ask, _)| ask.key);
            Ok::<_, Seen>(keys.collect::<Vec<_>>())
        });
    }
    let mut counts: BTreeMap<_, _> = (0..BATCHES).map(|n| (batch(1, n * 30), 0)).collect();
    while let Some(keys) = claimers.join_next().await {
        for key in keys?? {
            *counts.entry(key).or_default() += 1;
        }
    }
    Ok(counts)
}

async fn claim_race(b: &mut Bench) -> Checked {
    let counts = everybody(b, campaign(), b.now()).await?;
    same("grants of each batch", &counts, &counts.keys().map(|k| (*k, 1)).collect())
}

async fn lapse_race(b: &mut Bench) -> Checked {
    let (c, now) = (campaign(), b.now());
    everybody(b, c, now).await?;
    let counts = everybody(b, c, now.plus(Duration::from_secs(9))).await?;
    same("grants of each lapsed batch", &counts, &counts.keys().map(|k| (*k, 1)).collect())
}

async fn twice_in_a_call(b: &mut Bench) -> Checked {
    let (c, now) = (campaign(), b.now());
    let asks = [claim(batch(1, 0), 1, 7, now), claim(batch(1, 1), 1, 7, now), claim(batch(1, 0), 1, 8, now)];
    let answers = b.backend().ledger.claim_many(c, &asks).await?;
    let grants = |key| asks.iter().zip(&answers).filter(|(ask, a)| ask.key == key && is_granted(a)).count();
    same("grants", &(grants(batch(1, 0)), grants(batch(1, 1))), &(1, 1))
}

/// The newest claim and all the older ones report one device each, at once.
async fn complete_race(b: &mut Bench) -> Checked {
    for round in 0..5 {
        let (c, key, now) = (campaign(), batch(1, round), b.now());
        let mut fences = Vec::new();
        for nth in 0..u64::from(DEVICES) {
            let at = now.plus(Duration::from_secs(nth * 9));
            fences.push(granted(b, c, claim(key, 1, nth + 1, at)).await?);
        }
        let at = now.plus(Duration::from_secs(40));
        let mut reporters = tokio::task::JoinSet::new();
        for (device, fence) in (0..DEVICES).zip(fences) {
            let ledger = b.backend().ledger;
            let done = complete(key, fence, &[device], Outcome::Accepted, at);
            reporters.spawn(async move { ledger.complete_many(c, &[done]).await });
        }
        while let Some(answer) = reporters.join_next().await {
            answer??;
        }
        let stored: Vec<_> =
            record(b, c, key).await?.map(|r| r.outcomes().map(|(o, _)| o).collect()).unwrap_or_default();
        same("outcomes", &stored, &vec![Outcome::Accepted; DEVICES.into()])?;
    }
    Ok(())
}
