//! An account as the suite's backend: makes what a rule needs under a name of its own, and remembers it for removal.

use async_trait::async_trait;
use aws::dynamo::{Tables, create_tables, names};
use aws::s3::{Bucket, create_bucket};
use aws::sqs::{Kind, open_queue};
use aws::standin::{fresh_prefix, make_queues, remove_queues};
use aws::{AwsConfig, Clients};
use common::ports::{Backend, PortError};
use common::time::{Clock, SystemClock, UnixMs};
use contract::memory::MemoryParts;
use contract::suite::{Factory, Subject};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Deduplication lasts 5 minutes, and its rules wait for its end.
const PATIENCE: Duration = Duration::from_secs(320);

/// Rules that AWS itself can't keep to the letter. `docs/aws.md` has the same list.
const SKIPS: &[(&str, &str)] = &[
    ("shards.depth", "SQS counts approximately, and late"),
    ("batches.depth", "SQS counts approximately, and late"),
    ("shards.eleven", "it looks at the depth, which SQS counts late"),
    ("batches.eleven", "it looks at the depth, which SQS counts late"),
    ("shards.oversized", "it looks at the depth, which SQS counts late"),
    ("batches.oversized", "it looks at the depth, which SQS counts late"),
    ("shards.fifo_key", "it looks at the depth, which SQS counts late"),
    ("batches.fifo_key", "it looks at the depth, which SQS counts late"),
    ("shards.delay_range", "it looks at the depth, which SQS counts late"),
    ("batches.delay_range", "it looks at the depth, which SQS counts late"),
    ("shards.delete", "it looks at the depth, which SQS counts late"),
    ("batches.delete", "it looks at the depth, which SQS counts late"),
    ("batches.delay", "it looks at the depth, which SQS counts late"),
    ("shards.dead_letters", "it looks at the depth, which SQS counts late"),
    ("batches.dead_letters", "it looks at the depth, which SQS counts late"),
    ("shards.gone_ack_answer", "SQS answers Ok to a second delete"),
    ("batches.gone_ack_answer", "SQS answers Ok to a second delete"),
    ("batches.stale_ack_answer", "a standard queue answers Ok to an older receipt handle's delete"),
];

/// The ports that share a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Queues,
    Objects,
    Tables,
}

impl Part {
    /// Whether a rule is about it.
    pub(crate) fn has(self, rule: &str) -> bool {
        let part = match rule.split('.').next() {
            Some("shards" | "batches") => Self::Queues,
            Some("objects") => Self::Objects,
            _ => Self::Tables,
        };
        part == self
    }
}

/// The account, and what was made in it.
pub(crate) struct Account {
    config: AwsConfig,
    clients: Clients,
    base: String,
    count: AtomicU64,
    made: Mutex<Vec<(Part, String)>>,
}

