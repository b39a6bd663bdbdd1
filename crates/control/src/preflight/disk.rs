//! Whether what a press writes has room, where queues and tables are files.

use super::{Check, Facts, Light, made};
use common::campaign::RunKind;

/// The check's name.
pub(super) const NAME: &str = "disk";

/// What a press writes on the embedded backend whatever its size: journals, heartbeats, a segment that is not full.
const DISK_BYTES: u64 = 64_000_000;
/// What it writes for a batch, the ledger's record in all its versions, and for a device, its part of an envelope. Measured: 1,900 and
/// 112, in a demo of a million users; later tries come on top.
const BATCH_BYTES: u64 = 3_000;
const DEVICE_BYTES: u64 = 160;

/// None in a cloud. What a full disk refuses is neither lost nor sent twice, but it stops everything.
pub(super) fn check(f: &Facts<'_>) -> Option<Check> {
    let free = f.free_bytes?;
    // Nobody knows how much of a press that runs is written yet: only a disk that is nearly full is said then.
    let runs = f.campaign.live_run().is_some_and(|run| run.kind != RunKind::Canary);
    let snapshot = f.campaign.snapshot.as_ref().filter(|_| !runs);
    let (batches, devices) = snapshot.map_or((0, 0), |s| (s.batches, s.device_count()));
    let needed = DISK_BYTES + batches * BATCH_BYTES + devices * DEVICE_BYTES;
    let needs = format!("{} MB", needed.div_ceil(1_000_000));
    let little = format!("the data directory's disk has {} left, and this may write {needs}", about_mb(free));
    let (light, text) = match free {
        free if free < needed => (Light::Red, format!("{little}: make room, or it may stop in the middle")),
        free if free < needed * 2 => (Light::Amber, format!("{little}: make room")),
        _ => {
            (Light::Green, format!("the data directory's disk has room for the {needs} that this may write"))
        }
    };
    Some(made(NAME, true, light, text))
}

/// Two digits are enough, and a page that shows them stays as it is while a little is written.
fn about_mb(bytes: u64) -> String {
    let mb = bytes / 1_000_000;
    let unit = 10_u64.pow(mb.checked_ilog10().unwrap_or(0).saturating_sub(1));
    format!("{} MB", mb / unit * unit)
}
