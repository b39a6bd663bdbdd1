//! A rehearsal against an earlier one.

use serde::{Deserialize, Serialize};

use super::{Pressed, Rehearsal};

/// One figure, then and now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Users of the press.
    pub users: u64,
    /// The figure's name.
    pub figure: String,
    /// In the baseline.
    pub before: f64,
    /// Now.
    pub now: f64,
}

impl Change {
    /// By how many percent it is more than before.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        (self.before > 0.0).then(|| (self.now / self.before - 1.0) * 100.0)
    }
}

/// All figures of presses of the same size, in the order in which they were pressed.
#[must_use]
pub fn compare(before: &Rehearsal, now: &Rehearsal) -> Vec<Change> {
    let pairs = before.presses.iter().zip(&now.presses).filter(|(b, n)| b.users == n.users);
    pairs
        .flat_map(|(b, n)| {
            figures(b).into_iter().zip(figures(n)).filter_map(|((figure, before), (_, now))| {
                Some(Change { users: n.users, figure: figure.to_owned(), before: before?, now: now? })
            })
        })
        .collect()
}

/// Figures, as far as they were measured.
fn figures(pressed: &Pressed) -> [(&'static str, Option<f64>); 6] {
    let times = &pressed.steps.accepted.times;
    let ms = |ms: Option<i64>| Some(ms.unwrap_or(0) as f64);
    let measured = |figure: f64| (figure > 0.0).then_some(figure);
    [
        ("p50, ms", ms(times.p50_ms)),
        ("p95, ms", ms(times.p95_ms)),
        ("p99, ms", ms(times.p99_ms)),
        ("last, ms", ms(times.last_ms)),
        ("our CPU, us a push", measured(pressed.cpu_us_per_push())),
        ("peak memory, MB", measured(pressed.peak_rss_bytes as f64 / 1e6)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_presses_of_one_size_are_compared() {
        let of = |users: &[u64], cpu_seconds| Rehearsal {
            presses: users
                .iter()
                .map(|&users| Pressed { users, cpu_seconds, ..Pressed::default() })
                .collect(),
            ..Rehearsal::default()
        };
        let changes = compare(&of(&[1, 2], 1.0), &of(&[1, 3], 1.5));
        assert!(changes.iter().all(|change| change.users == 1) && !changes.is_empty());
        let cpu = changes.iter().find(|change| change.figure.contains("CPU")).expect("a figure");
        assert!((cpu.percent().expect("a share") - 50.0).abs() < 1e-9);
        assert_eq!(changes[0].percent(), None);
    }
}
