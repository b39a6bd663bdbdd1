//! The batch queue and those who receive from it (`push-worker/src/lane.rs`: `take`, `take_loop`).

use super::{Doing, Event, Group, InHand, Job, World};
use crate::{Ns, ns_of_ms};

/// Most envelopes of a call.
const TEN: u32 = 10;
/// Receivers beside the first sleep after this long without an envelope, and look again so often.
const BUSY: Ns = 1_000_000_000;
const PAUSE: Ns = 50_000_000;

impl World<'_> {
    /// Keeps the time in which the queue was not empty. Answers it.
    pub(super) fn queue_is_asked(&mut self) -> Ns {
        let queue = &mut self.queue;
        if !queue.ready.is_empty() {
            queue.busy += self.now - queue.changed;
        }
        queue.changed = self.now;
        queue.most_ready = queue.most_ready.max(queue.ready.len() as u64);
        queue.busy
    }

    fn does(&mut self, receiver: u32, doing: Doing) {
        let busy = self.queue_is_asked();
        let r = &mut self.receivers[receiver as usize];
        let spent = (busy - r.since) as f64;
        let place = match r.doing {
            Doing::Blocked => Some(0),
            Doing::Calling => Some(1),
            Doing::Asleep => Some(2),
            Doing::Limited => Some(3),
            Doing::Busy => None,
        };
        if let Some(place) = place {
            // A call for one envelope where ten would be taken is short of room for nine.
            let full = if r.doing == Doing::Calling { f64::from(r.want) / f64::from(TEN) } else { 1.0 };
            self.seen.waits.receivers[place] += spent * full;
            self.seen.waits.receivers[0] += spent * (1.0 - full);
        }
        (r.doing, r.since) = (doing, busy);
    }

    pub(super) fn arrived(&mut self, from: u32, count: u32) {
        self.queue_is_asked();
        for batch in from..from + count {
            let devices = self.left[batch as usize];
            let exact = f64::from(devices) * self.s.blast.android_share + self.fcm_rest;
            let fcm = (exact as u16).min(devices);
            // What is rounded off here goes to the next.
            self.fcm_rest = exact - f64::from(fcm);
            self.queue.ready.push_back(Job { batch, apns: devices - fcm, fcm, since: self.now });
        }
        self.hand_out();
    }

    pub(super) fn again(&mut self, job: Job) {
        self.queue_is_asked();
        self.queue.ready.push_back(Job { since: self.now, ..job });
        self.hand_out();
    }

    fn is_open(&self) -> bool {
        let most = self.s.backend.in_flight_max.unwrap_or(u64::MAX);
        !self.queue.ready.is_empty() && self.queue.in_flight < most
    }

    /// To those who wait, in their order.
    pub(super) fn hand_out(&mut self) {
        while self.is_open() {
            let Some((receiver, call)) = self.queue.waiting.pop_front() else { break };
            let r = &self.receivers[receiver as usize];
            if r.waiting && r.call == call {
                self.serve(receiver);
            }
        }
    }

    /// Looks for room, then asks.
    pub(super) fn take(&mut self, receiver: u32) {
        let r = &self.receivers[receiver as usize];
        let (n, first) = (r.lane as usize, r.first);
        let lane = &mut self.lanes[n];
        let busy = lane.received.is_some_and(|at| self.now.saturating_sub(at) < BUSY);
        if !first && !busy {
            lane.asleep.push(receiver);
            return self.does(receiver, Doing::Asleep);
        }
        let (limit, one) = (self.s.fleet.devices_in_flight.max(1), self.per_batch);
        let fit = limit.saturating_sub(lane.room) / one;
        let fit = if lane.room == 0 { fit.max(1) } else { fit }.min(TEN);
        if fit == 0 {
            lane.blocked.push(receiver);
            return self.does(receiver, Doing::Blocked);
        }
        lane.room += fit * one;
        let call = self.queue_ns();
        self.does(receiver, Doing::Calling);
        let r = &mut self.receivers[receiver as usize];
        (r.want, r.room, r.back) = (fit, fit * one, call - call / 2);
        self.at(self.now + call / 2, Event::Ask { receiver });
    }

    pub(super) fn ask(&mut self, receiver: u32) {
        if self.is_open() {
            return self.serve(receiver);
        }
        // While the queue is not empty, nothing but its limit lets a call wait.
        self.does(receiver, Doing::Limited);
        let r = &mut self.receivers[receiver as usize];
        (r.waiting, r.call) = (true, r.call.wrapping_add(1));
        let call = r.call;
        self.queue.waiting.push_back((receiver, call));
        let wait = ns_of_ms(self.s.fleet.receive_wait_ms);
        self.at(self.now + wait, Event::GiveUp { receiver, call });
    }

    pub(super) fn give_up(&mut self, receiver: u32, call: u32) {
        let r = &mut self.receivers[receiver as usize];
        if !r.waiting || r.call != call {
            return;
        }
        r.waiting = false;
        let (lane, room, back) = (r.lane, std::mem::take(&mut r.room), r.back);
        self.at(self.now + back, Event::Take { receiver });
        self.free_room(lane, room);
    }

    /// Hands out as many as are there.
    fn serve(&mut self, receiver: u32) {
        self.queue_is_asked();
        self.does(receiver, Doing::Busy);
        let limit = self.s.backend.in_flight_max.unwrap_or(u64::MAX);
        let r = &mut self.receivers[receiver as usize];
        r.waiting = false;
        let (lane, room, back) = (r.lane, std::mem::take(&mut r.room), r.back);
        let open = (limit - self.queue.in_flight).min(u64::from(r.want));
        let count = open.min(self.queue.ready.len() as u64);
        let mut jobs = Vec::with_capacity(count as usize);
        for job in self.queue.ready.drain(..count as usize) {
            self.seen.waits.queued += (self.now - job.since) as f64;
            jobs.push(InHand { job, left: 0, later: None, over: 0 });
        }
        self.queue.in_flight += count;
        self.queue.most_in_flight = self.queue.most_in_flight.max(self.queue.in_flight);
        let group = Group { lane, receiver, room, jobs, open: count as u32, ..Group::default() };
        let group = self.keep(group);
        self.at(self.now + back, Event::Got { group });
    }

    fn keep(&mut self, group: Group) -> u32 {
        match self.free_groups.pop() {
            Some(place) => {
                // Timers of the one before may still run: they are told from this one's.
                let timer = self.groups[place as usize].timer;
                self.groups[place as usize] = Group { timer, ..group };
                place
            }
            None => {
                self.groups.push(group);
                self.groups.len() as u32 - 1
            }
        }
    }

    /// Envelopes have come: the lane's other receivers wake within their pause.
    pub(super) fn wake(&mut self, lane: u32) {
        self.lanes[lane as usize].received = Some(self.now);
        for receiver in std::mem::take(&mut self.lanes[lane as usize].asleep) {
            let after = self.dice.below(PAUSE);
            self.at(self.now + after, Event::Take { receiver });
        }
    }

    /// Room is free: whoever waits for it looks, in order.
    pub(super) fn free_room(&mut self, lane: u32, room: u32) {
        let l = &mut self.lanes[lane as usize];
        l.room = l.room.saturating_sub(room);
        for receiver in std::mem::take(&mut l.blocked) {
            self.take(receiver);
        }
    }

    /// Envelopes are deleted, or sent away.
    pub(super) fn gone(&mut self, count: u64) {
        self.queue.in_flight = self.queue.in_flight.saturating_sub(count);
        self.hand_out();
    }
}
