//! What a rehearsal needs of the place where it happens, and the campaigns that are pressed there one after the other.

use super::embedded::Embedded;
use super::figures;
use super::served::Server;
use super::standins::StandIns;
use crate::client::Client;
use crate::output;
use crate::way::verify::{Against, Verdict};
use crate::way::{Made, Say, Sent, Source, Way};
use anyhow::{bail, ensure};
use common::campaign::{Campaign, SnapshotRef};
use common::fleet::Expected;
use loadtest::rehearse::{self as rehearsal, Audience, Pressed, Rehearsal, Scenario, What};
use std::time::{Duration, Instant};

/// How often a rehearsal looks.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// Where a rehearsal happens: on what it started itself, or on services that run already.
pub(super) trait Stage {
    /// Talks to the API.
    fn client(&self) -> &Client;

    /// The stand-in gateways, where they can be set and read.
    fn gateways(&self) -> Option<&StandIns>;

    /// What kind of gateways they are.
    fn mode(&self) -> anyhow::Result<String>;

    /// How often it is looked at while it sends.
    fn look(&self) -> Duration {
        LOOK
    }

    /// So many made-up users for its device table.
    fn audience(&self, users: u64, audience: &Audience) -> Made;

    /// Refuses where a phone could be reached. Asked before anything is made, right before each press, and while it is sent.
    fn reaches_no_phone(&self) -> anyhow::Result<()> {
        Ok(())
    }

    /// The fleet that an arming expects.
    fn expect(&self) -> Expected {
        Expected::default()
    }

    /// Has the devices in its table.
    fn fill(&self, way: &Way<'_>, made: &Made) -> anyhow::Result<()>;

    /// Refuses a snapshot that is not of all of them.
    fn is_whole(&self, _campaign: &Campaign, _made: &Made) -> anyhow::Result<()> {
        Ok(())
    }

    /// A campaign was created there.
    fn begun(&self, _id: &str) {}

    /// It is done; or it is not, and has to be put away.
    fn over(&self, _id: &str, _well: bool) {}

    /// Processor time of ours and of the gateways so far, in seconds; 0 where it is not measured.
    fn used(&self) -> (f64, f64) {
        (0.0, 0.0)
    }

    /// Notes memory and open files, where they can be seen.
    fn measure(&self, _pressed: &mut Pressed) {}

    /// Breaks the process that sends, and notes what it does.
    fn hurt(
        &self,
        what: What,
        _lasts: Duration,
        _at: &str,
        _note: &mut dyn FnMut(String),
    ) -> anyhow::Result<()> {
        bail!("`{}` needs a process that `owl rehearse` started itself", what.label())
    }

    /// Holds the ledger against the gateways' journal for the last campaign, device by device; nothing where there is no journal
    /// to be read.
    fn prove(self: Box<Self>, campaign: &Campaign) -> anyhow::Result<Option<Proof>>;
}

/// What ledger and journal say to each other.
pub(super) struct Proof {
    pub(super) against: Against,
    pub(super) verdict: Verdict,
}

/// A scenario, to be run.
pub(super) struct Rehearsed<'a> {
    pub(super) say: Say,
    pub(super) scenario: &'a Scenario,
    /// Services that run already; nothing has everything started here.
    pub(super) server: Option<&'a Server>,
}

/// One size of audience: what runs while it is pressed.
pub(super) struct Room<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) way: Way<'a>,
    pub(super) stage: &'a dyn Stage,
    made: Made,
}

impl<'a> Rehearsed<'a> {
    /// Runs all of it.
    pub(super) fn run(&self) -> anyhow::Result<Rehearsal> {
        let machine = figures::machine();
        let mut done = Rehearsal {
            about: self.scenario.about.clone(),
            began_unix_ms: figures::unix_ms(),
            machine,
            ..Rehearsal::default()
        };
        for &users in &self.scenario.audience.users {
            match self.size(users, &mut done.presses) {
                Ok(gateways) => done.gateways = gateways,
                // What was measured before is worth keeping.
                Err(error) => {
                    done.failed = Some(format!("{error:#}"));
                    break;
                }
            }
        }
        done.server = self.server.map(Server::served);
        for pressed in &mut done.presses {
            pressed.limits = rehearsal::limits(pressed, done.machine.cores, &self.scenario.faults);
            pressed.judged = rehearsal::judge(&self.scenario.objectives, pressed);
        }
        done.growth = rehearsal::judge_growth(&self.scenario.objectives, &done.presses);
        let all = done.presses.iter().flat_map(|p| &p.judged).chain(&done.growth);
        let holds = all.into_iter().all(|judged| judged.holds);
        done.passed = holds && !done.presses.is_empty() && done.failed.is_none();
        Ok(done)
    }

