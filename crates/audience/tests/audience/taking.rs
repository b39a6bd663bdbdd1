//! Leases: one builder at a time, taking over, cancelling, and changes made meanwhile.

use crate::world::{World, device, options, quiet, row};
use audience::build::{LEASE, OnProgress, Progress};
use audience::{BuildError, Stepped, build, run_builder, try_take};
use common::campaign::{Campaign, Decision, ListFormat, Stamp, State};
use common::ids::WorkerId;
use common::ports::{Campaigns, PortError, Written};
use common::time::UnixMs;
use contract::memory::{Call, MemoryCampaigns};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

async fn world() -> (World, Campaign) {
    let world = World::new();
    world.devices((0..9).map(|n| row(&format!("u{n}"), device(n, 1, "de"))).collect()).await;
    let list: String = (0..9).map(|n| format!("u{n}\n")).collect();
    let campaign = world.campaign(list.as_bytes(), ListFormat::Plain, options(2, 4)).await;
    (world, campaign)
}

/// Applies a decision to the stored record, whatever its version; a lane may be renewing the lease at the same time.
async fn write(campaigns: &MemoryCampaigns, campaign: &Campaign, decide: impl Fn(&Campaign) -> Decision) {
    loop {
        let now = campaigns.get(campaign.id).await.unwrap().unwrap();
        let Decision::Change(next) = decide(&now) else { panic!("refused") };
        if campaigns.update(&next).await.unwrap() == Written::Yes {
            return;
        }
    }
}

/// Lets two seconds pass at each piece of progress, and does something once when devices are looked up.
fn meanwhile(
    world: &World,
    campaign: &Campaign,
    act: impl Fn(&Campaign) -> Decision + Send + Sync + 'static,
) -> OnProgress {
    let (clock, campaigns, campaign) = (world.clock.clone(), world.parts.campaigns.clone(), campaign.clone());
    let acted = AtomicBool::new(false);
    Arc::new(move |p: Progress| {
        clock.advance(Duration::from_secs(2));
        if p.stage == "looking devices up" && !acted.swap(true, Ordering::SeqCst) {
            let doing = write(&campaigns, &campaign, &act);
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(doing));
        }
    })
}

