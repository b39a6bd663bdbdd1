//! While it sends: looks, and breaks what the scenario says.

use super::stage::Room;
use super::standins::StandIns;
use crate::output;
use crate::way::interrupted;
use anyhow::{Context, bail, ensure};
use common::campaign::{Campaign, State};
use control::{PressResult, Receipt, Status};
use loadtest::gateways::Behaviour;
use loadtest::rehearse::{Fault, Happened, Sample, What, When};
use serde_json::json;
use std::time::{Duration, Instant};

/// Looks may fail for so long: a process that was killed is being started again.
const BLIND_AT_MOST: Duration = Duration::from_secs(60);
/// After the deadline everything is settled within this.
const SETTLES_WITHIN: Duration = Duration::from_secs(300);

/// How often it is asked whether a phone could be reached by now: somebody may have started other workers.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) samples: Vec<Sample>,
    pub(super) happened: Vec<Happened>,
    pub(super) wall_ms: i64,
    /// Processor time of ours and of the gateways, by milliseconds from the press.
    used: Vec<(i64, (f64, f64))>,
}

impl Seen {
    /// What was used at the first look after this, and when that was.
    pub(super) fn used_until(&self, ms: i64) -> (i64, (f64, f64)) {
        let after = self.used.iter().find(|(at, _)| *at >= ms).or(self.used.last());
        after.copied().unwrap_or_default()
    }
}

/// Where a press stands.
struct Blast<'a, 'b> {
    room: &'a Room<'b>,
    id: &'a str,
    devices: u64,
    pressed: Instant,
    seen: Seen,
    /// Not broken yet.
    faults: Vec<Fault>,
    /// What changes the gateways now, and until when.
    changes: Vec<(Option<Instant>, Fault)>,
}

impl Room<'_> {
    /// Looks until it is done, and breaks things in between.
    pub(super) fn watch(&self, id: &str, devices: u64, pressed: Instant) -> anyhow::Result<Seen> {
        let (faults, seen) = (self.scenario.faults.clone(), Seen::default());
        let mut blast = Blast { room: self, id, devices, pressed, seen, faults, changes: Vec::new() };
        blast.until_done()?;
        let missed: Vec<_> = blast.faults.iter().map(|fault| fault.what.label()).collect();
        ensure!(
            missed.is_empty(),
            "it was over before `{}` was due: take more users, slower gateways, or an earlier `at`",
            missed.join("`, `")
        );
        Ok(blast.seen)
    }
}

