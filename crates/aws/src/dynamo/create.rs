//! Makes the tables, for stand-ins and tests. On AWS Terraform makes them, with the same names and keys.

use super::item::{EXPIRES_AT, PK, SK};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, DisplayErrorContext};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
    TimeToLiveSpecification,
};
use std::time::Duration;

pub(super) const CAMPAIGNS: &str = "campaigns";
pub(super) const LEDGER: &str = "ledger";
pub(super) const DEVICES: &str = "devices";
pub(super) const FLEET: &str = "fleet";
pub(super) const AUDIT: &str = "audit";
pub(super) const ACCESS: &str = "access";
pub(super) const WEBHOOKS: &str = "webhooks";

/// Every table.
const ALL: [&str; 7] = [CAMPAIGNS, LEDGER, DEVICES, FLEET, AUDIT, ACCESS, WEBHOOKS];

/// A new table takes some seconds on AWS, and none on a stand-in.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOOKS_MAX: usize = 300;

/// Why a table could not be made.
#[derive(Debug, thiserror::Error)]
#[error("table {table} could not be made: {why}")]
pub struct CreateError {
    /// Which.
    pub table: String,
    /// What was said.
    pub why: String,
}

/// The seven tables' names.
#[must_use]
pub fn names(prefix: &str) -> [String; 7] {
    ALL.map(|table| format!("{prefix}-{table}"))
}

/// Makes all tables of this prefix, and waits until they can be used.
///
/// # Errors
/// When one of them exists already, or can't be made.
pub async fn create_tables(client: &Client, prefix: &str) -> Result<(), CreateError> {
    for name in ALL {
        let (table, sorted) = (format!("{prefix}-{name}"), name != DEVICES);
        let failed = |why: String| CreateError { table: table.clone(), why };
        create(client, &table, sorted).await.map_err(failed)?;
        until_active(client, &table).await.map_err(failed)?;
        if matches!(name, LEDGER | FLEET | WEBHOOKS) {
            expire(client, &table).await.map_err(failed)?;
        }
    }
    Ok(())
}

async fn create(client: &Client, table: &str, sorted: bool) -> Result<(), String> {
    let built = |e: BuildError| e.to_string();
    let mut call = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [(PK, KeyType::Hash), (SK, KeyType::Range)].into_iter().take(1 + usize::from(sorted))
    {
        let definition = AttributeDefinition::builder().attribute_name(name);
        let definition = definition.attribute_type(ScalarAttributeType::S).build().map_err(built)?;
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(built)?;
        call = call.attribute_definitions(definition).key_schema(key);
    }
    call.send().await.map_err(|e| DisplayErrorContext(e).to_string()).map(drop)
}

async fn until_active(client: &Client, table: &str) -> Result<(), String> {
    for _ in 0..LOOKS_MAX {
        let answer = client.describe_table().table_name(table).send().await;
        let answer = answer.map_err(|e| DisplayErrorContext(e).to_string())?;
        if answer.table().and_then(|t| t.table_status()) == Some(&TableStatus::Active) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err("it does not become active".to_owned())
}

async fn expire(client: &Client, table: &str) -> Result<(), String> {
    let rule = TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRES_AT).build();
    let rule = rule.map_err(|e| e.to_string())?;
    let call = client.update_time_to_live().table_name(table).time_to_live_specification(rule);
    call.send().await.map_err(|e| DisplayErrorContext(e).to_string()).map(drop)
}
