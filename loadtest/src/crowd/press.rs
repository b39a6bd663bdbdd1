//! Those who press.

use super::connection::Connection;
use super::{Pressed, Wanted};
use std::io;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Answers that are told in words.
const WRONG_MAX: usize = 5;

/// What one was told.
struct Told {
    took: Duration,
    /// Whether it was the first, and who was.
    receipt: Result<(bool, String), String>,
}

pub(super) async fn connect(wanted: &Wanted) -> io::Result<Vec<Connection>> {
    let mut all = Vec::with_capacity(wanted.presses);
    for n in 0..wanted.presses {
        all.push(Connection::open(wanted, n, "POST", "press").await?);
    }
    Ok(all)
}

/// All press at one time.
pub(super) async fn all(pressers: Vec<Connection>) -> Pressed {
    let presses = pressers.len();
    let mut pressing: JoinSet<Told> = pressers.into_iter().map(one).collect();
    let mut told = Vec::with_capacity(presses);
    while let Some(ended) = pressing.join_next().await {
        told.extend(ended);
    }
    let mut pressed = Pressed { presses, ..Pressed::default() };
    let mut times: Vec<Duration> = told.iter().map(|one| one.took).collect();
    times.sort_unstable();
    let at = |hundredths: usize| {
        let place = (times.len() * hundredths).div_ceil(100).saturating_sub(1);
        times.get(place).map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    };
    (pressed.p50_us, pressed.p99_us, pressed.max_us) = (at(50), at(99), at(100));
    for one in told {
        match one.receipt {
            Ok((first, by)) => {
                pressed.first += usize::from(first);
                pressed.after += usize::from(!first);
                if !pressed.by.contains(&by) {
                    pressed.by.push(by);
                }
            }
            Err(wrong) if pressed.wrong.len() < WRONG_MAX => pressed.wrong.push(wrong),
            Err(_) => {}
        }
    }
    pressed
}

async fn one(mut connection: Connection) -> Told {
    let began = Instant::now();
    let receipt = receipt(&mut connection).await;
    Told { took: began.elapsed(), receipt }
}

async fn receipt(connection: &mut Connection) -> Result<(bool, String), String> {
    let head = connection.ask().await.map_err(|e| e.to_string())?;
    let body = connection.body(&head).await.map_err(|e| e.to_string())?;
    let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let first = match said["result"].as_str() {
        Some("pressed") => true,
        Some("already_pressed") => false,
        _ => return Err(format!("{} {}", head.status, String::from_utf8_lossy(&body))),
    };
    let by = said["by"].as_str().unwrap_or_default().to_owned();
    if head.status == 200 { Ok((first, by)) } else { Err(format!("{} with a receipt", head.status)) }
}
