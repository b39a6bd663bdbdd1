//! Those who watch.

use super::connection::Connection;
use super::{Wanted, Watched};
use std::io;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Watchers at work.
pub(super) struct Watchers {
    watching: JoinSet<Seen>,
    over: watch::Sender<bool>,
}

/// What one of them saw.
#[derive(Default)]
struct Seen {
    cut_off: bool,
    events: u64,
    bytes: u64,
    longest_gap: Duration,
}

/// Connects all of them and waits until each has seen something.
pub(super) async fn begin(wanted: &Wanted) -> io::Result<Watchers> {
    let (over, ends) = watch::channel(false);
    let mut watching = JoinSet::new();
    for n in 0..wanted.watchers {
        let mut connection = Connection::open(wanted, n, "GET", "live").await?;
        let head = connection.ask().await?;
        if head.status != 200 {
            return Err(io::Error::other(format!("watcher {n} was answered {}", head.status)));
        }
        while !connection.line().await?.starts_with("data:") {}
        watching.spawn(one(connection, ends.clone()));
    }
    Ok(Watchers { watching, over })
}

impl Watchers {
    /// All of them stop. What they saw.
    pub(super) async fn end(mut self) -> Watched {
        self.over.send_replace(true);
        let mut all = Watched { watchers: self.watching.len(), ..Watched::default() };
        while let Some(Ok(seen)) = self.watching.join_next().await {
            all.cut_off += usize::from(seen.cut_off);
            all.events += seen.events;
            all.bytes += seen.bytes;
            let gap = u64::try_from(seen.longest_gap.as_millis()).unwrap_or(u64::MAX);
            all.longest_gap_ms = all.longest_gap_ms.max(gap);
        }
        all
    }
}

async fn one(mut connection: Connection, mut over: watch::Receiver<bool>) -> Seen {
    let mut seen = Seen::default();
    let mut last = Instant::now();
    loop {
        let line = tokio::select! {
            _ = over.wait_for(|over| *over) => return seen,
            line = connection.line() => line,
        };
        let Ok(line) = line else {
            seen.cut_off = true;
            return seen;
        };
        seen.bytes += line.len() as u64;
        if line.starts_with("data:") {
            seen.events += 1;
            seen.longest_gap = seen.longest_gap.max(last.elapsed());
            last = Instant::now();
        }
    }
}
