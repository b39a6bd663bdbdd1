//! Tests the console in Debian's Chromium, with Playwright and axe-core from npm, against the real `owl up`. What the pages
//! looked like is kept under `target/browser`.

use crate::steps::Sum;
use crate::system;
use anyhow::{Context, bail};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const HOME: &str = "crates/api/browser";
const CHROMIUM: &str = "/usr/bin/chromium";
/// What Playwright asks for.
const NODE_MIN: u32 = 20;

/// Runs them; answers what came of them.
pub(crate) fn test() -> anyhow::Result<Sum> {
    let began = Instant::now();
    tools()?;
    let owl = owl()?;
    let pictures = owl.ancestors().nth(2).context("no target directory")?.join("browser");
    if pictures.exists() {
        std::fs::remove_dir_all(&pictures).context("cannot remove the pictures of the last run")?;
    }
    let sum = node(&owl, &pictures)?;
    println!(
        "browser: {} in {} s: {} passed, {} failed; pictures in {}",
        if sum.is_good() { "good" } else { "FAILED" },
        began.elapsed().as_secs(),
        sum.passed,
        sum.failed,
        pictures.display()
    );
    Ok(sum)
}

/// The program that the tests are run with, built.
pub(crate) fn owl() -> anyhow::Result<PathBuf> {
    let target =
        std::path::absolute(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))?;
    if !crate::steps::cargo(&["test", "--workspace", "--all-features", "--no-run", "--locked"])
        .status()
        .context("cannot run cargo")?
        .success()
    {
        bail!("owl could not be built");
    }
    Ok(target.join("debug/owl"))
}

fn node(owl: &Path, pictures: &Path) -> anyhow::Result<Sum> {
    let mut child = Command::new("node")
        // One file after the other: each has a fleet of its own, and some look at the clock.
        .args(["--test", "--test-reporter=tap", "--test-concurrency=1"])
        .current_dir(HOME)
        .env("OWL_BIN", owl)
        .env("OWL_SHOTS", pictures)
        .env("CHROMIUM", CHROMIUM)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run node")?;
    let mut sum = Sum::default();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let line = line?;
        sum.add_tap(&line);
        println!("{line}");
    }
    let good = child.wait()?.success();
    if sum.passed == 0 {
        bail!("no browser test ran");
    }
    sum.failed += u64::from(!good && sum.failed == 0);
    Ok(sum)
}

/// Chromium, Node and the packages of the lock file.
fn tools() -> anyhow::Result<()> {
    let there = |program: &str| {
        let run = Command::new(program).arg("--version").stderr(Stdio::null()).output();
        run.ok()
            .filter(|out| out.status.success())
            .map(|out| String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let missing: Vec<_> = [("chromium", CHROMIUM), ("nodejs", "node"), ("npm", "npm")]
        .into_iter()
        .filter(|(_, program)| there(program).is_none())
        .map(|(package, _)| package)
        .collect();
    if !missing.is_empty() {
        system::install(&missing)?;
    }
    let version = there("node").unwrap_or_default();
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|n| n.parse::<u32>().ok());
    if major.is_none_or(|n| n < NODE_MIN) {
        bail!("the browser's tests need Node {NODE_MIN} or later; this is {}", version.trim());
    }
    packages()
}

/// Installs what the lock file names, unless that is what is there.
fn packages() -> anyhow::Result<()> {
    let lock = std::fs::read(Path::new(HOME).join("package-lock.json")).context("no package-lock.json")?;
    let (modules, stamp) = (Path::new(HOME).join("node_modules"), stamp());
    if modules.exists() && std::fs::read(&stamp).is_ok_and(|was| was == lock) {
        return Ok(());
    }
    let args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    if !Command::new("npm").args(args).current_dir(HOME).status().context("cannot run npm")?.success() {
        bail!("npm could not install what {HOME}/package-lock.json names");
    }
    std::fs::write(stamp, lock).context("cannot write down what was installed")
}

/// The lock file that `node_modules` was made from; in there, so that both go together.
fn stamp() -> PathBuf {
    Path::new(HOME).join("node_modules/.owl-lock.json")
}
