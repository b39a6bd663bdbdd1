//! The stage of a rehearsal against services that run already, somewhere: over their API, with stand-ins that run already too.

use super::fleet::Fleet;
use super::stage::{Proof, Stage};
use super::standins::StandIns;
use crate::client::Client;
use crate::output::count;
use crate::way::verify::held_against_served;
use crate::way::{Made, Say, Source, Way, interrupted};
use anyhow::{Context, bail, ensure};
use common::access::Role as Person;
use common::campaign::Campaign;
use common::fleet::{Expected, Role};
use loadtest::gateways::Behaviour;
use loadtest::rehearse::{Audience, Scenario, Served, What};
use serde::Deserialize;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::time::Duration;

/// How often the services are looked at while they send: over a network each look is a few requests of theirs.
const LOOK: Duration = Duration::from_millis(200);

/// Services that run already.
pub(super) struct Server {
    client: Client,
    gateways: Option<StandIns>,
    /// How the stand-ins behaved before.
    before: Vec<Behaviour>,
    mode: String,
    /// Whether the token may fill the device table.
    may_import: bool,
    sets_gateways: bool,
    say: Say,
    fleet: RefCell<Fleet>,
}

/// Whose token it is.
#[derive(Deserialize)]
struct Session {
    role: Person,
    can: Vec<String>,
}

impl Server {
    /// Looks whether this scenario can be rehearsed there. Nothing is changed.
    pub(super) fn open(
        client: Client,
        gateways: &[String],
        scenario: &Scenario,
        say: Say,
    ) -> anyhow::Result<Self> {
        // What was typed wrong is told before anybody is asked.
        let gateways = (!gateways.is_empty()).then(|| StandIns::new(gateways)).transpose()?;
        let session: Session = client.get("/v1/session")?;
        session.suffices(scenario, gateways.is_some())?;
        let fleet = Fleet::read(&client)?;
        fleet.reaches_no_phone(client.server())?;
        let mode = gateways.as_ref().map_or_else(|| Ok("not asked".to_owned()), StandIns::mode)?;
        let before = gateways.as_ref().map_or_else(|| Ok(Vec::new()), StandIns::behaviours)?;
        let may_import = session.may("import");
        let sets_gateways = scenario.gateways != Behaviour::default();
        let fleet = RefCell::new(fleet);
        interrupted::elsewhere(format!("What was sent to {} stays there.", client.server()));
        Ok(Self { client, gateways, before, mode, may_import, sets_gateways, say, fleet })
    }

    /// What the page says of it.
    pub(super) fn served(&self) -> Served {
        let fleet = self.fleet.borrow();
        Served {
            url: self.client.server().to_owned(),
            interim_workers: fleet.count(Role::Interim).into(),
            push_workers: fleet.count(Role::Push).into(),
            versions: fleet.versions(),
            journals: self.gateways.as_ref().map(StandIns::addresses).unwrap_or_default(),
            notes: self.notes(),
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut all = vec![
            "CPU, memory and open files of the services were not measured: they do not report them here."
                .to_owned(),
        ];
        if self.gateways.is_none() {
            all.push(
                "The gateways' journal was not looked at (no --gateways): lost and doubled are by the ledger's books alone."
                    .to_owned(),
            );
            if self.sets_gateways {
                all.push(
                    "The stand-ins behaved as they were started: what the scenario says of the gateways was not set (no --gateways)."
                        .to_owned(),
                );
            }
        }
        all
    }

    /// The stage for one size of audience. The stand-ins forget what was sent to them before, and behave as the scenario says.
    pub(super) fn stage(&self, scenario: &Scenario) -> anyhow::Result<Visit<'_>> {
        if let Some(gateways) = &self.gateways {
            let (addresses, before) = (gateways.addresses(), self.before.clone());
            interrupted::last(
                move || StandIns::set_back_now(&addresses, &before),
                "The stand-ins may still behave as the scenario says: start them anew.",
            );
            gateways.set(&scenario.gateways)?;
            gateways.reset()?;
        }
        Ok(Visit(self))
    }
}

impl Drop for Server {
    /// The stand-ins are somebody's: they behave as before again.
    fn drop(&mut self) {
        let Some(gateways) = &self.gateways else { return };
        if let Err(error) = gateways.set_back(&self.before) {
            self.say.line(&format!("gateways    they could not be set back to how they behaved: {error:#}"));
        }
    }
}

impl Session {
    fn may(&self, action: &str) -> bool {
        self.can.iter().any(|known| known == action)
    }

