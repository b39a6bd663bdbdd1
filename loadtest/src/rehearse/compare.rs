//! A rehearsal against an earlier one: all presses of a size together, whatever their order and number.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Pressed, Rehearsal, Times};

/// One figure of all presses of a size, then and now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Users of a press.
    pub users: u64,
    /// The figure's name.
    pub figure: String,
    /// In the baseline.
    pub before: Figure,
    /// Now.
    pub now: Figure,
}

/// What a figure was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Figure {
    /// There was none: in most presses nobody got so far.
    #[default]
    Nothing,
    /// A number; the smaller, the better.
    Number(f64),
    /// A name.
    Name(String),
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("–"),
            Self::Number(n) if n.fract().abs() < 1e-9 => write!(f, "{n:.0}"),
            Self::Number(n) => write!(f, "{n:.2}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Change {
    /// By how many percent it is more than before.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        match (&self.before, &self.now) {
            (Figure::Number(before), Figure::Number(now)) if *before > 0.0 => {
                Some((now / before - 1.0) * 100.0)
            }
            _ => None,
        }
    }

    /// What became of it: a percentage, or a word where there is none.
    #[must_use]
    pub fn verdict(&self) -> String {
        if let Some(percent) = self.percent() {
            return format!("{percent:+.0} %");
        }
        let word = match (&self.before, &self.now) {
            (before, now) if before == now => "same",
            (Figure::Name(_), _) | (_, Figure::Name(_)) => "another",
            (Figure::Nothing, _) => "better",
            // It was there and is gone, or there was none of it.
            (Figure::Number(_), _) => "worse",
        };
        word.to_owned()
    }
}

/// All figures of the sizes that both pressed.
#[must_use]
pub fn compare(before: &Rehearsal, now: &Rehearsal) -> Vec<Change> {
    let (before, now) = (by_size(before), by_size(now));
    let mut all = Vec::new();
    for (users, now) in now {
        let Some(before) = before.get(&users) else { continue };
        for ((figure, before), (same, now)) in figures(before).into_iter().zip(figures(&now)) {
            let (Some(before), Some(now)) = (before, now) else { continue };
            // Nobody got so far, then or now: there is nothing to be seen. And books are no journal.
            if figure == same && (&before, &now) != (&Figure::Nothing, &Figure::Nothing) {
                all.push(Change { users, figure: figure.to_owned(), before, now });
            }
        }
    }
    all
}

fn by_size(rehearsal: &Rehearsal) -> BTreeMap<u64, Vec<&Pressed>> {
    let mut sizes: BTreeMap<u64, Vec<&Pressed>> = BTreeMap::new();
    for pressed in &rehearsal.presses {
        sizes.entry(pressed.users).or_default().push(pressed);
    }
    sizes
}

