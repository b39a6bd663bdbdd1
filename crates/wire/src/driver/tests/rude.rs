//! The pool over real TLS, against peers that break off, change their minds or fall silent.

#![allow(clippy::large_futures, reason = "both sides of each test are one future")]

use super::peer::Server;
use crate::driver::limits::RETIRING_MAX;
use crate::driver::{Ended, Pool, PoolSettings, Shape, Terms};
use crate::{Config, Doubt, Outcome, Request, Template, frame};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;
use tokio::task::LocalSet;

const PATIENCE: Duration = Duration::from_secs(20);

fn pool(server: &Server) -> Pool {
    pool_of(server, Config { out_bytes_max: 16 * 1024, ..Config::default() })
}

/// A pool of one connection.
fn pool_of(server: &Server, connection: Config) -> Pool {
    Pool::open(PoolSettings { target: server.target.clone(), connections: 1, connection })
}

async fn send(pool: &Pool, count: usize, may_write: &dyn Fn() -> bool, patience: Duration) -> Vec<Ended> {
    let template = Template::to_path("localhost", "/");
    let requests = (0..count as u64).map(|tag| Request { tag, path: b"", own: &[], body: &[b'x'; 300] });
    let shape = Shape { template: &template, body_begins: b"{", body_ends: b"}" };
    let ended = pool.send(shape, requests.collect(), Terms { may_write, patience }).await;
    let mut tags: Vec<u32> = ended.iter().map(|e| e.tag).collect();
    tags.sort_unstable();
    assert!(tags.into_iter().eq(0..count as u32), "exactly one end for each request");
    ended
}

