//! Tools from PyPI, each in a virtual environment of its own under `target/tools`.

use anyhow::{Context, bail};
use std::path::Path;
use std::process::Command;

/// Makes an environment at `home` and installs there what pip is given, run in the directory `from`. One that was left
/// half done, or is of another Python, is begun anew. Where Python is missing it is installed, or asked for.
///
/// # Errors
/// What could not be made or installed.
pub(crate) fn environment(home: &Path, from: &Path, what: &[&str]) -> anyhow::Result<()> {
    let venv = || Command::new("python3").args(["-m", "venv", "--clear"]).arg(home).status();
    if !venv().is_ok_and(|status| status.success()) {
        crate::system::install(&["python3", "python3-venv"])?;
        if !venv().context("cannot run python3")?.success() {
            bail!("python3 -m venv failed");
        }
    }
    let python = std::path::absolute(home.join("bin/python"))?;
    let pip = Command::new(python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(what)
        .current_dir(from)
        .status();
    if !pip.context("cannot run pip")?.success() {
        bail!("pip could not install {} (Python 3.11 or later is needed)", what.join(" "));
    }
    Ok(())
}
