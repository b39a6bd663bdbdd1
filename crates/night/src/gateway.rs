//! Apple and Google as a push worker's lane sees them, and as they see it: groups are written one after the other, each is on
//! its way, is judged push by push where it arrives, and its answers are on their way back, or never come.

use crate::audience::number;
use crate::dice::Dice;
use crate::process::{Process, ProcessClock};
use crate::weather::Mood;
use crate::world::World;
use async_trait::async_trait;
use common::device::Platform;
use common::fleet::LinkRow;
use common::outcome::Outcome;
use common::time::{Clock, UnixMs};
use push_worker::gateway::{Answer, Answered, Gateway, MaySend, Prepare, Push};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Closing waits this long for answers.
const CLOSE_WAITS: Duration = Duration::from_secs(1);

/// One lane's connections to one gateway.
pub(crate) struct SimGateway {
    pub(crate) world: Arc<World>,
    pub(crate) process: Arc<Process>,
    pub(crate) platform: Platform,
    closed: CancellationToken,
}

/// A group on its way: who is in it, by place and number, and what will be said. `None`: nothing ever.
struct Sent {
    group: Vec<(u16, usize)>,
    until: Instant,
    answers: oneshot::Receiver<Option<Vec<(Answer, UnixMs)>>>,
}

/// Counts pushes that are asked for and not answered, for as long as it lives.
struct InHand<'a>(&'a Process, usize);

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(self.1, Ordering::Relaxed);
    }
}

impl SimGateway {
    pub(crate) fn new(world: Arc<World>, process: Arc<Process>, platform: Platform) -> Self {
        Self { world, process, platform, closed: CancellationToken::new() }
    }

    fn draw<T>(&self, f: impl FnOnce(&mut Dice) -> T) -> T {
        self.world.with(|s| f(&mut s.dice))
    }

    /// Writes a group, if it may be written at this very instant.
    fn write(&self, group: &[(u16, usize)], deadline_at: UnixMs, patience: Duration) -> Sent {
        let devices: Vec<usize> = group.iter().map(|(_, n)| *n).collect();
        let first = devices.first().copied().unwrap_or(0);
        let key = self.world.audience.devices.get(first).map_or(0, |d| crate::ports::place(d.key));
        self.world.note(&self.process, "writes to", self.platform.label(), [group.len() as u64, key], false);
        self.world.written(&self.process, &devices, deadline_at);
        let (tell, answers) = oneshot::channel();
        let (world, process, platform) = (Arc::clone(&self.world), Arc::clone(&self.process), self.platform);
        tokio::spawn(async move {
            let said = serve(&world, &process, platform, &devices).await;
            // Whoever asked may be gone.
            let _ = tell.send(said);
        });
        Sent { group: group.to_vec(), until: Instant::now() + patience, answers }
    }

    /// Waits for a group's answers.
    async fn answers(&self, sent: Sent) -> Vec<Answered> {
        let Sent { group, until, answers } = sent;
        let said = tokio::select! {
            biased;
            said = answers => said.ok().flatten(),
            () = tokio::time::sleep_until(until) => None,
            () = self.closed.cancelled() => None,
        };
        let said = match said {
            Some(said) => said,
            None => {
                // No answer at all: until the patience is over, or the connection is closed.
                tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(until) => {}
                    () = self.closed.cancelled() => {}
                }
                vec![(Answer::Ambiguous, ProcessClock(Arc::clone(&self.process)).now()); group.len()]
            }
        };
        group.into_iter().zip(said).map(|((place, _), (answer, at))| Answered { place, answer, at }).collect()
    }
}

/// Where pushes arrive: what becomes of each. Nothing here asks whether the sender still lives.
async fn serve(
    world: &World,
    process: &Arc<Process>,
    platform: Platform,
    devices: &[usize],
) -> Option<Vec<(Answer, UnixMs)>> {
    let mood = world.mood(platform);
    let half = world.spec.weather.round_trip / 2;
    let drags = matches!(mood, Some((_, Mood::Drags)));
    let usual = if drags { half * 10 } else { half };
    let tail = if world.is_stormy() { 20 } else { 0 };
    let (there, back) = world.with(|s| (s.dice.latency(usual, tail), s.dice.latency(usual, tail)));
    tokio::time::sleep(Duration::from_millis(there)).await;
    let odd = if world.is_stormy() { world.spec.weather.odd } else { 0 };
    let mut said = Vec::with_capacity(devices.len());
    for n in devices {
        let answer = judge(world, *n, mood, odd);
        match answer.1 {
            true => world.accepted(*n),
            false => world.refused(*n),
        }
        said.push(answer.0);
    }
    let accepted = said.iter().filter(|a| **a == Answer::Accepted).count() as u64;
    let lost = said.iter().filter(|a| **a == Answer::Ambiguous).count() as u64;
    world.note(process, "is answered (accepted, lost)", platform.label(), [accepted, lost], false);
    if matches!(mood, Some((_, Mood::Silent))) {
        return None;
    }
    tokio::time::sleep(Duration::from_millis(back)).await;
    let at = ProcessClock(Arc::clone(process)).now();
    Some(said.into_iter().map(|answer| (answer, at)).collect())
}

