//! A pool over real TLS: what it sends, and how that ended.

use super::peer::Server;
use crate::driver::{Ended, Pool, PoolSettings, Shape, Terms};
use crate::{Config, Outcome, Request, Template};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::LocalSet;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn pool(server: &Server) -> Pool {
    pool_of(server, Config { out_bytes_max: 16 * 1024, ..Config::default() })
}

/// A pool of one connection.
pub(super) fn pool_of(server: &Server, connection: Config) -> Pool {
    Pool::open(PoolSettings { target: server.target.clone(), connections: 1, connection })
}

pub(super) async fn send(
    pool: &Pool,
    count: usize,
    may_write: &dyn Fn() -> bool,
    patience: Duration,
) -> Vec<Ended> {
    let template = Template::to_path("localhost", "/");
    let requests = (0..count as u64).map(|tag| Request { tag, path: b"", own: &[], body: &[b'x'; 300] });
    let shape = Shape { template: &template, body_begins: b"{", body_ends: b"}" };
    let ended = pool.send(shape, requests.collect(), Terms { may_write, patience }).await;
    let mut tags: Vec<u32> = ended.iter().map(|e| e.tag).collect();
    tags.sort_unstable();
    assert!(tags.into_iter().eq(0..count as u32), "exactly one end for each request");
    ended
}

pub(super) fn tally(ended: &[Ended]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for e in ended {
        let name = match &e.outcome {
            Outcome::Answered(answer) => answer.status.to_string(),
            other => format!("{other:?}"),
        };
        *tally.entry(name).or_default() += 1;
    }
    tally
}

pub(super) async fn local(test: impl Future<Output = ()>) {
    let all = LocalSet::new();
    tokio::time::timeout(Duration::from_secs(60), all.run_until(test)).await.expect("it ends");
}
