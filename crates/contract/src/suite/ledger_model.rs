//! One rule of the ledger: many arbitrary calls have the answers and leave the records that the pure decisions of
//! [`common::ledger`] give.

use super::Rule;
use super::bench::{Bench, Checked, same};
use super::make::{LEASE, batch, campaign, claim, close, renew, result};
use common::ids::{BatchKey, CampaignId, Fence, ShardNo};
use common::ledger::{self, BatchRecord, CompleteRequest};
use common::outcome::Outcome;
use common::time::UnixMs;
use std::collections::BTreeMap;
use std::time::Duration;

const STEPS: usize = 120;

pub(super) fn rules() -> Vec<Rule> {
    vec![Rule::new("ledger.model", "decisions are those of common::ledger, whatever is asked", |b| {
        Box::pin(model(b))
    })]
}

/// A small generator: the same numbers at each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn roll32(&mut self, sides: u64) -> u32 {
        u32::try_from(self.roll(sides)).unwrap_or(0)
    }

    fn key(&mut self) -> BatchKey {
        batch(u16::try_from(self.roll(2)).unwrap_or(0), self.roll32(3) * 99)
    }
}

#[derive(Default)]
struct Model(BTreeMap<BatchKey, BatchRecord>);

impl Model {
    fn apply<R, A>(
        &mut self,
        asks: &[(BatchKey, R)],
        decide: impl Fn(Option<&BatchRecord>, &R) -> (A, Option<BatchRecord>),
    ) -> Vec<A> {
        let mut answers = Vec::new();
        for (key, ask) in asks {
            let (answer, next) = decide(self.0.get(key), ask);
            if let Some(record) = next {
                self.0.insert(*key, record);
            }
            answers.push(answer);
        }
        answers
    }
}

async fn model(b: &mut Bench) -> Checked {
    let (c, mut now) = (campaign(), b.now());
    let (mut dice, mut model) = (Dice(2026), Model::default());
    for step in 0..STEPS {
        now = now.plus(Duration::from_millis(dice.roll(3) * 1_500));
        one_call(b, c, &mut dice, &mut model, now).await?;
        if step % 20 == 19 {
            compare(b, c, &model).await?;
        }
    }
    compare(b, c, &model).await
}

/// Keys of one call: one to three different ones, in any order.
fn keys(dice: &mut Dice) -> Vec<BatchKey> {
    let mut keys: Vec<BatchKey> = Vec::new();
    for _ in 0..=dice.roll(3) {
        let key = dice.key();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

async fn one_call(b: &Bench, c: CampaignId, dice: &mut Dice, model: &mut Model, now: UnixMs) -> Checked {
    let (ledger, keys) = (b.backend().ledger, keys(dice));
    let keys = keys.into_iter();
    match dice.roll(10) {
        0..4 => {
            let ask = |k, dice: &mut Dice| ledger::ClaimRequest {
                only: Vec::new(),
                resend_ambiguous: dice.roll(4) == 0,
                ..claim(k, dice.roll32(2) + 1, dice.roll(5) + 1, now)
            };
            let asks: Vec<_> = keys.map(|k| (k, ask(k, dice))).collect();
            let want = model.apply(&asks, ledger::claim);
            same("claims", &ledger.claim_many(c, &strip(asks)).await?, &want)
        }
        4..7 => {
            let asks: Vec<_> = keys.map(|k| (k, completion(k, dice, now))).collect();
            let want = model.apply(&asks, ledger::complete);
            same("completions", &ledger.complete_many(c, &strip(asks)).await?, &want)
        }
        7..9 => {
            let asks: Vec<_> = keys.map(|k| (k, renew(k, Fence(dice.roll32(5)), now))).collect();
            let want = model.apply(&asks, ledger::renew);
            same("renewals", &ledger.renew_many(c, &strip(asks)).await?, &want)
        }
        _ => {
            let past = now.minus(LEASE / 2);
            let asks: Vec<_> = keys.take(1).map(|k| (k, close(k, past))).collect();
            let want = model.apply(&asks, ledger::close);
            same("closings", &ledger.close_many(c, &strip(asks)).await?, &want)
        }
    }
}

fn strip<R>(asks: Vec<(BatchKey, R)>) -> Vec<R> {
    asks.into_iter().map(|(_, ask)| ask).collect()
}

fn completion(key: BatchKey, dice: &mut Dice, now: UnixMs) -> CompleteRequest {
    let outcomes = [Outcome::Unsent, Outcome::Accepted, Outcome::Ambiguous, Outcome::Unregistered];
    let pick = |dice: &mut Dice| outcomes[usize::try_from(dice.roll(4)).unwrap_or(0)];
    // Place 5 is beyond the batch's end, and must do no harm.
    let mut results = Vec::new();
    for index in 0..6 {
        if dice.roll(3) == 0 {
            results.push(result(index, pick(dice), now));
        }
    }
    let sent_at = (dice.roll(2) == 0).then(|| now.minus(LEASE / 4));
    CompleteRequest { key, fence: Fence(dice.roll32(5)), results, sent_at, now }
}

async fn compare(b: &Bench, c: CampaignId, model: &Model) -> Checked {
    for shard in 0..2 {
        let mut stored = b.backend().ledger.bucket(c, ShardNo(shard), 0).await?;
        stored.extend(b.backend().ledger.bucket(c, ShardNo(shard), 1).await?);
        let want = model.0.iter().filter(|(k, _)| k.shard.0 == shard);
        let want = want.map(|(k, r)| (k.number, r.clone())).collect();
        same("records", &stored, &want)?;
    }
    Ok(())
}
