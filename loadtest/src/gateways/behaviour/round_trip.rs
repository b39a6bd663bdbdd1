//! How long answers take: a distribution, from which a number between 0 and 1 picks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::super::limits;

/// Between a request's last byte and its answer, in milliseconds. On the command line `constant:30`, `uniform:10,50`,
/// `lognormal:30,120` (median, 99th percentile) or `quantiles:0=5,0.5=30,0.99=120,1=900`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RoundTrip {
    /// Always the same.
    ConstantMs(f64),
    /// Anything in between, equally often.
    Uniform(Uniform),
    /// Most near the median, a few far beyond, as networks are.
    Lognormal(Lognormal),
    /// Share of answers and the milliseconds within which they come, both rising; in between, a straight line.
    Quantiles(Vec<(f64, f64)>),
}

/// The ends of a uniform distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uniform {
    /// The shortest, in milliseconds.
    pub from_ms: f64,
    /// The longest, in milliseconds.
    pub to_ms: f64,
}

/// Two points of a lognormal distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lognormal {
    /// Half of all answers take longer, in milliseconds.
    pub median_ms: f64,
    /// One answer in a hundred takes longer, in milliseconds.
    pub p99_ms: f64,
}

/// The 99th percentile of the standard normal distribution.
const Z99: f64 = 2.326_347_874_040_841;

impl RoundTrip {
    /// The milliseconds at this place, from 0 up to 1, of the distribution; never more than
    /// [`limits::ROUND_TRIP_MS_MAX`].
    #[must_use]
    pub fn at_ms(&self, place: f64) -> f64 {
        let ms = match self {
            Self::ConstantMs(ms) => *ms,
            Self::Uniform(Uniform { from_ms, to_ms }) => from_ms + (to_ms - from_ms) * place,
            Self::Lognormal(Lognormal { median_ms, p99_ms }) => {
                let sigma = (p99_ms / median_ms).ln() / Z99;
                median_ms * (sigma * normal(place)).exp()
            }
            Self::Quantiles(points) => between(points, place),
        };
        // What is no number was refused by `fault`; this keeps a Duration from panicking whatever comes.
        if ms.is_nan() { 0.0 } else { ms.clamp(0.0, limits::ROUND_TRIP_MS_MAX) }
    }

    /// What is wrong with it, and what would be right.
    pub(super) fn fault(&self) -> Option<String> {
        let sane = |ms: f64| (0.0..=limits::ROUND_TRIP_MS_MAX).contains(&ms);
        let range = format!("milliseconds must lie between 0 and {}", limits::ROUND_TRIP_MS_MAX);
        match self {
            Self::ConstantMs(ms) => (!sane(*ms)).then_some(range),
            Self::Uniform(Uniform { from_ms, to_ms }) => {
                let rising = sane(*from_ms) && sane(*to_ms) && from_ms <= to_ms;
                (!rising).then(|| format!("{range}, and from_ms must not exceed to_ms"))
            }
            Self::Lognormal(Lognormal { median_ms, p99_ms }) => {
                let rising = sane(*p99_ms) && *median_ms > 0.0 && median_ms <= p99_ms;
                (!rising).then(|| {
                    format!("{range}, median_ms must exceed 0, and p99_ms must be at least median_ms")
                })
            }
            Self::Quantiles(points) => {
                let rising = points.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
                let inside = points.iter().all(|&(share, ms)| (0.0..=1.0).contains(&share) && sane(ms));
                let few = (1..=limits::QUANTILES_MAX).contains(&points.len());
                (!(rising && inside && few)).then(|| {
                    let most = limits::QUANTILES_MAX;
                    format!(
                        "{range}; 1 to {most} pairs of a share between 0 and 1 and milliseconds, both rising"
                    )
                })
            }
        }
    }
}

/// On the straight lines between the points; before the first and behind the last it stays as it is there.
fn between(points: &[(f64, f64)], place: f64) -> f64 {
    let next = points.partition_point(|point| point.0 <= place);
    match (next.checked_sub(1).and_then(|before| points.get(before)), points.get(next)) {
        (Some(&(from, low)), Some(&(to, high))) => low + (high - low) * (place - from) / (to - from),
        (Some(&(_, ms)), None) | (None, Some(&(_, ms))) => ms,
        (None, None) => 0.0,
    }
}

/// The standard normal distribution's quantile: Acklam's approximation, good to nine digits.
#[expect(clippy::excessive_precision, reason = "as published")]
fn normal(place: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e+01,
        2.209460984245205e+02,
        -2.759285104469687e+02,
        1.383577518672690e+02,
        -3.066479806614716e+01,
        2.506628277459239e+00,
    ];
    const B: [f64; 6] = [
        -5.447609879822406e+01,
        1.615858368580409e+02,
        -1.556989798598866e+02,
        6.680131188771972e+01,
        -1.328068155288572e+01,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-03,
        -3.223964580411365e-01,
        -2.400758277161838e+00,
        -2.549732539343734e+00,
        4.374664141464968e+00,
        2.938163982698783e+00,
    ];
    const D: [f64; 5] =
        [7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00, 1.0];
    /// Where the tails begin.
    const TAIL: f64 = 0.02425;
    let horner = |factors: &[f64], x: f64| factors.iter().fold(0.0, |sum, factor| sum * x + factor);
    let tail = |share: f64| {
        let q = (-2.0 * share.ln()).sqrt();
        horner(&C, q) / horner(&D, q)
    };
    // Neither end of the line is infinitely far away.
    let place = place.clamp(1e-12, 1.0 - 1e-12);
    if place < TAIL {
        return tail(place);
    }
    if place > 1.0 - TAIL {
        return -tail(1.0 - place);
    }
    let q = place - 0.5;
    let r = q * q;
    horner(&A, r) * q / horner(&B, r)
}

