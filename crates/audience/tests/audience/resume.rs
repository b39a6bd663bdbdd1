//! Failing at every step, and going on: the same snapshot, and nothing left behind.

use crate::world::{World, device, options, row};
use audience::Stepped;
use audience::build::LEASE;
use common::campaign::{Campaign, ListFormat, SnapshotRef, State};
use contract::memory::Call;

async fn world() -> (World, Campaign) {
    let world = World::new();
    let mut rows: Vec<_> = (0..40).map(|n| row(&format!("u{n}"), device(n, 1, "de"))).collect();
    rows.extend((0..40).map(|n| row(&format!("w{n}"), device(n * 2, (n % 3) as i64, "en"))));
    world.devices(rows).await;
    let list: String = (0..50).map(|n| format!("u{n}\nw{n}\nu{}\n", n / 2)).collect();
    let campaign = world.campaign(list.as_bytes(), ListFormat::Plain, options(3, 4)).await;
    (world, campaign)
}

fn timeless(mut snapshot: SnapshotRef) -> SnapshotRef {
    snapshot.built_at.0 = 0;
    snapshot.build_ms = 0;
    snapshot
}

async fn reference() -> SnapshotRef {
    let (world, campaign) = world().await;
    timeless(world.build(&campaign, 2).await.unwrap())
}

/// Steps until the campaign is ready; answers what its record says then.
async fn drive(world: &World, campaign: &Campaign) -> SnapshotRef {
    for _ in 0..6 {
        let step = world.builder(1).step().await;
        let record = world.record(campaign.id).await;
        if record.state == State::Ready {
            assert_eq!(record.build, None);
            return timeless(record.snapshot.unwrap());
        }
        match step {
            Ok(Stepped::Later(_)) => {
                let stage = record.build.unwrap().stage;
                assert!(stage.starts_with("waiting: "), "{stage}");
            }
            // The record itself was out of reach: what a builder holds is its own, or ends with the lease.
            Err(_) | Ok(Stepped::Idle | Stepped::GivenUp(_)) => world.clock.advance(LEASE),
            Ok(other) => panic!("{other:?}: {:?}", record.failure),
        }
    }
    panic!("it never ends")
}

#[tokio::test]
async fn every_call_may_fail_and_every_answer_may_be_lost() {
    let wanted = reference().await;
    let calls = [
        Call::ObjectsPut,
        Call::ObjectsGet,
        Call::ObjectsList,
        Call::ObjectsDelete,
        Call::DevicesGet,
        Call::CampaignsUpdate,
        Call::CampaignsGet,
        Call::CampaignsList,
    ];
    for call in calls {
        for lose_answer in [false, true] {
            let mut hit = 0;
            for nth in 0.. {
                let (world, campaign) = world().await;
                if lose_answer {
                    world.parts.faults.lose_answer(call, nth);
                } else {
                    world.parts.faults.fail_call(call, nth);
                }
                let before = world.parts.faults.count(call);
                let snapshot = Box::pin(drive(&world, &campaign)).await;
                assert_eq!(snapshot, wanted, "{call:?} {nth} {lose_answer}");
                if world.parts.faults.count(call) - before <= nth {
                    break;
                }
                hit += 1;
                assert_eq!(world.manifests().await, 1);
                if call != Call::ObjectsDelete && call != Call::ObjectsList {
                    assert_eq!(world.scratch().await, [""; 0], "{call:?} {nth} {lose_answer}");
                }
            }
            assert!(hit > 0, "{call:?} is never made");
        }
    }
}

#[tokio::test]
async fn what_is_done_is_not_done_again() {
    let (world, campaign) = world().await;
    world.parts.faults.fail_call(Call::DevicesGet, 2);
    assert_eq!(world.builder(1).step().await, Ok(Stepped::Later(campaign.id)));
    let (asked, scratch) = (world.parts.faults.count(Call::DevicesGet), world.scratch().await);
    assert!(scratch.iter().any(|key| key.ends_with("/partition")), "{scratch:?}");
    let finished = scratch.iter().filter(|key| key.contains("/work-")).count() as u64;
    // The devices change in between: what was looked up stays so, and the rest is looked up now.
    assert_eq!(world.builder(2).step().await, Ok(Stepped::Built(campaign.id)));
    assert_eq!(world.parts.faults.count(Call::DevicesGet) - asked, 3 - finished);
}
