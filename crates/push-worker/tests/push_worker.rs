//! The push worker's drain step and its loops, on the model backend with scripted gateways.

#[path = "push_worker/bench.rs"]
mod bench;
#[path = "push_worker/configs.rs"]
mod configs;
#[path = "push_worker/drain.rs"]
mod drain;
#[path = "push_worker/fake.rs"]
mod fake;
#[path = "push_worker/faults.rs"]
mod faults;
#[path = "push_worker/gateways.rs"]
mod gateways;
#[path = "push_worker/kill.rs"]
mod kill;
#[path = "push_worker/menu.rs"]
mod menu;
#[path = "push_worker/run.rs"]
mod run;
#[path = "push_worker/stand.rs"]
mod stand;
#[path = "push_worker/stops.rs"]
mod stops;
#[path = "push_worker/testing.rs"]
mod testing;
#[path = "push_worker/trip.rs"]
mod trip;
#[path = "push_worker/twins.rs"]
mod twins;
#[path = "../../interim-worker/tests/world/mod.rs"]
mod world;
