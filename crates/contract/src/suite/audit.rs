//! Rules of the audit trail.

use super::Rule;
use super::bench::{Bench, Checked, same};
use super::make::campaign;
use common::audit::AuditEntry;
use common::time::UnixMs;
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::new("audit.newest_first", "the newest entries come first, so many at most", |b| {
            Box::pin(newest_first(b))
        }),
        Rule::new("audit.append_only", "no entry takes the place of another", |b| Box::pin(append_only(b))),
    ]
}

pub(super) fn entry(n: usize, at: UnixMs) -> AuditEntry {
    AuditEntry {
        at,
        by: "marta".to_owned(),
        from: "127.0.0.1".to_owned(),
        action: "campaign.press".to_owned(),
        campaign: n.is_multiple_of(2).then(campaign),
        result: format!("armed -> sending, {n}"),
    }
}

async fn newest_first(b: &mut Bench) -> Checked {
    let (audit, now) = (b.backend().audit, b.now());
    same("an empty trail", &audit.list(10).await?, &vec![])?;
    let second = |n| Duration::from_secs(u64::try_from(n).unwrap_or(0));
    let mut entries: Vec<_> = (0..7).map(|n| entry(n, now.plus(second(n)))).collect();
    for e in &entries {
        audit.append(e).await?;
    }
    entries.reverse();
    for limit in [0, 1, 3, 7, 100] {
        same(&format!("list of {limit}"), &audit.list(limit).await?, &entries[..limit.min(7)].to_vec())?;
    }
    Ok(())
}

/// Several people at the same millisecond, and one who does the same thing twice.
async fn append_only(b: &mut Bench) -> Checked {
    let now = b.now();
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..20 {
        let audit = b.backend().audit;
        writers.spawn(async move { audit.append(&entry(n, now)).await });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    let twin = AuditEntry { result: "the same".to_owned(), campaign: None, ..entry(0, now) };
    for _ in 0..2 {
        b.backend().audit.append(&twin).await?;
    }
    let got = b.backend().audit.list(100).await?;
    let distinct: BTreeSet<&str> = got.iter().map(|e| e.result.as_str()).collect();
    same("entries, and distinct ones", &(got.len(), distinct.len()), &(22, 21))
}
