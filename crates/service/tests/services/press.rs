//! A whole press over all three services, several processes of each, with processes killed and calls going wrong: by the
//! gateways' journal every device is reached once, but for what the books count as doubtful.

use super::http;
use super::process::{Service, wait_until};
use super::world::{Campaign, World, token};
use aws::standin::{Fault, Faults};
use loadtest::gateways::Behaviour;
use serde_json::{Value, json};
use std::time::Instant;

/// Slow enough that there is a middle, in which batches are claimed and not sent, and sent and not completed.
fn slow() -> Behaviour {
    Behaviour { round_trip_ms: 60, ..Behaviour::default() }
}

struct Fleet {
    apis: Vec<Service>,
    interims: Vec<Service>,
    pushes: Vec<Service>,
}

impl Fleet {
    fn start(world: &World) -> Self {
        let fleet = std::thread::scope(|scope| {
            let apis: Vec<_> = (0..2).map(|_| scope.spawn(|| world.api())).collect();
            let interims: Vec<_> = (0..2).map(|_| scope.spawn(|| world.interim())).collect();
            let pushes: Vec<_> = (0..3).map(|_| scope.spawn(|| world.push())).collect();
            let all = |services: Vec<std::thread::ScopedJoinHandle<'_, Service>>| -> Vec<Service> {
                services.into_iter().map(|s| s.join().unwrap()).collect()
            };
            Self { apis: all(apis), interims: all(interims), pushes: all(pushes) }
        });
        fleet.all().for_each(Service::ready);
        fleet
    }

    fn all(&self) -> impl Iterator<Item = &Service> {
        self.apis.iter().chain(&self.interims).chain(&self.pushes)
    }

    fn say_sizes(&self) {
        for service in self.all() {
            eprintln!(
                "{}: listened after {:?}, {} MB",
                service.name,
                service.listened_after,
                service.rss_mb()
            );
        }
    }
}

/// Presses at all APIs at once; all give the same account of it.
fn press_everywhere(campaign: &Campaign, apis: &[Service]) {
    let press = |api: &Service| campaign.post(&api.address, "press", &json!({}));
    let receipts: Vec<Value> = std::thread::scope(|scope| {
        let twice = apis.iter().chain(apis).map(|api| scope.spawn(move || press(api)));
        twice.collect::<Vec<_>>().into_iter().map(|t| t.join().unwrap()).collect()
    });
    // Whoever's answer was lost asked again and heard that it is pressed already: at most one says that it was it.
    assert!(receipts.iter().filter(|r| r["result"] == "pressed").count() <= 1, "{receipts:?}");
    assert!(
        receipts.iter().all(|r| r["at"] == receipts[0]["at"] && r["by"] == "configured administrator"),
        "{receipts:?}"
    );
}

/// Holds the report against the gateways' journal.
fn settle(world: &World, report: &Value, users: usize) {
    let books = &report["books"];
    let n = |key: &str| books[key].as_u64().unwrap_or_else(|| panic!("no {key}: {report}"));
    let terms = ["accepted", "rejected", "expired", "aborted", "ambiguous", "pending"];
    assert_eq!(n("devices"), users as u64, "{books}");
    assert_eq!(terms.iter().map(|t| n(t)).sum::<u64>(), users as u64, "{books}");
    assert_eq!(n("pending") + n("expired") + n("aborted") + n("rejected"), 0, "{books}");
    let journal = world.journal();
    let (mut lost, mut doubles) = (0, 0);
    for user in 0..users {
        let accepted = journal.lookup_token(&token(user).1).map_or(0, |e| u64::from(e.accepted));
        lost += u64::from(accepted == 0);
        doubles += accepted.saturating_sub(1);
    }
    eprintln!("lost {lost}, doubles {doubles}, {books}");
    // What was written and never answered is not sent again: it is ambiguous, and counted.
    assert!(lost <= n("ambiguous"), "{lost} lost: {books}");
    assert!(doubles <= n("doubled_at_most"), "{doubles} doubles: {books}");
    assert_eq!(report["is_final"], true);
    assert_eq!(journal.entries().len(), users, "somebody was reached who should not");
}

