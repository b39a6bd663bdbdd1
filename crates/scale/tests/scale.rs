//! Laws that the model obeys whatever its figures are.

use scale::{Blast, Figures, Fleet, Kind, Latency, Prediction, Setup, predict};

fn aws(users: u64, push_workers: u32) -> Setup {
    let blast = Blast { users, android_share: 0.4, ..Blast::default() };
    let mut setup =
        Setup::aws(&Figures::default(), blast, Fleet { push_workers, ..Fleet::default() }, (4, 2));
    setup.gateways.fcm.quota_per_min = None;
    setup
}

fn rehearsal(users: u64, lanes: u32, streams: u32, round_trip_ms: f64) -> Setup {
    let blast = Blast { users, android_share: 0.5, ..Blast::default() };
    let fleet = Fleet {
        lanes,
        apns_connections: 1,
        fcm_connections: 1,
        devices_in_flight: 2_000,
        ..Fleet::default()
    };
    let mut setup =
        Setup::one_machine(&Figures::default(), blast, fleet, 2, Latency::constant(round_trip_ms));
    setup.gateways.apns.streams = streams;
    setup.gateways.fcm.streams = streams;
    setup
}

/// Every batch leaves once, every device has its answer.
fn conserved(p: &Prediction) {
    assert_eq!(p.finished_batches, p.batches, "{p:?}");
    assert_eq!(p.accepted.count + p.expired, p.devices);
    let wanted = (p.users as f64 * 1.05).round() as u64;
    assert_eq!(p.devices, wanted);
    let a = &p.accepted;
    assert!(a.first_ms <= a.p50_ms && a.p50_ms <= a.p95_ms && a.p95_ms <= a.p99_ms && a.p99_ms <= a.last_ms);
}

#[test]
fn every_batch_leaves_once() {
    for (users, workers) in [(1, 1), (99, 3), (20_001, 2), (300_000, 20), (123_457, 1_000)] {
        conserved(&predict(&aws(users, workers)));
    }
    conserved(&predict(&rehearsal(20_000, 3, 100, 100.0)));
}

#[test]
fn the_same_seed_is_the_same_blast_and_another_is_another() {
    let setup = aws(200_000, 10);
    let (one, two) = (predict(&setup), predict(&setup));
    assert_eq!(one, two);
    let mut other = setup;
    other.blast.seed = 2;
    assert_ne!(predict(&other).accepted, one.accepted);
}

#[test]
fn more_workers_are_never_slower_beyond_noise() {
    let mut before = f64::INFINITY;
    for workers in [2, 5, 10, 20, 50, 100, 400] {
        let now = predict(&aws(400_000, workers)).accepted.p99_ms as f64;
        assert!(now <= before * 1.1 + 50.0, "{workers} workers: {now} ms after {before} ms");
        before = before.min(now);
    }
}

#[test]
fn slower_gateways_and_more_users_are_never_faster() {
    let last = |users, ms| predict(&rehearsal(users, 2, 100, ms)).accepted.last_ms;
    assert!(last(10_000, 50.0) <= last(10_000, 100.0) && last(10_000, 100.0) <= last(20_000, 100.0));
}

/// Streams in flight = rate x round trip: with so many streams and nothing else in the way, that is the rate.
#[test]
fn littles_law_of_streams() {
    for lanes in [1, 2, 4, 8] {
        let p = predict(&rehearsal(40_000, lanes, 100, 150.0));
        let seconds = p.accepted.last_ms as f64 / 1_000.0;
        let rate = f64::from(lanes) * 2.0 * 100.0 / 0.15;
        let wanted = p.devices as f64 / rate;
        assert!(seconds >= wanted * 0.99, "{lanes} lanes: {seconds} s, streams allow {wanted} s");
        assert!(
            seconds <= wanted * 1.15 + 1.0,
            "{lanes} lanes: {seconds} s, streams would do it in {wanted} s"
        );
        assert!(matches!(p.limit, Kind::ApnsStreams | Kind::FcmStreams), "{:?}", p.waited);
    }
}

/// Batches in the lanes = what enters them in a second x how long each is there; and room bounds them.
#[test]
fn lanes_never_hold_more_than_their_room() {
    let setup = aws(400_000, 2);
    let p = predict(&setup);
    let most =
        f64::from(setup.fleet.push_workers * setup.fleet.lanes * setup.fleet.devices_in_flight) / 105.0;
    assert!(p.in_lanes > 0.0 && p.in_lanes <= most, "{} of {most}", p.in_lanes);
    // A shard's last batch is smaller: one more of them may fit.
    assert!(p.most_in_flight as f64 <= most * 1.05, "{} of {most}", p.most_in_flight);
    assert_eq!(p.limit, Kind::Room, "{:?}", p.waited);
}

