//! People who press at once and people who watch, in a process of their own.

use crate::client::Client;
use crate::output::{bytes, count, outln};
use anyhow::{Context, bail, ensure};
use common::access::Token;
use loadtest::crowd::{Pressed, Wanted, Watched};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

/// So many people press, each several times when there are more presses.
const PEOPLE: usize = 5;

/// What the crowd met with.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Crowd {
    pub(super) pressed: Pressed,
    pub(super) watched: Watched,
    /// Processor time of the crowd's own process, from the press on.
    pub(super) cpu_seconds: f64,
}

/// The crowd's process. It ends with this, or with this process: its standard input closes.
pub(super) struct CrowdProcess {
    child: Child,
    said: BufReader<ChildStdout>,
    cpu_before: f64,
    pressed: Pressed,
}

impl CrowdProcess {
    /// Starts it and waits until everybody is connected.
    pub(super) fn start(
        client: &Client,
        url: &str,
        campaign: &str,
        presses: usize,
        watchers: usize,
    ) -> anyhow::Result<Self> {
        let api = url.trim_start_matches("http://").parse().context("the crowd can't find the API")?;
        let tokens = (1..=PEOPLE).map(|n| token(client, n)).collect::<anyhow::Result<_>>()?;
        let wanted = Wanted { api, campaign: campaign.to_owned(), tokens, presses, watchers };
        let me = std::env::current_exe().context("cannot find this program's own file")?;
        let mut child = Command::new(me)
            .arg("crowd")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the crowd's process")?;
        let said = BufReader::new(child.stdout.take().context("the crowd's process has no output")?);
        let mut crowd = Self { child, said, cpu_before: 0.0, pressed: Pressed::default() };
        crowd.tell(&serde_json::to_string(&wanted)?)?;
        let ready: Value = crowd.hear()?;
        ensure!(ready["ready"] == true, "the crowd is not ready: {ready}");
        crowd.cpu_before = crate::process::cpu_seconds(Some(crowd.child.id()));
        Ok(crowd)
    }

    /// All press. What they were told.
    pub(super) fn press(&mut self) -> anyhow::Result<Pressed> {
        self.tell("press")?;
        self.pressed = self.hear()?;
        Ok(self.pressed.clone())
    }

    /// All watchers stop. What they saw.
    pub(super) fn end(mut self) -> anyhow::Result<Crowd> {
        let cpu_seconds = crate::process::cpu_seconds(Some(self.child.id())) - self.cpu_before;
        drop(self.child.stdin.take());
        Ok(Crowd { pressed: std::mem::take(&mut self.pressed), watched: self.hear()?, cpu_seconds })
    }

    fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let stdin = self.child.stdin.as_mut().context("the crowd's process has ended")?;
        writeln!(stdin, "{line}").context("the crowd's process has ended")
    }

    fn hear<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        if self.said.read_line(&mut line).context("cannot hear the crowd")? == 0 {
            bail!("the crowd's process ended early; what it said is above");
        }
        serde_json::from_str(&line).with_context(|| format!("the crowd says `{}`", line.trim()))
    }
}

impl Crowd {
    /// For people.
    pub(super) fn print(&self) {
        let (pressed, watched) = (&self.pressed, &self.watched);
        if pressed.presses > 0 {
            outln!(
                "presses     {} at once: {} first, {} told who was; receipts: 50 % {:.1} ms, 99 % {:.1} ms, last {:.1} ms",
                count(pressed.presses as u64),
                pressed.first,
                count(pressed.after as u64),
                ms(pressed.p50_us),
                ms(pressed.p99_us),
                ms(pressed.max_us)
            );
        }
        if watched.watchers > 0 {
            outln!(
                "watchers    {}: {} events, {}; the longest that anybody saw nothing: {} ms",
                count(watched.watchers as u64),
                count(watched.events),
                bytes(watched.bytes),
                count(watched.longest_gap_ms)
            );
        }
    }

    /// What is wrong with what they were told.
    pub(super) fn faults(&self) -> Vec<String> {
        let (pressed, watched) = (&self.pressed, &self.watched);
        let right = pressed.first + pressed.after;
        let mut faults = Vec::new();
        if pressed.presses > 0 && (pressed.first != 1 || pressed.by.len() != 1) {
            let Pressed { first, by, .. } = pressed;
            faults.push(format!("{first} presses were told that they were the first, by {by:?}"));
        }
        if right != pressed.presses {
            let (presses, wrong) = (pressed.presses, &pressed.wrong);
            faults.push(format!("{right} of {presses} presses got a receipt; others: {wrong:?}"));
        }
        if watched.cut_off > 0 {
            faults.push(format!("{} of {} watchers were cut off", watched.cut_off, watched.watchers));
        }
        faults
    }
}

impl Drop for CrowdProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// For people: the last digit does not matter.
#[expect(clippy::cast_precision_loss)]
fn ms(us: u64) -> f64 {
    us as f64 / 1e3
}

/// The `n`th person's.
fn token(client: &Client, n: usize) -> anyhow::Result<String> {
    let made: Value =
        client.post("/v1/tokens", &json!({ "name": format!("person {n}"), "role": "marketer" }))?;
    let token: Option<Token> = made["token"].as_str().and_then(|token| token.parse().ok());
    Ok(token.context("the API made no token")?.expose())
}
