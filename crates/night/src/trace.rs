//! What happened in a night: a hash over everything, and the last events in words.

use std::collections::VecDeque;
use std::fmt;

/// Events that are kept when nobody asks for all of them.
const KEPT: usize = 160;

/// One event. Small, because there are thousands in a night; put into words only when somebody reads it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Virtual milliseconds since the night began.
    pub(crate) at: u64,
    /// Who, by name.
    pub(crate) who: std::sync::Arc<str>,
    /// What.
    pub(crate) what: &'static str,
    /// How it went.
    pub(crate) how: &'static str,
    /// Numbers that go with it: how many, which.
    pub(crate) numbers: [u64; 2],
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, who, what, how, numbers: [a, b] } = self;
        write!(f, "{at:>7} ms  {who:<11} {what:<24} {a:>5} {b:>5}  {how}")
    }
}

/// The trace of one night.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    count: u64,
    all: bool,
    last: VecDeque<Event>,
}

impl Trace {
    /// An empty one; `all` keeps every event, instead of the last ones.
    pub(crate) fn new(all: bool) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, count: 0, all, last: VecDeque::new() }
    }

    /// Adds an event to the hash, and, unless it is `dull` (looks and heartbeats), to what is kept.
    pub(crate) fn note(&mut self, event: Event, dull: bool) {
        self.count += 1;
        self.mix(event.at);
        for text in [&event.who, event.what, event.how] {
            self.mix(text.len() as u64);
            text.bytes().for_each(|b| self.mix(u64::from(b)));
        }
        event.numbers.iter().for_each(|n| self.mix(*n));
        if !dull || self.all {
            if !self.all && self.last.len() == KEPT {
                self.last.pop_front();
            }
            self.last.push_back(event);
        }
    }

    fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0100_0000_01B3).rotate_left(23);
    }

    /// The hash over all events so far, and how many there were.
    pub(crate) fn sum(&self) -> (u64, u64) {
        (self.hash, self.count)
    }

    /// The events that are kept, in words.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.last.iter().map(Event::to_string).collect()
    }
}