/// 42,000 at 1,000/s, of which half a second's worth was saved up and each worker may owe one batch's.
#[test]
fn a_quota_bounds_the_rate_exactly() {
    let paced = |workers: u32, whole_seconds: bool| {
        let mut setup = aws(100_000, workers);
        setup.gateways.fcm.quota_per_min = Some(60_000.0);
        setup.backend.whole_seconds = whole_seconds;
        let p = predict(&setup);
        conserved(&p);
        assert_eq!((p.limit, p.expired, p.fcm.count), (Kind::FcmQuota, 0, 42_000), "{:?}", p.waited);
        let seconds = p.fcm.last_ms as f64 / 1_000.0;
        let allowed = 1_000.0 * (seconds + 0.5) + f64::from(workers) * 42.0;
        assert!(42_000.0 <= allowed, "{workers} workers: 42,000 in {seconds} s is above the quota");
        assert!(
            p.apns.last_ms <= predict(&aws(100_000, workers)).apns.last_ms * 2,
            "Apple's are not held up"
        );
        seconds
    };
    let alone = paced(1, false);
    assert!(alone <= 42.0 * 1.15, "{alone} s: one worker uses all of it");
    // Of several, each has its part; what comes back to one that has none left stands in line anew, and a queue that knows
    // whole seconds only lets many come back at once.
    for (workers, whole_seconds) in [(5, false), (5, true), (20, true)] {
        let seconds = paced(workers, whole_seconds);
        assert!(seconds >= alone * 0.95, "{workers} workers: {seconds} s, one alone {alone} s");
    }
}

#[test]
fn what_the_quota_has_no_room_for_before_the_deadline_is_expired_and_counted() {
    let mut setup = aws(100_000, 2);
    setup.gateways.fcm.quota_per_min = Some(60_000.0);
    setup.blast.deadline_s = 20.0;
    let p = predict(&setup);
    conserved(&p);
    assert!(p.expired > 15_000 && p.accepted.last_ms <= 20_500, "{} {}", p.expired, p.accepted.last_ms);
}

#[test]
fn nothing_is_sent_after_the_deadline() {
    let mut setup = aws(400_000, 1);
    setup.blast.deadline_s = 3.0;
    let p = predict(&setup);
    conserved(&p);
    // What was claimed before may have its answer a little later.
    assert!(p.expired > 200_000 && p.accepted.last_ms < 5_000, "{} {}", p.expired, p.accepted.last_ms);
}

#[test]
fn each_limit_is_found_where_it_was_put() {
    let limit = |change: &dyn Fn(&mut Setup)| {
        let mut setup = aws(200_000, 20);
        change(&mut setup);
        let p = predict(&setup);
        conserved(&p);
        (p.limit, p.waited)
    };
    let is = |kind, change: &dyn Fn(&mut Setup)| {
        let (found, waited) = limit(change);
        assert_eq!(found, kind, "{waited:?}");
    };
    is(Kind::Partition, &|s| s.backend.table_writes_per_s = Some(400.0));
    is(Kind::FcmStreams, &|s| (s.fleet.fcm_connections, s.gateways.fcm.streams) = (1, 2));
    is(Kind::ApnsRate, &|s| s.gateways.apns.per_connection_per_s = Some(20.0));
    is(Kind::ApnsRate, &|s| (s.fleet.push_workers, s.fleet.devices_in_flight) = (2, 40_000));
    is(Kind::InFlight, &|s| s.backend.in_flight_max = Some(20));
    is(Kind::SendCalls, &|s| {
        (s.blast.users, s.fleet.push_workers) = (2_000_000, 100);
        (s.fleet.interim_workers, s.fleet.sends_in_flight) = (50, 1);
    });
    is(Kind::Interim, &|s| (s.fleet.interim_workers, s.fleet.permits) = (1, 1));
    is(Kind::InterimCpu, &|s| s.cpu.expand = 20_000.0);
    is(Kind::FifoRate, &|s| (s.blast.shards, s.backend.fifo_calls_per_s) = (1_000, Some(10.0)));
    is(Kind::Cpu, &|s| (s.cpu.send, s.fleet.lanes) = (2_000.0, 8));
    is(Kind::Lane, &|s| (s.cpu.send, s.fleet.lanes) = (2_000.0, 1));
}

#[test]
fn on_one_machine_the_stand_ins_take_their_part() {
    let setup = rehearsal(100_000, 2, 1_000, 0.0);
    let (with, mut without) = (predict(&setup), setup);
    without.gateways.cpu_us = 0.0;
    let without = predict(&without);
    conserved(&with);
    assert!(with.cpu_s[2] > 0.0 && without.cpu_s[2] == 0.0);
    assert!(with.accepted.last_ms > without.accepted.last_ms);
    // 105,000 pushes of 2 us: what is put in comes out.
    let ours = with.cpu_s[0] + with.cpu_s[1];
    assert!((ours - 0.21).abs() < 0.005, "{ours} s");
}

/// What waits for its turn at a stand-in takes none of its CPU meanwhile, and holds up nobody at the other gateway.
#[test]
fn a_stand_ins_rate_holds_up_its_own_only() {
    let mut setup = rehearsal(50_000, 1, 1_000, 30.0);
    setup.fleet.devices_in_flight = 100_000;
    let free = predict(&setup);
    setup.gateways.apns.per_connection_per_s = Some(2_000.0);
    let p = predict(&setup);
    conserved(&p);
    let (seconds, wanted) = (p.apns.last_ms as f64 / 1_000.0, p.apns.count as f64 / 2_000.0);
    assert!((wanted * 0.95..wanted * 1.05).contains(&seconds), "{seconds} s, the rate makes it {wanted} s");
    let (fcm, at_best) = (p.fcm.last_ms, free.fcm.last_ms);
    assert!(fcm <= at_best + at_best / 10, "FCM's last after {fcm} ms, with no rate at APNs {at_best} ms");
    assert_eq!(p.limit, Kind::ApnsRate, "{:?}", p.waited);
}
