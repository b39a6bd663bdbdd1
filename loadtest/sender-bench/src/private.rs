//! A network and a mount namespace of our own, in which Apple's and Google's names lead to loopback and nothing leads
//! anywhere else: a2 and fcm_v1 have fixed hosts. Needs root (or the right to make namespaces).

use crate::plain;
use crate::stand_in::{APNS_HOST, PLAIN_ADDRESS};
use anyhow::{Context, Result, bail, ensure};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Says to a process that it is inside.
const INSIDE: &str = "SENDER_BENCH_INSIDE";
const HOSTS: &str = "/etc/hosts";
const UNSHARE: [&str; 3] = ["--net", "--mount", "--"];

/// Goes on inside, in another process, if that can be had. Answers whether this is inside already, and why not.
pub fn enter() -> Result<Result<(), String>> {
    if std::env::var_os(INSIDE).is_some() {
        prepare()?;
        return Ok(Ok(()));
    }
    let quiet = || Command::new("unshare").args(UNSHARE).arg("true").stderr(Stdio::null()).status();
    match quiet() {
        Ok(status) if status.success() => {}
        Ok(_) => return Ok(Err("no private namespace (that needs root)".to_owned())),
        Err(error) => return Ok(Err(format!("no private namespace (`unshare`: {error})"))),
    }
    let mut again = Command::new("unshare");
    again.args(UNSHARE).arg(std::env::current_exe()?).args(std::env::args_os().skip(1)).env(INSIDE, "1");
    bail!("cannot start `unshare`: {}", again.exec())
}

fn prepare() -> Result<()> {
    run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    let mut hosts = tempfile::NamedTempFile::new()?;
    writeln!(hosts, "127.0.0.1 localhost {APNS_HOST}\n{PLAIN_ADDRESS} {}", plain::HOST)?;
    // The mount keeps the file alive after its name is gone.
    run(Command::new("mount").arg("--bind").arg(hosts.path()).arg(HOSTS))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
