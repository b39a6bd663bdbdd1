//! The press, and interim workers: from one write to batches on the batch queue (`control/src/press.rs`,
//! `interim-worker/src/{worker,handle,sender}.rs`).

use super::{Event, World};
use crate::cpu::Ran;
use crate::waits::Kind;
use crate::{Ns, ns_of_us};

/// Entries of a call.
const TEN: u32 = 10;

impl World<'_> {
    /// The gate is written, then all calls to the FIFO queue leave at once. Everybody waits for envelopes already.
    pub(super) fn press(&mut self) {
        for worker in 0..self.interim.len() as u32 {
            self.at(0, Event::AskShards { worker });
        }
        for receiver in 0..self.receivers.len() as u32 {
            self.at(0, Event::Take { receiver });
        }
        let gate = self.ledger_ns();
        for from in (0..self.shards.len() as u32).step_by(TEN as usize) {
            let count = TEN.min(self.shards.len() as u32 - from);
            let through = self.fifo_rate.as_mut().map_or(gate, |rate| rate.pass(1.0, gate));
            let half = self.queue_ns() / 2;
            let batches: u32 = (from..from + count).map(|n| self.shards[n as usize].batches).sum();
            let before = &mut self.seen.waits.before;
            before.add(Kind::FifoRate, through - gate, f64::from(batches));
            before.add(Kind::Calls, gate + half, f64::from(batches));
            self.at(through + half, Event::Dispatched { from, count });
        }
    }

    pub(super) fn dispatched(&mut self, from: u32, count: u32) {
        self.seen.dispatched.add(self.now, u64::from(count));
        for shard in from..from + count {
            self.shards[shard as usize].since = self.now;
            self.fifo.push_back(shard);
        }
        while let Some(worker) = self.asking.pop_front() {
            if self.fifo.is_empty() {
                self.asking.push_front(worker);
                break;
            }
            self.hand_out_shards(worker);
        }
    }

    /// One call at a time, for as many as there are permits.
    pub(super) fn ask_shards(&mut self, worker: u32) {
        let interim = &mut self.interim[worker as usize];
        if interim.permits == 0 {
            interim.asking = false;
            return;
        }
        interim.asking = true;
        if self.fifo.is_empty() { self.asking.push_back(worker) } else { self.hand_out_shards(worker) }
    }

    fn hand_out_shards(&mut self, worker: u32) {
        let most = self.interim[worker as usize].permits.min(TEN).min(self.fifo.len() as u32);
        let back = self.queue_ns();
        for _ in 0..most {
            let Some(shard) = self.fifo.pop_front() else { break };
            let s = &self.shards[shard as usize];
            self.seen.waits.before.add(Kind::Interim, self.now - s.since, f64::from(s.batches));
            self.interim[worker as usize].permits -= 1;
            self.at(self.now + back / 2, Event::GotShard { shard, worker });
        }
        self.at(self.now + back, Event::AskShards { worker });
        self.seen.waits.before.add(Kind::Calls, back / 2, 0.0);
    }

    /// A look at the campaign where the last one was before the press, then whether it is expanded already.
    pub(super) fn got_shard(&mut self, shard: u32, worker: u32) {
        self.shards[shard as usize].worker = worker;
        let mut ready = self.now + self.ledger_ns();
        if self.interim[worker as usize].looked > self.now {
            ready += self.ledger_ns();
        }
        let took = ready - self.now;
        self.seen.waits.before.add(Kind::Calls, took, f64::from(self.shards[shard as usize].batches));
        self.at(ready, Event::ShardReady { shard });
    }

    pub(super) fn shard_ready(&mut self, shard: u32) {
        self.shards[shard as usize].since = self.now;
        if self.shards[shard as usize].batches == 0 {
            return self.at(self.now, Event::Sent { shard });
        }
        for _ in 0..self.s.fleet.sends_in_flight.max(1) {
            self.send_call(shard);
        }
    }

    /// The next ten batches of a shard, if any are left.
    fn send_call(&mut self, shard: u32) {
        let s = &mut self.shards[shard as usize];
        let count = TEN.min(s.batches - s.next);
        if count == 0 {
            return;
        }
        let (from, waited, worker) = (s.first + s.next, self.now - s.since, s.worker);
        s.next += count;
        s.in_flight += 1;
        let ran = self.interim_cpu(worker, ns_of_us(self.s.cpu.expand * f64::from(count)));
        let call = self.queue_ns();
        let waits = &mut self.seen.waits;
        let batches = f64::from(count);
        waits.slots += waited as f64 * batches;
        waits.sending[0] += (ran.end - self.now) as f64;
        waits.sending[1] += call as f64;
        waits.before.add(Kind::InterimCpu, ran.core + ran.thread, batches);
        waits.before.add(Kind::Work, ran.end - self.now - ran.core - ran.thread, batches);
        waits.before.add(Kind::Calls, call / 2, batches);
        self.at(ran.end + call / 2, Event::Arrived { from, count });
        self.at(ran.end + call, Event::Sent { shard });
    }

    fn interim_cpu(&mut self, worker: u32, work: Ns) -> Ran {
        let own = self.push.len() + worker as usize;
        let machine = if self.machines.len() == 1 { 0 } else { own };
        if machine == 0 {
            self.seen.cpu_s[1] += work as f64 / 1e9;
        }
        // Its runtime has a thread for each core: no piece waits for another's thread.
        let mut thread = self.now;
        self.machines[machine].run(&mut thread, self.now, work)
    }

    pub(super) fn sent(&mut self, shard: u32) {
        let s = &mut self.shards[shard as usize];
        s.in_flight = s.in_flight.saturating_sub(1);
        let (all, idle) = (s.next == s.batches, s.in_flight == 0);
        self.send_call(shard);
        if all && idle {
            // Counters, the mark, then the deletion.
            let marked = self.now + self.ledger_ns() + self.ledger_ns();
            self.seen.expanded.add(marked, 1);
            let deleted = marked + self.queue_ns();
            self.at(deleted, Event::Expanded { shard });
        }
    }

    pub(super) fn shard_done(&mut self, shard: u32) {
        let worker = self.shards[shard as usize].worker;
        let interim = &mut self.interim[worker as usize];
        interim.permits += 1;
        if !interim.asking {
            interim.asking = true;
            let half = self.queue_ns() / 2;
            self.at(self.now + half, Event::AskShards { worker });
        }
    }
}
