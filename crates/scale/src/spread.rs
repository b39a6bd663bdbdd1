//! When things happened: counted by the millisecond, asked for by their share.

use crate::Ns;
use serde::{Deserialize, Serialize};

/// Counts by millisecond.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spread {
    by_ms: Vec<u64>,
    count: u64,
    sum_ms: f64,
}

/// Quantiles, in milliseconds from the press.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// How many.
    pub count: u64,
    /// The first.
    pub first_ms: u64,
    /// Half.
    pub p50_ms: u64,
    /// 95 of a hundred.
    pub p95_ms: u64,
    /// 99 of a hundred.
    pub p99_ms: u64,
    /// The last.
    pub last_ms: u64,
    /// The mean.
    pub mean_ms: f64,
}

impl Spread {
    pub(crate) fn add(&mut self, at: Ns, n: u64) {
        let ms = (at / 1_000_000) as usize;
        if self.by_ms.len() <= ms {
            self.by_ms.resize(ms + 1, 0);
        }
        self.by_ms[ms] += n;
        self.count += n;
        self.sum_ms += at as f64 / 1e6 * n as f64;
    }

    pub(crate) fn times(&self) -> Times {
        let at = |share: f64| {
            let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
            let mut sum = 0;
            let found = self.by_ms.iter().position(|n| {
                sum += n;
                sum >= wanted
            });
            found.unwrap_or(0) as u64
        };
        Times {
            count: self.count,
            first_ms: at(0.0),
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            last_ms: at(1.0),
            mean_ms: self.sum_ms / self.count.max(1) as f64,
        }
    }

    /// How many in each 100 ms.
    pub(crate) fn tenths(&self) -> Vec<u64> {
        self.by_ms.chunks(100).map(|slot| slot.iter().sum()).collect()
    }
}
