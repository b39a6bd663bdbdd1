//! The values of a configuration before they have types: one tree from file, environment and flags, where a later
//! source wins, and for each value the place it came from.

use super::fault::{Fault, Place};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// The keys from the root to a value.
pub(super) type Path = Vec<String>;

/// Begins the name of every environment variable that is ours.
pub(super) const PREFIX: &str = "OWL_";
/// Stands between section and key in a variable's name.
const BETWEEN: &str = "__";
/// Variables of the `owl` command, which may run beside a service.
const OF_THE_COMMAND: [&str; 3] = ["OWL_SERVER", "OWL_TOKEN", "OWL_ADMIN_TOKEN"];
/// The variable that the `owl` command knows too.
const LOG: &str = "OWL_LOG";

#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) root: Map<String, Value>,
    places: BTreeMap<Path, Place>,
}

impl Tree {
    /// Adds a file's values.
    pub(super) fn add_file(&mut self, file: &str, text: &str) -> Result<(), Fault> {
        let at = |offset: usize| Place::File { file: file.to_owned(), line: line(text, offset) };
        let table = DeTable::parse(text).map_err(|e| {
            let place = at(e.span().map_or(0, |s| s.start));
            Fault { place, key: String::new(), why: format!("this is not TOML: {}", e.message()) }
        })?;
        self.add_table(&mut Vec::new(), table.get_ref(), &at);
        Ok(())
    }

    fn add_table(&mut self, path: &mut Path, table: &DeTable<'_>, at: &impl Fn(usize) -> Place) {
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            self.places.insert(path.clone(), at(key.span().start));
            match value.get_ref() {
                DeValue::Table(inner) => {
                    self.set(path, Value::Object(Map::new()));
                    self.add_table(path, inner, at);
                }
                other => self.set(path, plain(other)),
            }
            path.pop();
        }
    }

    /// Adds what the environment says. A value is text at first; what it must be is seen when it gets its type.
    pub(super) fn add_env(&mut self, vars: impl IntoIterator<Item = (String, String)>) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (name, value) in vars {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            if OF_THE_COMMAND.contains(&name.as_str()) {
                continue;
            }
            let rest = if name == LOG { "TELEMETRY__LOG" } else { rest };
            let path: Path = rest.split(BETWEEN).map(str::to_ascii_lowercase).collect();
            if path.iter().any(String::is_empty) {
                let why = format!("is not {PREFIX}KEY or {PREFIX}SECTION{BETWEEN}KEY");
                faults.push(Fault { place: Place::Env(name), key: String::new(), why });
                continue;
            }
            self.put(path, Value::String(value), Place::Env(name));
        }
        faults
    }

    /// Sets a value, and says where it came from.
    pub(super) fn put(&mut self, path: Path, value: Value, place: Place) {
        self.set(&path, value);
        for above in 1..path.len() {
            self.places.entry(path[..above].to_vec()).or_insert_with(|| place.clone());
        }
        self.places.insert(path, place);
    }

    /// Where a value, or else what is around it, came from.
    pub(super) fn place(&self, path: &[String]) -> Place {
        let known = (1..=path.len()).rev().find_map(|n| self.places.get(&path[..n]));
        known.cloned().unwrap_or(Place::Default)
    }

    /// The value there.
    pub(super) fn get(&self, path: &[String]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.root.get(first)?, |value, key| value.as_object()?.get(key))
    }

    /// Puts a value there, whatever was in the way; where it came from stays as it was.
    pub(super) fn set(&mut self, path: &[String], value: Value) {
        let Some((last, above)) = path.split_last() else { return };
        let mut table = &mut self.root;
        for key in above {
            let inner = table.entry(key.clone()).or_insert(Value::Null);
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            let Value::Object(inner) = inner else { return };
            table = inner;
        }
        // A section that is named again adds to what is there.
        if !(value.as_object().is_some_and(Map::is_empty) && table.get(last).is_some_and(Value::is_object)) {
            table.insert(last.clone(), value);
        }
    }

    /// Takes a value out.
    pub(super) fn remove(&mut self, path: &[String]) -> Option<Value> {
        let (last, above) = path.split_last()?;
        let mut table = &mut self.root;
        for key in above {
            table = table.get_mut(key)?.as_object_mut()?;
        }
        table.remove(last)
    }
}

/// The line of a place in a text, from 1.
fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

/// A value without its places.
pub(super) fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(n) => integer(n.as_str(), n.radix()),
        DeValue::Float(n) => n.as_str().replace('_', "").parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(b) => Value::Bool(*b),
        DeValue::Datetime(at) => Value::String(at.to_string()),
        DeValue::Array(all) => Value::Array(all.iter().map(|v| plain(v.get_ref())).collect()),
        DeValue::Table(all) => {
            let entries = all.iter().map(|(k, v)| (k.get_ref().to_string(), plain(v.get_ref())));
            Value::Object(entries.collect())
        }
    }
}

fn integer(digits: &str, radix: u32) -> Value {
    let digits = digits.replace('_', "");
    let signed = i64::from_str_radix(&digits, radix).map(Value::from);
    signed.or_else(|_| u64::from_str_radix(&digits, radix).map(Value::from)).unwrap_or(Value::String(digits))
}
