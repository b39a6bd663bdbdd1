//! Checks lines against the rules of CloudWatch's specification.

use super::*;
use crate::cells::{About, Counter, Gauge, Histogram};
use crate::metrics::{ALL, Gateway, Queue};
use std::collections::BTreeSet;
use std::time::Duration;

const UNITS: [&str; 4] = ["Count", "None", "Bytes", "Seconds"];

const fn about(name: &'static str, unit: Unit) -> About {
    About { name, unit, target: Target::Both, help: "" }
}

/// Fails on whatever CloudWatch would not take.
fn checked(text: &str) -> Vec<Value> {
    text.lines().map(check).collect()
}

fn check(line: &str) -> Value {
    assert!(line.len() < 256 * 1024);
    let root: Value = serde_json::from_str(line).expect("JSON");
    let meta = &root["_aws"];
    assert!(meta["Timestamp"].is_i64());
    let directives = meta["CloudWatchMetrics"].as_array().expect("directives");
    let mut members = 0;
    for directive in directives {
        assert!(directive["Namespace"].as_str().is_some_and(|n| (1..=256).contains(&n.len())));
        for set in directive["Dimensions"].as_array().expect("dimension sets") {
            let set = set.as_array().expect("a set");
            assert!(set.len() <= 30);
            for name in set {
                let value = root[name.as_str().expect("a name")].as_str().expect("its member is text");
                assert!((1..=1024).contains(&value.len()) && value.is_ascii() && !value.starts_with(':'));
            }
        }
        let metrics = directive["Metrics"].as_array().expect("metrics");
        assert!((1..=100).contains(&metrics.len()));
        let names: BTreeSet<_> = metrics.iter().map(|m| m["Name"].as_str().expect("a name")).collect();
        assert_eq!(names.len(), metrics.len(), "a metric comes twice");
        for metric in metrics {
            assert!(UNITS.contains(&metric["Unit"].as_str().expect("a unit")));
            members += member(&root[metric["Name"].as_str().expect("a name")]);
        }
    }
    assert!(members <= 100, "{members} values in a line");
    root
}

/// How many values it has.
fn member(value: &Value) -> usize {
    if value.is_number() {
        return 1;
    }
    let numbers = |name: &str| -> Vec<f64> {
        value[name].as_array().expect(name).iter().map(|v| v.as_f64().expect("a number")).collect()
    };
    let (values, counts) = (numbers("Values"), numbers("Counts"));
    assert!(!values.is_empty() && values.len() == counts.len());
    assert_eq!(value["Count"].as_f64(), Some(counts.iter().sum()));
    assert_eq!(
        (value["Min"].as_f64(), value["Max"].as_f64()),
        (values.first().copied(), values.last().copied())
    );
    assert!(value["Sum"].is_number());
    values.len()
}

#[test]
fn counters_go_out_as_what_was_added() {
    static SENT: Counter<Queue, 2> = Counter::new(about("sent", Unit::Count));
    let mut emf = Emf::new("api");
    assert_eq!(emf.lines(&[&SENT], 1), "", "nothing happened");
    SENT.add(Queue::Batches, 5);
    let lines = checked(&emf.lines(&[&SENT], 1_700_000_000_000));
    assert_eq!(
        lines,
        [json!({
            "_aws": {
                "Timestamp": 1_700_000_000_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "SuperbOwl",
                    "Dimensions": [["service", "queue"]],
                    "Metrics": [{ "Name": "sent", "Unit": "Count" }],
                }],
            },
            "service": "api",
            "queue": "batches",
            "sent": 5,
        })]
    );
    assert_eq!(emf.lines(&[&SENT], 2), "");
    SENT.add(Queue::Batches, 2);
    assert_eq!(checked(&emf.lines(&[&SENT], 3))[0]["sent"], 2);
}

#[test]
fn gauges_go_out_each_time_and_what_has_the_same_dimensions_shares_a_line() {
    static ONE: Gauge<Gateway, 2> = Gauge::new(about("one", Unit::State));
    static TWO: Gauge<Gateway, 2> = Gauge::new(about("two", Unit::Bytes));
    static THREE: Gauge<(), 1> = Gauge::new(about("three", Unit::Seconds));
    static QUIET: Gauge<(), 1> =
        Gauge::new(About { target: Target::Prometheus, ..about("quiet", Unit::Count) });
    ONE.set(Gateway::Apns, 0);
    TWO.set(Gateway::Apns, 7);
    THREE.set((), 9);
    QUIET.set((), 1);
    let mut emf = Emf::new("push-worker");
    for _ in 0..2 {
        let lines = checked(&emf.lines(&[&ONE, &TWO, &THREE, &QUIET], 1));
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["three"], lines[0].get("quiet")), (&json!(9), None));
        assert_eq!(
            (&lines[1]["one"], &lines[1]["two"], &lines[1]["gateway"]),
            (&json!(0), &json!(7), &json!("apns"))
        );
    }
}

#[test]
fn histograms_go_out_as_the_buckets_that_grew() {
    static TOOK: Histogram<(), 1> = Histogram::new(about("took", Unit::Seconds));
    let mut emf = Emf::new("api");
    TOOK.observe((), Duration::from_millis(30));
    assert_eq!(checked(&emf.lines(&[&TOOK], 1)).len(), 1);
    for ms in [30, 40, 4_500, 999_000] {
        TOOK.observe((), Duration::from_millis(ms));
    }
    let lines = checked(&emf.lines(&[&TOOK], 2));
    assert_eq!(
        lines[0]["took"],
        json!({
            "Values": [0.05, 5.0, 300.0], "Counts": [2, 1, 1], "Count": 4, "Sum": 1003.57, "Min": 0.05, "Max": 300.0
        })
    );
    assert_eq!(emf.lines(&[&TOOK], 3), "");
}

/// Every metric with every combination of labels, as if all of it had happened.
struct Full(&'static dyn Metric);

impl Metric for Full {
    fn about(&self) -> &About {
        self.0.about()
    }

    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn labels(&self) -> &'static [&'static str] {
        self.0.labels()
    }

    fn label_values(&self) -> Vec<Vec<&'static str>> {
        self.0.label_values()
    }

    fn read(&self) -> Vec<Option<Sample>> {
        let all = self.0.label_values();
        let combine = |rows: Vec<Vec<&'static str>>, values: &Vec<&'static str>| {
            rows.iter().flat_map(|row| values.iter().map(|v| [&row[..], &[*v]].concat())).collect()
        };
        let rows: Vec<Vec<&'static str>> = all.iter().fold(vec![vec![]], combine);
        let reading = match self.0.kind() {
            "counter" => Reading::Total(u64::MAX),
            "gauge" => Reading::Value(i64::MIN + 1),
            _ => Reading::Buckets(vec![1 << 40; BOUNDS_US.len() + 1], u64::MAX),
        };
        rows.into_iter().map(|values| Some(Sample { values, reading: reading.clone() })).collect()
    }
}

#[test]
fn the_whole_table_keeps_within_the_limits() {
    let full: Vec<_> = ALL.iter().map(|m| Full(*m)).collect();
    let full: Vec<&dyn Metric> = full.iter().map(|m| m as &dyn Metric).collect();
    let lines = checked(&Emf::new("interim-worker").lines(&full, 1));
    let named = |line: &Value| line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().map_or(0, Vec::len);
    let wanted = ALL.iter().filter(|m| m.about().target == Target::Both).map(|m| m.read().len());
    assert_eq!(lines.iter().map(named).sum::<usize>(), wanted.sum::<usize>(), "none is left out");
}
