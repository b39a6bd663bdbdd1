//! `owl demo` in pairs, without and with some flags, in turns: what do 200 watchers cost a blast?

use crate::steps::cargo;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is compared: key of the demo's result, and what it is.
const FIGURES: [(&str, &str); 4] = [
    ("p50_ms", "press to 50 %, ms"),
    ("last_ms", "press to last, ms"),
    ("cpu_seconds", "our CPU, s"),
    ("gateway_cpu_seconds", "gateways' CPU, s"),
];

/// Two-sided 95 % of Student's t for 1, 2, ... degrees of freedom; the last for all above.
const T: [f64; 20] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086,
];

/// Runs the pairs and prints a table in Markdown. `with` is added in the second of each pair, which is first in every other
/// one.
pub(crate) fn run(pairs: u16, with: &[String], flags: &[String]) -> anyhow::Result<bool> {
    ensure!(cargo(&["build", "--release", "--locked"]).status()?.success(), "owl could not be built");
    let both: Vec<String> = flags.iter().chain(with).cloned().collect();
    let mut found: Vec<[Value; 2]> = Vec::new();
    for pair in 0..pairs {
        eprintln!("pair {} of {pairs}", pair + 1);
        found.push(if pair % 2 == 0 {
            let without = demo(flags)?;
            [without, demo(&both)?]
        } else {
            let with = demo(&both)?;
            [demo(flags)?, with]
        });
    }
    println!(
        "`owl demo {}`, {pairs} pairs in turns, without and with `{}`.",
        flags.join(" "),
        with.join(" ")
    );
    println!(
        "\n| | without: median (all) | with: median (all) | difference of a pair: mean, 95 % interval |\n|---|---|---|---|"
    );
    for (key, what) in FIGURES {
        let of = |which: usize| -> Vec<f64> { found.iter().filter_map(|p| p[which][key].as_f64()).collect() };
        let (without, with) = (of(0), of(1));
        let shares = without.iter().zip(&with).map(|(a, b)| (b - a) / a * 100.0);
        println!(
            "| {what} | {} | {} | {} |",
            all(&without),
            all(&with),
            interval(&shares.collect::<Vec<_>>())
        );
    }
    if let Some(crowd) = found.last().and_then(|pair| pair[1].get("crowd")).filter(|crowd| !crowd.is_null()) {
        println!("\nThe crowd of the last pair: `{crowd}`.");
    }
    Ok(true)
}

fn demo(flags: &[String]) -> anyhow::Result<Value> {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let mut command = Command::new(Path::new(&target).join("release/owl"));
    let output = command.args(["demo", "--json"]).args(flags).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the demo failed: {}", text.lines().last().unwrap_or_default());
    serde_json::from_str(text.lines().last().unwrap_or_default()).context("the demo's result can't be read")
}

fn all(values: &[f64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    let median = rounded(sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN));
    let all: Vec<String> = values.iter().map(|value| rounded(*value).to_string()).collect();
    format!("{median} ({})", all.join(", "))
}

/// Half of the 95 % interval of a mean; none of one value.
pub(crate) fn half_interval(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let t = T.get(values.len().checked_sub(2)?).or(T.last())?;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Some(t * (variance / n).sqrt())
}

/// Mean and interval of percents.
fn interval(shares: &[f64]) -> String {
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    let Some(half) = half_interval(shares) else { return format!("{mean:+.1} %") };
    format!("{mean:+.1} %, {:+.1} to {:+.1} %", mean - half, mean + half)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Student's own: 5 pairs, 4 degrees of freedom.
    #[test]
    fn an_interval_of_five() {
        // Mean 3, variance 2.5, so 2.776 * sqrt(0.5) = 1.963 on each side.
        assert_eq!(interval(&[1.0, 2.0, 3.0, 4.0, 5.0]), "+3.0 %, +1.0 to +5.0 %");
        assert_eq!(interval(&[2.0]), "+2.0 %");
    }

    #[test]
    fn a_median_with_all_values_in_their_order() {
        assert_eq!(all(&[3.0, 1.0, 2.5]), "2.5 (3, 1, 2.5)");
    }
}
