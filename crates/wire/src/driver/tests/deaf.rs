//! The pool over real TLS, against peers that stop reading.

#![allow(clippy::large_futures, reason = "both sides of each test are one future")]

use super::peer::{Peer, Server};
use super::pool::{PATIENCE, local, pool, pool_of, send, tally};
use crate::driver::{Ended, Pool};
use crate::{Config, Doubt, Outcome};
use std::cell::Cell;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;

/// More than both kernels hold: 20 MB.
const MANY: usize = 60_000;

/// A server, and a pool of one connection that has a stream for each request.
async fn wide() -> (Server, Pool) {
    let server = Server::new().await;
    let settings = Config { streams_max: 65_536, out_bytes_max: 16 * 1024, ..Config::default() };
    let pool = pool_of(&server, settings);
    (server, pool)
}

/// It reads one request, and then no more.
async fn deaf(server: &Server) -> Peer<TlsStream<TcpStream>> {
    let mut peer = server.accept(1_000_000).await;
    peer.request().await.unwrap();
    peer
}

/// How many ended in this doubt; all others were not sent.
fn in_doubt(ended: &[Ended], doubt: Doubt) -> usize {
    let tally = tally(ended);
    let count = tally[&format!("{:?}", Outcome::Ambiguous(doubt))];
    assert_eq!(tally["NotSent"], MANY - count, "{tally:?}");
    count
}

/// Sends to a peer that stops reading. Nothing has gone for a while when, at the twelfth ask, nothing more may be written and
/// `stop` is done. Then the peer reads again: it finds what its own kernel had, and that it was cut off.
async fn nothing_more_leaves_after(stop: impl AsyncFnOnce(&Pool)) {
    let (server, pool) = wide().await;
    let (asked, now) = (Cell::new(0), Notify::new());
    let may_write = || {
        asked.set(asked.get() + 1);
        if asked.get() == 12 {
            now.notify_one();
        }
        asked.get() < 12
    };
    let stops = async {
        now.notified().await;
        stop(&pool).await;
    };
    let sends = send(&pool, MANY, &may_write, PATIENCE);
    let (mut peer, ended, ()) = tokio::join!(deaf(&server), sends, stops);
    let doubt = in_doubt(&ended, Doubt::Ended);
    let mut read = 1;
    while peer.request().await.is_some() {
        read += 1;
    }
    assert!(read < doubt, "{read} of {doubt}");
    pool.close().await;
}

#[tokio::test]
async fn who_stops_reading_gets_little() {
    local(async {
        let (server, pool) = wide().await;
        let sends = send(&pool, MANY, &|| true, Duration::from_millis(500));
        let (peer, ended) = tokio::join!(deaf(&server), sends);
        let left = in_doubt(&ended, Doubt::TimedOut);
        assert!(left < 3_000, "what both kernels hold: {left}");
        drop(peer);
        pool.close().await;
    })
    .await;
}

#[tokio::test]
async fn who_stops_reading_gets_nothing_more_after_a_fence() {
    local(nothing_more_leaves_after(async |pool| pool.fence(Duration::from_millis(100)))).await;
}

/// What was written and never answered does not leave when its pool closes.
#[tokio::test]
async fn who_stops_reading_gets_nothing_more_after_a_pool_has_closed() {
    local(nothing_more_leaves_after(async |pool| pool.close().await)).await;
}

/// A few that its kernel has taken are gone already: their answers are waited for.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_reads_late_what_has_left_in_time_is_not_cut() {
    local(async {
        let server = Server::new().await;
        let pool = pool(&server);
        let written = Notify::new();
        let serve = async {
            let mut peer = server.accept(100).await;
            let first = peer.request().await.unwrap();
            written.notified().await;
            peer.answer(first).await;
            assert_eq!(peer.serve().await, 19);
        };
        let sends = async {
            let ended = send(&pool, 20, &|| true, PATIENCE).await;
            assert_eq!(tally(&ended), [("200".to_owned(), 20)].into());
            pool.close().await;
        };
        let stops = async {
            pool.ready(PATIENCE).await.unwrap();
            pool.fence(Duration::from_millis(50));
            // Longer than the fence's time: of what happens then, nothing can be seen.
            tokio::time::sleep(Duration::from_millis(150)).await;
            written.notify_one();
        };
        tokio::join!(serve, sends, stops);
    })
    .await;
}
