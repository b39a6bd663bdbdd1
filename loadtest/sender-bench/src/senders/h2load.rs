//! h2load, a process of its own: its start and its handshakes are in its figures.

use crate::job::{Figures, Job};
use crate::message::Message;
use crate::meter::Meter;
use anyhow::{Context, Result, ensure};
use loadtest::gateways::GatewayInfo;
use std::io::Write as _;
use std::process::Command;

/// Whether it is installed.
pub fn version() -> Option<String> {
    let output = Command::new("h2load").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs the job.
pub fn run(job: &Job, info: &GatewayInfo) -> Result<Figures> {
    let message = Message::new(job.gateway, info)?;
    let mut body = tempfile::NamedTempFile::new()?;
    body.write_all(&message.body(0))?;
    let address = job.gateway.address(info);
    let mut command = Command::new("h2load");
    command.args(["-t", "1", "-n", &job.requests.to_string()]);
    command.args(["-c", &job.connections.to_string(), "-m", &job.streams.to_string()]);
    for (name, value) in &message.headers {
        command.arg("-H").arg(format!("{name}: {}", value.to_str()?));
    }
    command.arg("-d").arg(body.path()).arg(format!("https://{address}{}", message.path(0)));
    let meter = Meter::of_children()?;
    let output = command.output().context("cannot run h2load")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let accepted = said.lines().find_map(|line| line.strip_prefix("status codes: ")?.split(' ').next());
    ensure!(output.status.success(), "h2load failed: {}", String::from_utf8_lossy(&output.stderr));
    meter.stop(job.requests, accepted.context("h2load said nothing of status codes")?.parse()?)
}
