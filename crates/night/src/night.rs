//! One night from its beginning to its end.

use crate::audience::Audience;
use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::people::{Act, Receipts, act};
use crate::spec::{Size, Spec};
use crate::verdict;
use crate::world::{Tally, World};
use common::campaign::{Campaign, Decision, ListFormat, Options, Stamp, State, Upload};
use common::content::Content;
use common::fleet::Slot;
use common::ids::CampaignId;
use common::limits::REMOVING_MAX;
use common::time::{Clock, UnixMs};
use contract::memory::{MemoryParts, TokioClock};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet};

/// When every night begins.
const BEGIN: UnixMs = UnixMs(1_700_000_000_000);
/// After the faults and the last deadline, everything is settled within this.
const SETTLES_WITHIN: Duration = Duration::from_secs(120);
/// A process that is told to end has ended within this.
const LEAVES_WITHIN: Duration = Duration::from_secs(40);

/// What came of a night.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// A hash over all its events, in order.
    pub hash: u64,
    /// How many there were.
    pub events: u64,
    /// How long it lasted, in virtual milliseconds.
    pub virtual_ms: u64,
    /// How the campaign stands.
    pub state: String,
    /// Push workers in its fleet.
    pub push_workers: usize,
    /// What was counted.
    pub tally: Tally,
    /// The rule that was broken, if one was.
    pub violation: Option<String>,
    /// The night as it was drawn.
    #[serde(skip)]
    pub spec: String,
    /// The last events, or all, in words.
    #[serde(skip)]
    pub trace: Vec<String>,
}

/// Runs the night of this seed. `trace_all` keeps every event instead of the last ones.
///
/// # Errors
/// When the simulation itself can't be built: no runtime, no snapshot.
pub fn run(seed: u64, size: Size, trace_all: bool) -> anyhow::Result<Outcome> {
    let spec = Spec::draw(seed, size);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let local = LocalSet::new();
    let outcome = local.block_on(&runtime, one(spec, trace_all));
    // Tasks of both kinds, also those of husks, are dropped here, before anything else of the night.
    drop(local);
    drop(runtime);
    outcome
}

async fn one(spec: Spec, trace_all: bool) -> anyhow::Result<Outcome> {
    let (words, push_workers) = (spec.to_string(), spec.pushers);
    let clock = TokioClock::at(BEGIN);
    let (campaign, audience) = ready(&spec, &clock)?;
    let parts = MemoryParts::new(Arc::new(clock));
    for (key, bytes) in &audience.objects {
        parts.objects.poke(key, Some(bytes.clone()));
    }
    let id = campaign.id;
    parts.campaigns.poke_slot(Slot { version: 1, campaign: Some(id), scale: None });
    let (restarts, orders) = mpsc::unbounded_channel();
    let world = World::new(spec, parts, clock, (id, audience), restarts, trace_all);
    let begun = world.with(|s| s.monitor.moved(&campaign, 0));
    begun.map_err(|why| anyhow::anyhow!(why))?;
    world.parts.campaigns.poke(campaign);
    let fleet = Fleet::new(Arc::clone(&world));
    let keeping = tokio::task::spawn_local(Rc::clone(&fleet).keep(orders));
    tokio::select! {
        biased;
        () = world.violated.cancelled() => {}
        () = through(&fleet) => {}
    }
    keeping.abort();
    Ok(outcome(&world, words, push_workers))
}

fn outcome(world: &World, spec: String, push_workers: usize) -> Outcome {
    let (hash, events) = world.with(|s| s.trace.sum());
    let state = world.parts.campaigns.peek(world.campaign).map_or("none", |c| c.state.label()).to_owned();
    Outcome {
        seed: world.spec.seed,
        hash,
        events,
        virtual_ms: world.ms(),
        state,
        push_workers,
        tally: world.with(|s| s.tally),
        violation: world.violation(),
        spec,
        trace: world.with(|s| s.trace.lines()),
    }
}

