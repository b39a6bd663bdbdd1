//! The fleet, the audit trail, and single users of the device table.

use super::{Limit, spawned};
use crate::Shared;
use crate::extract::{Caller, Json as Body, Params, User};
use crate::problem::Problem;
use crate::views::{AuditList, DeviceCount, DeviceView, FleetView, UserView};
use axum::Json;
use axum::extract::State;
use common::device::{Device, Target, TargetKind};
use common::ids::CampaignId;
use control::{RedriveRequest, Redriven, ScaleRequest, Scaled};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

pub(crate) async fn workers(State(app): Shared) -> Result<Json<FleetView>, Problem> {
    let slot = app.control.backend().campaigns.slot().await?;
    let workers = app.control.workers().await?;
    // Who is there must be seen also while whoever runs the tasks does not answer.
    let sizes = app.control.sizes().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the fleet's sizes are not known");
        Vec::new()
    });
    Ok(Json(FleetView { slot, workers, sizes }))
}

pub(crate) async fn scale(
    State(app): Shared,
    Caller(who): Caller,
    Body(request): Body<ScaleRequest>,
) -> Result<Json<Scaled>, Problem> {
    let control = Arc::clone(&app.control);
    spawned(async move { control.scale(&who, &request).await }).await.map(Json)
}

pub(crate) async fn redrive(
    State(app): Shared,
    Caller(who): Caller,
    Body(request): Body<RedriveRequest>,
) -> Result<Json<Redriven>, Problem> {
    let control = Arc::clone(&app.control);
    spawned(async move { control.redrive(&who, &request).await }).await.map(Json)
}

/// `?limit=&campaign=`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Trail {
    /// How many, at most.
    #[schemars(range(min = 1, max = 1_000))]
    limit: Option<usize>,
    /// Of this campaign only.
    campaign: Option<CampaignId>,
}

pub(crate) async fn audit(
    State(app): Shared,
    Params(wanted): Params<Trail>,
) -> Result<Json<AuditList>, Problem> {
    let limit = Limit { limit: wanted.limit }.or(100, 1_000)?;
    let entries = match wanted.campaign {
        Some(id) => app.control.trail_of(id, limit).await?.0,
        None => app.control.backend().audit.list(limit).await?,
    };
    Ok(Json(AuditList { entries }))
}

pub(crate) async fn device_count(State(app): Shared) -> Result<Json<DeviceCount>, Problem> {
    Ok(Json(DeviceCount { users: app.control.backend().devices.users().await? }))
}

pub(crate) async fn user_devices(State(app): Shared, User(user): User) -> Result<Json<UserView>, Problem> {
    let found = app.control.backend().devices.get_many(&[&user]).await?.into_iter().next().flatten();
    let found = found.ok_or_else(|| Problem::not_found("no device of this user is known"))?;
    let devices = found.devices.iter().map(view).collect();
    Ok(Json(UserView { user, opted_out: found.opted_out, devices }))
}

fn view(device: &Device) -> DeviceView {
    let fid = matches!(device.target, Target::FcmFid(_));
    DeviceView {
        gateway: device.target.platform().label().to_owned(),
        target_kind: if fid { TargetKind::Fid } else { TargetKind::Token },
        token_hash: format!("{:016x}", device.target.hash()),
        locale: device.locale.to_string(),
        timezone: device.timezone.to_string(),
        registered_at: device.registered_at,
        app: device.app.to_string(),
        environment: device.environment,
    }
}
