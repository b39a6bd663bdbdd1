//! A lane's groups, from the queue to the deletion (`push-worker/src/{admit,claim,work,finish}.rs`).

use super::{Event, InHand, Job, World, own};
use crate::dice::mix;
use crate::rate::Rate;
use crate::waits::Kind;
use crate::{Ns, ns_of_ms, ns_of_us};

/// What was sent away comes again after this at the soonest (`push-worker/src/retry.rs`: 100 ms, and half of it and more on top).
const SOON: Ns = 175_000_000;
/// The longest delay of an envelope.
const DELAY_MAX: Ns = 900_000_000_000;
const SECOND: Ns = 1_000_000_000;

impl World<'_> {
    /// The lane's thread works for so long on what holds so many batches.
    pub(super) fn lane_cpu(&mut self, lane: u32, us: f64, batches: f64) -> Ns {
        let l = &mut self.lanes[lane as usize];
        let machine = self.push[l.worker as usize].machine;
        let work = ns_of_us(us);
        let ran = self.machines[machine].run(&mut l.thread, self.now, work);
        own(self, Kind::Cpu, ran.core, batches);
        own(self, Kind::Lane, ran.thread, batches);
        own(self, Kind::Work, work, batches);
        ran.end
    }

    pub(super) fn got(&mut self, group: u32) {
        let g = &self.groups[group as usize];
        let (lane, receiver, count) = (g.lane, g.receiver, g.jobs.len() as f64);
        self.wake(lane);
        let mut ready = self.lane_cpu(lane, self.s.cpu.receive * count, count);
        self.at(ready, Event::Take { receiver });
        let worker = self.lanes[lane as usize].worker as usize;
        if self.push[worker].looked > self.now {
            // Of a run that began since the last look: it looks before anything else.
            self.push[worker].looked = 0;
            let look = self.ledger_ns();
            own(self, Kind::Calls, look, count);
            ready += look;
        }
        self.at(ready, Event::Admit { group });
    }

    /// Pacing: what FCM's quota has no room for comes again, and is claimed without that part, or not at all.
    pub(super) fn admit(&mut self, group: u32) {
        let lane = self.groups[group as usize].lane;
        let worker = self.lanes[lane as usize].worker as usize;
        let mut jobs = std::mem::take(&mut self.groups[group as usize].jobs);
        if self.now >= self.deadline() {
            self.too_late(group, &jobs);
            return;
        }
        let mut away = Vec::new();
        jobs.retain_mut(|hand| {
            let bucket = self.push[worker].bucket.as_mut().filter(|_| hand.job.fcm > 0);
            let Some(Err(later)) = bucket.map(|b| b.take(u32::from(hand.job.fcm), self.now)) else {
                return true;
            };
            hand.later = Some(later.max(SOON));
            if hand.job.apns == 0 {
                away.push((hand.job, later.max(SOON)));
            }
            hand.job.apns > 0
        });
        let mut ready = self.now;
        for (job, later) in &away {
            // One after the other, then one deletion for all.
            ready += self.queue_ns();
            self.send_later(*job, *later, ready);
        }
        let count = jobs.len() as u32;
        if !away.is_empty() {
            ready += self.queue_ns();
            self.gone(away.len() as u64);
        }
        let g = &mut self.groups[group as usize];
        (g.jobs, g.open) = (jobs, count);
        if count == 0 {
            let (lane, room) = (g.lane, std::mem::take(&mut g.room));
            self.free_groups.push(group);
            return self.free_room(lane, room);
        }
        let batches = f64::from(count);
        own(self, Kind::Calls, ready - self.now, batches);
        let done = self.lane_cpu(lane, self.s.cpu.claim * batches, batches);
        let claimed = self.ledger_writes(group, u16::MAX, done.max(ready));
        self.at(claimed, Event::Claimed { group });
    }

    /// Past the deadline nothing is sent: envelopes are deleted, and their devices expired.
    fn too_late(&mut self, group: u32, jobs: &[InHand]) {
        for job in jobs.iter().map(|hand| hand.job) {
            self.seen.expired += u64::from(job.apns + job.fcm);
            self.left[job.batch as usize] -= job.apns + job.fcm;
            self.close(job.batch);
        }
        let g = &mut self.groups[group as usize];
        let (lane, room) = (g.lane, std::mem::take(&mut g.room));
        self.free_groups.push(group);
        self.gone(jobs.len() as u64);
        self.free_room(lane, room);
    }

    /// A part that comes again. What would come after the deadline never does.
    fn send_later(&mut self, job: Job, later: Ns, sent: Ns) {
        self.seen.sent_away += 1;
        let delay = later.min(DELAY_MAX);
        let delay = if self.s.backend.whole_seconds { delay.div_ceil(SECOND) * SECOND } else { delay };
        if sent + delay >= self.deadline() {
            self.seen.expired += u64::from(job.fcm);
            self.left[job.batch as usize] -= job.fcm;
            self.close(job.batch);
            return;
        }
        self.seen.waits.before.add(Kind::FcmQuota, sent + delay - self.now, self.part(job));
        self.at(sent + delay, Event::Again { job });
    }

    /// The share of a batch's devices that a job has.
    fn part(&self, job: Job) -> f64 {
        let whole = f64::from(self.per_batch);
        f64::from(job.apns + job.fcm) / whole
    }

    /// One conditional write for each, all at once, within what the process, the key and the partition allow. Answers when
    /// the last is answered.
    fn ledger_writes(&mut self, group: u32, places: u16, from: Ns) -> Ns {
        let lane = self.groups[group as usize].lane;
        let worker = self.lanes[lane as usize].worker as usize;
        let mut end = from;
        for place in (0..self.groups[group as usize].jobs.len()).filter(|n| places >> n & 1 == 1) {
            let batch = self.groups[group as usize].jobs[place].job.batch;
            let call = self.ledger_ns();
            let slot = self.push[worker].calls.iter_mut().min();
            let start = slot.as_ref().map_or(from, |free| from.max(**free));
            let through = write(&mut self.keys, &mut self.partitions, self.bucket_of[batch as usize], start);
            if let Some(free) = self.push[worker].calls.iter_mut().min() {
                *free = through + call;
            }
            own(self, Kind::LedgerCalls, start - from, 1.0);
            own(self, Kind::Partition, through - start, 1.0);
            own(self, Kind::Calls, call, 1.0);
            end = end.max(through + call);
        }
        end
    }

    /// Room becomes what it is for, and everything granted is sent at once.
    pub(super) fn claimed(&mut self, group: u32) {
        let g = &self.groups[group as usize];
        let lane = g.lane;
        let devices: u32 = g.jobs.iter().map(|h| u32::from(h.job.apns + h.job.fcm)).sum();
        let (held, count) = (g.room, g.jobs.len());
        self.seen.claimed.add(self.now, count as u64);
        self.seen.in_lanes -= self.now as f64 * count as f64;
        let g = &mut self.groups[group as usize];
        (g.room, g.sending) = (devices, count as u32);
        self.lanes[lane as usize].room += devices;
        self.free_room(lane, held);
        for place in 0..count {
            let hand = &mut self.groups[group as usize].jobs[place];
            let fcm = if hand.later.is_some() { 0 } else { hand.job.fcm };
            hand.left = hand.job.apns + fcm;
            let (apns, sent) = (hand.job.apns, f64::from(hand.left));
            let written = self.lane_cpu(lane, self.s.cpu.send * sent, 1.0);
            let place = place as u8;
            if apns + fcm == 0 {
                self.at(written, Event::Over { group, place });
            }
            for (any, fcm) in [(apns > 0, false), (fcm > 0, true)] {
                if any {
                    self.at(written, Event::Leave { group, place, fcm });
                }
            }
        }
    }

    /// A batch has its answers: those that end within a moment are finished together.
    pub(super) fn over(&mut self, group: u32, place: u8) {
        let g = &mut self.groups[group as usize];
        g.jobs[usize::from(place)].over = self.now;
        g.over.push(place);
        self.seen.answered.add(self.now, 1);
        g.sending -= 1;
        if g.over.len() == 1 {
            g.timer += 1;
            let timer = g.timer;
            let gather = ns_of_ms(self.s.fleet.gather_ms);
            self.at(self.now + gather, Event::Gathered { group, timer });
        }
        if self.groups[group as usize].sending == 0 {
            self.begin_finish(group);
        }
    }

    pub(super) fn gathered(&mut self, group: u32, timer: u32) {
        let g = &self.groups[group as usize];
        if g.timer == timer && !g.over.is_empty() {
            self.begin_finish(group);
        }
    }

    fn begin_finish(&mut self, group: u32) {
        let g = &mut self.groups[group as usize];
        let places = g.over.drain(..).fold(0_u16, |all, place| all | 1 << place);
        g.timer += 1;
        for n in 0..self.groups[group as usize].jobs.len() {
            if places >> n & 1 == 1 {
                let waited = self.now - self.groups[group as usize].jobs[n].over;
                own(self, Kind::Gather, waited, 1.0);
            }
        }
        self.finish(group, places, 0);
    }

    /// Later tries on the queue, results in the ledger, envelopes deleted, room free: in this order.
    pub(super) fn finish(&mut self, group: u32, places: u16, step: u8) {
        let lane = self.groups[group as usize].lane;
        let count = places.count_ones();
        let batches = f64::from(count);
        match step {
            0 => {
                let ready = self.send_parts_later(group, places);
                own(self, Kind::Calls, ready - self.now, batches);
                self.at(ready, Event::Finish { group, places, step: 1 });
            }
            1 => {
                let ready = self.lane_cpu(lane, self.s.cpu.complete * batches, batches);
                let written = self.ledger_writes(group, places, ready);
                self.at(written, Event::Finish { group, places, step: 2 });
            }
            2 => {
                self.completed(group, places);
                let ready = self.lane_cpu(lane, self.s.cpu.delete * batches, batches);
                let call = self.queue_ns();
                own(self, Kind::Calls, call, batches);
                self.at(ready + call, Event::Finish { group, places, step: 3 });
            }
            _ => self.finished(group, places, count),
        }
    }

    fn send_parts_later(&mut self, group: u32, places: u16) -> Ns {
        let mut sent = self.now;
        for n in 0..self.groups[group as usize].jobs.len() {
            let hand = self.groups[group as usize].jobs[n];
            let Some(later) = hand.later.filter(|_| places >> n & 1 == 1) else { continue };
            if sent == self.now {
                sent += self.queue_ns();
            }
            self.send_later(Job { apns: 0, ..hand.job }, later, sent);
        }
        sent
    }

    fn completed(&mut self, group: u32, places: u16) {
        self.seen.completed.add(self.now, u64::from(places.count_ones()));
        for n in 0..self.groups[group as usize].jobs.len() {
            if places >> n & 1 == 1 {
                let batch = self.groups[group as usize].jobs[n].job.batch;
                self.close(batch);
            }
        }
    }

    fn finished(&mut self, group: u32, places: u16, count: u32) {
        self.seen.in_lanes += self.now as f64 * f64::from(count);
        let g = &mut self.groups[group as usize];
        let in_hand = g.jobs.iter().enumerate().filter(|(n, _)| places >> n & 1 == 1);
        let freed: u32 = in_hand.map(|(_, h)| u32::from(h.job.apns + h.job.fcm)).sum();
        g.open -= count;
        let lane = g.lane;
        if g.open == 0 {
            self.free_groups.push(group);
        }
        self.gone(u64::from(count));
        self.free_room(lane, freed);
    }

    /// A batch of which nothing is left is finished once.
    fn close(&mut self, batch: u32) {
        if self.left[batch as usize] == 0 {
            self.left[batch as usize] = u16::MAX;
            self.seen.finished_batches += 1;
        }
    }
}

/// When a write is through its key and its partition.
fn write(keys: &mut [Rate], partitions: &mut [Rate], bucket: u32, from: Ns) -> Ns {
    let by_key = keys.get_mut(bucket as usize).map_or(from, |rate| rate.pass(1.0, from));
    let place = mix(u64::from(bucket) + 1) % partitions.len().max(1) as u64;
    partitions.get_mut(place as usize).map_or(by_key, |rate| rate.pass(1.0, by_key))
}