/// A campaign that has its snapshot. It is not built here: building has its own tests, and hashes in threads.
fn ready(spec: &Spec, clock: &TokioClock) -> anyhow::Result<(Campaign, Audience)> {
    let (now, mut dice) = (clock.now(), Dice::new(spec.seed, 4));
    let options = Options {
        shards: spec.shards,
        batch_users: spec.batch_users,
        deadline_ms: spec.deadline_ms,
        resend_ambiguous: spec.resend_ambiguous,
        ..Options::default()
    };
    let stamp = Stamp::new("engineer", now);
    let mut campaign = Campaign::new("night", Content::english("Touchdown", "Look"), options, stamp.clone());
    campaign.id = CampaignId(uuid::Uuid::from_u64_pair(dice.throw(), dice.throw()));
    let audience = Audience::build(spec, campaign.id, now)?;
    let upload = Upload { object: "u".to_owned(), format: ListFormat::Plain, bytes: 1, stamp };
    let built = changed(campaign.upload(upload))?.build_done(audience.snapshot.clone());
    Ok((changed(built)?, audience))
}

fn changed(decision: Decision) -> anyhow::Result<Campaign> {
    match decision {
        Decision::Change(next) => Ok(*next),
        other => anyhow::bail!("{other:?}"),
    }
}

/// The fleet starts, people act, things go wrong; then nothing goes wrong any more, and everything must come to its end.
async fn through(fleet: &Rc<Fleet>) {
    let (world, receipts) = (&fleet.world, Rc::new(Receipts::default()));
    fleet.start_all();
    fleet.schedule_strikes();
    let mut people: Vec<JoinHandle<()>> = Vec::new();
    for (n, (at, what)) in world.spec.acts.clone().into_iter().enumerate() {
        let (fleet, receipts) = (Rc::clone(fleet), Rc::clone(&receipts));
        people.push(tokio::task::spawn_local(async move {
            tokio::time::sleep(Duration::from_millis(at)).await;
            act(fleet, what, format!("person-{n}"), receipts).await;
        }));
    }
    tokio::time::sleep(Duration::from_millis(world.spec.storm.1)).await;
    fleet.calm();
    if !settles(fleet, people, &receipts).await {
        return;
    }
    verdict::give(fleet).await;
    let left = fleet.leave(LEAVES_WITHIN).await;
    if !left.is_empty() {
        world.violate(format!("told to end, and still there after {LEAVES_WITHIN:?}: {}", left.join(", ")));
    }
}

/// Waits until nothing moves any more. False when a rule was broken.
async fn settles(fleet: &Rc<Fleet>, mut people: Vec<JoinHandle<()>>, receipts: &Rc<Receipts>) -> bool {
    let world = &fleet.world;
    let limit = SETTLES_WITHIN + REMOVING_MAX + 2 * Duration::from_millis(world.spec.deadline_ms);
    let (mut resumed, mut arming) = (!world.spec.resume_at_last, None::<JoinHandle<()>>);
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        people.retain(|p| !p.is_finished());
        let Some(campaign) = world.parts.campaigns.peek(world.campaign) else {
            world.violate("the record is gone");
            return false;
        };
        let somebody = |what| {
            let (fleet, receipts) = (Rc::clone(fleet), Rc::clone(receipts));
            tokio::task::spawn_local(act(fleet, what, "at-last".to_owned(), receipts))
        };
        match campaign.state {
            // Somebody stopped it before it was pressed; whoever wants to press it has it armed again.
            State::Ready if arming.as_ref().is_none_or(JoinHandle::is_finished) => {
                arming = Some(somebody(Act::Arm));
            }
            State::Armed if people.is_empty() => people.push(somebody(Act::Press)),
            State::Stopped if people.is_empty() && !resumed => {
                resumed = true;
                people.push(somebody(Act::Resume));
            }
            State::Stopped | State::Done if people.is_empty() && is_still(world, &campaign) => return true,
            _ => {}
        }
        if world.violated.is_cancelled() {
            return false;
        }
        if fleet.calm_for() > limit {
            let (shards, batches) = (world.parts.shards.bodies().len(), world.parts.batches.bodies().len());
            world.violate(format!(
                "nothing has gone wrong for {limit:?}, and it has not come to its end: {}, {shards} shard envelopes, {batches} batch envelopes, {} people",
                campaign.state.label(), people.len()
            ));
            return false;
        }
    }
}

/// Both queues are empty, and the dead tokens are seen to.
fn is_still(world: &World, campaign: &Campaign) -> bool {
    // A process that died at it has ten minutes before another one takes its place: one night in four waits for that.
    let begun = campaign.removing_since.is_some() && !world.spec.seed.is_multiple_of(4);
    let seen_to = campaign.state != State::Done || campaign.tokens_removed.is_some() || begun;
    seen_to && world.parts.shards.bodies().is_empty() && world.parts.batches.bodies().is_empty()
}
