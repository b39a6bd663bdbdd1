//! Configuration of a service: a TOML file, over it the environment, over it flags, into one type; unknown keys refused,
//! every fault found at once and told with its place.
//!
//! Why not figment or config: both stop at the first fault, and neither knows the line. What remains of them once the
//! faults are collected here is a merge of two trees.

#[cfg(any(test, feature = "fuzzing"))]
pub mod example;
mod fault;
pub mod sample;
#[cfg(test)]
mod tests;
mod tree;
mod typed;

pub use fault::{Fault, Findings, Place};

use aws::AwsConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path as FilePath;
use telemetry::TelemetryConfig;
use tree::{Path, Tree};

/// The configuration of one service, as a type. Secrets in it must show themselves as nothing when they are serialised.
pub trait Settings: DeserializeOwned + Serialize + Send + Sync + 'static {
    /// Keys that hold a secret: they may come from the environment, and not from a file.
    const SECRETS: &'static [&'static str] = &[];

    /// Where health (for the API: everything) is served.
    fn listen(&self) -> SocketAddr;
    /// Section `[aws]`.
    fn aws(&self) -> &AwsConfig;
    /// Section `[telemetry]`.
    fn telemetry(&self) -> &TelemetryConfig;
    /// Everything that a type can't say: ranges, files, and what must fit together. May read files.
    fn check(&self, findings: &mut Findings);
}

/// Where the values come from, the weakest first.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file's name and text.
    pub file: Option<(String, String)>,
    /// The environment; variables that are not ours are passed over.
    pub env: Vec<(String, String)>,
    /// Keys that flags set, with the flag.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

impl Sources {
    /// The real ones: this file, and the process's environment.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn of_process(file: Option<&FilePath>) -> Result<Self, Fault> {
        let read = |path: &FilePath| {
            let name = path.display().to_string();
            let fault = |e: std::io::Error| Fault {
                place: Place::Flag("--config"),
                key: String::new(),
                why: format!("`{name}` can't be read: {e}"),
            };
            let text = std::fs::read_to_string(path).map_err(fault)?;
            Ok((name, text))
        };
        let file = file.map(read).transpose()?;
        // What is not text is none of ours, or not a value of ours.
        let env = std::env::vars_os().map(|(k, v)| (k.to_string_lossy().into(), v.to_string_lossy().into()));
        Ok(Self { file, env: env.collect(), flags: Vec::new() })
    }
}

/// Reads a configuration.
///
/// # Errors
/// Every fault there is.
pub fn load<S: Settings>(sources: Sources) -> Result<S, Vec<Fault>> {
    let mut tree = Tree::default();
    let mut faults = Vec::new();
    if let Some((name, text)) = &sources.file {
        faults.extend(tree.add_file(name, text).err());
        faults.extend(secrets_in_file::<S>(&tree));
    }
    faults.extend(tree.add_env(sources.env));
    for (key, flag, value) in sources.flags {
        tree.put(path(key), Value::String(value), Place::Flag(flag));
    }
    let typed = typed::typed::<S>(&mut tree);
    faults.extend(typed.faults);
    if let Some(settings) = &typed.value {
        let mut findings = Findings::default();
        check_all(settings, &mut findings);
        let is_news = |key: &Path| {
            let section = |made_up: &Path| made_up.len() > 1 && key.first() == made_up.first();
            !typed.mended.contains(key) && !typed.made_up.contains(key) && !typed.made_up.iter().any(section)
        };
        let news = findings.0.into_iter().filter(|(key, _)| is_news(&path(key)));
        faults.extend(news.map(|(key, why)| Fault { place: tree.place(&path(&key)), key, why }));
    }
    faults.sort_by(|a, b| a.place.cmp(&b.place));
    match typed.value {
        Some(settings) if faults.is_empty() => Ok(settings),
        _ => Err(faults),
    }
}

fn check_all<S: Settings>(settings: &S, findings: &mut Findings) {
    findings.sentences(settings.aws().check());
    findings.sentences(settings.telemetry().faults());
    settings.check(findings);
}

fn path(key: &str) -> Path {
    key.split('.').map(str::to_owned).collect()
}

fn secrets_in_file<S: Settings>(tree: &Tree) -> Vec<Fault> {
    let there = S::SECRETS.iter().filter(|key| tree.get(&path(key)).is_some());
    let fault = |key: &&str| Fault {
        place: tree.place(&path(key)),
        key: (*key).to_owned(),
        why: format!("a secret is not written into this file: set {} or name a file", variable(key)),
    };
    there.map(fault).collect()
}

/// The environment variable of a key.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("{}{}", tree::PREFIX, key.replace('.', "__").to_ascii_uppercase())
}

/// Every key that a settings type knows, found by asking it for keys that it can't know.
#[must_use]
pub fn keys<S: Settings>() -> Vec<String> {
    let mut found = Vec::new();
    ask::<S>("", &mut found);
    found
}

const NO_KEY: &str = "no_such_key";

fn ask<S: Settings>(section: &str, found: &mut Vec<String>) {
    let dot = if section.is_empty() { "" } else { "." };
    let mut tree = Tree::default();
    tree.put(path(&format!("{section}{dot}{NO_KEY}")), Value::Bool(true), Place::Default);
    let typed = typed::typed::<S>(&mut tree);
    let refusal = typed.faults.iter().find(|f| f.why.starts_with(&format!("unknown key `{NO_KEY}`")));
    match refusal {
        None => found.push(section.to_owned()),
        Some(fault) => {
            for key in fault.why.split('`').skip(3).step_by(2) {
                ask::<S>(&format!("{section}{dot}{key}"), found);
            }
        }
    }
}
