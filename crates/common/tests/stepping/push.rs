//! A push worker and the gateway that it talks to, one effect a step. It may be slow at any point: then time passes
//! between its steps.

use super::world::{Job, World};
use common::campaign::State;
use common::envelope::Head;
use common::ids::{Epoch, Fence, WorkerId};
use common::ledger::{ClaimAnswer, ClaimRequest, CompleteRequest, DeviceResult, claim, complete};
use common::limits::{CLAIM_LEASE, CLAIM_MARGIN, LOOK_GOOD_FOR};
use common::outcome::Outcome;
use common::plan::{Gate, gate};
use common::queue::Ticket;
use rand::RngExt;
use std::time::Duration;

/// What the last look showed.
#[derive(Clone, Copy)]
struct View {
    epoch: Epoch,
    live: bool,
    began: i64,
}

enum Doing {
    Idle,
    Got(Ticket, Job),
    Sending(Ticket, Job, Claimed),
    /// Results are in: 0 the retry envelope, 1 the completion, 2 the delete.
    Finishing(Ticket, Job, Claimed, u8),
}

struct Claimed {
    fence: Fence,
    /// On the monotonic clock; taken before the claim was asked for.
    lease_end: i64,
    todo: Vec<u16>,
    results: Vec<DeviceResult>,
}

pub(super) struct Pusher {
    id: WorkerId,
    view: Option<View>,
    doing: Doing,
}

impl Pusher {
    pub(super) fn new(id: u64) -> Self {
        Self { id: WorkerId(id), view: None, doing: Doing::Idle }
    }

    pub(super) fn what(&self) -> &'static str {
        match self.doing {
            Doing::Idle => "idle",
            Doing::Got(..) => "with an envelope that it has not claimed",
            Doing::Sending(..) => "while sending",
            Doing::Finishing(..) => "before its completion was through",
        }
    }

    pub(super) fn step(&mut self, world: &mut World) {
        if self.view.is_none() || world.rng.random_bool(0.3) {
            let live = world.campaign.live_run().is_some();
            self.view = Some(View { epoch: world.campaign.epoch, live, began: world.mono });
            return;
        }
        self.doing = match std::mem::replace(&mut self.doing, Doing::Idle) {
            Doing::Idle => world.receive_batch().map_or(Doing::Idle, |(ticket, job)| Doing::Got(ticket, job)),
            Doing::Got(ticket, job) => self.claim(world, ticket, job),
            Doing::Sending(ticket, job, claimed) => self.send(world, ticket, job, claimed),
            Doing::Finishing(ticket, job, claimed, stage) => finish(world, ticket, job, claimed, stage),
        };
    }

    fn gate(&self, world: &World, head: &Head) -> Gate {
        match self.view {
            Some(v) if world.mono - v.began < LOOK_GOOD_FOR.as_millis() as i64 => {
                gate(head, v.epoch, v.live, world.now())
            }
            _ => Gate::LookAgain,
        }
    }

    fn claim(&mut self, world: &mut World, ticket: Ticket, job: Job) -> Doing {
        match self.gate(world, &job.head) {
            Gate::Drop => {
                world.delete_batch(ticket);
                return Doing::Idle;
            }
            Gate::LookAgain => {
                self.view = None;
                return Doing::Got(ticket, job);
            }
            Gate::Go => {}
        }
        let ask = ClaimRequest {
            key: job.key,
            epoch: job.head.epoch,
            holder: self.id,
            lease: CLAIM_LEASE,
            blank: world.blank(job.key),
            only: job.only.clone().unwrap_or_default(),
            resend_ambiguous: world.campaign.options.resend_ambiguous,
            now: world.now(),
        };
        let lapses = world.ledger.get(&job.key).is_some_and(|r| r.holder.is_some());
        let (answer, record) = claim(world.ledger.get(&job.key), &ask);
        let (key, id) = (job.key, self.id);
        world.note(|| format!("worker {id} claims {key}: {answer:?}"));
        if let Some(record) = record {
            world.lapsed += u32::from(lapses);
            world.ledger.insert(job.key, record);
        }
        match answer {
            ClaimAnswer::Done | ClaimAnswer::Stale => {
                world.delete_batch(ticket);
                Doing::Idle
            }
            ClaimAnswer::HeldUntil(until) => {
                world.hide_batch(ticket, until);
                Doing::Idle
            }
            ClaimAnswer::Granted { fence, unsent, .. } => {
                let lease_end = world.mono + CLAIM_LEASE.as_millis() as i64;
                let todo = (0..).zip(&unsent).filter(|(_, u)| **u).map(|(p, _)| p).collect();
                Doing::Sending(ticket, job, Claimed { fence, lease_end, todo, results: Vec::new() })
            }
        }
    }

    fn send(&mut self, world: &mut World, ticket: Ticket, job: Job, mut claimed: Claimed) -> Doing {
        let Some(place) = claimed.todo.pop() else { return Doing::Finishing(ticket, job, claimed, 0) };
        let in_lease = world.mono < claimed.lease_end - CLAIM_MARGIN.as_millis() as i64;
        let outcome = if in_lease && self.gate(world, &job.head) == Gate::Go {
            world.gateway(&job, place)
        } else {
            Outcome::Unsent
        };
        claimed.results.push(DeviceResult { index: place, outcome, at: world.now(), dead_since: None });
        Doing::Sending(ticket, job, claimed)
    }
}

