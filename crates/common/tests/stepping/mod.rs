//! A seeded stepping test of press, reconciler, expansion, claim, send, complete, abort, resume and the two queues.
//!
//! Everything that decides is the real, pure code of this crate; virtual time; one effect a step; a crash may fall between
//! any two. Each seed is one history. A failing seed prints the end of its trace; `OWL_STEPPING_SEED=n` replays it alone,
//! `OWL_STEPPING_HISTORIES=n` runs more of them.

mod check;
mod interim;
mod people;
mod push;
mod world;

use world::World;

/// Histories in an ordinary run of the tests.
const HISTORIES: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|v| v.parse().ok())
}

fn history(seed: u64) -> World {
    let mut world = World::new(seed);
    world.storm();
    world.calm();
    world.settled();
    world
}

#[test]
fn invariants_hold_in_every_history() {
    if let Some(seed) = number("OWL_STEPPING_SEED") {
        history(seed).print_trace();
        return;
    }
    let mut seen = check::Seen::default();
    for seed in 0..number("OWL_STEPPING_HISTORIES").unwrap_or(HISTORIES) {
        seen.add(&history(seed));
    }
    // The histories must have been worth it: each of these has to happen often.
    seen.must_have_happened();
}
