//! Where batches waited, by what they waited for. The binding limit is read off here, never guessed.

use crate::Ns;
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($kind:ident $name:literal $advice:literal;)*) => {
        /// What a batch may wait for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $(#[doc = $name] $kind,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// In words.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// What to change when it is what limits.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self { $(Self::$kind => $advice,)* }
            }
        }
    };
}

kinds! {
    Calls "round trips to queues and tables" "nothing waits in line: only faster calls would help, not more workers";
    RoundTrip "the gateways' round trip" "nothing waits in line: what is left is the gateways' own time";
    Work "the work itself" "nothing waits in line: what is left is the CPU of each batch's own steps";
    Gather "gathering what ends together" "shorten push.gather_ms";
    FifoRate "the FIFO queue's rate" "fewer shards, or FIFO high throughput";
    Interim "an interim worker with a permit" "more interim workers, or interim.permits";
    SendCalls "send calls of a shard" "interim.sends_in_flight, more shards, or more interim workers";
    InterimCpu "interim workers' CPU" "more interim workers, or more vCPU for each";
    InFlight "the queue's 120,000 envelopes in flight" "fewer lanes or push.devices_in_flight, or more users a batch";
    Receivers "receive calls" "push.receivers, or more push workers";
    Room "room for devices in a lane" "push.devices_in_flight (what a process that dies may leave in doubt), more lanes, or more push workers";
    Lane "a lane's one thread" "more lanes, where cores are free; else more push workers";
    Cpu "push workers' CPU" "more push workers, or more vCPU for each";
    LedgerCalls "calls that a process may have at a table" "more push workers";
    Partition "the ledger's partitions" "warm throughput of the ledger's table";
    ApnsRate "what an APNs connection does in a second" "more APNs connections a lane (apns.connections), or more push workers";
    ApnsStreams "streams to APNs" "more APNs connections a lane (apns.connections), or more push workers";
    FcmStreams "streams to FCM" "more FCM connections a lane (fcm.connections), or more push workers";
    FcmQuota "FCM's quota" "ask Google for more, weeks ahead; more workers change nothing";
    GatewayCpu "the stand-in gateways' CPU" "the real ones take no CPU of ours: a rehearsal on two machines would show it";
}

impl Kind {
    /// A batch's own time, which nobody else takes from it.
    #[must_use]
    pub fn is_own(self) -> bool {
        matches!(self, Self::Calls | Self::RoundTrip | Self::Work | Self::Gather)
    }
}

const KINDS: usize = Kind::ALL.len();

/// Sums of nanoseconds, over batches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits {
    /// While a batch holds room in a lane.
    pub(crate) held: Sums,
    /// Before.
    pub(crate) before: Sums,
    /// On the batch queue.
    pub(crate) queued: f64,
    /// While the queue was not empty: receivers without room, in calls, asleep, or held up by the queue's limit.
    pub(crate) receivers: [f64; 4],
    /// Waited for a send call, and what these calls were doing: working, on their way.
    pub(crate) slots: f64,
    pub(crate) sending: [f64; 2],
    /// What streams were taken by, for APNs and FCM: a connection's rate, a stand-in's CPU, the round trip.
    pub(crate) streams: [[f64; 3]; 2],
}

/// By kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums([f64; KINDS]);

impl Sums {
    pub(crate) fn add(&mut self, kind: Kind, ns: Ns, batches: f64) {
        self.0[kind as usize] += ns as f64 * batches;
    }

    fn get(&self, kind: Kind) -> f64 {
        self.0[kind as usize]
    }

    fn total(&self) -> f64 {
        self.0.iter().sum()
    }
}

/// Mean time of a batch that went into waiting for something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waited {
    /// For what.
    pub kind: Kind,
    /// The same in words.
    pub name: String,
    /// How long, in milliseconds.
    pub mean_ms: f64,
}

impl Waits {
    /// By what it was for, longest first. What waited on the queue is laid on what kept the receivers from taking it: on
    /// receiving itself, and, where lanes were full, on what those waited for that filled them.
    pub(crate) fn settle(&self, batches: u64) -> Vec<Waited> {
        let (mut all, held) = (Sums::default(), self.held_by_cause());
        for kind in Kind::ALL {
            all.0[*kind as usize] = held.get(*kind) + self.before.get(*kind);
        }
        let working: f64 = self.sending.iter().sum();
        all.0[Kind::InterimCpu as usize] += self.slots * share(self.sending[0], working);
        all.0[Kind::SendCalls as usize] += self.slots * (1.0 - share(self.sending[0], working));
        // Who waits for a permit waits for those who hold them, and these work or have calls on their way.
        let permit = all.get(Kind::Interim) * share(self.sending[0], working);
        all.0[Kind::Interim as usize] -= permit;
        all.0[Kind::InterimCpu as usize] += permit;
        // Whoever sleeps does so because the lane's first receiver got nothing: it is that one's reason that counts.
        let [blocked, calling, _, limited] = self.receivers;
        let watched = blocked + calling + limited;
        let [blocked, calling, limited] =
            [blocked, calling, limited].map(|part| self.queued * share(part, watched));
        all.0[Kind::Receivers as usize] += calling + if watched > 0.0 { 0.0 } else { self.queued };
        all.0[Kind::InFlight as usize] += limited;
        for kind in Kind::ALL {
            let part = blocked * share(held.get(*kind), held.total());
            let on = if kind.is_own() { Kind::Room } else { *kind };
            all.0[on as usize] += part;
        }
        let mean = |kind: &Kind| Waited {
            kind: *kind,
            name: kind.name().to_owned(),
            mean_ms: all.get(*kind) / 1e6 / batches.max(1) as f64,
        };
        let mut waited: Vec<_> = Kind::ALL.iter().map(mean).filter(|w| w.mean_ms > 0.0005).collect();
        waited.sort_by(|a, b| b.mean_ms.total_cmp(&a.mean_ms));
        waited
    }

    /// Who waits for a stream waits for those who have them, and these are held up by their connection's rate, by a
    /// stand-in's CPU, or by nothing but their answers.
    fn held_by_cause(&self) -> Sums {
        let mut held = self.held.clone();
        for (kind, [rate, cpu, trip]) in [Kind::ApnsStreams, Kind::FcmStreams].into_iter().zip(self.streams) {
            let (waited, all) = (held.get(kind), rate + cpu + trip);
            for (cause, part) in [(Kind::ApnsRate, rate), (Kind::GatewayCpu, cpu)] {
                held.0[cause as usize] += waited * share(part, all);
                held.0[kind as usize] -= waited * share(part, all);
            }
        }
        held
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_on_the_queue_is_laid_on_what_filled_the_lanes() {
        let mut waits = Waits { queued: 1e9, receivers: [3.0, 1.0, 0.0, 0.0], ..Waits::default() };
        waits.held.add(Kind::FcmStreams, 60_000_000, 1.0);
        waits.held.add(Kind::RoundTrip, 20_000_000, 1.0);
        let all = waits.settle(1);
        let ms = |kind| all.iter().find(|w| w.kind == kind).map_or(0.0, |w| w.mean_ms);
        assert_eq!(all[0].kind, Kind::FcmStreams);
        assert!((ms(Kind::FcmStreams) - (60.0 + 562.5)).abs() < 0.01);
        assert!((ms(Kind::Room) - 187.5).abs() < 0.01 && (ms(Kind::Receivers) - 250.0).abs() < 0.01);
        assert!((all.iter().map(|w| w.mean_ms).sum::<f64>() - 1_080.0).abs() < 0.01, "nothing is lost");
    }
}
