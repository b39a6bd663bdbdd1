//! The way that a team goes, over the API: import, create, upload, arm, press, report. `owl demo` and `owl rehearse` go it
//! against stand-in gateways, and hold these against the ledger afterwards.

pub(crate) mod gateways;
mod generate;
pub(crate) mod interrupted;
pub(crate) mod stage;
pub(crate) mod verify;

pub(crate) use generate::Made;

use crate::client::{Client, Kind};
use crate::commands::campaign::built;
use crate::commands::devices::imported;
use crate::output::{self, outln};
use anyhow::{Context, bail};
use common::campaign::{Campaign, State};
use common::content::{Content, Text};
use common::fleet::Expected;
use control::{ArmRequest, Preflight, Receipt, Report};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often it is asked whether the books are closed.
const LOOK: Duration = Duration::from_millis(100);

/// Says what is being done, unless only JSON is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Say {
    /// On standard error then.
    pub(crate) quiet: bool,
}

impl Say {
    pub(crate) fn line(self, text: &str) {
        if self.quiet {
            eprintln!("{text}");
        } else {
            outln!("{text}");
        }
    }
}

/// Where devices and audience come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    Made(&'a Made),
    Files { devices: &'a Path, audience: &'a Path },
}

/// What is sent, and how it is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// A payload that shows nothing.
    pub(crate) silent: bool,
    pub(crate) deadline: Duration,
    pub(crate) shards: u16,
    pub(crate) batch_users: u16,
    /// What was written and never answered is sent again.
    pub(crate) resend_ambiguous: bool,
}

/// The way, with one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    pub(crate) client: &'a Client,
    pub(crate) say: Say,
}

impl Way<'_> {
    /// Imports the devices.
    pub(crate) fn import(&self, source: Source<'_>) -> anyhow::Result<()> {
        let began = Instant::now();
        let answer: Value = match source {
            Source::Files { devices, .. } => self.client.post_stream(
                "/v1/devices",
                Kind::of_devices(devices),
                open(devices, "importing devices")?,
            )?,
            Source::Made(made) => {
                let kind = Kind { content_type: "text/csv", encoding: None };
                let bar = output::progress("importing devices", None);
                let answer =
                    self.client.post_stream("/v1/devices", kind, bar.wrap_read(made.devices_csv()))?;
                bar.finish_and_clear();
                answer
            }
        };
        if !self.say.quiet {
            imported(&answer);
        }
        self.say.line(&format!("            imported in {} ms", began.elapsed().as_millis()));
        Ok(())
    }

    /// Creates a campaign.
    pub(crate) fn create(&self, name: &str, sent: Sent) -> anyhow::Result<Campaign> {
        interrupted::wait_if_interrupted();
        let content = if sent.silent { Content::silent() } else { content() };
        let options = json!({
            "deadline_ms": u64::try_from(sent.deadline.as_millis()).unwrap_or(u64::MAX),
            "shards": sent.shards,
            "batch_users": sent.batch_users,
            "resend_ambiguous": sent.resend_ambiguous,
        });
        self.client.post("/v1/campaigns", &json!({ "name": name, "content": content, "options": options }))
    }

    /// Uploads the audience and waits for the snapshot.
    pub(crate) fn upload(&self, id: &str, source: Source<'_>) -> anyhow::Result<Campaign> {
        let url = format!("/v1/campaigns/{id}/audience");
        let _: Value = match source {
            Source::Files { audience, .. } => {
                self.client.put_stream(&url, Kind::of(audience), open(audience, "uploading")?)?
            }
            Source::Made(made) => {
                let kind = Kind { content_type: "text/csv", encoding: None };
                self.client.put_stream(&url, kind, made.audience_csv())?
            }
        };
        let campaign = built(self.client, id)?;
        let Some(snapshot) = campaign.snapshot.as_ref().filter(|_| campaign.state == State::Ready) else {
            bail!("the snapshot was not built: {}", campaign.failure.unwrap_or_default());
        };
        let (users, devices) = (output::count(snapshot.users), output::count(snapshot.device_count()));
        let (batches, ms) = (snapshot.batches, snapshot.build_ms);
        let built =
            format!("snapshot    {users} users, {devices} devices, {batches} batches, built in {ms} ms");
        self.say.line(&built);
        Ok(campaign)
    }

    /// Arms, and answers how long the slowest worker took to load the snapshot.
    pub(crate) fn arm(&self, id: &str, expect: Expected) -> anyhow::Result<u64> {
        interrupted::wait_if_interrupted();
        let request = ArmRequest { wait_ms: 120_000, expect, ..ArmRequest::default() };
        let _: Campaign = self.client.post(&format!("/v1/campaigns/{id}/arm"), &json!(request))?;
        let checks: Preflight = self.client.get(&format!("/v1/campaigns/{id}/preflight"))?;
        let green = checks.checks.iter().filter(|c| c.light == control::Light::Green).count();
        self.say.line(&format!("armed       {green} of {} checks are green", checks.checks.len()));
        for warning in checks.warnings() {
            self.say.line(&format!("            {warning}"));
        }
        let fleet: Value = self.client.get("/v1/fleet")?;
        let ms = |w: &Value| (w["role"] == "interim").then(|| w["prepare_ms"].as_u64()).flatten();
        Ok(fleet["workers"].as_array().into_iter().flatten().filter_map(ms).max().unwrap_or(0))
    }

    /// Presses. Answers the receipt, and how many milliseconds it took.
    pub(crate) fn press(&self, id: &str) -> anyhow::Result<(Receipt, u64)> {
        interrupted::wait_if_interrupted();
        let began = Instant::now();
        let receipt: Receipt = self.client.post(&format!("/v1/campaigns/{id}/press"), &json!({}))?;
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.say.line(&format!("press       {} (receipt after {ms} ms)", receipt.sentence));
        Ok((receipt, ms))
    }

    /// The report, once the dead tokens are written back.
    pub(crate) fn report(&self, id: &str) -> anyhow::Result<Report> {
        loop {
            let report: Report = self.client.get(&format!("/v1/campaigns/{id}/report"))?;
            if report.campaign.tokens_removed.is_some() {
                return Ok(report);
            }
            std::thread::sleep(LOOK);
        }
    }
}

fn open(file: &Path, what: &str) -> anyhow::Result<impl Read + use<>> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let size = opened.metadata()?.len();
    Ok(output::progress(what, Some(size)).wrap_read(opened))
}

fn content() -> Content {
    let mut content = Content::english("Superb Owl", "Do your lesson. You know what happens if you don't.");
    let text = |title: &str, body: &str| Text { title: title.to_owned(), body: body.to_owned() };
    let pt = text("Superb Owl", "Faça sua lição. Você sabe o que acontece se não fizer.");
    let de = text("Superb Owl", "Mach deine Lektion. Du weißt, was sonst passiert.");
    content.texts.extend([("pt".to_owned(), pt), ("de".to_owned(), de)]);
    content
}
