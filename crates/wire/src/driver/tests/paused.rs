//! One connection at the ends of a pipe, on paused time.

use super::peer::Peer;
use super::shim::{BreaksHalfWay, Holds, Shim};
use crate::driver::drive::drive;
use crate::driver::hub::Hub;
use crate::driver::limits;
use crate::driver::link::Link;
use crate::driver::mail::{Mail, full_tag};
use crate::driver::sending::Ended;
use crate::driver::socket::{Linger, Marks, Socket};
use crate::{Config, Connection, Doubt, Group, Outcome, Request, Template};
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(2);

struct Bench {
    link: Rc<Link>,
    hub: Rc<Hub>,
    number: u32,
    mail: Rc<Mail>,
    driver: JoinHandle<()>,
    template: Template,
}

/// A connection that allows so many streams, over a pipe that holds so many bytes.
async fn bench(streams: u32, pipe_bytes: usize) -> (Bench, Peer<DuplexStream>) {
    bench_over(streams, pipe_bytes, |socket| socket).await
}

/// The same, with something like TLS between the connection and its socket.
async fn bench_over<T: AsyncRead + AsyncWrite + Linger + Unpin + 'static>(
    streams: u32,
    pipe_bytes: usize,
    tls: impl FnOnce(Socket<DuplexStream>) -> T,
) -> (Bench, Peer<DuplexStream>) {
    let (near, far) = tokio::io::duplex(pipe_bytes);
    let (hub, marks) = (Rc::new(Hub::new()), Rc::new(Marks::default()));
    let config = Config { out_bytes_max: 16 * 1024, ..Config::default() };
    let core = Connection::new(config, hub.time(Instant::now()));
    let link = Rc::new(Link::new(core, Rc::clone(&marks)));
    let io = tls(Socket::new(near, marks));
    let driver = tokio::task::spawn_local(drive(Rc::clone(&link), io, Rc::clone(&hub)));
    let peer = Peer::begin(far, streams).await;
    let (number, mail) = hub.mails.open(1, Instant::now());
    let bench = Bench { link, hub, number, mail, driver, template: Template::to_path("a.example", "/") };
    bench.until(|b| b.link.streams() == streams as usize).await;
    (bench, peer)
}

impl Bench {
    /// Hands over so many requests, as far as they are taken.
    fn submit(&self, count: usize, body: &[u8]) -> usize {
        let until = self.hub.time(Instant::now()) + PATIENCE;
        let group = Group { template: &self.template, body_begins: b"", body_ends: b"", until };
        let tag = full_tag(self.number, 7);
        let requests = vec![Request { tag, path: b"", own: &[], body }; count];
        let taken = self.link.submit(&group, &requests);
        self.mail.note_written(taken, Instant::now());
        taken
    }

    async fn until(&self, met: impl Fn(&Self) -> bool) {
        while !met(self) {
            tokio::task::yield_now().await;
        }
    }

