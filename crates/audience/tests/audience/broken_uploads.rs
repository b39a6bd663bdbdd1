//! What can't be built ends as failed, with a sentence for the person who uploaded it.

use crate::world::{World, device, options, row};
use audience::Stepped;
use common::campaign::{ListFormat, State};
use common::ports::{ObjectStore, PutMode};

async fn failure(world: &World, list: &[u8], format: ListFormat) -> String {
    let campaign = world.campaign(list, format, options(2, 10)).await;
    assert_eq!(world.builder(1).step().await, Ok(Stepped::Failed(campaign.id)));
    assert_eq!((world.scratch().await, world.manifests().await), (vec![], 0));
    let record = world.record(campaign.id).await;
    assert_eq!(record.state, State::Failed);
    record.failure.unwrap()
}

#[tokio::test]
async fn lists_that_are_none() {
    for (list, format, wanted) in [
        (&b""[..], ListFormat::Plain, "the upload can't be used: the list is empty"),
        (b"id\n1\n", ListFormat::Csv, "the upload can't be used: line 1: the header has no column `user_id`"),
        (
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03K",
            ListFormat::Plain,
            "the upload can't be used: the gzip data ends at byte 11",
        ),
        (b"a\n b\n c\n", ListFormat::Plain, "the upload can't be used: this does not look like a plain list"),
    ] {
        let message = Box::pin(failure(&World::new(), list, format)).await;
        assert!(message.starts_with(wanted), "{message}");
    }
}

#[tokio::test]
async fn an_upload_that_is_gone() {
    let world = World::new();
    let campaign = world.campaign(b"a\n", ListFormat::Plain, options(2, 10)).await;
    world.parts.objects.delete(&campaign.upload.as_ref().unwrap().object).await.unwrap();
    assert_eq!(world.builder(1).step().await, Ok(Stepped::Failed(campaign.id)));
    let failure = world.record(campaign.id).await.failure.unwrap();
    assert!(failure.ends_with("is gone from the object store: upload it again"), "{failure}");
}

#[tokio::test]
async fn too_many_locales() {
    for users in [255u64, 256] {
        let world = World::new();
        let tag = |n: u64| format!("de-x{n}");
        world.devices((0..users).map(|n| row(&format!("u{n}"), device(n, 0, &tag(n)))).collect()).await;
        let list: String = (0..users).map(|n| format!("u{n}\n")).collect();
        let campaign = world.campaign(list.as_bytes(), ListFormat::Plain, options(7, 10)).await;
        let step = world.builder(1).step().await;
        assert_eq!(matches!(step, Ok(Stepped::Built(_))), users == 255, "{step:?}");
        let failure = world.record(campaign.id).await.failure;
        assert_eq!(failure.is_some_and(|f| f.contains("more than 255 different locales")), users == 256);
    }
}

#[tokio::test]
async fn damaged_scratch_is_a_failure_and_no_wrong_snapshot() {
    use contract::memory::Call;
    for (name, rubbish) in [("work-0000", &b"\xff\xff\xff\xff"[..]), ("segment-0000", b"x")] {
        let world = World::new();
        world.devices(vec![row("a", device(1, 0, ""))]).await;
        let campaign = world.campaign(b"a\nb\n", ListFormat::Plain, options(1, 10)).await;
        world.parts.faults.fail_call(Call::DevicesGet, 0);
        assert_eq!(world.builder(1).step().await, Ok(Stepped::Later(campaign.id)));
        let key = format!("{}/{name}", common::snapshot::keys::scratch(campaign.id, "first"));
        world.parts.objects.put(&key, rubbish.to_vec().into(), PutMode::Replace).await.unwrap();
        assert_eq!(world.builder(1).step().await, Ok(Stepped::Failed(campaign.id)), "{name}");
        assert_eq!(world.manifests().await, 0);
        let failure = world.record(campaign.id).await.failure.unwrap();
        assert!(failure.contains("missing or damaged"), "{failure}");
    }
}
