//! One connection: takes requests, has them judged, and sends the answers when they are due.
//!
//! All streams of a connection live in one task, and what was read in one turn is answered with one write.

use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};
use wire::Code;
use wire::server::{Event, Server, ServerConfig, ServerState};

use super::behaviour::Behaviour;
use super::head::{Head, WANTED};
use super::journal::{Note, Platform};
use super::reason::Reason;
use super::shared::{Moment, Shared};
use super::verdict::{Body, Memory, Verdict, decide};
use super::{ServerKind, limits};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As HTTP/2 provides for, from whichever side.
    Closed,
    /// On purpose, without a word.
    Cut,
}

/// An answer that waits for its round trip to be over.
struct Delayed {
    due: Instant,
    stream: u32,
    verdict: Verdict,
}

/// Serves one connection until it ends.
pub(super) async fn serve<T>(shared: Arc<Shared>, platform: Platform, io: T) -> End
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let behaviour = shared.behaviour();
    let (streams, first) = match platform {
        Platform::Apns => (limits::APNS_STREAMS, behaviour.apns_streams_until_proven),
        Platform::Fcm => (limits::FCM_STREAMS, limits::FCM_STREAMS),
    };
    let server = Server::new(ServerConfig {
        streams: first.min(streams),
        stream_window_bytes: limits::STREAM_WINDOW_BYTES,
        window_bytes: limits::CONNECTION_WINDOW_BYTES,
        body_bytes_max: limits::MAX_KEPT_BODY_BYTES,
        wanted: WANTED.to_vec(),
    });
    let desk = Desk {
        validates: shared.info.mode == ServerKind::Validating,
        changes: shared.watch_behaviour(),
        shared,
        platform,
        behaviour,
        memory: Memory::default(),
        requests: 0,
        unproven: (first < streams).then_some(streams),
        ready: Vec::new(),
        delayed: VecDeque::new(),
        notes: Vec::new(),
        goes_away: false,
        cut: false,
    };
    let mut connection =
        Connection { io, server, desk, buffer: vec![0; limits::READ_BYTES], timer: None, unflushed: false };
    let end = connection.run().await;
    if end == End::Closed {
        // Whoever does not read our goodbye is not waited for.
        let _ = tokio::time::timeout(limits::CLOSING_TIMEOUT, connection.io.shutdown()).await;
    }
    end
}

struct Connection<T> {
    io: T,
    server: Server,
    desk: Desk,
    buffer: Vec<u8>,
    timer: Option<Pin<Box<Sleep>>>,
    /// TLS may hold bytes that the kernel did not take.
    unflushed: bool,
}

/// Judges what a connection takes, and remembers what has to be answered.
struct Desk {
    shared: Arc<Shared>,
    platform: Platform,
    behaviour: Arc<Behaviour>,
    changes: watch::Receiver<Arc<Behaviour>>,
    /// False for the sink.
    validates: bool,
    memory: Memory,
    requests: u64,
    /// Streams that are allowed once the connection has proven itself.
    unproven: Option<u32>,
    /// To be answered in this turn.
    ready: Vec<(u32, Verdict)>,
    delayed: VecDeque<Delayed>,
    /// For the journal, before this turn's answers leave.
    notes: Vec<Note>,
    goes_away: bool,
    cut: bool,
}

/// Why a pass over a connection ended.
enum Step {
    Paused,
    Ended(End),
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    async fn run(&mut self) -> End {
        loop {
            self.desk.behaviour = Arc::clone(&self.desk.changes.borrow_and_update());
            if self.desk.behaviour.pause {
                if self.desk.changes.changed().await.is_err() {
                    return End::Closed;
                }
                continue;
            }
            if let Step::Ended(end) = poll_fn(|cx| self.poll(cx)).await {
                return end;
            }
        }
    }

