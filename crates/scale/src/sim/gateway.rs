//! Connections, streams, and what answers (`wire/src/driver/pool.rs`: groups are served in the order in which they came).

use super::{Event, World, own};
use crate::rate::Rate;
use crate::setup::Gateway;
use crate::waits::Kind;
use crate::{Ns, ns_of_us};
use std::collections::VecDeque;

/// One lane's connections to one gateway.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    free: u32,
    /// Streams that come once a first answer did.
    unproven: u32,
    waiting: VecDeque<Part>,
    rate: Option<Rate>,
}

/// Requests of a batch that wait for streams.
#[derive(Clone, Copy, Debug)]
struct Part {
    group: u32,
    place: u8,
    left: u16,
    since: Ns,
}

/// Answers of one write come in so many pieces at most, where round trips differ.
const PIECES: usize = 8;

impl Pool {
    pub(super) fn new(gateway: &Gateway, connections: u32) -> Self {
        let all = gateway.streams.max(1) * connections.max(1);
        let first = gateway.streams_first.max(1).min(gateway.streams.max(1)) * connections.max(1);
        // What a tenth of a second brings may come at once: a connection's writes are not spaced.
        let rate = gateway.per_connection_per_s.map(|per_s| {
            let per_s = per_s * f64::from(connections.max(1));
            Rate::new(per_s, per_s / 10.0)
        });
        Self { free: first, unproven: all - first, waiting: VecDeque::new(), rate }
    }
}

impl World<'_> {
    /// Requests of one batch stand in line.
    pub(super) fn leave(&mut self, group: u32, place: u8, fcm: bool) {
        let g = &self.groups[group as usize];
        let (lane, job) = (g.lane, g.jobs[usize::from(place)].job);
        let left = if fcm { job.fcm } else { job.apns };
        let part = Part { group, place, left, since: self.now };
        self.lanes[lane as usize].pools[usize::from(fcm)].waiting.push_back(part);
        self.pump(lane, fcm);
    }

    /// As many as have streams leave.
    fn pump(&mut self, lane: u32, fcm: bool) {
        loop {
            let pool = &mut self.lanes[lane as usize].pools[usize::from(fcm)];
            let Some(part) = pool.waiting.front_mut().filter(|_| pool.free > 0) else { return };
            let count = u32::from(part.left).min(pool.free);
            part.left -= count as u16;
            pool.free -= count;
            let leaving = *part;
            if part.left == 0 {
                pool.waiting.pop_front();
            }
            self.depart(lane, fcm, leaving, count);
        }
    }

    fn depart(&mut self, lane: u32, fcm: bool, part: Part, count: u32) {
        let job = self.groups[part.group as usize].jobs[usize::from(part.place)].job;
        let share = f64::from(count) / f64::from((job.apns + job.fcm).max(1));
        let streams = if fcm { Kind::FcmStreams } else { Kind::ApnsStreams };
        own(self, streams, self.now - part.since, share);
        let requests = f64::from(count);
        let mut taken = self.now;
        if self.s.gateways.cpu_us > 0.0 {
            let work = ns_of_us(self.s.gateways.cpu_us * requests);
            let ran = self.machines[0].run(&mut self.gateway_thread, self.now, work);
            self.seen.cpu_s[2] += work as f64 / 1e9;
            own(self, Kind::GatewayCpu, ran.end - self.now, share);
            self.seen.waits.streams[usize::from(fcm)][1] += (ran.end - self.now) as f64 * requests;
            taken = ran.end;
        }
        // Read at once, and answered in turn.
        if let Some(rate) = &mut self.lanes[lane as usize].pools[usize::from(fcm)].rate {
            let through = rate.pass(requests, taken);
            own(self, Kind::ApnsRate, through - taken, share);
            self.seen.waits.streams[usize::from(fcm)][0] += (through - taken) as f64 * requests;
            taken = through;
        }
        self.round_trip(fcm, part, count, taken, share);
    }

    fn round_trip(&mut self, fcm: bool, part: Part, count: u32, taken: Ns, share: f64) {
        let draws = &self.round_trips[usize::from(fcm)];
        let (group, place) = (part.group, part.place);
        if draws.is_constant() {
            let trip = draws.draw(&mut self.dice);
            own(self, Kind::RoundTrip, trip, share);
            self.seen.waits.streams[usize::from(fcm)][2] += trip as f64 * f64::from(count);
            return self.at(taken + trip, Event::Answered { group, place, fcm, count: count as u16 });
        }
        let mut trips: Vec<Ns> = (0..count).map(|_| draws.draw(&mut self.dice)).collect();
        trips.sort_unstable();
        self.seen.waits.streams[usize::from(fcm)][2] += trips.iter().sum::<Ns>() as f64;
        for piece in trips.chunks(trips.len().div_ceil(PIECES).max(1)) {
            let Some(slowest) = piece.last() else { continue };
            let count = piece.len() as u16;
            self.at(taken + slowest, Event::Answered { group, place, fcm, count });
        }
        // A batch waits for its slowest.
        let slowest = trips.last().copied().unwrap_or(0);
        own(self, Kind::RoundTrip, slowest, share);
    }

    /// Answers are read; streams are free.
    pub(super) fn answered(&mut self, group: u32, place: u8, fcm: bool, count: u16) {
        let lane = self.groups[group as usize].lane;
        let pool = &mut self.lanes[lane as usize].pools[usize::from(fcm)];
        pool.free += u32::from(count) + std::mem::take(&mut pool.unproven);
        let job = self.groups[group as usize].jobs[usize::from(place)].job;
        let share = f64::from(count) / f64::from((job.apns + job.fcm).max(1));
        let read = self.lane_cpu(lane, self.s.cpu.answer * f64::from(count), share);
        self.pump(lane, fcm);
        self.seen.accepted.add(read, u64::from(count));
        let gateway = if fcm { &mut self.seen.fcm } else { &mut self.seen.apns };
        gateway.add(read, u64::from(count));
        self.left[job.batch as usize] -= count;
        let hand = &mut self.groups[group as usize].jobs[usize::from(place)];
        hand.left -= count;
        if hand.left == 0 {
            self.at(read, Event::Over { group, place });
        }
    }
}
