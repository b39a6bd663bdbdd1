//! The steps of `cargo xtask test`, in the order in which they fail fastest.

use crate::system;
use anyhow::{Context, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).stdin(Stdio::null());
    command
}

/// Steps that are one call of cargo.
const CARGO: [(&str, &[&str]); 3] = [
    ("fmt", &["fmt", "--all", "--check"]),
    (
        "clippy",
        &["clippy", "--workspace", "--all-targets", "--all-features", "--locked", "--", "--deny", "warnings"],
    ),
    ("doc", &["doc", "--workspace", "--no-deps", "--locked"]),
];

/// A step that answers whether all is good.
type Check = fn() -> anyhow::Result<bool>;

/// Runs every step; all of them, also when an early one fails, so that one run shows everything.
pub(crate) fn test(only: Option<&str>) -> anyhow::Result<bool> {
    system::prepare(only)?;
    let wanted = |name: &str| only.is_none_or(|part| name.contains(part));
    let mut failed = Vec::new();
    for (name, args) in CARGO.into_iter().filter(|(name, _)| wanted(name)) {
        if !by_cargo(name, args)? {
            failed.push(name);
        }
    }
    // The tests need the stand-ins, so they are installed for both.
    let checks: [(&str, bool, Check); 4] = [
        ("deny", wanted("deny"), deny),
        ("dockerfile", wanted("dockerfile"), crate::dockerfile::lint),
        ("terraform", wanted("terraform"), crate::terraform::check),
        ("standins", wanted("standins") || wanted("tests"), crate::standins::standins),
    ];
    for (name, _, check) in checks.into_iter().filter(|(_, wanted, _)| *wanted) {
        if !check()? {
            failed.push(name);
        }
    }
    let mut sum = Sum::default();
    if wanted("browser") {
        sum = crate::browser::test()?;
        if !sum.is_good() {
            failed.push("browser");
        }
    }
    if wanted("schemathesis") && !crate::schemathesis::test()? {
        failed.push("schemathesis");
    }
    if wanted("tests") && !tests(sum)? {
        failed.push("tests");
    }
    if !failed.is_empty() {
        println!("failed steps: {}", failed.join(", "));
    }
    Ok(failed.is_empty())
}

fn by_cargo(name: &str, args: &[&str]) -> anyhow::Result<bool> {
    let began = Instant::now();
    let run = cargo(args).env("RUSTDOCFLAGS", "--deny warnings").status();
    let good = run.context("cannot run cargo")?.success();
    println!("{name}: {} in {} s", if good { "good" } else { "FAILED" }, began.elapsed().as_secs());
    Ok(good)
}

/// The version of cargo-deny that is installed when there is none.
const DENY_VERSION: &str = "0.20.2";

/// Licences, sources and banned crates. The advisory database has to be fetched from elsewhere than the package
/// registries, so that check is left to `cargo deny check advisories` where the network allows it.
fn deny() -> anyhow::Result<bool> {
    let began = Instant::now();
    let tools = std::path::Path::new("target/tools");
    let own = tools.join("bin/cargo-deny");
    let there = |program: &std::ffi::OsStr| {
        let run = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    };
    let program = if there("cargo-deny".as_ref()) { "cargo-deny".into() } else { own.into_os_string() };
    if !there(&program) {
        println!("installing cargo-deny {DENY_VERSION} into target/tools");
        let args = [
            "install",
            "cargo-deny",
            "--locked",
            "--quiet",
            "--no-default-features",
            "--version",
            DENY_VERSION,
            "--root",
        ];
        if !cargo(&args).arg(tools).status().context("cannot run cargo")?.success() {
            bail!("cargo-deny could not be installed");
        }
    }
    let good = Command::new(&program)
        .args(["--log-level", "error", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"])
        .status()
        .context("cannot run cargo-deny")?
        .success();
    println!("deny: {} in {} s", if good { "good" } else { "FAILED" }, began.elapsed().as_secs());
    Ok(good)
}

/// What the summary lines of cargo, and of Node's test runner, add up to.
#[derive(Default, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    ignored: u64,
}

impl Sum {
    pub(crate) fn is_good(&self) -> bool {
        self.failed == 0
    }

    /// Adds a line such as `# pass 13`.
    pub(crate) fn add_tap(&mut self, line: &str) {
        let Some((what, n)) = line.strip_prefix("# ").and_then(|rest| rest.split_once(' ')) else { return };
        let Ok(n) = n.parse::<u64>() else { return };
        match what {
            "pass" => self.passed += n,
            "fail" | "cancelled" => self.failed += n,
            "skipped" | "todo" => self.ignored += n,
            _ => {}
        }
    }

    /// Adds a line such as `test result: ok. 30 passed; 0 failed; 1 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else { return };
        let counts = rest.split_once(". ").map_or(rest, |(_, counts)| counts);
        for part in counts.split("; ") {
            match part.split_once(' ').map(|(n, what)| (n.parse().unwrap_or(0), what)) {
                Some((n, "passed")) => self.passed += n,
                Some((n, "failed")) => self.failed += n,
                Some((n, "ignored")) => self.ignored += n,
                _ => {}
            }
        }
    }
}

/// All tests of the workspace, and the sum of these and of those before.
fn tests(mut sum: Sum) -> anyhow::Result<bool> {
    let began = Instant::now();
    // With all features the three services' binaries are built too, which the multi-process tests start.
    let mut child = cargo(&["test", "--workspace", "--all-features", "--locked", "--no-fail-fast"])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo")?;
    let before = (sum.passed, sum.failed);
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let line = line?;
        sum.add(&line);
        println!("{line}");
    }
    let status = child.wait()?;
    if sum.passed == before.0 {
        bail!("no test ran");
    }
    println!("tests took {} s", began.elapsed().as_secs());
    // A test binary that died has no summary line: it still counts as one failure.
    sum.failed += u64::from(!status.success() && sum.failed == before.1);
    println!("{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.ignored);
    Ok(status.success())
}

/// Formats, and applies clippy's own suggestions.
pub(crate) fn fix() -> anyhow::Result<bool> {
    let fixed =
        cargo(&["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"])
            .status()?;
    Ok(fixed.success() && cargo(&["fmt", "--all"]).status()?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_lines_add_up() {
        let mut sum = Sum::default();
        sum.add(
            "test result: ok. 30 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.12s",
        );
        sum.add(
            "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s",
        );
        sum.add("running 3 tests");
        assert_eq!(sum, Sum { passed: 32, failed: 3, ignored: 1 });
        for line in ["# tests 13", "# pass 12", "# fail 1", "# Subtest: pass 3", "ok 1 - pass 5", "# pass me"]
        {
            sum.add_tap(line);
        }
        assert_eq!(sum, Sum { passed: 44, failed: 4, ignored: 1 });
    }
}
