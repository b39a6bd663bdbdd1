//! The fuzz targets without a fuzzer: their kept corpus, and random scripts from fixed seeds.

use std::path::PathBuf;
use wire::fuzzing::{TARGETS, Target};

/// Random scripts for each target; more with `OWL_FUZZ_SCRIPTS`.
fn scripts() -> u64 {
    std::env::var("OWL_FUZZ_SCRIPTS").ok().and_then(|n| n.parse().ok()).unwrap_or(5_000)
}

fn files(target: &str) -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Says which script it was.
fn run(target: Target, script: &[u8], name: &str) {
    let run = std::panic::catch_unwind(|| target(script));
    assert!(run.is_ok(), "{name}: {script:?}");
}

#[test]
fn the_kept_corpus_holds() {
    for (name, target) in TARGETS {
        let files = files(name);
        assert!(!files.is_empty(), "{name} has a corpus");
        for file in files {
            run(target, &std::fs::read(&file).unwrap(), &file.display().to_string());
        }
    }
}

/// Octets of xorshift, small ones more often than not: they are what scripts and frames are made of.
fn random(seed: u64) -> Vec<u8> {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    let bytes = usize::from(next()) * 2;
    (0..bytes).map(|_| if next() < 128 { next() } else { next() % 24 }).collect()
}

#[test]
fn random_scripts_hold() {
    for (name, target) in TARGETS {
        for seed in 0..scripts() {
            run(target, &random(seed), &format!("{name}, seed {seed}"));
        }
    }
}
