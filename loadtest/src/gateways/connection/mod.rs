//! One connection: takes requests, has them judged, and sends the answers when they are due.
//!
//! All streams of a connection live in one task, and what was read in one turn is answered with one write.

mod desk;
mod patience;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep};
use wire::Code;
use wire::server::{Server, ServerConfig, ServerState};

use super::head::WANTED;
use super::journal::Platform;
use super::reason::{Class, Reason};
use super::shared::{Moment, Shared};
use super::verdict::Verdict;
use super::{Behaviour, ServerKind, limits};
use desk::Desk;
pub(super) use desk::closed;

/// What a GOAWAY says to whoever opens more streams than allowed.
const EXCEEDED: &[u8] = b"exceeded_max_concurrent_streams";

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As HTTP/2 provides for, from whichever side.
    Closed,
    /// On purpose, without a word.
    Cut,
    /// Half open: not a word more, until the client had enough.
    Silent,
}

/// Streams at once on a new connection, and once it has proven itself.
pub(super) fn streams(behaviour: &Behaviour, platform: Platform) -> (u32, u32) {
    match platform {
        Platform::Apns => {
            (behaviour.apns_streams_until_proven.min(behaviour.apns_streams), behaviour.apns_streams)
        }
        Platform::Fcm => (behaviour.fcm_streams, behaviour.fcm_streams),
    }
}

/// Serves one connection until it ends. `gone` is over when the client has closed, whether or not anybody reads.
pub(super) async fn serve<T>(
    shared: Arc<Shared>,
    platform: Platform,
    io: T,
    gone: impl Future<Output = ()>,
) -> End
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (first, streams) = streams(&shared.behaviour(), platform);
    let server = Server::new(ServerConfig {
        streams: first,
        stream_window_bytes: limits::STREAM_WINDOW_BYTES,
        window_bytes: limits::CONNECTION_WINDOW_BYTES,
        body_bytes_max: limits::MAX_KEPT_BODY_BYTES,
        wanted: WANTED.to_vec(),
    });
    let validates = shared.info.mode == ServerKind::Validating;
    let mut connection = Connection {
        io,
        server,
        desk: Desk::new(shared, platform, validates),
        buffer: vec![0; limits::READ_BYTES],
        opened: Moment::now(),
        streams,
        narrowed: first < streams,
        timer: None,
        age_timer: None,
        unflushed: false,
    };
    let end = connection.run().await;
    match end {
        // Whoever does not read our goodbye is not waited for.
        End::Closed => drop(tokio::time::timeout(limits::CLOSING_TIMEOUT, connection.io.shutdown()).await),
        End::Silent => gone.await,
        End::Cut => {}
    }
    end
}

