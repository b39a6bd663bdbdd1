//! Devices, workers, dead letters, the audit trail.

use crate::apidoc::operation::{Operation, on};
use crate::problem::Code;
use crate::routes::Trail;
use crate::views::{AuditList, DeviceCount, FleetView, Imported, UserView};
use common::campaign::RefusalCode;
use control::{RedriveRequest, Redriven, ScaleRequest, Scaled};

/// As devices may be imported.
const LISTS: &[&str] = &["text/csv", "application/x-ndjson", "application/octet-stream"];

pub(super) fn devices() -> Vec<Operation> {
    vec![
        on("import_devices", "POST", "/v1/devices", "Imports devices")
            .about(
                "CSV with the columns `user_id,platform,token,locale` and, where wanted, `timezone,opted_out,registered_at,app,\
environment,target_kind`, or NDJSON of the same names; as it is, or with `Content-Encoding` gzip or zstd. A bad row is named and \
the rest is taken. Importing again is harmless.",
            )
            .list(LISTS)
            .ok::<Imported>("What became of the rows."),
        on("count_devices", "GET", "/v1/devices", "How many users have devices").ok::<DeviceCount>("The count."),
        on("read_user", "GET", "/v1/devices/{user}", "One user's devices").ok::<UserView>("The devices."),
    ]
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        on("read_fleet", "GET", "/v1/fleet", "The workers, and which campaign has them")
            .ok::<FleetView>("The fleet."),
        on("scale_fleet", "POST", "/v1/fleet/scale", "Has workers started or stopped, on AWS")
            .body::<ScaleRequest>()
            .ok::<Scaled>("As asked, and as it is.")
            .fails(&[Code::Busy])
            .refuses(&[RefusalCode::FleetHeld, RefusalCode::NothingToScale, RefusalCode::Changed]),
        on("redrive", "POST", "/v1/redrive", "Goes once through the dead letters of both queues")
            .body::<RedriveRequest>()
            .ok::<Redriven>("What became of them."),
        on("read_audit", "GET", "/v1/audit", "Who did what, newest first")
            .about("With `campaign`: that campaign's among the newest 10,000 entries.")
            .query::<Trail>()
            .ok::<AuditList>("The entries.")
            .fails(&[Code::BadField]),
    ]
}
