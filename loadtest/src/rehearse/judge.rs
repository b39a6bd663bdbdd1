//! Objectives against what was measured.

use serde::{Deserialize, Serialize};

use super::{Objectives, Pressed, Span};

/// One objective, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Its name, as in a scenario.
    pub objective: String,
    /// What was asked.
    pub at_most: String,
    /// What was measured.
    pub measured: String,
    /// Whether it holds.
    pub holds: bool,
}

/// What an objective reads that nothing was measured for. It does not hold.
const NOT_MEASURED: &str = "not measured";

fn judged(objective: &str, at_most: String, measured: String, holds: bool) -> Judged {
    Judged { objective: objective.to_owned(), at_most, measured, holds }
}

/// The objectives of one press.
#[must_use]
pub fn judge(objectives: &Objectives, pressed: &Pressed) -> Vec<Judged> {
    let Objectives { receipt, p50, p95, p99, last, lost, doubled, doubled_in_flight, unreached, .. } =
        objectives;
    let times = &pressed.steps.accepted.times;
    let timed = [
        ("receipt", receipt, Some(pressed.receipt_ms)),
        ("p50", p50, times.p50_ms),
        ("p95", p95, times.p95_ms),
        ("p99", p99, times.p99_ms),
        ("last", last, times.last_ms),
    ];
    let mut all: Vec<Judged> =
        timed.into_iter().filter_map(|(name, asked, ms)| asked.map(|asked| time(name, asked, ms))).collect();
    let c = &pressed.counted;
    let number = |name: &str, most: u64, n: u64| judged(name, most.to_string(), n.to_string(), n <= most);
    let held = |n: u64| if pressed.by_books { format!("{n} (by the ledger's books)") } else { n.to_string() };
    let missed = pressed.lost();
    all.push(judged("lost", lost.to_string(), held(missed), missed <= *lost));
    all.push(if *doubled_in_flight {
        let most = (*doubled).max(c.doubled_at_most);
        judged("doubled", format!("{most} (in flight)"), held(c.doubled), c.doubled <= most)
    } else {
        judged("doubled", doubled.to_string(), held(c.doubled), c.doubled <= *doubled)
    });
    // Of what the ledger does not know, only the journal can tell.
    if !pressed.by_books {
        all.push(number("doubled where the ledger knows of none", 0, c.doubled_unexplained));
    }
    all.push(number("unreached", *unreached, pressed.unreached()));
    let somebody = judged("somebody is reached", "-".to_owned(), c.accepted.to_string(), c.accepted > 0);
    all.push(somebody);
    let sum = c.accepted + c.rejected + c.expired + c.aborted + c.ambiguous + c.pending;
    all.push(judged(
        "the books add up",
        pressed.devices.to_string(),
        sum.to_string(),
        sum == pressed.devices,
    ));
    if let Some(most) = objectives.cpu_us_per_push {
        let us = pressed.cpu_us_per_push();
        let measured = if us > 0.0 { format!("{us:.2}") } else { NOT_MEASURED.to_owned() };
        all.push(judged("cpu_us_per_push", format!("{most:.2}"), measured, us <= most && us > 0.0));
    }
    all
}

fn time(name: &str, asked: Span, ms: Option<i64>) -> Judged {
    let measured = ms.map_or_else(|| "nobody".to_owned(), |ms| format!("{ms} ms"));
    judged(name, asked.to_string(), measured, ms.is_some_and(|ms| ms <= asked.ms()))
}

