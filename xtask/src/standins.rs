//! Installs the AWS stand-in that the tests of `crates/aws` talk to: ministack, from PyPI, into a virtual environment
//! under `target/tools`. Starting and ending it is the tests' own business (`aws::standin`).

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
        crate::python::environment(home, Path::new("."), &[&format!("ministack=={MINISTACK_VERSION}")])?;
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
