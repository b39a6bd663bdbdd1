//! Installs the AWS stand-in that the tests of `crates/aws` talk to: ministack, from PyPI, into a virtual environment
//! under `target/tools`. Starting and ending it is the tests' own business (`aws::standin`).

use anyhow::{Context, bail};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The version that `docs/aws.md` speaks of; another one differs from AWS in other places.
const MINISTACK_VERSION: &str = "1.5.33";
/// Where the tests look for it.
const HOME: &str = "target/tools/ministack";

/// Installs it unless it is there; answers whether it is there now.
pub(crate) fn standins() -> anyhow::Result<bool> {
    let began = Instant::now();
    let home = Path::new(HOME);
    if !is_there(home) {
        println!("installing ministack {MINISTACK_VERSION} into {HOME}");
        install(home)?;
    }
    let good = is_there(home);
    println!("standins: {} in {} s", if good { "good" } else { "FAILED" }, began.elapsed().as_secs());
    Ok(good)
}

fn is_there(home: &Path) -> bool {
    let asks = "import importlib.metadata; print(importlib.metadata.version('ministack'))";
    let asked = Command::new(home.join("bin/python")).args(["-c", asks]).stderr(Stdio::null()).output();
    asked.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).trim() == MINISTACK_VERSION)
}

fn install(home: &Path) -> anyhow::Result<()> {
    // An environment that was left half done, or of another Python, is begun anew.
    let venv = || Command::new("python3").args(["-m", "venv", "--clear"]).arg(home).status();
    if !venv().is_ok_and(|status| status.success()) {
        crate::system::install(&["python3", "python3-venv"])?;
        if !venv().context("cannot run python3")?.success() {
            bail!("python3 -m venv failed");
        }
    }
    let wanted = format!("ministack=={MINISTACK_VERSION}");
    let pip = Command::new(home.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &wanted])
        .status();
    if !pip.context("cannot run pip")?.success() {
        bail!("{wanted} could not be installed by pip");
    }
    Ok(())
}