    fn stage(&self) -> anyhow::Result<Box<dyn Stage + 'a>> {
        match self.server {
            None => Ok(Box::new(Embedded::start(self.scenario)?)),
            Some(server) => Ok(Box::new(server.stage(self.scenario)?)),
        }
    }

    /// One audience, pressed as often as asked. Answers what the gateways were.
    fn size(&self, users: u64, presses: &mut Vec<Pressed>) -> anyhow::Result<String> {
        let stage = self.stage()?;
        let mode = stage.mode()?;
        let made = stage.audience(users, &self.scenario.audience);
        let way = Way { client: stage.client(), say: self.say };
        let room = Room { scenario: self.scenario, way, stage: &*stage, made };
        let last = room.press_all(presses)?;
        if let Some(Proof { against, verdict }) = stage.prove(&last)? {
            let Some(last) = presses.last_mut() else { return Err(super::nothing()) };
            let c = &mut last.counted;
            (c.lost, c.strangers, c.doubled) = (against.differ, verdict.strangers, verdict.duplicates);
            (c.seen, c.doubled_unexplained) = (verdict.accepted, against.unexplained);
        }
        Ok(mode)
    }
}

impl Room<'_> {
    /// Presses as often as asked. Answers the last campaign.
    fn press_all(&self, presses: &mut Vec<Pressed>) -> anyhow::Result<Campaign> {
        let wanted = &self.scenario.campaign;
        let began = Instant::now();
        let more = |number: u32| {
            let time_left = wanted.keep_pressing_for.is_some_and(|span| began.elapsed() < span.0);
            number <= wanted.presses || time_left
        };
        let mut last = None;
        for number in (1..).take_while(|number| more(*number)) {
            if let Some(gateways) = self.stage.gateways().filter(|_| number > 1) {
                gateways.reset()?;
                gateways.set(&self.scenario.gateways)?;
            }
            self.stage.reaches_no_phone()?;
            self.stage.fill(&self.way, &self.made)?;
            let (pressed, campaign) = self.press_once(number)?;
            presses.push(pressed);
            last = Some(campaign);
        }
        last.ok_or_else(super::nothing)
    }

    fn press_once(&self, number: u32) -> anyhow::Result<(Pressed, Campaign)> {
        let wanted = &self.scenario.campaign;
        let sent = Sent {
            silent: wanted.silent,
            deadline: wanted.deadline.0,
            shards: wanted.shards,
            batch_users: wanted.batch_users,
            resend_ambiguous: wanted.resend_ambiguous,
        };
        let campaign = self.way.create(&format!("rehearsal {number}"), sent)?;
        let id = campaign.id.to_string();
        self.stage.begun(&id);
        let pressed = self.press_created(&id);
        self.stage.over(&id, pressed.is_ok());
        pressed
    }

    fn press_created(&self, id: &str) -> anyhow::Result<(Pressed, Campaign)> {
        let campaign = self.way.upload(id, Source::Made(&self.made))?;
        self.stage.is_whole(&campaign, &self.made)?;
        let preload_ms = self.way.arm(id, self.stage.expect())?;
        let devices = campaign.snapshot.as_ref().map_or(0, SnapshotRef::device_count);
        self.stage.reaches_no_phone()?;
        let cpu = self.stage.used();
        let began = Instant::now();
        let (_, receipt_ms) = self.way.press(id)?;
        let seen = self.watch(id, devices, began)?;
        let said = self.stage.gateways().map(StandIns::summary).transpose()?;
        ensure!(
            said.as_ref().is_none_or(|said| said.overflow == 0),
            "the gateways' journal has no room for so many devices: take fewer users"
        );
        let report = self.way.report(id)?;
        let measured = figures::of(&report);
        let (sending_ms, used) = seen.used_until(measured.steps.completed.times.last_ms.unwrap_or(0));
        let mut pressed = Pressed {
            receipt_ms: i64::try_from(receipt_ms).unwrap_or(i64::MAX),
            samples: seen.samples,
            happened: seen.happened,
            wall_ms: seen.wall_ms,
            cpu_seconds: used.0 - cpu.0,
            gateway_cpu_seconds: used.1 - cpu.1,
            sending_ms,
            build_ms: campaign.snapshot.as_ref().map_or(0, |s| s.build_ms),
            preload_ms,
            ..measured
        };
        self.stage.measure(&mut pressed);
        match said {
            Some(said) => figures::journal(&mut pressed, &said),
            None => figures::books(&mut pressed),
        }
        let line = format!(
            "sent        {} accepted, {} refused, the last after {} ms",
            output::count(pressed.counted.accepted),
            output::count(pressed.counted.rejected),
            pressed.steps.accepted.times.last_ms.unwrap_or(0)
        );
        self.way.say.line(&line);
        Ok((pressed, report.campaign))
    }
}