/// What must not grow: the most after any press of the later half, against the most of the earlier one. The first press is when
/// everything is made that stays; the others of the earlier half fill tables in memory, which are written out and filled anew.
#[must_use]
pub fn judge_growth(objectives: &Objectives, presses: &[Pressed]) -> Vec<Judged> {
    let asked = objectives.memory_growth_percent.is_some() || objectives.open_files_growth.is_some();
    let counted = presses.get(1..).unwrap_or_default();
    let (earlier, later) = counted.split_at(counted.len() / 2);
    if earlier.is_empty() {
        let too_few = || judged("growth", "3 presses".to_owned(), presses.len().to_string(), false);
        return asked.then(too_few).into_iter().collect();
    }
    let peak = |half: &[Pressed], pick: fn(&Pressed) -> u64| half.iter().map(pick).max().unwrap_or(0);
    let memory = objectives.memory_growth_percent.map(|most| {
        let (before, now) = (peak(earlier, |p| p.rss_bytes), peak(later, |p| p.rss_bytes));
        let grown = percent(before, now);
        let is_measured = now > 0;
        let measured = if is_measured { format!("{grown:+.1}") } else { NOT_MEASURED.to_owned() };
        let holds = grown <= f64::from(most) && is_measured;
        judged("memory_growth_percent", most.to_string(), measured, holds)
    });
    let files = objectives.open_files_growth.map(|most| {
        let (before, now) = (peak(earlier, |p| p.open_files), peak(later, |p| p.open_files));
        let grown = now.saturating_sub(before);
        let is_measured = now > 0;
        let measured = if is_measured { grown.to_string() } else { NOT_MEASURED.to_owned() };
        let holds = grown <= u64::from(most) && is_measured;
        judged("open_files_growth", most.to_string(), measured, holds)
    });
    memory.into_iter().chain(files).collect()
}

/// For people: a rounding error in the last digit does not matter.
fn percent(from: u64, to: u64) -> f64 {
    (to as f64 / from.max(1) as f64 - 1.0) * 100.0
}

/// What the gateways say of a token itself; every other refusal is ours or the moment's.
const TOKENS_OWN: [&str; 4] =
    ["unregistered", "bad_device_token", "device_token_not_for_topic", "sender_id_mismatch"];

/// Outcomes that are judged by their own terms.
const OTHERS: [&str; 5] = ["accepted", "expired", "aborted", "ambiguous", "pending"];

