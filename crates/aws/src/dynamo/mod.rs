//! The tables on DynamoDB: campaigns, ledger, devices, fleet, audit trail, access tokens and webhooks, one table each. docs/aws.md has their keys,
//! sizes and rates, and why no key gets hot.
//!
//! Everything is read strongly consistently, and what several processes change is written under a condition.

mod audit;
mod campaigns;
mod change;
mod create;
mod devices;
mod fleet;
mod held;
mod item;
mod ledger;
mod shards;
mod table;
mod tokens;
mod webhooks;

pub use create::{CreateError, create_tables, names};

use crate::fault::Patience;
use aws_sdk_dynamodb::Client;
use campaigns::COPIES;
use held::Held;
pub(crate) use item::Mark;
use rand::RngExt;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use table::Table;
use tokio::sync::Semaphore;

/// Calls of the hot path are tried for so long: a claim that takes longer than its lease is of no use.
const PATIENCE: Duration = Duration::from_secs(5);
/// Calls that nobody waits for with a stopwatch: imports and snapshots.
const PATIENCE_BULK: Duration = Duration::from_secs(30);
/// Calls of one process that may be under way to one table. At 10 ms a call, 64 are 6,400 a second, twelve times what a
/// worker claims when it drains a hundredth of 4M users in 5 s; and each needs a connection.
const IN_FLIGHT: usize = 64;

/// The tables of one prefix, and the ports on them: `Arc<Tables>` is each of the seven.
pub struct Tables {
    campaigns: Table,
    ledger: Table,
    devices: Table,
    fleet: Table,
    audit: Table,
    access: Table,
    webhooks: Table,
    /// Batches whose record this process wrote last.
    held: Held,
    /// Which of the copies of the hot items this process reads.
    copy: usize,
    /// The last day of the audit trail that is in its index.
    day: Mutex<String>,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").field("ledger", &self.ledger.name).finish_non_exhaustive()
    }
}

impl Tables {
    /// The tables whose names begin with this prefix. Nothing is asked of them yet.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a client is a handle, and is given away")]
    pub fn new(client: Client, prefix: &str) -> Arc<Self> {
        let table = |what, table: &str, longest| Table {
            client: client.clone(),
            name: format!("{prefix}-{table}"),
            patience: Patience { what, longest },
            permits: Arc::new(Semaphore::new(IN_FLIGHT)),
        };
        Arc::new(Self {
            campaigns: table("the campaign table", create::CAMPAIGNS, PATIENCE),
            ledger: table("the ledger", create::LEDGER, PATIENCE),
            devices: table("the device table", create::DEVICES, PATIENCE_BULK),
            fleet: table("the fleet's table", create::FLEET, PATIENCE),
            audit: table("the audit trail", create::AUDIT, PATIENCE),
            access: table("the table of tokens", create::ACCESS, PATIENCE),
            webhooks: table("the table of webhooks", create::WEBHOOKS, PATIENCE),
            held: Held::default(),
            copy: rand::rng().random_range(0..COPIES),
            day: Mutex::default(),
        })
    }
}

/// The guard, also after a panic elsewhere: what these locks guard is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