#[test]
fn killed_in_the_middle_every_device_is_reached_once() {
    const USERS: usize = 10_000;
    let began = Instant::now();
    let world = World::new(slow());
    let mut fleet = Fleet::start(&world);
    fleet.say_sizes();
    let first = fleet.apis[0].address.clone();
    let campaign = Campaign::ready(&first, USERS, &json!({ "batch_users": 20, "shards": 20 }));
    campaign.arm(&fleet.apis[1].address, 2, 3);
    eprintln!("armed after {:?}", began.elapsed());
    fleet.all().for_each(Service::ready);
    press_everywhere(&campaign, &fleet.apis);
    let pressed = Instant::now();
    wait_until("the first", || world.accepted() > 0);
    fleet.interims.remove(0).kill();
    wait_until("a fifth", || world.accepted() > USERS as u64 / 5);
    fleet.pushes.remove(0).kill();
    fleet.apis.remove(0).kill();
    assert!(world.accepted() < USERS as u64, "all was over before anybody was killed");
    let (status, lines) = fleet.pushes.remove(0).terminate();
    assert_eq!(status, Some(0), "{lines:#?}");
    let left = fleet.apis[0].address.clone();
    campaign.wait_for(&left, "done");
    eprintln!("done {:?} after the press", pressed.elapsed());
    settle(&world, &campaign.report(&left), USERS);
    fleet.say_sizes();
    let workers = http::get(&left, "/v1/fleet").ok()["workers"].clone();
    assert_eq!(workers.as_array().map(Vec::len), Some(2), "one of each kind is left: {workers}");
    for service in fleet.apis.into_iter().chain(fleet.interims).chain(fleet.pushes) {
        let (status, lines) = service.terminate();
        assert_eq!(status, Some(0), "{lines:#?}");
    }
    eprintln!("all in {:?}", began.elapsed());
}

#[test]
fn with_calls_to_aws_going_wrong_nothing_is_lost() {
    const USERS: usize = 3_000;
    let world = World::new(slow());
    let fleet = Fleet::start(&world);
    let api = fleet.apis[0].address.clone();
    let campaign = Campaign::ready(&api, USERS, &json!({ "batch_users": 20, "shards": 10 }));
    campaign.arm(&api, 2, 3);
    world.proxy.set(Some(Faults { seed: 1, percent: 5, of: Fault::ALL.to_vec() }));
    press_everywhere(&campaign, &fleet.apis);
    campaign.wait_for(&api, "done");
    let (requests, faults) = world.proxy.counts();
    world.proxy.set(None);
    eprintln!("{requests} requests, {faults:?}");
    for fault in Fault::ALL {
        assert!(faults.get(&fault).is_some_and(|n| *n > 0), "{fault:?} never happened: {faults:?}");
    }
    settle(&world, &campaign.report(&api), USERS);
}

/// What SIGSTOP leaves is neither dead nor alive: its connections stay open, its claims lapse, others take what it held. When
/// it wakes it has old claims in hand and answers that came meanwhile.
#[test]
fn workers_frozen_past_their_leases_are_taken_over_and_double_nobody_uncounted() {
    const USERS: usize = 10_000;
    // Until a connection's first answer it carries one request: once somebody is accepted, nearly all are on their way for so long.
    let world = World::new(Behaviour { round_trip_ms: 400, ..Behaviour::default() });
    let fleet = Fleet::start(&world);
    let api = fleet.apis[0].address.clone();
    let campaign = Campaign::ready(&api, USERS, &json!({ "batch_users": 20, "shards": 20 }));
    campaign.arm(&api, 2, 3);
    press_everywhere(&campaign, &fleet.apis);
    wait_until("the first", || world.accepted() > 0);
    let frozen = [&fleet.interims[0], &fleet.pushes[0]];
    frozen.iter().for_each(|service| service.signal("-STOP"));
    assert!(world.accepted() < USERS as u64, "all was over before anybody was frozen");
    // Without the two: what they held comes back when their leases and visibility have run out.
    campaign.wait_for(&api, "done");
    let held = campaign.report(&api)["books"]["doubled_at_most"].as_u64().unwrap();
    assert!(held > 0, "the frozen push worker held nothing");
    frozen.iter().for_each(|service| service.signal("-CONT"));
    frozen.iter().for_each(|service| service.ready());
    for service in fleet.interims.into_iter().chain(fleet.pushes) {
        let (status, lines) = service.terminate();
        assert_eq!(status, Some(0), "{lines:#?}");
    }
    // All that they had to say is said.
    settle(&world, &campaign.report(&api), USERS);
}