impl Pressed {
    /// Devices that were refused for another reason than their token: throttled too long, unavailable, misconfigured.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        let all = self.by_outcome.values().flatten();
        let known = |label: &str| TOKENS_OWN.contains(&label) || OTHERS.contains(&label);
        all.filter(|(label, _)| !known(label)).map(|(_, n)| n).sum()
    }

    /// Devices that count as lost: ledger and journal differ about them, they have no outcome, or are not in the snapshot.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.counted.lost + self.counted.pending + self.counted.strangers
    }

    /// Devices that count as unreached: not sent, sent without an answer, or given up.
    #[must_use]
    pub fn unreached(&self) -> u64 {
        let c = &self.counted;
        c.expired + c.aborted + c.ambiguous + self.given_up()
    }

    /// Devices that were refused for their token.
    #[must_use]
    pub fn refused_tokens(&self) -> u64 {
        let all = self.by_outcome.values().flatten();
        all.filter(|(label, _)| TOKENS_OWN.contains(&label.as_str())).map(|(_, n)| n).sum()
    }

    /// Processor time of ours for each device that got an answer, in microseconds.
    #[must_use]
    pub fn cpu_us_per_push(&self) -> f64 {
        self.cpu_seconds * 1e6 / (self.counted.accepted + self.counted.rejected).max(1) as f64
    }

    /// Accepted pushes a second, from the press to the last.
    #[must_use]
    pub fn pushes_per_s(&self) -> u64 {
        let ms = self.steps.accepted.times.last_ms.filter(|ms| *ms > 0).map_or(1, i64::unsigned_abs);
        self.counted.accepted * 1000 / ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::{Counted, Passed, Steps, Times};

    fn pressed() -> Pressed {
        let times = Times { p50_ms: Some(900), last_ms: Some(2_000), ..Times::default() };
        Pressed {
            devices: 100,
            counted: Counted {
                accepted: 98,
                rejected: 2,
                doubled: 1,
                doubled_at_most: 5,
                ..Counted::default()
            },
            steps: Steps { accepted: Passed { times, ..Passed::default() }, ..Steps::default() },
            ..Pressed::default()
        }
    }

    fn broken(objectives: &Objectives, pressed: &Pressed) -> Vec<String> {
        judge(objectives, pressed).into_iter().filter(|j| !j.holds).map(|j| j.objective).collect()
    }

    #[test]
    fn doubles_are_let_pass_only_where_the_ledger_counted_them() {
        let strict = Objectives::default();
        assert_eq!(broken(&strict, &pressed()), ["doubled"]);
        let in_flight = Objectives { doubled_in_flight: true, ..Objectives::default() };
        assert!(broken(&in_flight, &pressed()).is_empty());
        let mut more = pressed();
        more.counted.doubled = 6;
        assert_eq!(broken(&in_flight, &more), ["doubled"]);
    }

    #[test]
    fn what_was_never_measured_holds_no_objective() {
        let span = Some(Span(std::time::Duration::from_secs(1)));
        let asked = Objectives { p50: span, p99: span, last: span, doubled: 1, ..Objectives::default() };
        assert_eq!(broken(&asked, &pressed()), ["p99", "last"]);
        let mut lossy = pressed();
        lossy.counted.accepted = 97;
        lossy.counted.lost = 1;
        assert_eq!(
            broken(&Objectives { doubled: 1, ..Objectives::default() }, &lossy),
            ["lost", "the books add up"]
        );
    }

    #[test]
    fn without_the_journal_the_books_are_what_there_is() {
        let counted = Counted { doubled: 5, doubled_unexplained: 3, ..pressed().counted };
        let pressed = Pressed { by_books: true, counted, ..pressed() };
        let asked = Objectives { doubled: 5, cpu_us_per_push: Some(9.0), ..Objectives::default() };
        assert_eq!(broken(&asked, &pressed), ["cpu_us_per_push"]);
        let all = judge(&asked, &pressed);
        let measured = |name: &str| all.iter().find(|j| j.objective == name).map(|j| j.measured.as_str());
        assert_eq!(measured("lost"), Some("0 (by the ledger's books)"));
        assert_eq!(measured("doubled"), Some("5 (by the ledger's books)"));
        assert_eq!(measured("cpu_us_per_push"), Some("not measured"));
    }

    #[test]
    fn whoever_was_given_up_was_not_reached_and_dead_tokens_are_nobodys_fault() {
        let outcomes = [("accepted", 90), ("unregistered", 6), ("gateway_unavailable", 4)];
        let by_outcome = outcomes.map(|(label, n)| (label.to_owned(), n)).into();
        let pressed = Pressed {
            by_outcome: [("fcm".to_owned(), by_outcome)].into(),
            counted: Counted { accepted: 90, rejected: 10, ..Counted::default() },
            devices: 100,
            ..Pressed::default()
        };
        assert_eq!((pressed.given_up(), pressed.refused_tokens()), (4, 6));
        assert_eq!(broken(&Objectives::default(), &pressed), ["unreached"]);
        assert!(broken(&Objectives { unreached: 4, ..Objectives::default() }, &pressed).is_empty());
        let nobody = Pressed { devices: 0, counted: Counted::default(), ..pressed };
        assert!(broken(&Objectives::default(), &nobody).contains(&"somebody is reached".to_owned()));
    }

    #[test]
    fn growth_is_seen_from_the_second_press_on() {
        let asked = Objectives {
            memory_growth_percent: Some(10),
            open_files_growth: Some(2),
            ..Objectives::default()
        };
        let press = |rss_bytes, open_files| Pressed { rss_bytes, open_files, ..Pressed::default() };
        let holds =
            |presses: &[Pressed]| judge_growth(&asked, presses).iter().map(|j| j.holds).collect::<Vec<_>>();
        assert_eq!(holds(&[press(10, 1), press(100, 9), press(105, 10)]), [true, true]);
        assert_eq!(holds(&[press(10, 1), press(100, 9), press(120, 12)]), [false, false]);
        assert_eq!(holds(&[press(10, 1)]), [false]);
        assert_eq!(holds(&[press(10, 1), press(100, 9)]), [false]);
        // What goes up and down holds; what goes up for good does not.
        let saw: Vec<_> = [10, 100, 180, 120, 170, 110, 190].map(|mb| press(mb, 9)).into();
        assert_eq!(holds(&saw), [true, true]);
        let leak: Vec<_> = (0..20).map(|n| press(100 + n * 2, n)).collect();
        assert_eq!(holds(&leak), [false, false]);
        assert!(judge_growth(&Objectives::default(), &[]).is_empty());
    }
}