    /// Does everything that can be done now.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if self.desk.changes.has_changed().unwrap_or(false) {
            self.desk.behaviour = Arc::clone(&self.desk.changes.borrow_and_update());
        }
        if self.desk.behaviour.pause {
            return Poll::Ready(Step::Paused);
        }
        loop {
            let now = Moment::now();
            let more = match self.read(cx, now) {
                Some(more) => more,
                None => return Poll::Ready(Step::Ended(End::Closed)),
            };
            self.answer_due(cx, now);
            if self.answer_ready(cx, now).is_none() {
                return Poll::Ready(Step::Ended(End::Closed));
            }
            self.desk.hand_notes_in();
            if self.desk.cut {
                return Poll::Ready(Step::Ended(End::Cut));
            }
            if self.write(cx).is_none() {
                return Poll::Ready(Step::Ended(End::Closed));
            }
            let done = self.server.state() == ServerState::Ended;
            if done && self.server.output().is_empty() && !self.unflushed {
                return Poll::Ready(Step::Ended(End::Closed));
            }
            if !more {
                return Poll::Pending;
            }
        }
    }

    /// Reads for one turn. Answers whether there may be more; nothing if nothing more comes.
    fn read(&mut self, cx: &mut Context<'_>, now: Moment) -> Option<bool> {
        let mut taken = 0;
        while taken < limits::TURN_BYTES && self.server.state() != ServerState::Ended {
            let mut into = ReadBuf::new(&mut self.buffer);
            match Pin::new(&mut self.io).poll_read(cx, &mut into) {
                Poll::Ready(Ok(())) if !into.filled().is_empty() => {}
                Poll::Ready(_) => return None,
                Poll::Pending => return Some(false),
            }
            taken += into.filled().len();
            let desk = &mut self.desk;
            self.server.receive(into.filled(), &mut |event| desk.take(&event, now));
            if self.desk.cut {
                break;
            }
            if std::mem::take(&mut self.desk.goes_away) {
                self.server.leave();
            }
        }
        Some(taken > 0)
    }

    /// Makes those answers ready whose time has come.
    fn answer_due(&mut self, cx: &mut Context<'_>, now: Moment) {
        while let Some(next) = self.desk.delayed.front() {
            let due = next.due;
            if due.into_std() > now.instant {
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
                if timer.deadline() != due {
                    timer.as_mut().reset(due);
                }
                if timer.as_mut().poll(cx).is_pending() {
                    return;
                }
            }
            if let Some(Delayed { stream, verdict, .. }) = self.desk.delayed.pop_front() {
                self.desk.ready.push((stream, verdict));
            }
        }
    }

    /// Answers, and writes down what became of the requests; nothing if the connection is lost.
    fn answer_ready(&mut self, cx: &mut Context<'_>, now: Moment) -> Option<()> {
        let singly = self.desk.behaviour.answer_singly;
        let mut ready = std::mem::take(&mut self.desk.ready);
        for (stream, verdict) in ready.drain(..) {
            let outcome = self.put(stream, &verdict);
            self.desk.record(verdict.token_hash, outcome, now);
            if outcome == Reason::ApnsAccepted
                && let Some(streams) = self.desk.unproven.take()
            {
                self.server.allow(streams);
            }
            if singly {
                self.desk.hand_notes_in();
                self.write(cx)?;
            }
        }
        self.desk.ready = ready;
        Some(())
    }

    /// Puts an answer into the output. Answers what became of the request.
    fn put(&mut self, stream: u32, verdict: &Verdict) -> Reason {
        match verdict.reason {
            Reason::ApnsReset | Reason::FcmReset => self.server.reset(stream, Code::INTERNAL_ERROR),
            Reason::ApnsStalled | Reason::FcmStalled => {}
            reason => {
                let seconds = verdict.retry_after_s.map(|seconds| seconds.to_string());
                let all = [
                    verdict.apns_id.as_ref().map(|id| (&b"apns-id"[..], &id[..])),
                    seconds.as_ref().map(|seconds| (&b"retry-after"[..], seconds.as_bytes())),
                    (self.desk.platform == Platform::Fcm)
                        .then_some((&b"content-type"[..], &b"application/json; charset=UTF-8"[..])),
                ];
                let mut fields = [(&b""[..], &b""[..]); 3];
                let mut count = 0;
                for field in all.into_iter().flatten() {
                    fields[count] = field;
                    count += 1;
                }
                if !self.server.answer(stream, reason.status(), &fields[..count], &verdict.body) {
                    return closed(self.desk.platform);
                }
            }
        }
        verdict.reason
    }

    /// Writes until there is nothing more or nobody takes it; nothing if the connection is lost.
    fn write(&mut self, cx: &mut Context<'_>) -> Option<()> {
        while !self.server.output().is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, self.server.output()) {
                Poll::Ready(Ok(bytes @ 1..)) => self.server.took(bytes),
                Poll::Ready(_) => return None,
                Poll::Pending => return Some(()),
            }
            self.unflushed = true;
        }
        if self.unflushed {
            match Pin::new(&mut self.io).poll_flush(cx) {
                Poll::Ready(result) => {
                    result.ok()?;
                    self.unflushed = false;
                }
                Poll::Pending => {}
            }
        }
        Some(())
    }
}

