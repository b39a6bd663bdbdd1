//! The targets without a fuzzer: their kept corpus, and random scripts from fixed seeds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use fuzzing::{TARGETS, Target};
use std::path::PathBuf;

/// Random scripts for each target; more with `OWL_FUZZ_SCRIPTS`.
fn scripts() -> u64 {
    std::env::var("OWL_FUZZ_SCRIPTS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000)
}

fn kept(target: &str) -> Vec<Vec<u8>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Says which script it was.
fn run(target: Target, script: &[u8], name: &str) {
    let run = std::panic::catch_unwind(|| target(script));
    assert!(run.is_ok(), "{name}: {:?}", String::from_utf8_lossy(script));
}

#[test]
fn the_kept_corpus_holds() {
    for (name, target) in TARGETS {
        let kept = kept(name);
        assert!(!kept.is_empty(), "{name} has a corpus");
        for (number, script) in kept.iter().enumerate() {
            run(target, script, &format!("{name}, file {number}"));
        }
    }
}

/// The kept scripts, with a few bytes changed, cut out or said twice: xorshift says which.
#[test]
fn changed_scripts_hold() {
    for (name, target) in TARGETS {
        let kept = kept(name);
        for seed in 0..scripts() {
            let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut below = |n: usize| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 16) as usize % n.max(1)
            };
            let mut script = kept[below(kept.len())].clone();
            for _ in 0..=below(6) {
                let (from, bytes) = (below(script.len()), below(9));
                let to = (from + bytes).min(script.len());
                match below(4) {
                    0 => drop(script.drain(from..to)),
                    1 => {
                        let again = script[from..to].to_vec();
                        script.splice(from..from, again);
                    }
                    2 => script.insert(from.min(script.len()), below(256) as u8),
                    _ => {
                        let (at, bit) = (below(script.len()), below(8));
                        script.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << bit);
                    }
                }
            }
            run(target, &script, &format!("{name}, seed {seed}"));
        }
    }
}