    /// That the token may do what the scenario takes.
    fn suffices(&self, scenario: &Scenario, journal: bool) -> anyhow::Result<()> {
        let stops = scenario.faults.iter().any(|fault| fault.what == What::Stop);
        let wanted = [
            ("create", true),
            ("upload", true),
            ("arm", true),
            ("press", true),
            ("abort", true),
            ("resume", stops),
            ("read_users", journal),
        ];
        let missing: Vec<_> = wanted
            .into_iter()
            .filter(|(action, is)| *is && !self.may(action))
            .map(|(action, _)| action)
            .collect();
        ensure!(
            missing.is_empty(),
            "the role {} may not {}: a rehearsal takes the token of a load-tester or of an administrator (docs/access.md)",
            self.role,
            missing.join(", ")
        );
        ensure!(
            self.role != Person::LoadTester || scenario.campaign.silent,
            "a load-tester's campaigns are silent: say `silent = true` under [campaign], or use an administrator's token"
        );
        Ok(())
    }
}

/// One size of audience at a server.
pub(super) struct Visit<'a>(&'a Server);

impl Stage for Visit<'_> {
    fn client(&self) -> &Client {
        &self.0.client
    }

    fn gateways(&self) -> Option<&StandIns> {
        self.0.gateways.as_ref()
    }

    fn mode(&self) -> anyhow::Result<String> {
        Ok(self.0.mode.clone())
    }

    fn look(&self) -> Duration {
        LOOK
    }

    fn audience(&self, users: u64, audience: &Audience) -> Made {
        Made::apart(users, audience)
    }

    fn reaches_no_phone(&self) -> anyhow::Result<()> {
        let fleet = Fleet::read(&self.0.client)?;
        let verdict = fleet.reaches_no_phone(self.0.client.server());
        self.0.fleet.replace(fleet);
        verdict
    }

    /// Whoever is there takes part.
    fn expect(&self) -> Expected {
        let fleet = self.0.fleet.borrow();
        let (interim, push) = (fleet.count(Role::Interim).max(1), fleet.count(Role::Push));
        Expected { interim: Some(interim), push: Some(push), percent: None }
    }

    fn fill(&self, way: &Way<'_>, made: &Made) -> anyhow::Result<()> {
        if self.0.may_import {
            return way.import(Source::Made(made));
        }
        self.0.say.line("devices     this token may not import them: those that are there are taken");
        Ok(())
    }

    fn is_whole(&self, campaign: &Campaign, made: &Made) -> anyhow::Result<()> {
        let found = campaign.snapshot.as_ref().map_or((0, 0), |s| (s.users, s.device_count()));
        if found == (made.users(), made.devices()) {
            return Ok(());
        }
        let (users, devices) = (count(found.0), count(found.1));
        let (all_users, all_devices) = (count(made.users()), count(made.devices()));
        let why = format!(
            "the device table has {users} of the scenario's {all_users} users and {devices} of their {all_devices} devices"
        );
        if self.0.may_import {
            bail!("{why}, though they were just imported: somebody else changes it");
        }
        bail!(
            "{why}, and this token may not import them. Whoever may (engineer, administrator) does so, before each rehearsal in which tokens die: `owl rehearse SCENARIO --print-devices > devices.csv`, then `owl devices import devices.csv`"
        )
    }

    fn begun(&self, id: &str) {
        let server = self.0.client.server();
        interrupted::elsewhere(format!(
            "The campaign at {server} goes on: `owl --server {server} campaign abort {id}` stops it, and frees the fleet where it is armed."
        ));
        // Created in the moment of an interruption: it is named, and goes no further.
        interrupted::wait_if_interrupted();
    }

    fn over(&self, id: &str, well: bool) {
        let server = self.0.client.server();
        interrupted::elsewhere(format!("What was sent to {server} stays there."));
        if well {
            return;
        }
        // What is neither built, armed nor sent needs no stop, and is refused one.
        let stopped: anyhow::Result<Value> =
            self.0.client.post(&format!("/v1/campaigns/{id}/abort"), &json!({}));
        let what = match stopped {
            Ok(_) => "was stopped".to_owned(),
            Err(why) => format!("stays as it is ({why})"),
        };
        self.0.say.line(&format!("broke off   the campaign {id} {what}"));
    }

    fn prove(self: Box<Self>, campaign: &Campaign) -> anyhow::Result<Option<Proof>> {
        let Some(gateways) = &self.0.gateways else { return Ok(None) };
        let journal = gateways.journal()?;
        let (against, verdict) = held_against_served(&self.0.client, campaign, &journal)
            .context("ledger and journal can't be held against each other")?;
        Ok(Some(Proof { against, verdict }))
    }
}
