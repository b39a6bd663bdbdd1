//! Reads the text back as Prometheus would, with its rules.

use super::*;
use crate::metrics::{
    ACCEPTED_SECONDS, API_SHED, AwsClass, DEAD_LETTERS, GATEWAY_ANSWERS, Gateway, Queue, READY,
};
use crate::metrics::{Answered, HTTP_REQUESTS, Route, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

type Pairs = Vec<(String, String)>;

#[derive(Debug, Default)]
struct Family {
    kind: String,
    samples: Vec<(String, Pairs, f64)>,
}

fn is_name(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(first) && text.chars().all(|c| first(c) || c.is_ascii_digit())
}

fn pairs(text: &str) -> Pairs {
    let mut rest = text;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect("a label");
        let (value, after) = after.split_once('"').expect("a closed value");
        assert!(is_name(name) && !value.contains(['\\', '\n']), "{text}");
        out.push((name.to_owned(), value.to_owned()));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    out
}

/// Fails on whatever Prometheus would not take.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut all: BTreeMap<String, Family> = BTreeMap::new();
    let (mut family, mut seen) = (String::new(), BTreeSet::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a help");
            assert!(is_name(name) && !text.is_empty());
            family = name.to_owned();
            assert!(all.insert(family.clone(), Family::default()).is_none(), "{name} comes twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert_eq!(name, family);
            assert!(["counter", "gauge", "histogram"].contains(&kind));
            all.get_mut(name).expect("after its help").kind = kind.to_owned();
        } else {
            let (left, value) = line.rsplit_once(' ').expect("a sample");
            assert!(seen.insert(left.to_owned()), "{left} comes twice");
            let (name, labels) = match left.split_once('{') {
                Some((name, rest)) => (name, rest.strip_suffix('}').expect("closed")),
                None => (left, ""),
            };
            let end = name.strip_prefix(family.as_str()).expect("of its family");
            let family = all.get_mut(&family).expect("announced");
            let histogram = ["_bucket", "_sum", "_count"].contains(&end);
            assert!(is_name(name) && if family.kind == "histogram" { histogram } else { end.is_empty() });
            family.samples.push((name.to_owned(), pairs(labels), value.parse().expect("a number")));
        }
    }
    all
}

fn value(all: &BTreeMap<String, Family>, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let wanted: Pairs = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let (_, family) = all.iter().find(|(family, _)| name.starts_with(family.as_str()))?;
    family.samples.iter().find(|(n, l, _)| n == name && *l == wanted).map(|(_, _, v)| *v)
}

#[test]
fn what_is_counted_is_read_back() {
    READY.set((), 1);
    DEAD_LETTERS.set(Queue::Shards, 0);
    let key = (Gateway::Fcm, Answered::SenderIdMismatch);
    GATEWAY_ANSWERS.add(key, 41);
    HTTP_REQUESTS.one((Route::Batch, Status::Success));
    ACCEPTED_SECONDS.observe(Gateway::Apns, Duration::from_millis(1_600));
    ACCEPTED_SECONDS.observe(Gateway::Apns, Duration::from_secs(3_000));
    crate::aws_call("DynamoDB", "GetItem", AwsClass::Conflict, Duration::from_millis(7));
    let all = parse(&prometheus());
    assert_eq!(value(&all, "owl_ready", &[]), Some(1.0));
    assert_eq!(value(&all, "owl_dead_letters", &[("queue", "shards")]), Some(0.0), "nought is said too");
    assert_eq!(value(&all, "owl_dead_letters", &[("queue", "batches")]), None, "nobody has looked");
    let labels = [("gateway", "fcm"), ("outcome", "sender_id_mismatch")];
    assert_eq!(value(&all, "owl_gateway_answers_total", &labels), Some(41.0));
    let labels = [("operation", "dynamodb.GetItem"), ("class", "conflict")];
    assert_eq!(value(&all, "owl_aws_calls_total", &labels), Some(1.0));
    let bucket = |le| value(&all, "owl_accepted_seconds_bucket", &[("gateway", "apns"), ("le", le)]);
    assert_eq!(
        (bucket("1.5"), bucket("2"), bucket("300"), bucket("+Inf")),
        (Some(0.0), Some(1.0), Some(1.0), Some(2.0))
    );
    assert_eq!(value(&all, "owl_accepted_seconds_sum", &[("gateway", "apns")]), Some(3001.6));
    assert_eq!(value(&all, "owl_accepted_seconds_count", &[("gateway", "apns")]), Some(2.0));
    assert!(value(&all, "owl_resident_bytes", &[]).is_some_and(|b| b > 0.0));
}

#[test]
fn buckets_add_up_and_their_bounds_rise() {
    ACCEPTED_SECONDS.observe(Gateway::Fcm, Duration::from_millis(30));
    let all = parse(&prometheus());
    let family = &all["owl_accepted_seconds"];
    let of = |(name, labels, value): &(String, Pairs, f64)| {
        let is_fcm = name.ends_with("_bucket") && labels.contains(&("gateway".to_owned(), "fcm".to_owned()));
        let le = labels.iter().find(|(n, _)| n == "le" && is_fcm)?;
        Some((le.1.parse::<f64>().expect("a bound"), *value))
    };
    let buckets: Vec<_> = family.samples.iter().filter_map(of).collect();
    assert_eq!(buckets.len(), BOUNDS_US.len() + 1);
    assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{buckets:?}");
    assert_eq!(buckets.last().map(|b| b.0), Some(f64::INFINITY));
}

#[test]
fn an_instance_may_show_its_own_values() {
    API_SHED.add((), 5);
    let own = parse(&prometheus_with(&[(&API_SHED, Reading::Total(2))]));
    assert_eq!(value(&own, "owl_api_shed_total", &[]), Some(2.0));
    let all = parse(&prometheus());
    assert!(value(&all, "owl_api_shed_total", &[]) >= Some(5.0));
}