impl Desk {
    fn take(&mut self, event: &Event<'_>, now: Moment) {
        let asked = match event {
            Event::Asked(asked) if !self.cut => asked,
            Event::Asked(asked) => {
                // It came with the request at which the connection is cut.
                return self.record(path_token(self.platform, asked.value(1)), closed(self.platform), now);
            }
            Event::Refused => return self.record(None, Reason::ApnsRefusedStream, now),
            Event::Reset(stream) => return self.forget(*stream, now),
        };
        self.requests += 1;
        let head = Head::from_places(|place| asked.value(place));
        let every = |n: u64| n > 0 && self.requests.is_multiple_of(n);
        if every(self.behaviour.close_every) {
            self.cut = true;
            return self.record(path_token(self.platform, asked.value(1)), closed(self.platform), now);
        }
        self.goes_away |= every(self.behaviour.goaway_every);
        let verdict = if self.validates {
            let body = Body { kept: asked.body, len: asked.body_bytes };
            decide(&self.shared, &self.behaviour, self.platform, &head, body, &mut self.memory, now)
        } else {
            Verdict::sunk(self.platform)
        };
        match (verdict.reason, self.behaviour.round_trip_ms) {
            (Reason::ApnsStalled | Reason::FcmStalled, _) | (_, 0) => {
                self.ready.push((asked.stream, verdict));
            }
            (_, ms) => {
                let due = Instant::from_std(now.instant) + Duration::from_millis(u64::from(ms));
                self.delayed.push_back(Delayed { due, stream: asked.stream, verdict });
            }
        }
    }

    /// The client gave a request up. Whether one that stalls was noted before is left as it is.
    fn forget(&mut self, stream: u32, now: Moment) {
        let place = self.delayed.iter().position(|delayed| delayed.stream == stream);
        if let Some(delayed) = place.and_then(|place| self.delayed.remove(place)) {
            self.record(delayed.verdict.token_hash, closed(self.platform), now);
        }
    }

    fn record(&mut self, token_hash: Option<u64>, outcome: Reason, now: Moment) {
        self.notes.push(self.shared.journal.note(self.platform, token_hash, outcome, now.instant));
    }

    fn hand_notes_in(&mut self) {
        if !self.notes.is_empty() {
            self.shared.journal.append(&mut self.notes);
        }
    }
}

impl Drop for Desk {
    /// Whatever still waited for its answer never gets one.
    fn drop(&mut self) {
        let now = Moment::now();
        let waiting = std::mem::take(&mut self.delayed).into_iter().map(|delayed| delayed.verdict);
        let ready = std::mem::take(&mut self.ready).into_iter().map(|(_, verdict)| verdict);
        for verdict in waiting.chain(ready) {
            self.record(verdict.token_hash, closed(self.platform), now);
        }
        self.hand_notes_in();
    }
}

/// What a request came to whose connection ended.
pub(super) fn closed(platform: Platform) -> Reason {
    match platform {
        Platform::Apns => Reason::ApnsClosed,
        Platform::Fcm => Reason::FcmClosed,
    }
}

/// The hash of the token in a path, for who asks no more.
fn path_token(platform: Platform, path: Option<&[u8]>) -> Option<u64> {
    let path = std::str::from_utf8(path?).ok().filter(|_| platform == Platform::Apns)?;
    super::apns::path_token(path).ok()
}
