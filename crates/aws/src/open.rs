//! Opens all ports at once: checks the configuration, finds the queues.

use crate::client::Clients;
use crate::config::AwsConfig;
use crate::ecs::EcsScaling;
use crate::errors::AwsError;
use crate::sqs::{Kind, open_queue};
use common::ports::{Backend, Scaling};
use futures::future;
use std::sync::Arc;

/// All ports on AWS.
pub struct Aws {
    /// The ports.
    pub backend: Backend,
    /// The worker services' sizes, when a cluster is configured.
    pub scaling: Option<Arc<dyn Scaling>>,
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aws")
    }
}

/// Opens all ports.
///
/// # Errors
/// When the configuration is wrong, or something is missing or out of reach.
pub async fn open(config: &AwsConfig) -> Result<Aws, AwsError> {
    let faults = config.check();
    if !faults.is_empty() {
        return Err(AwsError::Config(faults));
    }
    let clients = Clients::new(config).await;
    let (shards, batches) = future::try_join(
        Box::pin(open_queue(&clients, config, Kind::Fifo)),
        Box::pin(open_queue(&clients, config, Kind::Standard)),
    )
    .await?;
    let tables = crate::dynamo::Tables::new(clients.dynamodb.clone(), &config.prefix);
    let cluster = config.cluster.as_ref();
    let scaling = cluster.map(|c| Arc::new(EcsScaling::new(clients.ecs.clone(), c)) as Arc<dyn Scaling>);
    let backend = Backend {
        shards,
        batches,
        objects: Arc::new(crate::s3::Bucket::new(clients.s3.clone(), &config.bucket)),
        campaigns: tables.clone(),
        ledger: tables.clone(),
        devices: tables.clone(),
        fleet: tables.clone(),
        audit: tables.clone(),
        tokens: tables.clone(),
        webhooks: tables,
        disk: None,
    };
    Ok(Aws { backend, scaling })
}
