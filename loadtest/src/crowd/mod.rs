//! A crowd on the night: many people who press at once, and many who watch the live figures, each with a connection of
//! their own. A process of its own, so that its CPU is not counted as the product's.
//!
//! It is led over standard input and output, a JSON object a line: [`Wanted`] in; `{"ready":true}` out once all are
//! connected and every watcher has its first figures; an empty line in, and all press; [`Pressed`] out; the end of input
//! in; [`Watched`] out.

mod connection;
mod press;
mod watch;

use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// Everybody is connected within this, or something is wrong.
const CONNECTED_WITHIN: Duration = Duration::from_secs(60);

/// What the crowd is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// Where the API listens, in the clear.
    pub api: SocketAddr,
    /// The campaign's id.
    pub campaign: String,
    /// Tokens; people take them in turn.
    pub tokens: Vec<String>,
    /// How many press, each once, all at one time.
    pub presses: usize,
    /// How many watch.
    pub watchers: usize,
}

/// What those who pressed were told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressed {
    /// How many pressed.
    pub presses: usize,
    /// Told that theirs was the first.
    pub first: usize,
    /// Told that somebody was before them.
    pub after: usize,
    /// Told something else, or nothing: the first few, in words.
    pub wrong: Vec<String>,
    /// Names of the first presser in all receipts, each once.
    pub by: Vec<String>,
    /// Time from the request to its receipt, in microseconds: half of them.
    pub p50_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
    /// All.
    pub max_us: u64,
}

/// What those who watched saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// How many watched.
    pub watchers: usize,
    /// Of these, cut off before the end.
    pub cut_off: usize,
    /// Events of all together.
    pub events: u64,
    /// Bytes of all together.
    pub bytes: u64,
    /// The longest time that anybody saw nothing, in milliseconds.
    pub longest_gap_ms: u64,
}

/// Why there was no crowd.
#[derive(Debug, thiserror::Error)]
pub enum CrowdError {
    /// It could not be led.
    #[error("the crowd was not told what to do: {0}")]
    Led(String),
    /// Somebody could not connect, or was turned away.
    #[error("somebody of the crowd was turned away: {0}")]
    TurnedAway(String),
}

/// Runs the crowd in this process until standard input ends.
///
/// # Errors
/// Why it can't: what it was told is wrong, or the API turned somebody away.
pub fn run_blocking() -> Result<(), CrowdError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| CrowdError::Led(e.to_string()))?;
    runtime.block_on(run())
}

async fn run() -> Result<(), CrowdError> {
    let wanted: Wanted = serde_json::from_str(&line().await?).map_err(|e| CrowdError::Led(e.to_string()))?;
    let ready = async {
        let watchers = watch::begin(&wanted).await?;
        let pressers = press::connect(&wanted).await?;
        Ok::<_, std::io::Error>((watchers, pressers))
    };
    let ready = tokio::time::timeout(CONNECTED_WITHIN, ready).await;
    let ready = ready.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    let (watchers, pressers) = ready.map_err(|e| CrowdError::TurnedAway(e.to_string()))?;
    say(&serde_json::json!({ "ready": true }))?;
    if line().await?.is_empty() {
        return Ok(());
    }
    say(&press::all(pressers).await)?;
    while !line().await?.is_empty() {}
    say(&watchers.end().await)
}

/// The next line, with its end; nothing at the end of input.
async fn line() -> Result<String, CrowdError> {
    let read = || {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    };
    let read = tokio::task::spawn_blocking(read).await;
    match read {
        Ok(Ok(line)) => Ok(line),
        Ok(Err(error)) => Err(CrowdError::Led(error.to_string())),
        Err(error) => Err(CrowdError::Led(error.to_string())),
    }
}

fn say(what: &impl Serialize) -> Result<(), CrowdError> {
    let line = serde_json::to_string(what).map_err(|e| CrowdError::Led(e.to_string()))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|e| CrowdError::Led(e.to_string()))
}
