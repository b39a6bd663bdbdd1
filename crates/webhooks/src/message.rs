//! What a campaign's record says has happened, and the message about it. Pure: every process that reads the same record
//! finds the same events, with the same ids.

use common::campaign::{Campaign, RunKind, SnapshotRef, State};
use common::report::Books;
use common::time::UnixMs;
use common::webhook::{Delivery, Event, MessageId, Webhook};
use control::Tally;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// A resume this long after the press begins a new place in the log: deliveries are looked for among the last 70 hours, of
/// which 58 may be needed to tell.
const RESUMED_LATE: Duration = Duration::from_secs(6 * 3_600);

/// Something that happened to a campaign.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// What.
    pub event: Event,
    /// Tells the second arming or stop from the first.
    pub number: u64,
    /// When, as far as is known.
    pub at: UnixMs,
    /// A time that every process takes from the record: of `half` the press, or a resume long after it; of all others the
    /// same as `at`.
    pub sorted_at: UnixMs,
    data: Map<String, Value>,
}

/// Everything that this record tells of. `so_far` is what the workers have counted, where it was asked for: without it, the
/// half of a campaign that is being sent is not noticed before its end.
#[must_use]
pub fn happened(campaign: &Campaign, so_far: Option<&Tally>, now: UnixMs) -> Vec<Happened> {
    let about = About(campaign);
    let once = [about.armed(), about.pressed(), about.half(so_far, now), about.done()];
    once.into_iter().flatten().chain(about.stops()).collect()
}

impl Happened {
    /// The message to one webhook.
    #[must_use]
    pub fn tell(&self, hook: &Webhook, campaign: &Campaign) -> Delivery {
        let message = MessageId::of(hook.id, campaign.id, self.event, self.number);
        let body = body(self.event, self.at, &self.data);
        Delivery::new(hook.id, self.sorted_at, message, self.event, Some(campaign.id), body)
    }
}

/// The message of somebody who tries a webhook out.
pub(crate) fn test(hook: &Webhook, by: &str, now: UnixMs) -> Delivery {
    let data = fields(json!({ "webhook": hook.id, "name": hook.name, "by": by }));
    let body = body(Event::Test, now, &data);
    Delivery::new(hook.id, now, MessageId::random(), Event::Test, None, body)
}

fn body(event: Event, at: UnixMs, data: &Map<String, Value>) -> String {
    let body = Body { event, timestamp: at.rfc3339(), data };
    serde_json::to_string(&body).unwrap_or_default()
}

/// In the order in which people read it.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    event: Event,
    timestamp: String,
    data: &'a Map<String, Value>,
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

struct About<'a>(&'a Campaign);

impl About<'_> {
    /// An event at a time of the record, with what every message says and what this one adds.
    fn event(&self, event: Event, number: u64, at: UnixMs, state: State, by: &str, more: Value) -> Happened {
        let Campaign { id, name, .. } = self.0;
        let mut data = fields(json!({ "campaign": id, "name": name, "state": state, "by": by }));
        data.extend(fields(more));
        Happened { event, number, at, sorted_at: at, data }
    }

    fn devices(&self) -> u64 {
        self.0.snapshot.as_ref().map_or(0, SnapshotRef::device_count)
    }

    fn audience(&self) -> Value {
        let users = self.0.snapshot.as_ref().map_or(0, |snapshot| snapshot.users);
        json!({ "users": users, "devices": self.devices() })
    }

    /// Of an arming that was taken back the record says nothing.
    fn armed(&self) -> Option<Happened> {
        let stamp = &self.0.armed.as_ref()?.stamp;
        let number = stamp.at.0.cast_unsigned();
        Some(self.event(Event::Armed, number, stamp.at, State::Armed, &stamp.by, self.audience()))
    }

    fn pressed(&self) -> Option<Happened> {
        let stamp = self.0.pressed.as_ref()?;
        let mut happened =
            self.event(Event::Pressed, 0, stamp.at, State::Sending, &stamp.by, self.audience());
        let run = self.0.runs.iter().find(|run| run.kind == RunKind::Press);
        happened.data.extend(run.map(|r| ("deadline_at".to_owned(), r.deadline_at.rfc3339().into())));
        Some(happened)
    }

    /// Half of the devices have their outcome: by the books where they are closed, else by what was counted so far.
    fn half(&self, so_far: Option<&Tally>, now: UnixMs) -> Option<Happened> {
        let pressed = self.0.pressed.as_ref()?;
        let devices = self.devices();
        let books = self.0.books.as_ref().filter(|_| matches!(self.0.state, State::Done | State::Stopped));
        let (settled, accepted, at) = match (books, so_far) {
            (Some(b), _) => (b.accepted + b.rejected + b.expired + b.ambiguous, b.accepted, self.half_at(b)),
            (None, Some(tally)) => (tally.settled(), tally.accepted.values().sum(), now),
            (None, None) => return None,
        };
        if devices == 0 || settled.saturating_mul(2) < devices {
            return None;
        }
        let more = json!({ "devices": devices, "settled": settled, "accepted": accepted });
        let happened = self.event(Event::Half, 0, at, State::Sending, &pressed.by, more);
        Some(Happened { sorted_at: self.half_sorted_at(pressed.at), ..happened })
    }

    /// The press, as long as what is sorted there is still looked for when half is reached.
    fn half_sorted_at(&self, pressed_at: UnixMs) -> UnixMs {
        let newest = self.0.runs.iter().rev().find(|run| run.kind != RunKind::Canary);
        let late = newest.map(|run| run.stamp.at).filter(|at| at.since(pressed_at) >= RESUMED_LATE);
        late.unwrap_or(pressed_at)
    }

    /// Nobody noted it when it was: it is about when half of the accepted pushes were.
    fn half_at(&self, books: &Books) -> UnixMs {
        let p50 = books.times.p50_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        let at = self.0.pressed_at().zip(p50).map(|(at, p50)| at.plus(p50));
        let end = self.0.done_at.or_else(|| self.0.stops.last().and_then(|stop| stop.stopped_at));
        at.or(end).unwrap_or_default()
    }

    /// Every stop that is complete; of the last one, while it lasts, the books too.
    fn stops(&self) -> Vec<Happened> {
        let mut found = Vec::new();
        for (number, stop) in (0..).zip(&self.0.stops) {
            let Some(at) = stop.stopped_at else { continue };
            found.push(self.event(Event::Aborted, number, at, State::Stopped, &stop.stamp.by, json!({})));
        }
        if let (State::Stopped, Some(books), Some(last)) = (self.0.state, &self.0.books, found.last_mut()) {
            last.data.extend(figures(books));
        }
        found
    }

    fn done(&self) -> Option<Happened> {
        let at = self.0.done_at?;
        let by = self.0.pressed.as_ref().map_or("", |stamp| stamp.by.as_str());
        let mut happened = self.event(Event::Done, 0, at, State::Done, by, json!({}));
        happened.data.extend(self.0.books.as_ref().map(figures).unwrap_or_default());
        Some(happened)
    }
}

fn figures(books: &Books) -> Map<String, Value> {
    fields(json!({
        "devices": books.devices,
        "accepted": books.accepted,
        "rejected": books.rejected,
        "expired": books.expired,
        "aborted": books.aborted,
        "ambiguous": books.ambiguous,
        "pending": books.pending,
        "late": books.late.devices,
        "times": books.times,
    }))
}
