//! From the tree to a type, naming every fault and not only the first: what is at fault is noted, taken out or filled
//! in, and it is tried again until nothing is left to complain about.

use super::fault::{Fault, Place};
use super::tree::{Path, Tree, plain};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeTable;

/// Longer words of the parser may quote a value at length, which may be a secret in the wrong place.
const WORDS_MAX: usize = 300;
/// Each round mends one fault; a configuration has fewer keys than this.
const ROUNDS_MAX: usize = 500;

/// What became of a tree.
pub(super) struct Typed<T> {
    /// The value, made up where there were faults; `None` when even that was not possible.
    pub(super) value: Option<T>,
    pub(super) faults: Vec<Fault>,
    /// Keys that were taken out: what is found wrong with them later is no news.
    pub(super) mended: BTreeSet<Path>,
    /// Keys that were missing and are made up: their section can't be judged.
    pub(super) made_up: BTreeSet<Path>,
}

/// Gives a tree its type.
pub(super) fn typed<T: DeserializeOwned>(tree: &mut Tree) -> Typed<T> {
    let mut mender = Mender::default();
    for _ in 0..ROUNDS_MAX {
        match serde_path_to_error::deserialize::<_, T>(Value::Object(tree.root.clone())) {
            Ok(value) => return mender.done(Some(value)),
            Err(error) => {
                let path = keys(error.path());
                if !mender.mend(tree, path, &error.inner().to_string()) {
                    break;
                }
            }
        }
    }
    mender.done(None)
}

/// The keys down to the fault; a place within a list is the list's.
fn keys(path: &serde_path_to_error::Path) -> Path {
    let key = |segment: &Segment| match segment {
        Segment::Map { key } => Some(key.clone()),
        _ => None,
    };
    path.iter().map_while(key).collect()
}

#[derive(Default)]
struct Mender {
    faults: Vec<Fault>,
    mended: BTreeSet<Path>,
    /// Environment variables whose text was read in another way.
    read_again: BTreeSet<Path>,
    /// Fields that were missing, and hold something made up.
    made_up: BTreeMap<Path, u8>,
}

impl Mender {
    fn done<T>(self, value: Option<T>) -> Typed<T> {
        let made_up = self.made_up.into_keys().collect();
        Typed { value, faults: self.faults, mended: self.mended, made_up }
    }

    /// Notes a fault and gets it out of the way. False when that is not possible.
    fn mend(&mut self, tree: &mut Tree, path: Path, words: &str) -> bool {
        if let Some(field) = words.strip_prefix("missing field ").and_then(first_quoted) {
            return self.make_up(tree, &path, field);
        }
        if self.made_up.contains_key(&path) {
            return self.make_up_better(tree, &path, words);
        }
        if tree.get(&path).is_none() {
            self.note(tree, &path, words);
            return false;
        }
        if self.read_in_another_way(tree, &path, words) {
            return true;
        }
        self.note(tree, &path, words);
        tree.remove(&path);
        self.mended.insert(path);
        true
    }

    fn note(&mut self, tree: &Tree, path: &[String], words: &str) {
        let long = words.len() > WORDS_MAX || words.contains("\\n") || words.contains('\n');
        let words = match long && !words.starts_with("unknown field") {
            true => "can't be used here".to_owned(),
            false => words.replacen("unknown field", "unknown key", 1),
        };
        self.faults.push(Fault { place: tree.place(path), key: path.join("."), why: words });
    }

    /// A variable is text; the key may want a number, a truth value or a list.
    fn read_in_another_way(&mut self, tree: &mut Tree, path: &Path, words: &str) -> bool {
        let from_env = matches!(tree.place(path), Place::Env(_));
        let Some(Value::String(text)) = tree.get(path).filter(|_| from_env) else { return false };
        match reading(text, words.contains("expected a sequence")) {
            Some(value) if self.read_again.insert(path.clone()) => {
                tree.set(path, value);
                true
            }
            _ => false,
        }
    }

    fn make_up(&mut self, tree: &mut Tree, section: &[String], field: &str) -> bool {
        let path: Path = section.iter().cloned().chain([field.to_owned()]).collect();
        if self.made_up.contains_key(&path) {
            return false;
        }
        // What was taken out has been complained about already.
        if !self.mended.contains(&path) {
            let (place, key) = (tree.place(section), path.join("."));
            self.faults.push(Fault { place, key, why: "is missing".to_owned() });
        }
        tree.set(&path, Value::String(String::new()));
        self.made_up.insert(path, 0);
        true
    }

    /// One of several words is wanted: any of them will do. Else the section goes.
    fn make_up_better(&mut self, tree: &mut Tree, path: &Path, words: &str) -> bool {
        let tries = self.made_up.entry(path.clone()).or_default();
        *tries += 1;
        match words.rsplit('`').nth(1) {
            Some(word) if *tries == 1 => tree.set(path, Value::String(word.to_owned())),
            _ => {
                let Some((_, section)) = path.split_last() else { return false };
                self.mended.insert(section.to_vec());
                return tree.remove(section).is_some();
            }
        }
        true
    }
}

fn first_quoted(words: &str) -> Option<&str> {
    words.split('`').nth(1)
}

/// Another reading of a variable's text: as TOML has it; for a list, also with commas.
fn reading(text: &str, list: bool) -> Option<Value> {
    let assignment = format!("x = {text}");
    let table = DeTable::parse(&assignment).ok().filter(|t| t.get_ref().len() == 1);
    let value = table.and_then(|t| t.get_ref().iter().next().map(|(_, value)| plain(value.get_ref())));
    if list && !value.as_ref().is_some_and(Value::is_array) {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Some(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()));
    }
    value.filter(|v| !v.is_string())
}
