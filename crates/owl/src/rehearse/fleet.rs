//! Who would send, as the services themselves say it, and whether that could reach a phone.

use crate::client::Client;
use anyhow::{bail, ensure};
use common::fleet::Role;
use serde::Deserialize;
use std::collections::BTreeMap;

/// So many workers are named when something is wrong with them.
const NAMED: usize = 3;

/// The live workers.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Fleet {
    workers: Vec<Worker>,
}

/// What matters here of a worker's report. What an older one does not say is not known, and so not taken for good.
#[derive(Debug, Deserialize)]
struct Worker {
    worker: String,
    role: Role,
    #[serde(default)]
    rehearsal: bool,
    #[serde(default)]
    version: Option<String>,
}

impl Fleet {
    pub(super) fn read(client: &Client) -> anyhow::Result<Self> {
        client.get("/v1/fleet")
    }

    fn of(&self, role: Role) -> impl Iterator<Item = &Worker> {
        self.workers.iter().filter(move |worker| worker.role == role)
    }

    /// How many of a role there are.
    pub(super) fn count(&self, role: Role) -> u32 {
        u32::try_from(self.of(role).count()).unwrap_or(u32::MAX)
    }

    /// Workers by version.
    pub(super) fn versions(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for worker in &self.workers {
            let version = worker.version.clone().unwrap_or_else(|| "unknown version".to_owned());
            *all.entry(version).or_insert(0) += 1;
        }
        all
    }

    /// Refuses unless every push worker says that all its gateways are stand-ins.
    pub(super) fn reaches_no_phone(&self, server: &str) -> anyhow::Result<()> {
        ensure!(
            self.count(Role::Push) > 0,
            "no push worker is alive at {server}, so nobody says where it would send to: start the services first (on AWS `owl fleet scale --interim N --push N --wait 10m`)"
        );
        let others: Vec<_> = self.of(Role::Push).filter(|worker| !worker.rehearsal).collect();
        if others.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = others.iter().take(NAMED).map(|worker| worker.worker.as_str()).collect();
        let more = if others.len() > NAMED { ", …" } else { "" };
        bail!(
            "{} of {} push workers at {server} do not say that all their gateways are stand-ins ({}{more}), and a rehearsal is sent only where no phone can be reached: configure [apns] and [fcm] of every push worker with kind = \"rehearsal\" (docs/config.md; on AWS deploy/terraform/examples/rehearsal), start them anew, and try again",
            others.len(),
            self.count(Role::Push),
            names.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn refusal(workers: &Value) -> String {
        let fleet: Fleet = serde_json::from_value(json!({ "slot": {}, "workers": workers })).unwrap();
        fleet.reaches_no_phone("http://x").err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn every_push_worker_must_say_that_it_reaches_stand_ins_only() {
        let worker = |id: &str, role: &str, rehearsal: Value| json!({ "worker": id, "role": role, "rehearsal": rehearsal, "ready": true });
        let interim = worker("1", "interim", json!(false));
        assert!(refusal(&json!([interim])).contains("no push worker is alive"));
        let good = worker("2", "push", json!(true));
        assert_eq!(refusal(&json!([interim, good])), "");
        let real = worker("3", "push", json!(false));
        assert!(refusal(&json!([good, real])).starts_with("1 of 2 push workers at http://x do not say"));
        // An older one that says nothing of it.
        assert!(refusal(&json!([good, { "worker": "4", "role": "push" }])).contains("(4)"));
    }
}
