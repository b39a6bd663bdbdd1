//! Making, reading and filling campaigns.

use crate::apidoc::operation::{Header, Operation, on};
use crate::problem::Code;
use crate::routes::{DroppedQuery, Limit, OutcomesQuery, ReportQuery};
use crate::views::{
    BatchView, CampaignList, CampaignPatch, CloneRequest, NewCampaign, PreviewList, SnapshotView, Uploaded,
};
use common::campaign::{Campaign, RefusalCode};
use control::{LateUsers, Report, UserReceipt};

const LOCATION: &[(&str, &str)] = &[("Location", "The new campaign.")];

/// What a state that can't be edited any more is refused with.
const LOCKED: [RefusalCode; 5] = [
    RefusalCode::Building,
    RefusalCode::Armed,
    RefusalCode::Sending,
    RefusalCode::Finished,
    RefusalCode::Changed,
];
/// Names a creation.
const KEY: Header = Header {
    name: "Idempotency-Key",
    about: "1 to 255 visible ASCII characters, such as a UUID.",
    pattern: "^[!-~]+$",
};

/// As an audience may be uploaded.
const LISTS: &[&str] = &["text/csv", "application/x-ndjson", "text/plain"];

pub(super) fn operations() -> Vec<Operation> {
    let mut all = making();
    all.extend(reading());
    all
}

fn making() -> Vec<Operation> {
    vec![
        on("create_campaign", "POST", "/v1/campaigns", "Creates a campaign, in draft")
            .about(
                "With an `Idempotency-Key` it may be asked again: the same key with the same body is answered as the first time, \
and there is one campaign. A key belongs to the token that it came with, and is kept for a day at least.",
            )
            .header(KEY)
            .body::<NewCampaign>()
            .created::<Campaign>("The campaign.")
            .with(LOCATION)
            .refuses(&[RefusalCode::IdempotencyKeyReused])
            .fails(&[Code::Busy]),
        on("list_campaigns", "GET", "/v1/campaigns", "Campaigns, newest first")
            .query::<Limit>()
            .ok::<CampaignList>("The campaigns.")
            .fails(&[Code::BadField]),
        on("read_campaign", "GET", "/v1/campaigns/{id}", "One campaign").ok::<Campaign>("The campaign."),
        on("edit_campaign", "PATCH", "/v1/campaigns/{id}", "Changes what is given")
            .about("The whole content, single options. What is built into a snapshot can't be changed any more.")
            .body::<CampaignPatch>()
            .ok::<Campaign>("The campaign.")
            .fails(&[Code::NothingToChange, Code::Busy])
            .refuses(&LOCKED)
            .refuses(&[RefusalCode::Built]),
        on("clone_campaign", "POST", "/v1/campaigns/{id}/clone", "A draft with the same content and options")
            .body::<CloneRequest>()
            .created::<Campaign>("The copy.")
            .with(LOCATION),
        on("upload_audience", "PUT", "/v1/campaigns/{id}/audience", "Uploads the list of user ids")
            .about(
                "CSV with a column `user_id`, NDJSON (objects with `user_id`, or strings), or one id a line; as it is, or with \
`Content-Encoding` gzip or zstd. At most 4 GiB as sent. What is refused or breaks off leaves nothing behind.",
            )
            .list(LISTS)
            .accepted::<Uploaded>("The build begins.")
            .fails(&[Code::Busy])
            .refuses(&LOCKED)
            .refuses(&[RefusalCode::Sent]),
    ]
}

fn reading() -> Vec<Operation> {
    vec![
        on("preview_campaign", "GET", "/v1/campaigns/{id}/preview", "What each gateway will get, per locale")
            .ok::<PreviewList>("The payloads.")
            .fails(&[Code::BadField]),
        on("read_snapshot", "GET", "/v1/campaigns/{id}/snapshot", "What the audience came to")
            .ok::<SnapshotView>("The snapshot."),
        on(
            "read_batch",
            "GET",
            "/v1/campaigns/{id}/snapshot/shards/{shard}/batches/{batch}",
            "Who is in one batch",
        )
        .about("Device tokens appear as hashes only.")
        .ok::<BatchView>("The batch."),
        on("list_dropped", "GET", "/v1/campaigns/{id}/dropped", "Users that were left out, and why")
            .about(
                "As NDJSON, shard by shard: `{\"line\": 17, \"user\": \"nobody\", \"reason\": \"unknown\"}`.",
            )
            .query::<DroppedQuery>()
            .media("application/x-ndjson", "One JSON object a line."),
        on("list_outcomes", "GET", "/v1/campaigns/{id}/outcomes", "What the ledger says of every device")
            .about(
                "As NDJSON, a batch a line, shard by shard: `{\"shard\": 3, \"batch\": 7, \"doubled_at_most\": 0, \"devices\": \
[{\"token_hash\": \"00c0ffee00c0ffee\", \"outcome\": \"accepted\"}]}`. Device tokens appear as hashes only. While it is sent, \
what has no outcome as yet is `unsent`.",
            )
            .query::<OutcomesQuery>()
            .media("application/x-ndjson", "One JSON object a line."),
        on("read_report", "GET", "/v1/campaigns/{id}/report", "The books, from the ledger")
            .query::<ReportQuery>()
            .ok::<Report>("The report; as CSV where `format` says so.")
            .media("text/csv", ""),
        on("list_late", "GET", "/v1/campaigns/{id}/late", "Who was accepted later than 5 s after the press")
            .about("The latest hundred devices with their users, and how many there were.")
            .ok::<LateUsers>("Latest first."),
        on("read_receipts", "GET", "/v1/campaigns/{id}/receipts/{user}", "Why did this user (not) get it?")
            .ok::<UserReceipt>("What is known."),
    ]
}
