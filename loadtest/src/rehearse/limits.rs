//! Which stage limited a press. Over a whole press, what passes a stage waits in it for the mean of its leaving times less the
//! mean of its entering times (Little's law: that mean is the stage's queue over its rate), whoever overtakes whom.

use serde::{Deserialize, Serialize};

use super::{Fault, Pressed, What};

/// The stages, longest first, and what that means.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// By the mean time that was spent in them.
    pub stages: Vec<Stage>,
    /// Share of all cores that were busy while it sent, ours and the gateways', 0 to 1.
    pub busy: f64,
    /// Share of what was busy that was the stand-in gateways' own.
    pub gateways_share: f64,
    /// The longest stage, where it can be called what limited the press.
    #[serde(default)]
    pub bottleneck: Option<String>,
    /// What limited it, what would be next, and what to do, in plain sentences.
    pub sentences: Vec<String>,
}

/// One stage on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// The mean time in it, in milliseconds.
    pub mean_ms: i64,
}

const DISPATCH: &str = "press to FIFO queue";
const EXPAND: &str = "expansion";
const WAIT: &str = "batch queue";
const SEND: &str = "sending";
const GATEWAY: &str = "gateways";
/// Where the services don't say when they sent.
const BOTH: &str = "sending and gateways";
const LEDGER: &str = "writing outcomes";

/// Of so many batches in a hundred it must be known when they were sent. A batch of which nothing could be sent has no such time.
const SAY_WHEN_PERCENT: u64 = 90;

/// Cores count as fully used from here on.
const SATURATED: f64 = 0.85;

/// What limited this press on a machine with so many cores, while these things broke.
#[must_use]
pub fn limits(pressed: &Pressed, cores: usize, faults: &[Fault]) -> Limits {
    let s = &pressed.steps;
    let mean = |passed: &super::Passed| passed.times.mean_ms;
    let (first, last) =
        ([(DISPATCH, &s.dispatched), (EXPAND, &s.expanded), (WAIT, &s.claimed)], [(LEDGER, &s.completed)]);
    // Workers of an older version don't say when they sent, and means of some batches tell nothing of all.
    let told = |passed: &super::Passed| {
        passed.count() > 0 && passed.count() * 100 >= s.completed.count() * SAY_WHEN_PERCENT
    };
    let between: &[(&str, &super::Passed)] = if told(&s.sent) && told(&s.answered) {
        &[(SEND, &s.sent), (GATEWAY, &s.answered)]
    } else {
        &[(BOTH, &s.accepted)]
    };
    let mut before = 0;
    let mut stages = Vec::new();
    for (name, passed) in first.iter().chain(between).chain(&last).copied() {
        let end = mean(passed);
        // A step that nobody took takes no time: what follows is counted from the one before it.
        let Some(end) = end else { continue };
        stages.push(Stage { name: name.to_owned(), mean_ms: (end - before).max(0) });
        before = before.max(end);
    }
    stages.sort_by_key(|stage| std::cmp::Reverse(stage.mean_ms));
    let seconds = pressed.sending_ms.max(1) as f64 / 1000.0;
    let used = pressed.cpu_seconds + pressed.gateway_cpu_seconds;
    let busy = (used / (seconds * cores.max(1) as f64)).min(1.0);
    let gateways_share = if used > 0.0 { pressed.gateway_cpu_seconds / used } else { 0.0 };
    let (bottleneck, sentences) = if let Some(what) = names(faults, halts) {
        let why = format!(
            "Parts were stopped on purpose ({what}): the times show what that cost, and name no bottleneck."
        );
        (None, vec![why])
    } else {
        let first = stages.first().filter(|stage| stage.mean_ms > 0);
        let mut all = sentences(&stages, (used > 0.0).then_some(busy), gateways_share);
        all.extend(names(faults, |what| !halts(what)).map(|what| {
            format!(
                "Something was done on purpose meanwhile ({what}): its part in these times is not told apart."
            )
        }));
        (first.map(|stage| stage.name.clone()), all)
    };
    Limits { stages, busy, gateways_share, bottleneck, sentences }
}

/// Whether this ends a part, or has it do nothing for a while: what waits for it then says nothing of where time is lost otherwise.
fn halts(what: What) -> bool {
    match what {
        What::Kill | What::Terminate | What::Freeze | What::Stop | What::DeafGateways => true,
        What::PressAgain | What::Gateways => false,
    }
}

/// The faults of a kind as a scenario writes them, each once; `None` without any.
fn names(faults: &[Fault], is: fn(What) -> bool) -> Option<String> {
    let of_kind = faults.iter().map(|fault| fault.what).filter(|what| is(*what));
    let mut all: Vec<_> = of_kind.map(|what| format!("`{}`", what.label())).collect();
    all.sort();
    all.dedup();
    (!all.is_empty()).then(|| all.join(", "))
}

fn sentences(stages: &[Stage], busy: Option<f64>, gateways_share: f64) -> Vec<String> {
    let Some(first) = stages.first().filter(|stage| stage.mean_ms > 0) else {
        return vec!["Nothing took long enough to be called a bottleneck.".to_owned()];
    };
    let mut all = vec![format!(
        "Bottleneck: {}, {} ms in the mean. {}",
        first.name,
        first.mean_ms,
        advice(&first.name)
    )];
    if let Some(next) = stages.get(1).filter(|stage| stage.mean_ms > 0) {
        all.push(format!("Next: {}, {} ms.", next.name, next.mean_ms));
    }
    let Some(busy) = busy else {
        all.push("How busy the cores were was not measured.".to_owned());
        return all;
    };
    let percent = busy * 100.0;
    all.push(if busy >= SATURATED {
        format!(
            "All cores were busy ({percent:.0} %), the stand-in gateways with {:.0} % of that: on this machine CPU is the limit, and the real gateways would not take their part of it.",
            gateways_share * 100.0
        )
    } else {
        format!("Cores were {percent:.0} % busy: CPU is not the limit; it is time spent waiting.")
    });
    all
}