struct Connection<T> {
    io: T,
    server: Server,
    desk: Desk,
    buffer: Vec<u8>,
    opened: Moment,
    /// Allowed once the connection has proven itself.
    streams: u32,
    /// Fewer are allowed now.
    narrowed: bool,
    timer: Option<Pin<Box<Sleep>>>,
    /// For what befalls a connection at a certain age.
    age_timer: Option<Pin<Box<Sleep>>>,
    /// TLS may hold bytes that the kernel did not take.
    unflushed: bool,
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
            if self.desk.behaviour.ages() {
                self.age(cx, now);
            }
            let more = match self.read(cx, now) {
                Some(more) => more,
                None => return Poll::Ready(Step::Ended(End::Closed)),
            };
            if let Some(end) = self.desk.ending {
                self.desk.abandon(now);
                return Poll::Ready(Step::Ended(end));
            }
            self.answer_due(cx, now);
            if self.answer_ready(cx, now).is_none() {
                return Poll::Ready(Step::Ended(End::Closed));
            }
            self.desk.hand_notes_in();
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
        let goes_on = |this: &Self| this.server.state() != ServerState::Ended && this.desk.ending.is_none();
        while taken < limits::TURN_BYTES && goes_on(self) {
            let mut into = ReadBuf::new(&mut self.buffer);
            match Pin::new(&mut self.io).poll_read(cx, &mut into) {
                Poll::Ready(Ok(())) if !into.filled().is_empty() => {}
                Poll::Ready(_) => return None,
                Poll::Pending => return Some(false),
            }
            taken += into.filled().len();
            let desk = &mut self.desk;
            self.server.receive(into.filled(), &mut |event| desk.take(&event, now));
            if std::mem::take(&mut self.desk.exceeded) && self.desk.behaviour.goaway_on_excess {
                self.server.leave_with(Code::ENHANCE_YOUR_CALM, EXCEEDED);
            }
            if std::mem::take(&mut self.desk.goes_away) {
                self.leave();
            }
        }
        Some(taken > 0)
    }

    /// Makes those answers ready whose time has come.
    fn answer_due(&mut self, cx: &mut Context<'_>, now: Moment) {
        while let Some(due) = self.desk.delayed.next_due() {
            if due.into_std() > now.instant {
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
                if timer.deadline() != due {
                    timer.as_mut().reset(due);
                }
                if timer.as_mut().poll(cx).is_pending() {
                    return;
                }
            }
            self.desk.ready.extend(self.desk.delayed.pop());
        }
    }

    /// Answers, and writes down what became of the requests; nothing if the connection is lost.
    fn answer_ready(&mut self, cx: &mut Context<'_>, now: Moment) -> Option<()> {
        let singly = self.desk.behaviour.answer_singly;
        let mut ready = std::mem::take(&mut self.desk.ready);
        let mut lost = false;
        for (stream, verdict) in ready.drain(..) {
            if lost {
                // Abandoned with the desk.
                self.desk.ready.push((stream, verdict));
                continue;
            }
            let outcome = self.put(stream, &verdict);
            self.desk.record(verdict.token_hash, outcome, now);
            self.mind_streams(outcome);
            if singly {
                self.desk.hand_notes_in();
                lost = self.write(cx).is_none();
            }
        }
        if lost {
            return None;
        }
        self.desk.ready = ready;
        Some(())
    }

    /// APNs: a success allows all streams, and a refusal few, if that was asked for.
    fn mind_streams(&mut self, outcome: Reason) {
        if outcome == Reason::ApnsAccepted {
            if std::mem::take(&mut self.narrowed) {
                self.server.allow(self.streams);
            }
            return;
        }
        let few = self.desk.behaviour.apns_streams_after_reject;
        let refused = self.desk.platform == Platform::Apns && outcome.class() == Class::Rejected;
        if (1..self.streams).contains(&few) && refused && !self.narrowed {
            self.narrowed = true;
            self.server.allow(few);
        }
    }

    /// Says goodbye, as each platform does.
    fn leave(&mut self) {
        let reason = self.desk.behaviour.apns_goaway_reason.as_ref();
        match reason.filter(|_| self.desk.platform == Platform::Apns) {
            Some(reason) => {
                self.server.leave_with(Code::NO_ERROR, format!(r#"{{"reason":"{reason}"}}"#).as_bytes());
            }
            None => self.server.leave(),
        }
    }

    /// Does what is due at the connection's age, and sees to it that the next such thing is not missed.
    fn age(&mut self, cx: &mut Context<'_>, now: Moment) {
        let at =
            |after_s: f64| (after_s > 0.0).then(|| self.opened.instant + Duration::from_secs_f64(after_s));
        let silence = at(self.desk.behaviour.half_open_after_s);
        let goodbye =
            at(self.desk.behaviour.goaway_after_s).filter(|_| self.server.state() == ServerState::Open);
        if silence.is_some_and(|at| at <= now.instant) {
            self.desk.ending = Some(End::Silent);
            return;
        }
        let leaves = goodbye.is_some_and(|at| at <= now.instant);
        if leaves {
            self.leave();
        }
        let Some(next) = [silence, goodbye.filter(|_| !leaves)].into_iter().flatten().min() else { return };
        let next = Instant::from_std(next);
        let timer = self.age_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
        if timer.deadline() != next {
            timer.as_mut().reset(next);
        }
        if timer.as_mut().poll(cx).is_ready() {
            // It came between the reading of the clock and now.
            cx.waker().wake_by_ref();
        }
    }

    /// Puts an answer into the output. Answers what became of the request.
    fn put(&mut self, stream: u32, verdict: &Verdict) -> Reason {
        let otherwise = match verdict.reason {
            reason @ (Reason::ApnsReset | Reason::FcmReset) => {
                self.server.reset(stream, Code::INTERNAL_ERROR);
                reason
            }
            reason @ (Reason::ApnsStalled | Reason::FcmStalled) => reason,
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
                if self.server.answer(stream, reason.status(), &fields[..count], &verdict.body) {
                    return reason;
                }
                closed(self.desk.platform)
            }
        };
        verdict.unheard(self.desk.platform, otherwise)
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

#[cfg(test)]
mod tests;