/// Figures of presses of one size, as far as they were measured: the median of what differs from press to press, and the most
/// of what should not be at all.
fn figures(presses: &[&Pressed]) -> [(&'static str, Option<Figure>); 11] {
    let by_books = presses.iter().any(|p| p.by_books);
    // Who was never accepted is later than anybody.
    let time = |pick: fn(&Times) -> Option<i64>| {
        let ms = presses.iter().map(|p| pick(&p.steps.accepted.times));
        Some(median(ms.map(|ms| ms.map_or(f64::INFINITY, |ms| ms as f64)).collect()))
    };
    let measured = |pick: fn(&Pressed) -> f64| {
        let all: Vec<f64> = presses.iter().map(|p| pick(p)).filter(|figure| *figure > 0.0).collect();
        (!all.is_empty()).then(|| median(all))
    };
    let most = |pick: fn(&Pressed) -> u64| {
        presses.iter().map(|p| pick(p)).max().map(|most| Figure::Number(most as f64))
    };
    [
        ("receipt, ms", measured(|p| p.receipt_ms as f64)),
        ("p50, ms", time(|t| t.p50_ms)),
        ("p95, ms", time(|t| t.p95_ms)),
        ("p99, ms", time(|t| t.p99_ms)),
        ("last, ms", time(|t| t.last_ms)),
        ("our CPU, us a push", measured(Pressed::cpu_us_per_push)),
        ("peak memory, MB", measured(|p| p.peak_rss_bytes as f64 / 1e6)),
        ("unreached, at most", most(Pressed::unreached)),
        (if by_books { "lost by the books, at most" } else { "lost, at most" }, most(Pressed::lost)),
        (
            if by_books { "doubled by the books, at most" } else { "doubled, at most" },
            most(|p| p.counted.doubled),
        ),
        ("bottleneck", bottleneck(presses)),
    ]
}

/// The one in the middle; of an even number, the mean of the two.
fn median(mut all: Vec<f64>) -> Figure {
    all.sort_by(f64::total_cmp);
    let at = |place: usize| all.get(place).copied().unwrap_or(f64::INFINITY);
    let middle = f64::midpoint(at(all.len().saturating_sub(1) / 2), at(all.len() / 2));
    if middle.is_finite() { Figure::Number(middle) } else { Figure::Nothing }
}

/// What limited most of them. Figures of an older version, and presses with something stopped, name none.
fn bottleneck(presses: &[&Pressed]) -> Option<Figure> {
    let mut named: BTreeMap<&str, u64> = BTreeMap::new();
    for name in presses.iter().filter_map(|p| p.limits.bottleneck.as_deref()) {
        *named.entry(name).or_default() += 1;
    }
    named.into_iter().max_by_key(|(_, n)| *n).map(|(name, _)| Figure::Name(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::{Counted, Limits, Passed, Steps};

    fn of(presses: Vec<Pressed>) -> Rehearsal {
        Rehearsal { presses, ..Rehearsal::default() }
    }

    /// A press of so many users, half of whom were accepted by then.
    fn pressed(users: u64, p50_ms: Option<i64>) -> Pressed {
        let times = Times { p50_ms, ..Times::default() };
        let steps = Steps { accepted: Passed { times, ..Passed::default() }, ..Steps::default() };
        Pressed { users, steps, ..Pressed::default() }
    }

    fn find<'a>(changes: &'a [Change], figure: &str) -> Option<&'a Change> {
        changes.iter().find(|change| change.figure == figure)
    }

    fn verdict(changes: &[Change], figure: &str) -> String {
        find(changes, figure).expect("a figure").verdict()
    }

    #[test]
    fn only_presses_of_one_size_are_compared() {
        let of = |users: &[u64], cpu_seconds| {
            let press = |&users: &u64| Pressed { cpu_seconds, ..pressed(users, Some(10)) };
            of(users.iter().map(press).collect())
        };
        let changes = compare(&of(&[1, 2], 1.0), &of(&[1, 3], 1.5));
        assert!(changes.iter().all(|change| change.users == 1) && !changes.is_empty());
        let cpu = find(&changes, "our CPU, us a push").expect("a figure");
        assert!((cpu.percent().expect("a share") - 50.0).abs() < 1e-9);
        assert!(compare(&of(&[1], 1.0), &of(&[2], 1.0)).is_empty());
    }

    #[test]
    fn presses_of_a_size_are_one_whatever_their_order_and_number() {
        let soak = |ms: &[i64]| ms.iter().map(|ms| pressed(5, Some(*ms))).collect::<Vec<_>>();
        let before = of([soak(&[100, 900, 200]), vec![pressed(7, Some(40))]].concat());
        let now = of([vec![pressed(7, Some(20))], soak(&[300, 310, 9_000, 290])].concat());
        let changes = compare(&before, &now);
        let p50: Vec<_> = changes.iter().filter(|change| change.figure == "p50, ms").collect();
        assert_eq!(p50.len(), 2, "{changes:?}");
        assert_eq!(
            (p50[0].users, &p50[0].before, &p50[0].now),
            (5, &Figure::Number(200.0), &Figure::Number(305.0))
        );
        assert_eq!((p50[1].users, p50[1].verdict().as_str()), (7, "-50 %"));
    }

    #[test]
    fn a_press_that_reached_nobody_is_worse_and_not_faster() {
        let (somebody, nobody) = (of(vec![pressed(1, Some(900))]), of(vec![pressed(1, None)]));
        let changes = compare(&somebody, &nobody);
        let p50 = find(&changes, "p50, ms").expect("a figure");
        assert_eq!((p50.before.to_string().as_str(), p50.now.to_string().as_str()), ("900", "–"));
        assert_eq!((p50.percent(), p50.verdict().as_str()), (None, "worse"));
        assert_eq!(verdict(&compare(&nobody, &somebody), "p50, ms"), "better");
        assert_eq!(find(&compare(&nobody, &nobody), "p50, ms"), None);
        // One that reached nobody does not move the median of three.
        let mixed = of(vec![pressed(1, None), pressed(1, Some(900)), pressed(1, Some(900))]);
        assert_eq!(verdict(&compare(&somebody, &mixed), "p50, ms"), "+0 %");
    }

    #[test]
    fn what_should_not_be_is_compared_by_its_worst_press() {
        let counted = Counted { lost: 1, doubled: 3, expired: 2, ..Counted::default() };
        let good = Pressed { receipt_ms: 10, ..pressed(1, Some(900)) };
        let bad = Pressed { counted, receipt_ms: 30, ..good.clone() };
        let changes = compare(&of(vec![good.clone(); 3]), &of(vec![good.clone(), bad, good.clone()]));
        for (figure, now) in [("lost, at most", "1"), ("doubled, at most", "3"), ("unreached, at most", "2")]
        {
            let change = find(&changes, figure).expect("a figure");
            assert_eq!(
                (change.now.to_string().as_str(), change.verdict().as_str()),
                (now, "worse"),
                "{figure}"
            );
        }
        assert_eq!(verdict(&changes, "receipt, ms"), "+0 %");
        // The books say another thing than the journal.
        let by_books = Pressed { by_books: true, ..good.clone() };
        let changes = compare(&of(vec![by_books]), &of(vec![good]));
        assert!(
            find(&changes, "lost, at most").is_none() && find(&changes, "p50, ms").is_some(),
            "{changes:?}"
        );
    }

    #[test]
    fn the_bottleneck_is_compared_by_name() {
        let limited = |by: &str| {
            let limits = Limits { bottleneck: Some(by.to_owned()), ..Limits::default() };
            Pressed { limits, ..pressed(1, Some(900)) }
        };
        let before = of(vec![limited("sending"), limited("gateways"), limited("gateways")]);
        let changes = compare(&before, &of(vec![limited("sending")]));
        let change = find(&changes, "bottleneck").expect("a figure");
        assert_eq!((change.before.to_string().as_str(), change.verdict().as_str()), ("gateways", "another"));
        assert_eq!(verdict(&compare(&before, &before), "bottleneck"), "same");
        // Older figures have none.
        assert_eq!(find(&compare(&of(vec![pressed(1, None)]), &before), "bottleneck"), None);
    }

    #[test]
    fn changes_are_read_as_they_were_written() {
        let all =
            [Figure::Nothing, Figure::Number(0.5), Figure::Number(7.0), Figure::Name("gateways".to_owned())];
        for before in all {
            let change = Change { users: 1, figure: "x".to_owned(), before, now: Figure::default() };
            let text = serde_json::to_string(&change).expect("JSON");
            assert_eq!(serde_json::from_str::<Change>(&text).expect("a change"), change, "{text}");
        }
        // As an older version wrote it.
        let old = r#"{"users": 1, "figure": "p50, ms", "before": 900.0, "now": 0.0}"#;
        assert_eq!(serde_json::from_str::<Change>(old).expect("a change").now, Figure::Number(0.0));
    }
}