    async fn settled(&self) -> Vec<Ended> {
        poll_fn(|cx| if self.mail.is_settled(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
        self.mail.take()
    }

    fn balances(&self) -> bool {
        self.link.core.borrow().books().balance()
    }
}

impl Linger for DuplexStream {
    fn ports(&self) -> Option<(u16, u16)> {
        None
    }
    fn linger(&self) {}
}

async fn local(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

fn all_answered(ended: &[Ended]) -> bool {
    ended.iter().all(|e| matches!(&e.outcome, Outcome::Answered(a) if a.status == 200))
}

#[tokio::test(start_paused = true)]
async fn with_few_in_flight_no_time_passes() {
    local(async {
        let (bench, mut peer) = bench(100, 64 * 1024).await;
        for _ in 0..50 {
            let start = Instant::now();
            bench.submit(1, b"x");
            let stream = peer.request().await.unwrap();
            peer.answer(stream).await;
            assert!(all_answered(&bench.settled().await));
            assert_eq!(start.elapsed(), Duration::ZERO);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn with_many_in_flight_answers_gather_for_a_moment_only() {
    local(async {
        let (bench, mut peer) = bench(100, 64 * 1024).await;
        for _ in 0..20 {
            assert_eq!(bench.submit(100, b"x"), 100);
            let mut streams = Vec::new();
            while streams.len() < 100 {
                streams.push(peer.request().await.unwrap());
            }
            let start = Instant::now();
            for stream in streams {
                peer.answer(stream).await;
                tokio::task::yield_now().await;
            }
            assert!(all_answered(&bench.settled().await));
            // The last few are below the bound, and read at once.
            assert!(start.elapsed() <= 3 * limits::GATHER, "{:?}", start.elapsed());
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_never_answered_ends_in_time_and_the_connection_goes_on() {
    local(async {
        let (bench, mut peer) = bench(100, 64 * 1024).await;
        bench.submit(2, b"x");
        let (_, second) = (peer.request().await.unwrap(), peer.request().await.unwrap());
        peer.answer(second).await;
        let start = Instant::now();
        let ended = bench.settled().await;
        assert!(start.elapsed() >= PATIENCE && start.elapsed() <= PATIENCE + Duration::from_millis(5));
        assert_eq!(ended[1].outcome, Outcome::Ambiguous(Doubt::TimedOut));
        assert!(all_answered(&ended[..1]) && bench.link.room() == 100);
        bench.submit(1, b"x");
        let third = peer.request().await.unwrap();
        peer.answer(third).await;
        assert!(all_answered(&bench.settled().await) && bench.balances());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_answers_nothing_is_retired_and_says_goodbye() {
    local(async {
        let (bench, mut peer) = bench(300, 64 * 1024).await;
        let reads = tokio::task::spawn_local(async move { while peer.next().await.is_some() {} });
        let mut ended = 0;
        while bench.link.room() > 0 {
            bench.submit(100, b"x");
            ended += bench.settled().await.len();
        }
        assert!((limits::UNANSWERED_MAX as usize..limits::UNANSWERED_MAX as usize + 100).contains(&ended));
        bench.driver.await.unwrap();
        reads.await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_vanished_is_found_by_ping() {
    local(async {
        let (bench, mut peer) = bench(100, 64 * 1024).await;
        let silent = tokio::task::spawn_local(async move { while peer.next().await.is_some() {} });
        let start = Instant::now();
        let config = Config::default();
        bench.link.retired().await;
        assert!(start.elapsed() >= config.ping_idle_every + config.pong_within);
        assert!(start.elapsed() < config.ping_idle_every + config.pong_within + Duration::from_secs(1));
        silent.await.unwrap();
    })
    .await;
}

/// A peer that does not read: what is taken is bounded, and what stayed here did not leave.
#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_stops_the_caller_and_what_stayed_was_not_sent() {
    local(async {
        let (bench, peer) = bench(1_000, 8 * 1024).await;
        let mut taken = 0;
        for _ in 0..1_000 {
            taken += bench.submit(32, &[b'x'; 400]);
            tokio::task::yield_now().await;
        }
        assert!(taken * 400 < 48 * 1024 && bench.link.room() == 0, "{taken}");
        drop(peer);
        let ended = bench.settled().await;
        let not_sent = ended.iter().filter(|e| e.outcome == Outcome::NotSent).count();
        let doubt = ended.iter().filter(|e| e.outcome == Outcome::Ambiguous(Doubt::Ended)).count();
        assert_eq!(not_sent + doubt, taken);
        assert!(doubt * 400 <= 9 * 1024 && doubt > 0, "{doubt} of {taken}");
        assert!(bench.balances());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_loses_nobody() {
    local(async {
        let (bench, mut peer) = bench(1_000, 1024).await;
        let slow = tokio::task::spawn_local(async move {
            for _ in 0..3_000 {
                let stream = peer.request().await.unwrap();
                tokio::time::sleep(Duration::from_micros(100)).await;
                peer.answer(stream).await;
            }
            peer
        });
        let mut taken = 0;
        while taken < 3_000 {
            taken += bench.submit(32.min(3_000 - taken), &[b'x'; 400]);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let ended = bench.settled().await;
        assert!(ended.len() == 3_000 && all_answered(&ended) && bench.balances());
        drop(slow.await.unwrap());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_on_a_task_that_is_killed_hears_of_it() {
    local(async {
        let (bench, mut peer) = bench(100, 64 * 1024).await;
        bench.submit(3, b"x");
        peer.request().await.unwrap();
        bench.driver.abort();
        let ended = bench.settled().await;
        assert!(ended.len() == 3 && ended.iter().all(|e| e.outcome == Outcome::Ambiguous(Doubt::Ended)));
        assert!(bench.link.room() == 0 && bench.balances());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_a_write_that_failed_half_way_nobody_says_that_it_was_not_sent() {
    for (writes, ambiguous) in [(100, true), (0, false)] {
        local(async {
            let breaks = Rc::new(Cell::new(false));
            let hook = BreaksHalfWay { breaks: Rc::clone(&breaks), writes };
            let tls = |socket| Shim { socket, hook };
            let (bench, _peer) = bench_over(100, 1 << 20, tls).await;
            breaks.set(true);
            assert_eq!(bench.submit(10, b"{}"), 10);
            let ended = bench.settled().await;
            let doubtful = ended.iter().filter(|e| matches!(e.outcome, Outcome::Ambiguous(_))).count();
            let unsent = ended.iter().filter(|e| matches!(e.outcome, Outcome::NotSent)).count();
            assert_eq!((doubtful, unsent), if ambiguous { (10, 0) } else { (0, 10) }, "{writes} bytes left");
            assert!(bench.balances());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_tls_held_when_a_fence_ended_was_not_sent() {
    // Of ten requests: nothing left, a byte, all but a byte.
    for (less, ambiguous) in [(None, 0), (Some(usize::MAX), 1), (Some(1), 10)] {
        local(async {
            let passes = Rc::new(Cell::new(usize::MAX));
            let hook = Holds { passes: Rc::clone(&passes), held: Vec::new() };
            let tls = |socket| Shim { socket, hook };
            let (bench, _peer) = bench_over(100, 1 << 20, tls).await;
            bench.until(|b| b.link.waiting_bytes() == 0).await;
            assert_eq!(bench.submit(10, b"{}"), 10);
            let all = bench.link.waiting_bytes();
            passes.set(less.map_or(0, |less| all.saturating_sub(less).max(1)));
            let start = Instant::now();
            bench.link.fence(Duration::from_millis(500));
            let ended = bench.settled().await;
            assert_eq!(start.elapsed(), Duration::from_millis(500));
            let doubtful = ended.iter().filter(|e| matches!(e.outcome, Outcome::Ambiguous(_))).count();
            let unsent = ended.iter().filter(|e| matches!(e.outcome, Outcome::NotSent)).count();
            assert_eq!((doubtful, unsent), (ambiguous, 10 - ambiguous), "{less:?}");
        })
        .await;
    }
}
