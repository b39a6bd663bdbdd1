//! What the contract does not say of the tables: how scans and point reads agree, what is pruned, what is counted.

use crate::open;
use common::device::{Device, DeviceRow, Environment, Target};
use common::fleet::CounterRow;
use common::ids::{CampaignId, WorkerId};
use common::snapshot::user_hash;
use common::time::UnixMs;

fn row(user: &str, last: u8) -> DeviceRow {
    let device = Device {
        target: Target::Apns([vec![7; 31], vec![last]].concat().into()),
        locale: "de".into(),
        timezone: "".into(),
        registered_at: UnixMs(1),
        app: "".into(),
        environment: Environment::Production,
    };
    DeviceRow { user_id: user.into(), opted_out: None, device }
}

#[tokio::test]
async fn dense_and_sparse_questions_get_the_same_answers() {
    let dir = tempfile::tempdir().unwrap();
    let devices = open(dir.path()).backend.devices;
    let stored: Vec<String> = (0..30_000).map(|n| format!("user-{n}")).collect();
    let rows = stored.iter().map(|user| row(user, 1)).collect();
    let mut refused = Vec::new();
    assert_eq!(devices.upsert(rows, &mut refused).await.unwrap().taken, 30_000);
    assert_eq!((devices.users().await.unwrap(), refused), (30_000, vec![]));
    let mut asked: Vec<String> =
        stored.iter().cloned().chain((0..9_000).map(|n| format!("none-{n}"))).collect();
    asked.sort_by_key(|user| user_hash(user));
    for step in [1, 2, 7, 500, 3_000] {
        let mut users: Vec<&str> = asked.iter().step_by(step).map(String::as_str).collect();
        users.push(users[0]);
        let got = devices.get_many(&users).await.unwrap();
        assert_eq!(got.len(), users.len());
        for (user, item) in users.iter().zip(got) {
            assert_eq!(item.is_some(), user.starts_with("user-"), "{user}, every {step}");
        }
    }
}

#[tokio::test]
async fn users_are_counted_once_and_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let mut refused = Vec::new();
    let rows = (0..21).map(|n| row("one", n)).chain([row("two", 1)]).collect();
    let counted = first.backend.devices.upsert(rows, &mut refused).await.unwrap();
    assert_eq!((counted.taken, counted.refused, refused.clone()), (21, 1, vec![20]));
    first.backend.devices.upsert(vec![row("two", 2)], &mut refused).await.unwrap();
    first.close();
    assert_eq!(open(dir.path()).backend.devices.users().await.unwrap(), 2);
}

#[tokio::test]
async fn old_counter_rows_go_at_open() {
    let dir = tempfile::tempdir().unwrap();
    let campaign = CampaignId::random();
    let first = open(dir.path());
    for second in [-5, 1_000_000, 2_000_000] {
        let row = CounterRow { worker: WorkerId(1), second, ..CounterRow::default() };
        first.backend.fleet.count(campaign, &row).await.unwrap();
    }
    assert_eq!(first.backend.fleet.counters(campaign, -10).await.unwrap().len(), 3);
    first.close();
    let left = open(dir.path()).backend.fleet.counters(campaign, -10).await.unwrap();
    assert_eq!(left.iter().map(|r| r.second).collect::<Vec<_>>(), [2_000_000]);
}