fn finish(world: &mut World, ticket: Ticket, job: Job, claimed: Claimed, stage: u8) -> Doing {
    let left: Vec<u16> =
        claimed.results.iter().filter(|r| r.outcome == Outcome::Unsent).map(|r| r.index).collect();
    match stage {
        0 => {
            if !left.is_empty() {
                let retry = Job { only: Some(left), attempt: job.attempt.saturating_add(1), ..job.clone() };
                world.send_batch(&retry, Duration::from_millis(100));
            }
        }
        1 => {
            let done = CompleteRequest {
                key: job.key,
                fence: claimed.fence,
                results: claimed.results.clone(),
                sent_at: None,
                now: world.now(),
            };
            let (answer, record) = complete(world.ledger.get(&job.key), &done);
            world.note(|| format!("complete {} with fence {}: {answer:?}", job.key, claimed.fence));
            if let Some(record) = record {
                world.ledger.insert(job.key, record);
            }
        }
        _ => {
            world.delete_batch(ticket);
            return Doing::Idle;
        }
    }
    Doing::Finishing(ticket, job, claimed, stage + 1)
}

impl World {
    /// A request reaches the gateway. Answers the outcome that the worker sees.
    fn gateway(&mut self, job: &Job, place: u16) -> Outcome {
        let key = job.key;
        if self.now() >= job.head.deadline_at {
            self.fail(&format!("device {key}:{place} was sent after the deadline"));
        }
        if self.campaign.state == State::Stopped {
            self.fail(&format!("device {key}:{place} was sent after `stopped` was answered"));
        }
        let lot = if self.stormy { self.rng.random_range(0..100) } else { 0 };
        let heard = self.heard.entry((key, place)).or_default();
        let (outcome, word) = match lot {
            0..80 => {
                heard.accepted += 1;
                (Outcome::Accepted, "accepted")
            }
            80..86 => {
                heard.accepted += 1;
                (Outcome::Ambiguous, "accepted, and the answer lost")
            }
            86..90 => (Outcome::Ambiguous, "lost"),
            90..94 if heard.accepted == 0 => {
                heard.rejected = true;
                (Outcome::Unregistered, "token gone")
            }
            _ => (Outcome::Unsent, "throttled or not processed"),
        };
        self.note(|| format!("gateway: {key}:{place} {word}"));
        outcome
    }
}
