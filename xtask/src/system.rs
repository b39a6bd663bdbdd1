//! What the machine must have, installed from the ordinary package registries where it is missing.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Debian packages that building and testing need, and a command that succeeds when each is there.
const PACKAGES: &[(&str, &[&str])] = &[
    ("pkg-config", &["pkg-config", "--version"]),
    ("libssl-dev", &["pkg-config", "--exists", "openssl"]),
    ("ca-certificates", &["test", "-e", "/etc/ssl/certs/ca-certificates.crt"]),
    ("gcc", &["cc", "--version"]),
    ("make", &["make", "--version"]),
    // Conformance (loadtest/tests/it/others.rs, crates/wire/tests/wire/foreign): clients and servers of HTTP/2 that are not
    // ours.
    ("nghttp2-client", &["h2load", "--version"]),
    ("nghttp2-server", &["nghttpd", "--version"]),
    ("nginx-light", &["sh", "-c", "PATH=$PATH:/usr/sbin nginx -v"]),
    ("nodejs", &["node", "--version"]),
    ("curl", &["sh", "-c", "curl --version | grep -q HTTP2"]),
];

fn quiet(command: &[&str]) -> bool {
    let Some((program, args)) = command.split_first() else { return false };
    let run = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

/// A run of all steps writes about 12 GB into an empty target folder.
const EMPTY_KIB_MIN: u64 = 12 << 20;
/// In one that has it all it writes less than this.
const FULL_KIB_MIN: u64 = 3 << 20;
/// What only a run of all tests builds: the folder itself is there as soon as this program is.
const BUILT_BY_TESTS: &str = "debug/push-worker";

/// Steps that build the project, by their names; the others write next to nothing.
const BUILDING: [&str; 5] = ["clippy", "doc", "browser", "schemathesis", "tests"];

/// A full disk ends as a linker's "Bus error" half an hour later: it is said at once.
fn room() -> anyhow::Result<()> {
    let target = PathBuf::from(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    std::fs::create_dir_all(&target).context("cannot make the target folder")?;
    let wanted = wanted_kib(&target);
    let df = Command::new("df").arg("-Pk").arg(&target).output().context("this system has no df")?;
    match free_kib(&String::from_utf8_lossy(&df.stdout)) {
        Some(free) if free < wanted => bail!(
            "{:.1} GB are free on target's disk, and {:.1} are wanted; an empty target folder grows to about 12 GB, so free some, or set CARGO_TARGET_DIR to a larger disk",
            free as f64 / 1e6,
            wanted as f64 / 1e6
        ),
        _ => Ok(()),
    }
}

/// What has to be free for a run of all steps.
fn wanted_kib(target: &Path) -> u64 {
    if target.join(BUILT_BY_TESTS).exists() { FULL_KIB_MIN } else { EMPTY_KIB_MIN }
}

/// The fourth column of the line that is not a heading.
fn free_kib(df: &str) -> Option<u64> {
    df.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

/// Installs what is missing. On a system without apt, or without the right to, it says what to install.
pub(crate) fn prepare(only: Option<&str>) -> anyhow::Result<()> {
    if only.is_none_or(|part| BUILDING.iter().any(|step| step.contains(part))) {
        room()?;
    }
    let missing: Vec<_> = PACKAGES.iter().filter(|(_, there)| !quiet(there)).map(|(name, _)| *name).collect();
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

/// Asks nothing, and starts no service of what it installs: nginx is for tests only.
const APT_ENV: [(&str, &str); 2] = [("DEBIAN_FRONTEND", "noninteractive"), ("RUNLEVEL", "1")];

/// Installs these Debian packages.
pub(crate) fn install(packages: &[&str]) -> anyhow::Result<()> {
    println!("installing {}", packages.join(", "));
    let apt = |args: &[&str]| Command::new("apt-get").args(args).envs(APT_ENV).status();
    let update = apt(&["update", "-qq"]).context("this system has no apt-get");
    let install = update.and_then(|_| Ok(apt(&[&["install", "-y", "-qq"], packages].concat())?));
    if !install.is_ok_and(|status| status.success()) {
        bail!("install {} and run this again", packages.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_room_is_read_from_df() {
        let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 263174212 33554432 62914560 35% /\n";
        assert_eq!(free_kib(df), Some(62_914_560));
        assert_eq!(free_kib("df: target: No such file or directory\n"), None);
    }

    /// This program alone, which is built before it can ask, does not make a folder full.
    #[test]
    fn a_folder_that_no_test_was_built_in_wants_room_for_all() {
        let target = std::env::temp_dir().join(format!("xtask-room-{}", std::process::id()));
        let debug = target.join("debug");
        std::fs::create_dir_all(&debug).unwrap();
        std::fs::write(debug.join("xtask"), "").unwrap();
        let empty = wanted_kib(&target);
        std::fs::write(target.join(BUILT_BY_TESTS), "").unwrap();
        let full = wanted_kib(&target);
        std::fs::remove_dir_all(&target).unwrap();
        assert_eq!((empty, full), (12 << 20, 3 << 20));
    }
}
