//! Nights as a test: so many seeds hold all rules, seeds that found something once are replayed, and a seed is a night.

use night::{Outcome, Size, run, seeds};
use std::sync::atomic::{AtomicU64, Ordering};

/// Nights of a usual test run; `NIGHTS` asks for another number.
const NIGHTS: u64 = 200;

fn night(seed: u64, size: Size) -> Outcome {
    run(seed, size, false).expect("a night can be built")
}

fn must_hold(seed: u64, size: Size) {
    let night = night(seed, size);
    assert!(night.violation.is_none(), "{}", night::command::failure(&night, size, true));
}

/// All of them, on two threads.
fn all(nights: impl Iterator<Item = u64>, size: Size) {
    let nights: Vec<u64> = nights.collect();
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) =
                    usize::try_from(next.fetch_add(1, Ordering::Relaxed)).ok().and_then(|n| nights.get(n))
                {
                    must_hold(*seed, size);
                }
            });
        }
    });
}

#[test]
fn nights_hold_all_rules() {
    let nights = std::env::var("NIGHTS").ok().and_then(|n| n.parse().ok()).unwrap_or(NIGHTS);
    all(1..=nights, Size::Small);
    all(1..=nights / 50, Size::Middle);
    all(1..=nights / 200, Size::Big);
}

#[test]
fn seeds_that_found_something_hold_now() {
    all(seeds(night::REGRESSIONS), Size::Mixed);
}

/// Also when other nights run beside it, in other threads.
#[test]
fn the_same_seed_is_the_same_night() {
    for (first, size) in [(1, Size::Small), (1_000, Size::Middle)] {
        let nights = if size == Size::Small { 12 } else { 2 };
        let both: Vec<Vec<Outcome>> = std::thread::scope(|scope| {
            let run_all = || (first..first + nights).map(|seed| night(seed, size)).collect::<Vec<_>>();
            let two = [scope.spawn(run_all), scope.spawn(run_all)];
            two.map(|t| t.join().expect("no panic")).into()
        });
        for (one, other) in both[0].iter().zip(&both[1]) {
            assert_eq!(one.hash, other.hash, "seed {}: {} and {} events", one.seed, one.events, other.events);
            assert_eq!(one, other);
        }
        let hashes: std::collections::BTreeSet<u64> = both[0].iter().map(|n| n.hash).collect();
        assert_eq!(hashes.len(), both[0].len(), "each night is another");
    }
}
