//! Makes all that the adapters need, as `deploy/terraform` does, under a prefix of its own for each test.

use super::ministack::StandinError;
use super::queues::{fresh_prefix, make_queues};
use crate::dynamo::create_tables;
use crate::s3::create_bucket;
use crate::{AwsConfig, Clients};

/// Makes everything that the adapters need on the stand-in at `endpoint`, and answers with the configuration for it.
///
/// # Errors
/// When the stand-in refuses.
pub async fn furnish(endpoint: &str) -> Result<AwsConfig, StandinError> {
    let prefix = fresh_prefix();
    let config = AwsConfig {
        endpoint: Some(endpoint.to_owned()),
        bucket: format!("{prefix}-data"),
        prefix,
        ..AwsConfig::default()
    };
    let clients = Clients::new(&config).await;
    make_queues(&clients.sqs, &config.prefix).await?;
    let tables = create_tables(&clients.dynamodb, &config.prefix).await;
    tables.map_err(|e| StandinError::Furnish(e.to_string()))?;
    create_bucket(&clients.s3, &config.bucket).await.map_err(StandinError::Furnish)?;
    Ok(config)
}