impl FromStr for RoundTrip {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no round trip; right would be constant:30, uniform:10,50, lognormal:30,120 (median, \
                 99th percentile) or quantiles:0=5,0.5=30,0.99=120,1=900, in milliseconds"
            )
        };
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| wrong());
        let pair = |text: &str, by: char| {
            let (a, b) = text.split_once(by).ok_or_else(wrong)?;
            Ok::<_, String>((number(a)?, number(b)?))
        };
        let (kind, numbers) = text.split_once(':').ok_or_else(wrong)?;
        let round_trip = match kind {
            "constant" => Self::ConstantMs(number(numbers)?),
            "uniform" => {
                let (from_ms, to_ms) = pair(numbers, ',')?;
                Self::Uniform(Uniform { from_ms, to_ms })
            }
            "lognormal" => {
                let (median_ms, p99_ms) = pair(numbers, ',')?;
                Self::Lognormal(Lognormal { median_ms, p99_ms })
            }
            "quantiles" => {
                Self::Quantiles(numbers.split(',').map(|point| pair(point, '=')).collect::<Result<_, _>>()?)
            }
            _ => return Err(wrong()),
        };
        round_trip.fault().map_or(Ok(round_trip), Err)
    }
}

impl fmt::Display for RoundTrip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConstantMs(ms) => write!(f, "constant:{ms}"),
            Self::Uniform(Uniform { from_ms, to_ms }) => write!(f, "uniform:{from_ms},{to_ms}"),
            Self::Lognormal(Lognormal { median_ms, p99_ms }) => write!(f, "lognormal:{median_ms},{p99_ms}"),
            Self::Quantiles(points) => {
                let points: Vec<String> = points.iter().map(|(share, ms)| format!("{share}={ms}")).collect();
                write!(f, "quantiles:{}", points.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::{mix, unit};
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-6 * b.abs().max(1.0)
    }

    #[test]
    fn the_normal_quantile_is_right() {
        for (place, z) in
            [(0.5, 0.0), (0.99, Z99), (0.01, -Z99), (0.975, 1.959_963_985), (0.999, 3.090_232_306)]
        {
            assert!(near(normal(place), z), "{place}: {}", normal(place));
        }
        assert!(normal(0.0).is_finite() && normal(1.0).is_finite());
    }

    #[test]
    fn each_distribution_has_the_quantiles_it_was_given() {
        let lognormal: RoundTrip = "lognormal:30,120".parse().expect("right");
        assert!(near(lognormal.at_ms(0.5), 30.0) && near(lognormal.at_ms(0.99), 120.0));
        let uniform: RoundTrip = "uniform:10,50".parse().expect("right");
        assert!(near(uniform.at_ms(0.0), 10.0) && near(uniform.at_ms(0.25), 20.0));
        let quantiles: RoundTrip = "quantiles:0.1=5,0.5=30,0.9=70".parse().expect("right");
        for (place, ms) in
            [(0.0, 5.0), (0.1, 5.0), (0.3, 17.5), (0.5, 30.0), (0.7, 50.0), (0.9, 70.0), (0.99, 70.0)]
        {
            assert!(near(quantiles.at_ms(place), ms), "{place}");
        }
        assert_eq!(RoundTrip::ConstantMs(7.0).at_ms(0.9), 7.0);
    }

    #[test]
    fn what_is_drawn_has_them_too() {
        let lognormal = RoundTrip::Lognormal(Lognormal { median_ms: 30.0, p99_ms: 120.0 });
        let mut drawn: Vec<f64> = (0..100_000).map(|n| lognormal.at_ms(unit(mix(n)))).collect();
        drawn.sort_by(f64::total_cmp);
        assert!((drawn[50_000] - 30.0).abs() < 0.5, "{}", drawn[50_000]);
        assert!((drawn[99_000] - 120.0).abs() < 6.0, "{}", drawn[99_000]);
    }

    #[test]
    fn text_goes_both_ways_and_faults_are_named() {
        for text in ["constant:30", "uniform:10,50", "lognormal:30,120", "quantiles:0=5,0.5=30,1=900"] {
            assert_eq!(text.parse::<RoundTrip>().expect("right").to_string(), text);
        }
        for wrong in
            ["30", "constant:x", "uniform:50,10", "lognormal:0,9", "lognormal:9,8", "quantiles:", "other:1"]
        {
            assert!(wrong.parse::<RoundTrip>().is_err(), "{wrong}");
        }
        assert!(RoundTrip::Quantiles(vec![(0.5, 30.0), (0.4, 40.0)]).fault().is_some());
        assert!(RoundTrip::ConstantMs(f64::NAN).fault().is_some());
    }
}