/// The answer to one push, and whether the gateway took it.
fn judge(world: &World, n: usize, mood: Option<(u32, Mood)>, odd: u32) -> (Answer, bool) {
    let device = world.audience.devices[n];
    let ms = Duration::from_millis;
    world.with(|s| {
        let d = &mut s.dice;
        let struck = mood.filter(|(share, _)| d.per_mille(*share)).map(|(_, mood)| mood);
        let good = if device.dead {
            let since = d.per_mille(500).then_some(UnixMs(1_600_000_000_000));
            (Answer::TokenGone { since }, false)
        } else if device.bad {
            (Answer::Rejected(Outcome::BadDeviceToken), false)
        } else {
            (Answer::Accepted, true)
        };
        match struck {
            Some(Mood::Throttles(after)) => {
                (Answer::Throttled { retry_after: after.map(ms), device: false }, false)
            }
            Some(Mood::Busy(after)) => (Answer::Unavailable { retry_after: after.map(ms) }, false),
            Some(Mood::Refuses) => (Answer::NotSent, false),
            Some(Mood::Distrusts) => (Answer::Misconfigured, false),
            Some(Mood::Expires) => (Answer::CredentialsExpired, false),
            Some(Mood::Resets | Mood::Silent) => (Answer::Ambiguous, good.1 && d.per_mille(500)),
            Some(Mood::Drags) | None if d.per_mille(odd) => match d.below(3) {
                0 => (Answer::Throttled { retry_after: None, device: true }, false),
                1 => (Answer::Unavailable { retry_after: None }, false),
                _ => (Answer::Ambiguous, good.1 && d.per_mille(500)),
            },
            Some(Mood::Drags) | None => good,
        }
    })
}

#[async_trait(?Send)]
impl Gateway for SimGateway {
    fn platform(&self) -> Platform {
        self.platform
    }

    async fn prepare(&self, _: &Prepare<'_>) -> Result<u32, String> {
        self.process.alive().await;
        let takes = self.draw(|d| d.between(5, 60));
        tokio::time::sleep(Duration::from_millis(takes)).await;
        self.process.alive().await;
        if self.world.chance(100) { Err("no connection".to_owned()) } else { Ok(100) }
    }

    async fn send(
        &self,
        pushes: &[Push<'_>],
        deadline_at: UnixMs,
        may_send: MaySend<'_>,
        patience: Duration,
    ) -> Vec<Answered> {
        self.process.in_hand.fetch_add(pushes.len(), Ordering::Relaxed);
        let _in_hand = InHand(&self.process, pushes.len());
        let all: Vec<(u16, usize)> =
            pushes.iter().filter_map(|p| Some((p.place, number(p.target)?))).collect();
        let (size, gap) = self.draw(|d| (d.count(1, 12), d.one_of(&[0, 0, 1, 15, 200])));
        let (mut answers, mut sent) = (Vec::with_capacity(all.len()), Vec::new());
        for group in all.chunks(size) {
            self.world.hit_write(&self.process);
            self.process.alive().await;
            if self.closed.is_cancelled() || !may_send() {
                let at = ProcessClock(Arc::clone(&self.process)).now();
                let not_sent =
                    |(place, _): &(u16, usize)| Answered { place: *place, answer: Answer::NotSent, at };
                answers.extend(group.iter().map(not_sent));
                continue;
            }
            sent.push(self.write(group, deadline_at, patience));
            if gap > 0 {
                tokio::time::sleep(Duration::from_millis(gap)).await;
            }
        }
        for one in sent {
            answers.extend(self.answers(one).await);
        }
        self.process.alive().await;
        answers
    }

    fn link(&self) -> LinkRow {
        LinkRow {
            gateway: self.platform.label().to_owned(),
            connections: 1,
            streams: 100,
            quota_per_s: None,
            credentials_until: None,
            trouble: None,
        }
    }

    fn is_rehearsal(&self) -> bool {
        true
    }

    async fn close(&self) {
        if self.process.in_hand.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(CLOSE_WAITS).await;
        }
        self.closed.cancel();
    }
}
