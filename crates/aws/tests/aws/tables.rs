//! The contract's suite for the tables, on the stand-in; and adapters made wrong on purpose, which it must find.

use crate::standin::{endpoint, side_by_side};
use crate::wire::{self, Fate, Wire};
use async_trait::async_trait;
use aws::dynamo::{Tables, create_tables};
use aws::standin::fresh_prefix;
use aws::{AwsConfig, Clients};
use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use common::ports::{Backend, PortError};
use common::time::{Clock, SystemClock, UnixMs};
use contract::memory::MemoryParts;
use contract::suite::{self, Factory, Subject};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const OF_TABLES: [&str; 7] =
    ["campaigns.", "ledger.", "devices.", "fleet.", "audit.", "tokens.", "webhooks."];

/// The stand-in as configuration.
pub(crate) fn config() -> AwsConfig {
    AwsConfig {
        endpoint: Some(endpoint().to_owned()),
        prefix: fresh_prefix(),
        bucket: format!("{}-data", fresh_prefix()),
        ..AwsConfig::default()
    }
}

/// New tables on the stand-in: their prefix, and a client for them.
pub(crate) async fn tables() -> (String, Client) {
    let config = config();
    let client = Clients::new(&config).await.dynamodb;
    create_tables(&client, &config.prefix).await.unwrap();
    (config.prefix, client)
}

/// The same client with somebody on the line.
pub(crate) fn meddled(
    client: &Client,
    meddle: impl Fn(&mut HttpRequest) -> Fate + Send + Sync + 'static,
) -> Client {
    let line = Wire::over(client.config().http_client(), meddle);
    Client::from_conf(client.config().to_builder().http_client(line).build())
}

type Meddle = fn(&mut HttpRequest) -> Fate;

struct OnStandin(Meddle);

struct Opened {
    client: Client,
    prefix: String,
    tables: Arc<Tables>,
    clock: SystemClock,
}

#[async_trait]
impl Factory for OnStandin {
    fn name(&self) -> String {
        "dynamodb on ministack".to_owned()
    }

    async fn fresh(&self) -> Result<Box<dyn Subject>, PortError> {
        let (prefix, client) = tables().await;
        let client = meddled(&client, self.0);
        let tables = Tables::new(client.clone(), &prefix);
        Ok(Box::new(Opened { client, prefix, tables, clock: SystemClock::default() }))
    }
}

#[async_trait]
impl Subject for Opened {
    fn backend(&self) -> Backend {
        Backend {
            campaigns: self.tables.clone(),
            ledger: self.tables.clone(),
            devices: self.tables.clone(),
            fleet: self.tables.clone(),
            audit: self.tables.clone(),
            tokens: self.tables.clone(),
            webhooks: self.tables.clone(),
            ..MemoryParts::new(Arc::new(SystemClock::default())).backend()
        }
    }

    fn now(&self) -> UnixMs {
        self.clock.now()
    }

    async fn advance(&mut self, by: Duration) {
        tokio::time::sleep(by).await;
    }

    /// What a process keeps in memory is gone; the tables are where they were.
    async fn restart(&mut self) -> Result<(), PortError> {
        self.tables = Tables::new(self.client.clone(), &self.prefix);
        Ok(())
    }
}

fn of_tables(rule: &str) -> bool {
    OF_TABLES.iter().any(|port| rule.starts_with(port))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_of_the_tables_holds() {
    let report = side_by_side(&OnStandin(|_| Fate::Pass), of_tables).await;
    println!("{report}");
    assert_eq!(report.verdicts.len(), suite::rules().iter().filter(|r| of_tables(&r.name)).count());
    assert_eq!(report.skipped().count(), 0, "{report}");
    report.into_result().unwrap();
}

/// Writes whatever it read meanwhile.
fn without_conditions(request: &mut HttpRequest) -> Fate {
    let mut body = wire::body(request);
    let strip = |put: &mut serde_json::Value| {
        let Some(put) = put.as_object_mut() else { return };
        for name in
            ["ConditionExpression", "ExpressionAttributeValues", "ReturnValuesOnConditionCheckFailure"]
        {
            put.remove(name);
        }
    };
    match wire::operation(request) {
        "PutItem" => strip(&mut body),
        "TransactWriteItems" => {
            let puts = body["TransactItems"].as_array_mut().unwrap();
            puts.iter_mut().for_each(|item| strip(&mut item["Put"]));
        }
        _ => return Fate::Pass,
    }
    wire::set_body(request, &body);
    Fate::Pass
}

/// Takes the first page for everything.
fn first_page_only(request: &mut HttpRequest) -> Fate {
    match wire::operation(request) {
        "Query" => {
            let mut body = wire::body(request);
            let limit = body["Limit"].as_u64().unwrap_or(u64::MAX).min(3);
            body["Limit"] = limit.into();
            wire::set_body(request, &body);
            Fate::Change(Box::new(|mut answer| {
                answer.as_object_mut().unwrap().remove("LastEvaluatedKey");
                answer
            }))
        }
        _ => Fate::Pass,
    }
}

/// Takes what a batch read answered for everything there is.
fn forgets_unprocessed(request: &mut HttpRequest) -> Fate {
    leave_out(request, 1);
    Fate::Pass
}

/// Takes all but `keep` keys out of a batch read. Answers them, with the table's name.
pub(crate) fn leave_out(request: &mut HttpRequest, keep: usize) -> Option<(String, Vec<serde_json::Value>)> {
    if wire::operation(request) != "BatchGetItem" {
        return None;
    }
    let mut body = wire::body(request);
    let (table, wanted) = body["RequestItems"].as_object_mut()?.iter_mut().next()?;
    let keys = wanted["Keys"].as_array_mut()?;
    let left = keys.split_off(keep.min(keys.len()));
    let table = table.clone();
    wire::set_body(request, &body);
    (!left.is_empty()).then_some((table, left))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_adapters_are_found() {
    let wrong: [(Meddle, &[&str]); 3] = [
        (
            without_conditions,
            &[
                "campaigns.create",
                "campaigns.update",
                "campaigns.race",
                "campaigns.slot_race",
                "ledger.claim_race",
                "ledger.lapse_race",
                "ledger.mark_race",
                "devices.upsert_race",
            ],
        ),
        (first_page_only, &["campaigns.list", "ledger.bucket", "ledger.all_shards", "audit.newest_first"]),
        (forgets_unprocessed, &["devices.get_many", "devices.many", "campaigns.list"]),
    ];
    for (meddle, breaks) in wrong {
        let report = side_by_side(&OnStandin(meddle), |rule| breaks.contains(&rule)).await;
        let found: BTreeSet<&str> = report.violations().map(|v| v.rule.as_str()).collect();
        let missed: Vec<_> = breaks.iter().filter(|rule| !found.contains(*rule)).collect();
        assert!(missed.is_empty(), "not found by {missed:?}: {report}");
    }
}