fn advice(stage: &str) -> &'static str {
    match stage {
        DISPATCH => "Look at the API's calls to the FIFO queue.",
        EXPAND => "More interim workers, or more shards for those that are there.",
        WAIT => {
            "Batches waited for a push worker with room: more push workers, more devices in flight for each, or more CPU."
        }
        SEND => {
            "Requests waited for a stream, or for our CPU: more connections, more push workers, or more CPU."
        }
        BOTH => {
            "The gateways' answers, our connections and streams to them, their quotas, or later tries, our own pacing before them included."
        }
        GATEWAY => {
            "The gateways' answers: their round trip, their quotas, or later tries. Sending counts for a batch's first turn only: our own pacing and pauses before later turns are in here."
        }
        _ => "The ledger's table: its latency and its throughput.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::{Passed, Steps, Times, When};

    fn at(mean: i64) -> Passed {
        let times = Times { mean_ms: Some(mean), last_ms: Some(mean * 2), ..Times::default() };
        Passed { times, by_ms: [(0, 10)].into() }
    }

    #[test]
    fn the_longest_stage_is_named_with_the_next() {
        let steps = Steps {
            dispatched: at(10),
            expanded: at(40),
            claimed: at(900),
            sent: at(960),
            answered: at(1_000),
            completed: at(1_001),
            ..Steps::default()
        };
        let pressed = Pressed {
            steps,
            cpu_seconds: 2.0,
            gateway_cpu_seconds: 1.8,
            sending_ms: 2_000,
            ..Pressed::default()
        };
        let found = limits(&pressed, 2, &[]);
        assert_eq!(found.bottleneck.as_deref(), Some(WAIT));
        let order: Vec<_> = found.stages.iter().map(|s| (s.name.as_str(), s.mean_ms)).collect();
        assert_eq!(
            order,
            [(WAIT, 860), (SEND, 60), (GATEWAY, 40), (EXPAND, 30), (DISPATCH, 10), (LEDGER, 1)]
        );
        assert!(
            found.sentences[0].contains(WAIT) && found.sentences[1].contains(SEND),
            "{:?}",
            found.sentences
        );
        assert!(found.sentences[2].contains("95 %"), "{:?}", found.sentences);
        assert!(limits(&pressed, 8, &[]).sentences[2].contains("not the limit"));
        // Half of the workers are older ones.
        let mut mixed = pressed.clone();
        mixed.steps.sent.by_ms = [(0, 5)].into();
        mixed.steps.accepted = at(990);
        let stages = limits(&mixed, 2, &[]).stages;
        assert!(stages.iter().any(|s| (s.name.as_str(), s.mean_ms) == (BOTH, 90)), "{stages:?}");
        let unmeasured = Pressed { cpu_seconds: 0.0, gateway_cpu_seconds: 0.0, ..pressed };
        assert!(limits(&unmeasured, 2, &[]).sentences[2].contains("was not measured"));
    }

    fn with(faults: &[What]) -> Limits {
        let steps = Steps { dispatched: at(900), ..Steps::default() };
        let pressed = Pressed { steps, ..Pressed::default() };
        let fault =
            |what: &What| Fault { at: When::Percent(5), what: *what, lasts: None, set: toml::Table::new() };
        limits(&pressed, 2, &faults.iter().map(fault).collect::<Vec<_>>())
    }

    #[test]
    fn where_a_part_was_stopped_on_purpose_nothing_is_blamed() {
        for what in [What::Kill, What::Terminate, What::Freeze, What::Stop, What::DeafGateways] {
            let Limits { bottleneck, sentences, stages, .. } = with(&[What::Gateways, what, what]);
            assert!((sentences.len(), stages.len(), bottleneck) == (1, 1, None), "{sentences:?}");
            let named = format!("Parts were stopped on purpose (`{}`):", what.label());
            assert!(sentences[0].starts_with(&named), "{sentences:?}");
        }
    }

    #[test]
    fn what_stops_nothing_is_only_mentioned() {
        let usual = with(&[]).sentences;
        for what in [What::PressAgain, What::Gateways] {
            let Limits { bottleneck, sentences, .. } = with(&[what]);
            assert_eq!(bottleneck.as_deref(), Some(DISPATCH));
            let (last, others) = sentences.split_last().expect("sentences");
            assert_eq!(others, usual);
            assert!(last.contains(&format!("on purpose meanwhile (`{}`)", what.label())), "{last}");
        }
    }

    #[test]
    fn what_waits_before_later_turns_is_said_where_it_counts() {
        for stage in [GATEWAY, BOTH] {
            assert!(advice(stage).contains("our own pacing"), "{stage}");
        }
    }

    #[test]
    fn nothing_measured_names_nothing() {
        let found = limits(&Pressed::default(), 2, &[]);
        assert_eq!((found.stages, found.bottleneck), (vec![], None));
    }
}
