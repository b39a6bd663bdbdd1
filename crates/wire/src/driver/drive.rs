//! A connection's task: writes what waits, reads what came, ticks, and delivers what ended, in this order, until nothing
//! can be done; see `design.md`, "One turn of a driver".
//!
//! While many requests are in flight, answers are left in the kernel for a moment, so that they come in one read.

use super::hub::Hub;
use super::limits;
use super::link::Link;
use super::socket::Linger;
use crate::request::Completion;
use crate::{End, State};
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Runs a connection to its end, and says goodbye, but to a peer that no longer reads.
pub(super) async fn drive<T: AsyncRead + AsyncWrite + Linger + Unpin>(link: Rc<Link>, io: T, hub: Rc<Hub>) {
    let alarm = || Box::pin(sleep(limits::RETIRE_WITHIN));
    let (alarm, gathered) = (alarm(), alarm());
    let reached = (0, link.marks.written.get());
    let mut driver = Driver {
        io,
        link,
        hub,
        unflushed: false,
        broken: false,
        reached,
        gathers: false,
        gathered,
        alarm,
        done: Vec::new(),
    };
    poll_fn(|cx| driver.poll(cx)).await;
    if !driver.is_unheard() {
        let _ = tokio::time::timeout(limits::GOODBYE_WITHIN, driver.say_goodbye()).await;
    }
}

struct Driver<T> {
    io: T,
    link: Rc<Link>,
    hub: Rc<Hub>,
    /// TLS may hold bytes that the kernel did not take.
    unflushed: bool,
    /// Bytes of the connection, and bytes that the kernel had taken, when TLS last held nothing.
    reached: (u64, u64),
    /// A write failed.
    broken: bool,
    /// Answers are left in the kernel until `gathered`.
    gathers: bool,
    gathered: Pin<Box<Sleep>>,
    /// Not later than the connection's next tick.
    alarm: Pin<Box<Sleep>>,
    done: Vec<Completion>,
}

impl<T> Drop for Driver<T> {
    /// However its task ends, nobody waits for ever.
    fn drop(&mut self) {
        if let Ok(mut core) = self.link.core.try_borrow_mut() {
            core.lost();
        } else {
            return;
        }
        self.settle(Instant::now());
    }
}

impl<T> Driver<T> {
    /// Whether the other side seems not to read: what the kernel still holds is to leave no more, for it was called ambiguous.
    fn is_unheard(&self) -> bool {
        match self.link.core.borrow().state() {
            State::Ended(End::Unread | End::PingLost) => true,
            // It is told why.
            State::Ended(End::Protocol(..)) => false,
            _ => self.link.is_unheard(),
        }
    }

