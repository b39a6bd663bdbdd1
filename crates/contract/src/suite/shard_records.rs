//! Rules of the ledger's shard records: dispatched and expanded, by epoch.

use super::Rule;
use super::bench::{Bench, Checked, same};
use super::make::campaign;
use common::ids::{CampaignId, Epoch, ShardNo};
use common::ledger::ShardRecord;
use common::limits::SHARDS_MAX;
use common::time::UnixMs;

pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::new("ledger.dispatched", "shards answers what was marked as dispatched", |b| {
            Box::pin(dispatched(b))
        }),
        Rule::new("ledger.all_shards", "shards answers all of 1,000", |b| Box::pin(all_shards(b))),
        Rule::new("ledger.expanded", "a dispatch doesn't take back an expansion of its epoch", |b| {
            Box::pin(expanded(b))
        }),
        Rule::new("ledger.newer_epoch", "a newer epoch replaces, an older one never does", |b| {
            Box::pin(newer_epoch(b))
        }),
        Rule::new("ledger.mark_race", "a dispatch and an expansion at once leave an expansion", |b| {
            Box::pin(mark_race(b))
        }),
    ]
}

async fn dispatch(b: &Bench, c: CampaignId, epoch: u32, shards: &[(u16, u32)], at: i64) -> Checked {
    let shards: Vec<_> = shards.iter().map(|(s, attempt)| (ShardNo(*s), *attempt)).collect();
    Ok(b.backend().ledger.mark_dispatched(c, Epoch(epoch), &shards, UnixMs(at)).await?)
}

async fn expand(b: &Bench, c: CampaignId, epoch: u32, shard: u16, at: i64) -> Checked {
    Ok(b.backend().ledger.mark_expanded(c, Epoch(epoch), ShardNo(shard), UnixMs(at)).await?)
}

async fn shards(b: &Bench, c: CampaignId) -> Checked<Vec<ShardRecord>> {
    let mut all = b.backend().ledger.shards(c).await?;
    all.sort_by_key(|r| r.shard);
    Ok(all)
}

fn want(shard: u16, epoch: u32, attempt: u32, at: i64, expanded: Option<i64>) -> ShardRecord {
    ShardRecord {
        shard: ShardNo(shard),
        epoch: Epoch(epoch),
        attempt,
        dispatched_at: UnixMs(at),
        expanded_at: expanded.map(UnixMs),
    }
}

async fn dispatched(b: &mut Bench) -> Checked {
    let c = campaign();
    same("shards of a campaign never pressed", &shards(b, c).await?, &vec![])?;
    dispatch(b, c, 1, &[(2, 0), (0, 0), (300, 0)], 10).await?;
    dispatch(b, c, 1, &[(2, 1)], 20).await?;
    dispatch(b, campaign(), 1, &[(7, 0)], 10).await?;
    let all = vec![want(0, 1, 0, 10, None), want(2, 1, 1, 20, None), want(300, 1, 0, 10, None)];
    same("shards", &shards(b, c).await?, &all)
}

async fn all_shards(b: &mut Bench) -> Checked {
    let c = campaign();
    let every: Vec<_> = (0..SHARDS_MAX).map(|s| (s, 0)).collect();
    dispatch(b, c, 1, &every, 10).await?;
    let numbers: Vec<u16> = shards(b, c).await?.iter().map(|r| r.shard.0).collect();
    same("shards", &numbers, &(0..SHARDS_MAX).collect())
}

async fn expanded(b: &mut Bench) -> Checked {
    let c = campaign();
    dispatch(b, c, 1, &[(4, 0)], 10).await?;
    expand(b, c, 1, 4, 20).await?;
    same("after the expansion", &shards(b, c).await?, &vec![want(4, 1, 0, 10, Some(20))])?;
    dispatch(b, c, 1, &[(4, 1)], 30).await?;
    let got = shards(b, c).await?;
    same("expanded at, dispatched again", &got[0].expanded_at, &Some(UnixMs(20)))?;
    // The expansion of an envelope whose dispatch was never written down.
    expand(b, c, 1, 5, 40).await?;
    let got = shards(b, c).await?;
    let seen = got.last().map(|r| (r.shard.0, r.epoch.0, r.expanded_at));
    same("an expansion without a dispatch", &seen, &Some((5, 1, Some(UnixMs(40)))))?;
    dispatch(b, c, 1, &[(5, 0)], 50).await?;
    let got = shards(b, c).await?;
    same("expanded at, dispatched later", &got[1].expanded_at, &Some(UnixMs(40)))
}

async fn newer_epoch(b: &mut Bench) -> Checked {
    let c = campaign();
    dispatch(b, c, 1, &[(4, 3)], 10).await?;
    expand(b, c, 1, 4, 20).await?;
    dispatch(b, c, 2, &[(4, 0)], 30).await?;
    let new = vec![want(4, 2, 0, 30, None)];
    same("after a newer dispatch", &shards(b, c).await?, &new)?;
    dispatch(b, c, 1, &[(4, 9)], 40).await?;
    same("after an older dispatch", &shards(b, c).await?, &new)?;
    expand(b, c, 1, 4, 50).await?;
    same("after an older expansion", &shards(b, c).await?, &new)?;
    expand(b, c, 3, 4, 60).await?;
    let got = shards(b, c).await?;
    same("after a newer expansion", &(got[0].epoch, got[0].expanded_at), &(Epoch(3), Some(UnixMs(60))))
}

async fn mark_race(b: &mut Bench) -> Checked {
    let c = campaign();
    for shard in 0..10 {
        let mut writers = tokio::task::JoinSet::new();
        for attempt in 0..3 {
            let ledger = b.backend().ledger;
            writers.spawn(async move { ledger.mark_expanded(c, Epoch(1), ShardNo(shard), UnixMs(20)).await });
            let ledger = b.backend().ledger;
            writers.spawn(async move {
                ledger.mark_dispatched(c, Epoch(1), &[(ShardNo(shard), attempt)], UnixMs(10)).await
            });
        }
        while let Some(written) = writers.join_next().await {
            written??;
        }
    }
    let open = shards(b, c).await?.iter().filter(|r| r.expanded_at.is_none()).count();
    same("shards whose expansion got lost", &open, &0)
}