impl Blast<'_, '_> {
    fn until_done(&mut self) -> anyhow::Result<()> {
        let bar = output::progress("sending", Some(self.devices));
        let mut asked = Instant::now();
        let patience = self.room.scenario.campaign.deadline.0 + SETTLES_WITHIN;
        loop {
            interrupted::wait_if_interrupted();
            let status = self.status()?;
            self.seen.samples.push(sample(&status));
            bar.set_position(status.so_far.settled().min(self.devices));
            self.seen.wall_ms = self.ms();
            self.seen.used.push((self.seen.wall_ms, self.room.stage.used()));
            match status.campaign.state {
                State::Done => break,
                State::Sending => {}
                other => bail!("the campaign is {other:?}, and nobody here did that"),
            }
            ensure!(
                self.pressed.elapsed() < patience,
                "it is not done {} s after its deadline",
                SETTLES_WITHIN.as_secs()
            );
            if asked.elapsed() >= ASK_AGAIN {
                self.room.stage.reaches_no_phone()?;
                asked = Instant::now();
            }
            self.mend()?;
            self.break_what_is_due(&status)?;
            std::thread::sleep(self.room.stage.look());
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// How it stands, as soon as anybody answers.
    fn status(&self) -> anyhow::Result<Status> {
        let began = Instant::now();
        loop {
            match self.room.way.client.get(&format!("/v1/campaigns/{}/status", self.id)) {
                Ok(status) => return Ok(status),
                Err(error) if began.elapsed() > BLIND_AT_MOST => return Err(error),
                Err(_) => std::thread::sleep(self.room.stage.look()),
            }
        }
    }

    fn ms(&self) -> i64 {
        i64::try_from(self.pressed.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn note(&mut self, what: String) {
        let ms = self.ms();
        self.room.way.say.line(&format!("{ms:>7} ms  {what}"));
        self.seen.happened.push(Happened { ms, what });
    }

    /// Ends what has lasted long enough.
    fn mend(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let over = |(until, _): &(Option<Instant>, Fault)| until.is_some_and(|until| until <= now);
        if !self.changes.iter().any(over) {
            return Ok(());
        }
        self.changes.retain(|change| !over(change));
        self.note("the gateways are mended".to_owned());
        self.set_gateways()
    }

    /// The gateways as the scenario has them, with all that changes them now.
    fn set_gateways(&self) -> anyhow::Result<()> {
        let from = Ok(self.room.scenario.gateways.clone());
        let behaviour = self
            .changes
            .iter()
            .fold(from, |from: Result<Behaviour, String>, (_, fault)| fault.changed(&from?));
        let gateways = self.room.stage.gateways().context("nobody can reach the gateways to change them")?;
        gateways.set(&behaviour.map_err(anyhow::Error::msg)?)
    }

    fn break_what_is_due(&mut self, status: &Status) -> anyhow::Result<()> {
        if self.faults.is_empty() {
            return Ok(());
        }
        // The live counters are a second old at times: what the gateways answered is known at once.
        let said = self.room.stage.gateways().map(StandIns::answered).transpose()?;
        let answered = said.unwrap_or(0).max(status.so_far.settled());
        let (devices, elapsed) = (self.devices, self.pressed.elapsed());
        let is_due = |fault: &Fault| match fault.at {
            When::Percent(percent) => answered * 100 >= devices * u64::from(percent),
            When::After(span) => elapsed >= span.0,
        };
        let Some(place) = self.faults.iter().position(is_due) else { return Ok(()) };
        let fault = self.faults.remove(place);
        let what = fault.what.label();
        ensure!(
            answered < devices,
            "everybody had an answer before `{what}` was due: take more users, slower gateways, or an earlier `at`"
        );
        self.do_it(&fault, answered)
    }

    fn do_it(&mut self, fault: &Fault, answered: u64) -> anyhow::Result<()> {
        let (stage, at) = (self.room.stage, output::count(answered));
        let lasts = fault.lasts.map_or(Duration::ZERO, |span| span.0);
        match fault.what {
            What::Kill | What::Terminate | What::Freeze => {
                stage.hurt(fault.what, lasts, &at, &mut |what| self.note(what))?;
            }
            What::Stop => self.stop(lasts, &at)?,
            What::PressAgain => self.press_again(&at)?,
            What::DeafGateways => {
                self.note(format!("the gateways read nothing, at {at} devices"));
                self.changes.push((Some(Instant::now() + lasts), fault.clone()));
                self.set_gateways()?;
            }
            What::Gateways => {
                let until = fault.lasts.map(|_| Instant::now() + lasts);
                self.changes.push((until, fault.clone()));
                self.set_gateways()?;
                let set: Vec<_> = fault.set.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                self.note(format!("the gateways change, at {at} devices: {}", set.join(", ")));
            }
        }
        Ok(())
    }

    /// Presses once more: whoever was first stays first. That nothing is sent twice, the journal shows at the end.
    fn press_again(&mut self, at: &str) -> anyhow::Result<()> {
        self.note(format!("pressed again by hand, at {at} devices"));
        let path = format!("/v1/campaigns/{}/press", self.id);
        let receipt: Receipt = self.room.way.client.post(&path, &json!({}))?;
        let again = receipt.result == PressResult::AlreadyPressed;
        ensure!(again, "a second press was answered as if it were the first: {}", receipt.sentence);
        self.note(receipt.sentence);
        Ok(())
    }

    /// Stops, waits for `stopped`, waits, resumes.
    fn stop(&mut self, lasts: Duration, at: &str) -> anyhow::Result<()> {
        let client = self.room.way.client;
        let _: Campaign = client.post(&format!("/v1/campaigns/{}/abort", self.id), &json!({}))?;
        self.note(format!("stopped by hand, at {at} devices"));
        let stopped = loop {
            let status = self.status()?;
            match status.campaign.state {
                State::Stopped => break status.campaign,
                State::Stopping => std::thread::sleep(self.room.stage.look()),
                other => bail!("the campaign was {other:?} before it could be stopped: take a smaller `at`"),
            }
        };
        let books = stopped.books.context("a stopped campaign without books")?;
        ensure!(
            books.aborted > 0,
            "everybody had been sent to when it was stopped: take more users, or a smaller `at`"
        );
        let sum = books.accepted + books.rejected;
        self.note(format!("stopped: {} sent, {} not", output::count(sum), output::count(books.aborted)));
        std::thread::sleep(lasts);
        interrupted::wait_if_interrupted();
        let _: Campaign = client.post(&format!("/v1/campaigns/{}/resume", self.id), &json!({}))?;
        self.note("resumed".to_owned());
        Ok(())
    }
}

fn sample(status: &Status) -> Sample {
    let from = status.campaign.pressed_at().map_or(status.at.0, |at| at.0);
    Sample {
        ms: status.at.0 - from,
        shard_queue: status.shard_queue.0 + status.shard_queue.1,
        batch_queue: status.batch_queue.0,
        batches_in_flight: status.batch_queue.1,
        settled: status.so_far.settled(),
    }
}