#[tokio::test]
async fn one_at_a_time_and_another_after_the_lease() {
    let (world, campaign) = world().await;
    let take = |holder, campaign: Campaign| {
        let (backend, clock) = (world.backend.clone(), world.clock.clone());
        async move { try_take(&backend, &*clock, WorkerId(holder), &campaign).await.unwrap() }
    };
    let first = take(1, campaign.clone()).await.unwrap();
    assert_eq!(first.build.as_ref().unwrap().holder, Some(WorkerId(1)));
    assert_eq!(take(2, first.clone()).await, None, "held");
    assert_eq!(take(2, campaign.clone()).await, None, "an old record");
    assert_eq!(world.builder(2).step().await, Ok(Stepped::Idle));
    let lost = Box::pin(build(world.job(&first, 1, quiet()))).await;
    assert_eq!(lost, Err(BuildError::LeaseLost));
    world.clock.advance(LEASE);
    assert_eq!(world.builder(2).step().await, Ok(Stepped::Built(campaign.id)));
    assert_eq!(world.builder(2).step().await, Ok(Stepped::Idle));
    assert_eq!(take(3, world.record(campaign.id).await).await, None, "built");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_build_stops_and_leaves_nothing() {
    let (world, campaign) = world().await;
    let cancel = meanwhile(&world, &campaign, |c| c.abort(Stamp::new("mia", UnixMs(5))));
    let result = Box::pin(build(world.job(&campaign, 2, cancel))).await;
    assert_eq!(result, Err(BuildError::Cancelled));
    assert_eq!((world.scratch().await, world.manifests().await), (vec![], 0));
    assert_eq!(world.record(campaign.id).await.state, State::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_is_renewed_and_an_edit_meanwhile_is_kept() {
    let (world, campaign) = world().await;
    let edit = meanwhile(&world, &campaign, |c| c.edit(Some("renamed".into()), None, None));
    let snapshot = Box::pin(build(world.job(&campaign, 1, edit))).await.unwrap();
    assert_eq!(snapshot.users, 9);
    let record = world.record(campaign.id).await;
    let held = record.build.unwrap();
    assert_eq!((record.name.as_str(), held.holder), ("renamed", Some(WorkerId(5))));
    assert!(held.lease_until > UnixMs(1_000_000).plus(LEASE));
    assert_eq!((held.stage.as_str(), held.done, held.total), ("writing the snapshot", 9, 9));
    assert!(snapshot.build_ms >= 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_builder_that_lost_its_lease_leaves_the_scratch_to_the_other() {
    let (world, campaign) = world().await;
    let other = meanwhile(&world, &campaign, |c| {
        let mut build = c.build.clone().unwrap();
        build.holder = Some(WorkerId(77));
        build.lease_until = UnixMs(i64::MAX);
        c.build_progress(build)
    });
    let result = Box::pin(build(world.job(&campaign, 1, other))).await;
    assert_eq!(result, Err(BuildError::LeaseLost));
    assert!(!world.scratch().await.is_empty());
    world.clock.set_wall(UnixMs(i64::MAX));
    assert_eq!(world.builder(2).step().await, Ok(Stepped::Built(campaign.id)));
    assert_eq!(world.scratch().await, [""; 0]);
}

#[tokio::test]
async fn what_an_earlier_upload_left_behind_is_removed() {
    use common::ports::{ObjectStore, PutMode};
    let (world, campaign) = world().await;
    let key = format!("{}/work-0001", common::snapshot::keys::scratch(campaign.id, "zero"));
    world.parts.objects.put(&key, "x".into(), PutMode::Replace).await.unwrap();
    world.build(&campaign, 1).await.unwrap();
    assert_eq!(world.scratch().await, [""; 0]);
}

#[tokio::test]
async fn a_build_that_is_put_off_is_free_for_anybody() {
    let (world, campaign) = world().await;
    world.parts.faults.fail_call(Call::ObjectsPut, 1);
    assert_eq!(world.builder(1).step().await, Ok(Stepped::Later(campaign.id)));
    assert_eq!(world.record(campaign.id).await.build.unwrap().holder, None);
    assert_eq!(world.builder(2).step().await, Ok(Stepped::Built(campaign.id)));
    world.parts.faults.fail_call(Call::CampaignsList, 0);
    assert!(matches!(world.builder(2).step().await, Err(PortError::Unavailable { .. })));
}

/// Also where only the answer was lost, of whichever write.
#[tokio::test]
async fn each_end_is_told_once() {
    for lost in 0..4 {
        let (world, campaign) = world().await;
        world.parts.faults.lose_answer(Call::CampaignsUpdate, lost);
        for holder in [1, 2, 1, 2] {
            let _ = world.builder(holder).step().await;
            world.clock.advance(LEASE);
        }
        let record = world.record(campaign.id).await;
        let snapshot = record.snapshot.expect("built").id.to_string();
        let told = format!("building -> ready; snapshot {snapshot:.12} of 9 users");
        assert_eq!((record.state, &*world.told.lock().unwrap()), (State::Ready, &vec![told]), "{lost}");
    }
}

#[tokio::test]
async fn a_build_that_fails_is_told_with_its_reason() {
    let world = World::new();
    let list = b"name,age\nu1,3\n";
    let campaign = world.campaign(list, ListFormat::Csv, options(2, 4)).await;
    assert_eq!(world.builder(1).step().await, Ok(Stepped::Failed(campaign.id)));
    assert_eq!(world.builder(2).step().await, Ok(Stepped::Idle));
    let why = world.record(campaign.id).await.failure.unwrap();
    assert_eq!(*world.told.lock().unwrap(), [format!("building -> failed; {why}")]);
}

#[tokio::test]
async fn the_role_builds_until_it_is_told_to_stop() {
    let (world, campaign) = world().await;
    let shutdown = CancellationToken::new();
    let role = tokio::spawn(run_builder(
        world.backend.clone(),
        world.clock.clone(),
        world.telling(),
        shutdown.clone(),
    ));
    let ready = async {
        while world.record(campaign.id).await.state != State::Ready {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ready).await.unwrap();
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(20), role).await.unwrap().unwrap();
}
