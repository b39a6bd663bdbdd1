//! What is printed: the machine, the versions, a table for each row, and whether the aims are reached.

use crate::job::{Figures, Measure, Sender};
use crate::rounds::{Found, Plan};
use crate::rows::Aim;
use crate::senders::h2load_version;
use serde_json::{Value, json};
use std::fs;

/// Least and middle of the rounds.
fn least_and_middle(figures: &[Figures], value: impl Fn(&Figures) -> f64) -> (f64, f64) {
    let mut all: Vec<f64> = figures.iter().map(value).collect();
    all.sort_by(f64::total_cmp);
    (all.first().copied().unwrap_or(f64::NAN), all.get(all.len() / 2).copied().unwrap_or(f64::NAN))
}

fn middle(figures: &[Figures], value: impl Fn(&Figures) -> f64) -> f64 {
    least_and_middle(figures, value).1
}

fn megabytes(figures: &Figures) -> f64 {
    figures.grown_bytes.unwrap_or_default() as f64 / f64::from(1 << 20)
}

/// Where the figures come from.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("unknown");
    format!("{model}, {cores} cores, Linux {}, load before {load}", read("/proc/sys/kernel/osrelease").trim())
}

/// Which senders were compared.
pub fn versions() -> String {
    let lock = include_str!("../Cargo.lock");
    let version = |name: &str| {
        let all = lock.split("[[package]]").filter_map(|package| {
            package.trim().strip_prefix(&format!("name = \"{name}\"\nversion = \""))?.split('"').next()
        });
        // Two major versions may be locked: the later is the one that is named in Cargo.toml.
        all.last().unwrap_or("?").to_owned()
    };
    let names = ["a2", "fcm_v1", "h2", "hyper", "rustls", "tokio"];
    let crates: Vec<String> = names.iter().map(|name| format!("{name} {}", version(name))).collect();
    format!("{}, {}", crates.join(", "), h2load_version().unwrap_or_else(|| "no h2load".to_owned()))
}

/// The tables.
pub fn print(plan: &Plan, mode: &str, found: &[Found]) {
    println!(
        "\n{} rounds, least / median; the gateways are `owl gateways --mode {mode}` on a core of their own.",
        plan.rounds
    );
    for (sender, why) in &plan.skipped {
        println!("Skipped: {}: {why}.", sender.label());
    }
    for row in found {
        println!("\n{}\n", row.row.title);
        match row.row.measure {
            Measure::Cpu => print_cpu(row),
            Measure::Memory => print_memory(row),
            Measure::Latency => print_latency(row),
        }
        for failed in &row.failed {
            println!("\nFailed: {failed}");
        }
        for aim in row.row.aims {
            if let Some((text, reached)) = judge(aim, row) {
                println!("\n{}: {text}", if reached { "reached" } else { "NOT reached" });
            }
        }
    }
}

fn print_cpu(found: &Found) {
    println!(
        "| sender | pushes a round | CPU us a push | of it kernel | pushes a core's second | a second on the wall | times ours |"
    );
    println!("|---|---|---|---|---|---|---|");
    let ours = found.senders.first().map_or(f64::NAN, |(_, _, all)| middle(all, Figures::cpu_us));
    for (sender, requests, all) in &found.senders {
        let (least, median) = least_and_middle(all, Figures::cpu_us);
        println!(
            "| {} | {requests} | {least:.2} / {median:.2} | {:.2} | {:.0} k | {:.0} k | {:.1} |",
            sender.label(),
            middle(all, Figures::system_us),
            1e3 / median,
            middle(all, Figures::rate) / 1e3,
            median / ours
        );
    }
}

fn print_memory(found: &Found) {
    println!("| sender | MB grown |\n|---|---|");
    for (sender, _, all) in &found.senders {
        let (least, median) = least_and_middle(all, megabytes);
        println!("| {} | {least:.1} / {median:.1} |", sender.label());
    }
}