fn tally(ended: &[Ended]) -> BTreeMap<String, usize> {
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

async fn local(test: impl Future<Output = ()>) {
    let all = LocalSet::new();
    tokio::time::timeout(Duration::from_secs(60), all.run_until(test)).await.expect("it ends");
}

#[tokio::test]
async fn a_stream_limit_that_grows_and_shrinks_is_kept() {
    local(async {
        let server = Server::new().await;
        let pool = pool(&server);
        let serve = async {
            let mut peer = server.accept(1).await;
            // One at a time, then all at once, then one at a time again.
            for _ in 0..3 {
                let stream = peer.request().await.unwrap();
                let silence = tokio::time::timeout(Duration::from_millis(20), peer.request()).await;
                assert!(silence.is_err(), "a second stream");
                peer.answer(stream).await;
            }
            peer.allow(1_000).await;
            let mut streams = Vec::new();
            while streams.len() < 900 {
                streams.push(peer.request().await.unwrap());
            }
            peer.allow(1).await;
            for stream in streams {
                peer.answer(stream).await;
            }
            assert_eq!(peer.serve().await, 97);
        };
        let send = async {
            let ended = send(&pool, 1_000, &|| true, PATIENCE).await;
            assert_eq!(tally(&ended), [("200".to_owned(), 1_000)].into());
            pool.close().await;
        };
        tokio::join!(serve, send);
    })
    .await;
}

#[tokio::test]
async fn a_goaway_in_mid_blast_hands_back_what_is_above_it_and_the_next_connection_goes_on() {
    local(async {
        let server = Server::new().await;
        let pool = pool(&server);
        let serve = async {
            let mut first = server.accept(100).await;
            let mut streams = Vec::new();
            while streams.len() < 100 {
                streams.push(first.request().await.unwrap());
            }
            let last = [&streams[59].to_be_bytes()[..], &[0; 4]].concat();
            first.put(frame::GOAWAY, 0, 0, &last).await;
            for stream in &streams[..60] {
                first.answer(*stream).await;
            }
            let rest = async { assert_eq!(first.serve().await, 0) };
            let second = async { assert_eq!(server.accept(100).await.serve().await, 200) };
            tokio::join!(rest, second);
        };
        let send = async {
            let ended = send(&pool, 300, &|| true, PATIENCE).await;
            let expected = [("200".to_owned(), 260), ("NotProcessed".to_owned(), 40)];
            assert_eq!(tally(&ended), expected.into());
            pool.close().await;
        };
        tokio::join!(serve, send);
    })
    .await;
}

/// How a peer breaks off.
#[derive(Clone, Copy, Debug)]
enum Break {
    HalfClose,
    WithoutNotify,
    MidFrame,
}

#[tokio::test]
async fn whoever_breaks_off_leaves_doubt_about_what_had_left_and_nothing_else() {
    for how in [Break::HalfClose, Break::WithoutNotify, Break::MidFrame] {
        local(async {
            let server = Server::new().await;
            let pool = pool(&server);
            let serve = async {
                let mut first = server.accept(50).await;
                for n in 0..50 {
                    let stream = first.request().await.unwrap();
                    if n < 20 {
                        first.answer(stream).await;
                    }
                }
                // Twenty more came for the twenty answers.
                for _ in 0..20 {
                    first.request().await.unwrap();
                }
                match how {
                    Break::HalfClose => first.io.shutdown().await.unwrap(),
                    Break::WithoutNotify => first.io.get_mut().0.shutdown().await.unwrap(),
                    Break::MidFrame => {
                        first.io.write_all(&[0, 0, 9, 1, 5]).await.unwrap();
                        first.io.flush().await.unwrap();
                        drop(first);
                        assert_eq!(server.accept(50).await.serve().await, 130);
                        return;
                    }
                }
                // It still reads, for as long as anybody talks.
                let mut second = server.accept(50).await;
                let (left, served) = tokio::join!(first.serve(), second.serve());
                assert_eq!((left, served), (0, 130));
            };
            let send = async {
                let ended = send(&pool, 200, &|| true, PATIENCE).await;
                let doubt = format!("{:?}", Outcome::Ambiguous(Doubt::Ended));
                assert_eq!(tally(&ended), [("200".to_owned(), 150), (doubt, 50)].into(), "{how:?}");
                pool.close().await;
            };
            tokio::join!(serve, send);
        })
        .await;
    }
}

#[tokio::test]
async fn who_stops_reading_gets_little() {
    local(async {
        let server = Server::new().await;
        let settings = Config { streams_max: 65_536, out_bytes_max: 16 * 1024, ..Config::default() };
        let pool = pool_of(&server, settings);
        let serve = async {
            let mut peer = server.accept(1_000_000).await;
            peer.request().await.unwrap();
            peer
        };
        let (peer, ended) = tokio::join!(serve, send(&pool, 60_000, &|| true, Duration::from_millis(500)));
        let tally = tally(&ended);
        // What both kernels hold; without end it would be 20 MB.
        let left = tally[&format!("{:?}", Outcome::Ambiguous(Doubt::TimedOut))];
        assert!(left < 3_000 && tally["NotSent"] == 60_000 - left, "{tally:?}");
        drop(peer);
        pool.close().await;
    })
    .await;
}

/// It reads again later: then it finds what its own kernel had, and that it was cut off.
#[tokio::test]
async fn who_stops_reading_gets_nothing_more_after_a_fence() {
    local(async {
        let server = Server::new().await;
        let settings = Config { streams_max: 65_536, out_bytes_max: 16 * 1024, ..Config::default() };
        let pool = pool_of(&server, settings);
        let serve = async {
            let mut peer = server.accept(1_000_000).await;
            peer.request().await.unwrap();
            peer
        };
        // Nothing has gone for a while when it stops.
        let (asked, stop) = (Cell::new(0), Notify::new());
        let sends = async {
            let may_write = || {
                asked.set(asked.get() + 1);
                if asked.get() == 12 {
                    stop.notify_one();
                }
                asked.get() < 12
            };
            send(&pool, 60_000, &may_write, PATIENCE).await
        };
        let stops = async {
            stop.notified().await;
            pool.fence(Duration::from_millis(100));
        };
        let (mut peer, ended, ()) = tokio::join!(serve, sends, stops);
        let tally = tally(&ended);
        let doubt = tally[&format!("{:?}", Outcome::Ambiguous(Doubt::Ended))];
        assert_eq!(tally["NotSent"], 60_000 - doubt, "{tally:?}");
        let mut read = 1;
        while peer.request().await.is_some() {
            read += 1;
        }
        assert!(read < doubt, "{read} of {doubt}");
        pool.close().await;
    })
    .await;
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

/// What was written and never answered does not leave when its pool closes.
#[tokio::test]
async fn who_stops_reading_gets_nothing_more_after_a_pool_has_closed() {
    local(async {
        let server = Server::new().await;
        let settings = Config { streams_max: 65_536, out_bytes_max: 16 * 1024, ..Config::default() };
        let pool = pool_of(&server, settings);
        let serve = async {
            let mut peer = server.accept(1_000_000).await;
            peer.request().await.unwrap();
            peer
        };
        let (asked, closing) = (Cell::new(0), Notify::new());
        let close = async {
            closing.notified().await;
            pool.close().await;
        };
        let may_write = || {
            asked.set(asked.get() + 1);
            if asked.get() == 12 {
                closing.notify_one();
            }
            asked.get() < 12
        };
        let (mut peer, ended, ()) = tokio::join!(serve, send(&pool, 60_000, &may_write, PATIENCE), close);
        let tally = tally(&ended);
        let doubt = tally[&format!("{:?}", Outcome::Ambiguous(Doubt::Ended))];
        let mut read = 1;
        while peer.request().await.is_some() {
            read += 1;
        }
        assert!(read < doubt, "{read} of {doubt}");
    })
    .await;
}

#[tokio::test]
async fn silence_ends_in_doubt_and_waiting_ends_unsent() {
    local(async {
        let server = Server::new().await;
        let pool = pool(&server);
        let serve = async {
            let mut peer = server.accept(10).await;
            while peer.next().await.is_some() {}
        };
        let send = async {
            let start = tokio::time::Instant::now();
            let may_write = || start.elapsed() < Duration::from_millis(250);
            let ended = send(&pool, 30, &may_write, Duration::from_millis(400)).await;
            let doubt = format!("{:?}", Outcome::Ambiguous(Doubt::TimedOut));
            assert_eq!(tally(&ended), [(doubt, 10), ("NotSent".to_owned(), 20)].into());
            pool.close().await;
        };
        tokio::join!(serve, send);
    })
    .await;
}

#[tokio::test]
async fn a_future_that_is_dropped_leaves_its_streams_to_their_answers() {
    local(async {
        let server = Server::new().await;
        let pool = pool(&server);
        let (got, dropped) = (Notify::new(), Notify::new());
        let serve = async {
            let mut peer = server.accept(10).await;
            let mut streams = Vec::new();
            while streams.len() < 10 {
                streams.push(peer.request().await.unwrap());
            }
            got.notify_one();
            dropped.notified().await;
            for stream in streams {
                peer.answer(stream).await;
            }
            peer.serve().await
        };
        let send = async {
            tokio::select! {
                _ = send(&pool, 10, &|| true, PATIENCE) => panic!("nothing was answered"),
                () = got.notified() => dropped.notify_one(),
            }
            let ended = send(&pool, 10, &|| true, PATIENCE).await;
            assert_eq!(tally(&ended), [("200".to_owned(), 10)].into());
            pool.close().await;
        };
        assert_eq!(tokio::join!(serve, send).0, 10);
    })
    .await;
}

/// A peer that answers one request, leaves the next one hanging and says goodbye, on each connection.
#[tokio::test]
async fn old_connections_that_wait_for_answers_are_few() {
    local(async {
        let server = Server::new().await;
        let pool = pool(&server);
        let serve = async {
            let mut old = Vec::new();
            for _ in 0..RETIRING_MAX {
                let mut peer = server.accept(2).await;
                let (first, second) = (peer.request().await.unwrap(), peer.request().await.unwrap());
                peer.answer(first).await;
                peer.put(frame::GOAWAY, 0, 0, &[second.to_be_bytes(), [0; 4]].concat()).await;
                old.push((peer, second));
            }
            let early = tokio::time::timeout(Duration::from_millis(100), server.accept(2)).await;
            assert!(early.is_err(), "another connection");
            // One of them comes to its end: there is room for the next.
            let (mut peer, hanging) = old.remove(1);
            peer.answer(hanging).await;
            let serves = async { assert_eq!(server.accept(100).await.serve().await, 12) };
            let ends = async { assert_eq!(peer.serve().await, 0) };
            let others = async {
                for (mut peer, hanging) in old {
                    peer.answer(hanging).await;
                    assert_eq!(peer.serve().await, 0);
                }
            };
            tokio::join!(serves, ends, others);
        };
        let send = async {
            let ended = send(&pool, 2 * RETIRING_MAX + 12, &|| true, PATIENCE).await;
            assert_eq!(tally(&ended), [("200".to_owned(), 2 * RETIRING_MAX + 12)].into());
            pool.close().await;
        };
        tokio::join!(serve, send);
    })
    .await;
}

/// A body waits for a window until its time ends; then another connection is made.
#[tokio::test]
async fn a_connection_whose_window_stays_shut_is_replaced() {
    local(async {
        let server = Server::new().await;
        let pool = pool(&server);
        let shut = Notify::new();
        let serve = async {
            let mut first = server.accept(10).await;
            let stream = first.request().await.unwrap();
            first.put(frame::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await;
            first.answer(stream).await;
            first.put(frame::PING, 0, 0, &[7; 8]).await;
            while first.next().await.is_some_and(|f| (f.0, f.1) != (frame::PING, frame::ACK)) {}
            shut.notify_one();
            assert_eq!(first.request().await, None);
            assert_eq!(server.accept(100).await.serve().await, 5);
        };
        let send = async {
            let all = send(&pool, 1, &|| true, PATIENCE).await;
            assert_eq!(tally(&all), [("200".to_owned(), 1)].into());
            shut.notified().await;
            let all = send(&pool, 1, &|| true, Duration::from_millis(200)).await;
            let doubt = format!("{:?}", Outcome::Ambiguous(Doubt::TimedOut));
            assert_eq!(tally(&all), [(doubt, 1)].into());
            let all = send(&pool, 5, &|| true, PATIENCE).await;
            assert_eq!(tally(&all), [("200".to_owned(), 5)].into());
            pool.close().await;
        };
        tokio::join!(serve, send);
    })
    .await;
}
