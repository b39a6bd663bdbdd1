//! What the machine must have, installed from the ordinary package registries where it is missing.

use anyhow::{Context, bail};
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

/// Installs what is missing. On a system without apt, or without the right to, it says what to install.
pub(crate) fn prepare() -> anyhow::Result<()> {
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
