//! The contract of every port, rule by rule. An adapter's tests implement [`Factory`] and hand it to [`run`]; each rule
//! gets a fresh backend, and the [`Report`] says of each whether it held, was broken, or was skipped and why.
//!
//! The rules are the doc comments of `common::ports`; where an adapter can't keep one, its factory says so in
//! [`Factory::skips`].

mod audit;
mod bench;
mod campaigns;
mod devices;
mod fifo;
mod fleet;
mod ledger;
mod ledger_model;
mod ledger_race;
mod make;
mod objects;
mod queue;
mod queue_ack;
mod queue_limits;
mod queue_wait;
mod report;
mod restart;
mod shard_records;
mod standard;
mod tokens;
mod webhooks;

pub use bench::{Bench, Checked, Seen, Which};
pub use report::{Report, Verdict, Violation};

use async_trait::async_trait;
use common::ports::{Backend, PortError};
use common::time::UnixMs;
use futures::future::BoxFuture;
use std::time::Duration;

/// No rule may take longer than this by tokio's clock, besides the time that it lets pass: a receive that never returns
/// is a violation too.
const RULE_TIME_MAX: Duration = Duration::from_secs(180);

/// How often a rule is tried that lets time pass, and whose calls took too long to say anything of what was wrong.
const TRIES_MAX: u32 = 3;

/// Makes backends of one kind for the suite.
#[async_trait]
pub trait Factory: Send + Sync {
    /// The adapter's name, for the report.
    fn name(&self) -> String;
    /// A backend with nothing in it: a new directory, new queue names, a new table prefix.
    async fn fresh(&self) -> Result<Box<dyn Subject>, PortError>;
    /// Rules that move time further than this are skipped. On a manual clock: no bound.
    fn patience(&self) -> Duration {
        Duration::MAX
    }
    /// Whether [`Subject::restart`] does anything.
    fn restarts(&self) -> bool {
        true
    }
    /// Rules that this adapter can't keep, and why: names as in [`rules`].
    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }
}

/// One backend under test.
#[async_trait]
pub trait Subject: Send + Sync {
    /// Its ports. No rule keeps a clone of them over [`Subject::restart`].
    fn backend(&self) -> Backend;
    /// Its clock.
    fn now(&self) -> UnixMs;
    /// Lets this much time pass for it: moves its manual clock (and wakes its receivers), or waits.
    async fn advance(&mut self, by: Duration);
    /// Stops it without warning and opens it again on what it stored.
    async fn restart(&mut self) -> Result<(), PortError>;
    /// Makes the entries at these places of the next send on this queue fail. False when it can't.
    async fn fail_send_entries(&mut self, _queue: Which, _places: &[usize]) -> bool {
        false
    }
}

type Check = Box<dyn for<'a> Fn(&'a mut Bench) -> BoxFuture<'a, Checked> + Send + Sync>;

/// One rule of the contract.
pub struct Rule {
    /// Its name: port and subject, such as `shards.redelivery`.
    pub name: String,
    /// What it demands.
    pub says: &'static str,
    /// How far it moves time.
    pub time: Duration,
    /// Whether it restarts the backend.
    pub restarts: bool,
    check: Check,
}

impl Rule {
    fn new<F>(name: impl Into<String>, says: &'static str, check: F) -> Self
    where
        F: for<'a> Fn(&'a mut Bench) -> BoxFuture<'a, Checked> + Send + Sync + 'static,
    {
        Self { name: name.into(), says, time: Duration::ZERO, restarts: false, check: Box::new(check) }
    }

    /// It moves time this far.
    fn seconds(self, seconds: u64) -> Self {
        Self { time: Duration::from_secs(seconds), ..self }
    }

    /// It restarts the backend.
    fn restart(self) -> Self {
        Self { restarts: true, ..self }
    }

    /// Why it can't be run on this factory's backends.
    fn skipped(&self, factory: &dyn Factory) -> Option<String> {
        if let Some((_, why)) = factory.skips().into_iter().find(|(name, _)| *name == self.name) {
            return Some(why.to_owned());
        }
        if self.time > factory.patience() {
            return Some(format!("it would have to wait {} s", self.time.as_secs()));
        }
        (self.restarts && !factory.restarts()).then(|| "it can't be restarted".to_owned())
    }

    /// Runs it on a fresh backend.
    pub async fn run(&self, factory: &dyn Factory) -> Verdict {
        if let Some(why) = self.skipped(factory) {
            return Verdict::Skipped(why);
        }
        let mut tries = 1;
        let checked = loop {
            let (checked, late) = self.in_time(factory).await;
            match checked {
                Err(Seen::Wrong(seen)) if late && tries < TRIES_MAX => {
                    eprintln!("{}: its calls took too long, it is tried again: {seen}", self.name);
                    tries += 1;
                }
                checked => break checked,
            }
        };
        match checked {
            Ok(()) => Verdict::Held,
            Err(Seen::Wrong(seen)) => {
                Verdict::Broken(Violation { rule: self.name.clone(), says: self.says, seen })
            }
            Err(Seen::Skip(why)) => Verdict::Skipped(why),
        }
    }

    /// What it comes to on a fresh backend, and whether its calls took too long to say anything of a visibility.
    async fn in_time(&self, factory: &dyn Factory) -> (Checked, bool) {
        let most = RULE_TIME_MAX + self.time;
        let checked = tokio::time::timeout(most, async {
            let mut bench = Bench::new(factory.fresh().await?);
            let checked = (self.check)(&mut bench).await;
            Ok::<_, Seen>((checked, !self.time.is_zero() && bench.is_late()))
        });
        match checked.await {
            Ok(Ok(checked)) => checked,
            Ok(Err(error)) => (Err(error), false),
            Err(_) => (Err(Seen::Wrong(format!("no end after {} s", most.as_secs()))), false),
        }
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.says)
    }
}

/// Every rule, in order of the ports.
#[must_use]
pub fn rules() -> Vec<Rule> {
    let mut all = Vec::new();
    for which in [Which::Shards, Which::Batches] {
        all.extend(queue::rules(which));
        all.extend(queue_ack::rules(which));
        all.extend(queue_limits::rules(which));
        all.extend(queue_wait::rules(which));
        all.extend(restart::queue_rules(which));
    }
    all.extend(fifo::rules());
    all.extend(standard::rules());
    all.extend(objects::rules());
    all.extend(campaigns::rules());
    all.extend(ledger::rules());
    all.extend(ledger_race::rules());
    all.extend(ledger_model::rules());
    all.extend(shard_records::rules());
    all.extend(devices::rules());
    all.extend(fleet::rules());
    all.extend(audit::rules());
    all.extend(tokens::rules());
    all.extend(webhooks::rules());
    all.extend(restart::rules());
    all
}

/// Runs every rule.
pub async fn run(factory: &dyn Factory) -> Report {
    run_where(factory, |_| true).await
}

/// Runs the rules that `pick` wants, by name: `|name| name.starts_with("ledger.")`.
pub async fn run_where(factory: &dyn Factory, pick: impl Fn(&str) -> bool) -> Report {
    let mut verdicts = Vec::new();
    for rule in rules().into_iter().filter(|r| pick(&r.name)) {
        let verdict = rule.run(factory).await;
        verdicts.push((rule.name, verdict));
    }
    Report { adapter: factory.name(), verdicts }
}