impl Account {
    pub(crate) async fn new(config: AwsConfig) -> Self {
        let clients = Clients::new(&config).await;
        let base = format!("owl-contract-{}", fresh_prefix());
        Self { config, clients, base, count: AtomicU64::new(0), made: Mutex::default() }
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn part(self: &Arc<Self>, part: Part) -> OnAccount {
        OnAccount { account: self.clone(), part }
    }

    /// Removes everything; answers what is left.
    pub(crate) async fn remove_all(&self) -> Vec<String> {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        let mut left = Vec::new();
        for (part, name) in made {
            let gone = match part {
                Part::Queues => remove_queues(&self.clients.sqs, &name).await.map_err(|e| e.to_string()),
                Part::Objects => self.remove_bucket(&name).await,
                Part::Tables => self.remove_tables(&name).await,
            };
            left.extend(gone.err().map(|why| format!("{part:?} {name}: {why}")));
        }
        left
    }

    async fn remove_tables(&self, prefix: &str) -> Result<(), String> {
        for table in names(prefix) {
            let gone = self.clients.dynamodb.delete_table().table_name(&table).send().await;
            let error = gone.err().map(aws_sdk_dynamodb::error::SdkError::into_service_error);
            if let Some(error) = error.filter(|e| !e.is_resource_not_found_exception()) {
                return Err(format!("{table}: {error:?}"));
            }
        }
        Ok(())
    }

    async fn remove_bucket(&self, bucket: &str) -> Result<(), String> {
        let s3 = &self.clients.s3;
        let uploads = s3.list_multipart_uploads().bucket(bucket).send().await;
        for upload in uploads.map(|u| u.uploads.unwrap_or_default()).unwrap_or_default() {
            let abort = s3.abort_multipart_upload().bucket(bucket);
            drop(abort.set_key(upload.key).set_upload_id(upload.upload_id).send().await);
        }
        let found = s3.list_objects_v2().bucket(bucket).send().await.map_err(|e| format!("{e:?}"))?;
        for object in found.contents.unwrap_or_default() {
            drop(s3.delete_object().bucket(bucket).set_key(object.key).send().await);
        }
        s3.delete_bucket().bucket(bucket).send().await.map(drop).map_err(|e| format!("{e:?}"))
    }
}

/// One part of the account as the suite's factory.
pub(crate) struct OnAccount {
    account: Arc<Account>,
    part: Part,
}

struct Opened {
    account: Arc<Account>,
    part: Part,
    name: String,
    backend: Backend,
}

fn unavailable(error: &dyn std::fmt::Display) -> PortError {
    PortError::Unavailable { what: "the account", why: error.to_string() }
}

#[async_trait]
impl Factory for OnAccount {
    fn name(&self) -> String {
        format!("{:?}", self.part)
    }

    async fn fresh(&self) -> Result<Box<dyn Subject>, PortError> {
        let (account, part) = (self.account.clone(), self.part);
        let name = format!("{}-{}", account.base, account.count.fetch_add(1, Ordering::Relaxed));
        // Noted down first: what was made half is removed too.
        account.made.lock().unwrap_or_else(PoisonError::into_inner).push((part, name.clone()));
        let clients = &account.clients;
        let made = match part {
            Part::Queues => make_queues(&clients.sqs, &name).await.map_err(|e| e.to_string()),
            Part::Objects => create_bucket(&clients.s3, &name).await,
            Part::Tables => create_tables(&clients.dynamodb, &name).await.map_err(|e| e.to_string()),
        };
        made.map_err(|e| unavailable(&e))?;
        let backend = MemoryParts::new(Arc::new(SystemClock::default())).backend();
        let mut opened = Opened { account, part, name, backend };
        opened.restart().await?;
        Ok(Box::new(opened))
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        SKIPS.to_vec()
    }
}

#[async_trait]
impl Subject for Opened {
    fn backend(&self) -> Backend {
        self.backend.clone()
    }

    fn now(&self) -> UnixMs {
        SystemClock::default().now()
    }

    async fn advance(&mut self, by: Duration) {
        tokio::time::sleep(by).await;
    }

    async fn restart(&mut self) -> Result<(), PortError> {
        let config = AwsConfig { prefix: self.name.clone(), ..self.account.config.clone() };
        let clients = Clients::new(&config).await;
        match self.part {
            Part::Queues => {
                let open = |kind| open_queue(&clients, &config, kind);
                self.backend.shards = open(Kind::Fifo).await.map_err(|e| unavailable(&e))?;
                self.backend.batches = open(Kind::Standard).await.map_err(|e| unavailable(&e))?;
            }
            Part::Objects => self.backend.objects = Arc::new(Bucket::new(clients.s3, &self.name)),
            Part::Tables => {
                let tables = Tables::new(clients.dynamodb, &self.name);
                self.backend = Backend {
                    campaigns: tables.clone(),
                    ledger: tables.clone(),
                    devices: tables.clone(),
                    fleet: tables.clone(),
                    audit: tables.clone(),
                    tokens: tables.clone(),
                    webhooks: tables,
                    ..self.backend.clone()
                };
            }
        }
        Ok(())
    }
}
