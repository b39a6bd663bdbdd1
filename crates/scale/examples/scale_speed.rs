//! How long the model takes: `cargo run --release -p scale --example scale_speed`.

use scale::{Blast, Figures, Fleet, Setup, predict};

fn main() {
    for (users, push_workers) in
        [(4_000_000, 2), (4_000_000, 50), (4_000_000, 1_000), (40_000_000, 50), (40_000_000, 1_000)]
    {
        let mut figures = Figures::default();
        figures.fcm_quota_per_min.value = 1e9;
        let blast = Blast { users, ..Blast::default() };
        let setup = Setup::aws(&figures, blast, Fleet { push_workers, ..Fleet::default() }, (4, 2));
        let began = std::time::Instant::now();
        let p = predict(&setup);
        println!(
            "{users} users, {push_workers} workers: {} events in {:.2} s; last after {} ms, limit {}",
            p.events,
            began.elapsed().as_secs_f64(),
            p.accepted.last_ms,
            p.limit_name
        );
    }
}
