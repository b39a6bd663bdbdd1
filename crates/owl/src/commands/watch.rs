//! `owl campaign status --watch`: the live figures as the server sends them, redrawn in place on a terminal, else a line a
//! second; with `--json` each event as a line.

use crate::client::Client;
use crate::output::{count, outln};
use api::live::Live;
use common::campaign::State;
use common::time::UnixMs;
use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

/// Pause before a lost connection is made anew.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Connections in a row that may fail once there was one.
const TRIES: usize = 60;
/// Width of the bar, in characters.
const BAR: u64 = 40;
/// Seconds in the small picture of the rate.
const SECONDS: usize = 40;

/// Follows a campaign until nothing more happens by itself.
pub(super) fn follow(client: &Client, id: &str, json: bool) -> anyhow::Result<()> {
    let path = format!("/v1/campaigns/{id}/live");
    let (mut screen, mut failed) = (Screen::new(json), 0);
    loop {
        match client.lines(&path) {
            Ok(lines) => {
                failed = 0;
                if screen.read(lines)? {
                    return Ok(());
                }
            }
            Err(error) if screen.last.is_none() || failed >= TRIES => return Err(error),
            Err(_) => failed += 1,
        }
        screen.lost();
        std::thread::sleep(AGAIN_AFTER);
    }
}

struct Screen {
    json: bool,
    terminal: bool,
    /// Lines on the terminal that the next picture replaces.
    drawn: usize,
    last: Option<Live>,
}

impl Screen {
    fn new(json: bool) -> Self {
        Self { json, terminal: !json && std::io::stdout().is_terminal(), drawn: 0, last: None }
    }

    /// Shows events until the stream ends; answers whether the campaign has come to an end.
    fn read(&mut self, lines: impl BufRead) -> anyhow::Result<bool> {
        let mut kind = String::new();
        for line in lines.lines().map_while(Result::ok) {
            match line.split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut kind),
                Some(("data", data)) if kind == "live" => {
                    let live: Live = serde_json::from_str(data)?;
                    let over = matches!(live.state, State::Done | State::Stopped | State::Failed);
                    self.show(&live, data);
                    self.last = Some(live);
                    if over {
                        return Ok(true);
                    }
                }
                Some(("data", data)) if kind == "trouble" => {
                    eprintln!("owl: the server can't read the figures: {data}");
                }
                _ => {}
            }
        }
        Ok(false)
    }

    fn show(&mut self, live: &Live, data: &str) {
        if self.json {
            outln!("{data}");
        } else if self.terminal {
            self.draw(&picture(live));
        } else if self.last.as_ref().is_none_or(|last| last.at.0 / 1000 != live.at.0 / 1000) {
            outln!("{}", headline(live));
        }
    }

    fn lost(&mut self) {
        if let Some(last) = &self.last {
            self.drawn = 0;
            eprintln!("connection lost; the figures are from {}, trying again", clock(last.at));
        }
    }

    /// In place of what stands there.
    fn draw(&mut self, lines: &[String]) {
        let mut out = std::io::stdout().lock();
        let up = if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() };
        // A terminal that has gone is no error.
        let _ = writeln!(out, "{up}{}", lines.join("\n")).and_then(|()| out.flush());
        self.drawn = lines.len();
    }
}

fn clock(at: UnixMs) -> String {
    format!("{} UTC", at.rfc3339().get(11..19).unwrap_or_default())
}

fn headline(live: &Live) -> String {
    let tenths = (live.settled * 1000).checked_div(live.devices).unwrap_or(0);
    format!(
        "{}  {}.{} %  {} of {} devices settled{}  ({})",
        live.state.label(),
        tenths / 10,
        tenths % 10,
        count(live.settled),
        count(live.devices),
        if live.exact { "" } else { " so far" },
        clock(live.at)
    )
}

fn picture(live: &Live) -> Vec<String> {
    let full = (live.settled * BAR).checked_div(live.devices).unwrap_or(0).min(BAR);
    let bar: String = (0..BAR).map(|i| if i < full { '█' } else { '░' }).collect();
    let listed = |all: Vec<String>| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
    let accepted = live.accepted.iter().map(|(gateway, n)| format!("{} by {gateway}", count(*n))).collect();
    let mut lines = vec![headline(live), format!("  {bar}"), format!("  accepted    {}", listed(accepted))];
    let mut more = |name: &str, text: String| lines.push(format!("  {name:<11} {text}"));
    if !live.by_reason.is_empty() {
        let reasons = live.by_reason.iter().map(|(reason, n)| format!("{} {reason}", count(*n))).collect();
        more("NOT", listed(reasons));
    }
    if let (Some(p50), Some(p99)) = (live.p50_ms, live.p99_ms) {
        let about = if live.exact { "" } else { "about " };
        more("from press", format!("p50 {about}{} ms, p99 {about}{} ms", count(p50), count(p99)));
    }
    if !live.per_second.is_empty() {
        let most = live.per_second.iter().map(|(_, n)| *n).max().unwrap_or(0);
        more("per second", format!("{}  at most {}", spark(&live.per_second, most), count(most)));
    }
    if let Some(at) = live.finish_at {
        more("finish", format!("about {}, at this rate", clock(at)));
    }
    let workers = &live.workers;
    let ready = |name: &str, of: api::live::Ready| format!("{} of {} {name}", of.ready, of.live);
    let held = format!("{} batches held", count(workers.claims.into()));
    more(
        "workers",
        format!("{}, {} ready; {held}", ready("interim", workers.interim), ready("push", workers.push)),
    );
    let envelopes = (live.shards_dispatched, live.shards, live.shards_expanded);
    more("envelopes", format!("{} of {} on their way, {} expanded", envelopes.0, envelopes.1, envelopes.2));
    for trouble in &workers.trouble {
        more("TROUBLE", trouble.clone());
    }
    lines
}

/// The newest seconds as a row of blocks.
fn spark(seconds: &[(i64, u64)], most: u64) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let newest = &seconds[seconds.len().saturating_sub(SECONDS)..];
    let block = |n: u64| match usize::try_from((n * 7).checked_div(most).unwrap_or(0)) {
        Ok(height) if n > 0 => BLOCKS[height.min(7)],
        _ => ' ',
    };
    newest.iter().map(|(_, n)| block(*n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_blocks_shows_the_newest_seconds() {
        assert_eq!(spark(&[], 0), "");
        assert_eq!(spark(&[(1, 0), (2, 1), (3, 7)], 7), " ▂█");
        let long: Vec<_> = (0..100).map(|s| (s, 5)).collect();
        assert_eq!(spark(&long, 5).chars().count(), SECONDS);
    }
}