    /// Delivers what ended; a connection that is spent takes no more; those who wait for streams are told of free ones.
    fn settle(&mut self, now: Instant) {
        self.link.core.borrow_mut().completions(&mut self.done);
        self.link.learn(&self.done);
        self.hub.mails.deliver(&mut self.done, now);
        if self.link.is_spent() {
            self.link.retire(self.hub.time(now) + limits::RETIRE_WITHIN);
        } else if self.link.room() > 0 {
            self.hub.turns.wake_first();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Linger + Unpin> Driver<T> {
    /// Does what can be done now; ready when the connection has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.link.note_driver(cx);
        // Its time begins now, not when it was asked for: this thread may have been held up.
        if let Some(within) = self.link.fence.take() {
            let until = self.hub.time(Instant::now() + within);
            self.link.core.borrow_mut().fence(until);
        }
        loop {
            let now = Instant::now();
            self.write(cx);
            self.read(cx, now);
            let again = self.tick(cx, now);
            self.settle(now);
            if matches!(self.link.core.borrow().state(), State::Ended(_)) {
                return Poll::Ready(());
            }
            // What reading and ticking put there has to be written before this task may rest.
            if !again && (self.link.core.borrow().output().is_empty() || self.link.marks.blocked.get()) {
                return Poll::Pending;
            }
        }
    }

    /// Writes until there is nothing more or the kernel takes no more. What TLS took counts as gone: it will leave.
    fn write(&mut self, cx: &mut Context<'_>) {
        let mut core = self.link.core.borrow_mut();
        while !core.output().is_empty() {
            let (offered, before) = (core.output().len(), self.link.marks.written.get());
            match Pin::new(&mut self.io).poll_write(cx, core.output()) {
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.unflushed = false;
                    // TLS may have taken all of it, sent a part, and failed with the rest: then nobody knows which.
                    if self.link.marks.written.get() != before {
                        core.took(offered);
                    }
                    self.broken = true;
                    return core.lost();
                }
                Poll::Ready(Ok(bytes)) => core.took(bytes),
                Poll::Pending => break,
            }
            self.unflushed = true;
            if self.link.marks.blocked.get() {
                break;
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.io).poll_flush(cx) {
                Poll::Ready(result) => {
                    self.unflushed = false;
                    self.reached = (core.left(), self.link.marks.written.get());
                    if result.is_err() {
                        self.broken = true;
                        core.lost();
                    }
                }
                Poll::Pending => {}
            }
        }
    }

    /// Reads until there is nothing more, unless answers are to gather.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) {
        if self.gathers && self.gathered.as_mut().poll(cx).is_pending() {
            return;
        }
        self.gathers = false;
        let (marks, time) = (&self.link.marks, self.hub.time(now));
        let mut core = self.link.core.borrow_mut();
        let mut buffer = self.hub.buffer.borrow_mut();
        let mut taken = 0;
        marks.dry.set(false);
        loop {
            marks.gather.set(core.in_flight() > limits::GATHER_ABOVE);
            let mut into = ReadBuf::new(&mut buffer);
            match Pin::new(&mut self.io).poll_read(cx, &mut into) {
                Poll::Ready(Err(_)) => return core.lost(),
                Poll::Ready(Ok(())) if into.filled().is_empty() => return core.lost(),
                Poll::Ready(Ok(())) => core.receive(into.filled(), time),
                // Nobody wakes us for what is held back here: the timer does.
                Poll::Pending if marks.gather.get() && marks.dry.get() => {
                    self.gathered.as_mut().reset(now + limits::GATHER);
                    self.gathers = self.gathered.as_mut().poll(cx).is_pending();
                    return;
                }
                Poll::Pending => return,
            }
            taken += into.filled().len();
            if taken >= limits::READ_TURN_BYTES {
                return cx.waker().wake_by_ref();
            }
        }
    }

    /// How many bytes of those that left the connection TLS holds, at least: what the kernel took since TLS held nothing is what was
    /// encrypted of them, and that is longer.
    fn held(&self, left: u64) -> u64 {
        let (before, written) = self.reached;
        (left - before).saturating_sub(self.link.marks.written.get() - written)
    }

    /// Whether nothing is left on this side: not in the output, not in TLS, not in the kernel.
    fn has_let_go(&self, output: &[u8], now: Instant) -> bool {
        let kernel = || self.hub.queues.borrow_mut().held(self.io.ports()?, now);
        output.is_empty() && !self.unflushed && kernel() == Some(0)
    }

    /// Lets time pass. Answers whether it has to be looked at again.
    fn tick(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut core = self.link.core.borrow_mut();
        let time = self.hub.time(now);
        let held = self.held(core.left());
        core.held(held);
        if core.is_fence_due(time) && self.has_let_go(core.output(), now) {
            core.all_is_gone();
        }
        if core.next_tick().is_some_and(|next| next <= time) {
            core.tick(time);
        }
        let Some(next) = core.next_tick().and_then(|next| self.hub.instant(next)) else { return false };
        if next < self.alarm.deadline() || self.alarm.is_elapsed() {
            self.alarm.as_mut().reset(next);
        }
        self.alarm.as_mut().poll(cx).is_ready()
    }

    /// Writes GOAWAY, ends TLS and our half of the connection. Not after a write that failed: TLS keeps what it could not
    /// write, and its requests may have been called not sent.
    async fn say_goodbye(&mut self) {
        if self.broken {
            return;
        }
        poll_fn(|cx| {
            self.write(cx);
            let rest = self.unflushed || !self.link.core.borrow().output().is_empty();
            if rest { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        self.io.linger();
        let _ = self.io.shutdown().await;
    }
}