fn print_latency(found: &Found) {
    println!(
        "| sender | requests a round | half, us | 99 of 100, us | slowest of a round, us | CPU us a push |\n|---|---|---|---|---|---|"
    );
    for (sender, requests, all) in &found.senders {
        let cell = |place: usize| {
            let (least, median) = least_and_middle(all, |f| latency(f, place));
            format!("{least:.0} / {median:.0}")
        };
        let cpu = middle(all, Figures::cpu_us);
        println!("| {} | {requests} | {} | {} | {} | {cpu:.0} |", sender.label(), cell(0), cell(1), cell(2));
    }
}

fn latency(figures: &Figures, place: usize) -> f64 {
    figures.latency_us.map_or(f64::NAN, |all| all[place])
}

/// A sentence, and whether it is as wanted; nothing if somebody did not take part.
fn judge(aim: &Aim, found: &Found) -> Option<(String, bool)> {
    let of = |sender: Sender| {
        found.senders.iter().find(|(s, _, all)| *s == sender && !all.is_empty()).map(|(_, _, all)| all)
    };
    let ours = &found.senders.first()?.2;
    let cpu = middle(ours, Figures::cpu_us);
    Some(match *aim {
        Aim::CpuAtMost(us) => (format!("at most {us} us a push; it is {cpu:.2}"), cpu <= us),
        Aim::PerCoreAtLeast(wanted) => {
            let rate = 1e6 / cpu;
            (format!("at least {wanted:.0} pushes a second of one core; it is {rate:.0}"), rate >= wanted)
        }
        Aim::Dearer(sender, times) => {
            let is = middle(of(sender)?, Figures::cpu_us) / cpu;
            (format!("{} at least {times} times as dear; it is {is:.1}", sender.label()), is >= times)
        }
        Aim::BytesAtMost(bytes) => {
            let (most, is) = (bytes as f64 / f64::from(1 << 20), middle(ours, megabytes));
            (format!("at most {most:.0} MB for the transport; it is {is:.1}"), is <= most)
        }
        Aim::NoSlowerThan(sender) => {
            let other = of(sender)?;
            let at = |all: &[Figures], place| middle(all, |f| latency(f, place));
            let ours = [at(ours, 0), at(ours, 1)];
            let other = [at(other, 0), at(other, 1)];
            let text = format!(
                "no slower than {}; half {:.0} to {:.0} us, 99 of 100 {:.0} to {:.0} us",
                sender.label(),
                ours[0],
                other[0],
                ours[1],
                other[1]
            );
            (text, ours[0] <= other[0] * 1.1 && ours[1] <= other[1] * 1.1)
        }
        Aim::NoStallOf(us) => {
            let slowest = ours.iter().map(|f| latency(f, 2)).fold(0.0, f64::max);
            (format!("no answer after {us:.0} us or later; the slowest took {slowest:.0}"), slowest < us)
        }
    })
}

/// Everything, for programs.
pub fn json(plan: &Plan, mode: &str, machine: &str, found: &[Found]) -> Value {
    let sender = |(sender, requests, all): &(Sender, u64, Vec<Figures>)| {
        let cpu = least_and_middle(all, Figures::cpu_us);
        json!({ "sender": sender.label(), "requests": requests, "cpu_us_least": cpu.0, "cpu_us_median": cpu.1, "rounds": all })
    };
    let row = |found: &Found| {
        let aims = found.row.aims.iter().filter_map(|aim| judge(aim, found));
        let aims: Vec<Value> = aims.map(|(aim, reached)| json!({ "aim": aim, "reached": reached })).collect();
        let senders: Vec<Value> = found.senders.iter().map(sender).collect();
        json!({ "row": found.row.name, "title": found.row.title, "senders": senders, "failed": found.failed, "aims": aims })
    };
    let skipped: Vec<Value> =
        plan.skipped.iter().map(|(sender, why)| json!({ "sender": sender.label(), "why": why })).collect();
    json!({
        "machine": machine,
        "versions": versions(),
        "gateways": mode,
        "rounds": plan.rounds,
        "skipped": skipped,
        "rows": found.iter().map(row).collect::<Vec<_>>(),
    })
}
