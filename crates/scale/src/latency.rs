//! How long a call or an answer takes: always the same, or with a tail.

use crate::Ns;
use crate::dice::Dice;
use serde::{Deserialize, Serialize};

/// A latency: lognormal, or constant where both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half are shorter, in milliseconds.
    pub median_ms: f64,
    /// One in a hundred is longer, in milliseconds.
    pub p99_ms: f64,
}

impl Latency {
    /// Always the same.
    #[must_use]
    pub fn constant(ms: f64) -> Self {
        Self { median_ms: ms, p99_ms: ms }
    }

    /// With a tail.
    #[must_use]
    pub fn with_tail(median_ms: f64, p99_ms: f64) -> Self {
        Self { median_ms, p99_ms }
    }

    /// Whether there is no tail.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.p99_ms <= self.median_ms
    }

    /// The latency that this share of all does not reach.
    #[must_use]
    pub fn at_ms(&self, share: f64) -> f64 {
        if self.is_constant() {
            return self.median_ms;
        }
        let sigma = (self.p99_ms / self.median_ms.max(1e-6)).ln() / Z99;
        self.median_ms * (sigma * normal(share)).exp()
    }

    /// The mean, in milliseconds.
    #[must_use]
    pub fn mean_ms(&self) -> f64 {
        if self.is_constant() {
            return self.median_ms;
        }
        let sigma = (self.p99_ms / self.median_ms.max(1e-6)).ln() / Z99;
        self.median_ms * (sigma * sigma / 2.0).exp()
    }
}

/// 99 of a hundred of a normal distribution are below.
const Z99: f64 = 2.326_347_9;
/// Steps of the table.
const STEPS: usize = 1_024;

/// Draws from a latency: by a table, and exactly in the last thousandth, where the slowest of millions comes from.
#[derive(Clone, Debug)]
pub(crate) struct Draws {
    of: Latency,
    table: Vec<Ns>,
}

impl Draws {
    pub(crate) fn new(of: Latency) -> Self {
        let at = |n: usize| crate::ns_of_ms(of.at_ms((n as f64 + 0.5) / STEPS as f64));
        Self { of, table: (0..STEPS).map(at).collect() }
    }

    pub(crate) fn draw(&self, dice: &mut Dice) -> Ns {
        if self.of.is_constant() {
            return self.table[0];
        }
        let share = dice.share();
        let step = (share * STEPS as f64) as usize;
        if step + 1 >= STEPS { crate::ns_of_ms(self.of.at_ms(share)) } else { self.table[step] }
    }

    pub(crate) fn is_constant(&self) -> bool {
        self.of.is_constant()
    }
}

/// The inverse of the normal distribution, by Acklam's rational approximation (relative error below 1.2e-9).
fn normal(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416];
    let poly = |c: &[f64], x: f64| c.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |q: f64| poly(&C, q) / (poly(&D, q) * q + 1.0);
    match p {
        _ if p < 0.024_25 => tail((-2.0 * p.ln()).sqrt()),
        _ if p > 1.0 - 0.024_25 => -tail((-2.0 * (1.0 - p).ln()).sqrt()),
        _ => {
            let (q, r) = (p - 0.5, (p - 0.5) * (p - 0.5));
            poly(&A, r) * q / (poly(&B, r) * r + 1.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_that_were_asked_for() {
        let latency = Latency::with_tail(30.0, 120.0);
        assert!((latency.at_ms(0.5) - 30.0).abs() < 1e-6 && (latency.at_ms(0.99) - 120.0).abs() < 0.01);
        let (draws, mut dice) = (Draws::new(latency), Dice::new(1));
        let mut all: Vec<Ns> = (0..100_000).map(|_| draws.draw(&mut dice)).collect();
        all.sort_unstable();
        let ms = |n: usize| all[n] as f64 / 1e6;
        assert!(
            (ms(50_000) - 30.0).abs() < 1.0 && (ms(99_000) - 120.0).abs() < 8.0,
            "{} {}",
            ms(50_000),
            ms(99_000)
        );
        let mean = all.iter().sum::<u64>() as f64 / 1e11;
        assert!((mean / latency.mean_ms() - 1.0).abs() < 0.02, "{mean}");
        assert_eq!(Draws::new(Latency::constant(5.0)).draw(&mut dice), 5_000_000);
    }
}
