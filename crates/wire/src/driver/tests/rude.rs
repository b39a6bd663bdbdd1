//! The pool over real TLS, against peers that break off, change their minds or fall silent (`deaf.rs` has those that stop reading).

#![allow(clippy::large_futures, reason = "both sides of each test are one future")]

use super::peer::Server;
use super::pool::{PATIENCE, local, pool, send, tally};
use crate::driver::limits::RETIRING_MAX;
use crate::{Doubt, Outcome, frame};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;

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
