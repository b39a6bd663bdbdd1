//! How many tasks the two worker services run: the scaling port on ECS. It notes down what is wanted; ECS does it, and
//! spares protected tasks.

use crate::errors::bare;
use async_trait::async_trait;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::types::Service;
use common::fleet::{FleetSize, Role};
use common::ports::{PortError, Scaling};
use std::error::Error;

const WHAT: &str = "ECS";
const ROLES: [Role; 2] = [Role::Interim, Role::Push];

/// The services of one cluster, named after it: `<cluster>-interim-worker`, `<cluster>-push-worker`.
#[derive(Debug, Clone)]
pub struct EcsScaling {
    client: Client,
    cluster: String,
}

impl EcsScaling {
    /// The worker services of this cluster.
    #[must_use]
    pub fn new(client: Client, cluster: &str) -> Self {
        Self { client, cluster: cluster.to_owned() }
    }

    fn service(&self, role: Role) -> String {
        let ending = match role {
            Role::Interim => "interim-worker",
            Role::Push => "push-worker",
        };
        format!("{}-{ending}", self.cluster)
    }

    /// What went wrong, for the person who typed `owl fleet scale`.
    fn error<E, R>(&self, doing: &str, error: &SdkError<E, R>) -> PortError
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug,
    {
        let cluster = &self.cluster;
        let said = error.message().unwrap_or("no reason given");
        let code = error.code().map(bare);
        let why = match code {
            Some("ClusterNotFoundException") => {
                format!(
                    "there is no cluster {cluster} in this region: check `aws.cluster`, or `terraform apply`"
                )
            }
            Some("ServiceNotFoundException" | "ServiceNotActiveException") => {
                format!("{doing} of cluster {cluster} is not there or not active: `terraform apply` makes it")
            }
            Some("AccessDeniedException") => {
                format!("the api's task role may not do that to {doing}: {said}")
            }
            Some(code) => format!("{doing}: {code}: {said}"),
            None => format!("{doing}: no answer: {}", DisplayErrorContext(error)),
        };
        let permanent = ["ClusterNotFoundException", "ServiceNotFoundException", "ServiceNotActiveException"];
        let refused = code.is_some_and(|c| {
            permanent.contains(&c) || matches!(c, "AccessDeniedException" | "InvalidParameterException")
        });
        if refused {
            PortError::Invalid { what: WHAT, why }
        } else {
            PortError::Unavailable { what: WHAT, why }
        }
    }

    /// The size of one role, from all services that were described.
    fn size(&self, role: Role, services: &[Service]) -> Result<FleetSize, PortError> {
        let name = self.service(role);
        let found = services.iter().find(|s| s.service_name.as_deref() == Some(&name));
        let active = found.filter(|s| s.status.as_deref() == Some("ACTIVE"));
        let service = active.ok_or_else(|| PortError::Invalid {
            what: WHAT,
            why: format!(
                "there is no active service {name} in cluster {}: `terraform apply` makes it",
                self.cluster
            ),
        })?;
        let count = |n: i32| u32::try_from(n).unwrap_or(0);
        Ok(FleetSize {
            role,
            wanted: count(service.desired_count),
            running: count(service.running_count),
            pending: count(service.pending_count),
        })
    }
}

#[async_trait]
impl Scaling for EcsScaling {
    async fn sizes(&self) -> Result<Vec<FleetSize>, PortError> {
        let names = ROLES.map(|role| self.service(role)).to_vec();
        let doing = format!("looking at {}", names.join(" and "));
        let call = self.client.describe_services().cluster(&self.cluster).set_services(Some(names));
        let answer = call.send().await.map_err(|e| self.error(&doing, &e))?;
        let services = answer.services.unwrap_or_default();
        ROLES.into_iter().map(|role| self.size(role, &services)).collect()
    }

    async fn scale(&self, role: Role, wanted: u32) -> Result<(), PortError> {
        let name = self.service(role);
        let count = i32::try_from(wanted).map_err(|_| PortError::Invalid {
            what: WHAT,
            why: format!("{wanted} tasks of {name} are too many"),
        })?;
        let call = self.client.update_service().cluster(&self.cluster).service(&name).desired_count(count);
        let answer = call.send().await;
        answer.map(drop).map_err(|e| self.error(&format!("service {name}"), &e))
    }
}
