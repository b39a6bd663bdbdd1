//! Breakers: one worker's, and the fleet's.

use crate::bench::Bench;
use crate::world::Spec;
use common::fleet::WorkerRow;
use common::ids::WorkerId;
use common::outcome::Outcome;
use common::ports::Fleet;
use push_worker::gateway::Answer;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

async fn other_worker(bench: &Bench) {
    let row = WorkerRow {
        worker: WorkerId(7),
        tripped: false,
        links: vec![],
        at: bench.world.clock.now(),
        ..bench.shared.row()
    };
    bench.world.parts.fleet.beat(&row).await.expect("beat");
    let row = WorkerRow { worker: WorkerId(8), ..row };
    bench.world.parts.fleet.beat(&row).await.expect("beat");
}

#[tokio::test(start_paused = true)]
async fn when_everything_is_misconfigured_the_worker_trips_and_puts_all_back() {
    let bench = Bench::new(Spec { users: 1000, batch_users: 100, ..Spec::default() }).await;
    bench.apns.always(Answer::Misconfigured);
    bench.fcm.always(Answer::Rejected(Outcome::BadRequest));
    other_worker(&bench).await;
    bench.looking(bench.lane.step()).await;
    bench.lane.tend().await;
    let row = bench.shared.row();
    assert!(row.tripped && !row.ready && row.trouble.is_some_and(|t| t.contains("tripped")));
    let writes = bench.writes();
    assert_eq!(bench.lane.step().await, 0, "it takes nothing more");
    assert_eq!(bench.writes(), writes);
    assert!(bench.count(Outcome::Misconfigured).await + bench.count(Outcome::BadRequest).await < 100);
    bench.apns.always(Answer::Accepted);
    bench.fcm.always(Answer::Accepted);
    bench.drain(5 * MINUTE).await;
    assert!(!bench.shared.row().tripped, "the probe closed it");
    assert_eq!(bench.pending().await, 0);
    assert!(bench.count(Outcome::Accepted).await > 900);
}

#[tokio::test(start_paused = true)]
async fn while_it_is_tripped_one_batch_probes_and_no_attempt_is_used_up() {
    let bench =
        Bench::new(Spec { users: 400, batch_users: 100, fcm_one_in: 100_000, ..Spec::default() }).await;
    bench.apns.always(Answer::Misconfigured);
    bench.drain(2 * MINUTE).await;
    let probes = (bench.writes() - 400) / 100;
    assert!((10..=24).contains(&probes), "{probes} probes in two minutes");
    assert_eq!(bench.count(Outcome::Misconfigured).await, 0);
    bench.apns.always(Answer::Accepted);
    bench.drain(MINUTE).await;
    assert_eq!(bench.count(Outcome::Accepted).await, 400);
}

#[tokio::test(start_paused = true)]
async fn one_bad_row_among_good_ones_is_recorded_and_trips_nothing() {
    let bench = Bench::new(Spec { users: 500, ..Spec::default() }).await;
    bench.apns.answers(|hash, _| {
        if hash.is_multiple_of(5) { Answer::Rejected(Outcome::BadDeviceToken) } else { Answer::Accepted }
    });
    bench.drain(MINUTE).await;
    assert!(!bench.shared.row().tripped);
    assert!(bench.count(Outcome::BadDeviceToken).await > 20);
    assert_eq!((bench.pending().await, bench.writes()), (0, 500));
}

#[tokio::test(start_paused = true)]
async fn when_the_fleet_gives_a_gateway_up_the_other_is_sent_to_and_nothing_is_lost() {
    let bench = Bench::new(Spec { users: 1000, batch_users: 100, ..Spec::default() }).await;
    bench.fcm.always(Answer::Misconfigured);
    bench.looking(bench.lane.step()).await;
    bench.lane.tend().await;
    bench.shared.report().await;
    bench.shared.look_at_fleet().await;
    assert!(bench.shared.row().trouble.is_some_and(|t| t.contains("given up by the fleet")));
    bench.drain(Duration::from_secs(20)).await;
    assert_eq!(bench.apns.devices(), 500, "the other gateway goes on");
    bench.fcm.always(Answer::Accepted);
    bench.drain(MINUTE).await;
    bench.shared.report().await;
    bench.shared.look_at_fleet().await;
    bench.drain(2 * MINUTE).await;
    assert_eq!(bench.pending().await, 0);
    assert_eq!(bench.count(Outcome::Accepted).await, 1000);
}
