//! What is wrong with a configuration: all of it together, each with the place where a person mends it.

use std::fmt;

/// Where a value comes from; in the order in which faults are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of the file.
    File {
        /// The file, as it was given.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(&'static str),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Env(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// The key, such as `aws.bucket`; empty when it is not about one.
    pub key: String,
    /// What is wrong, and what would be right. Never quotes a secret.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.place, self.why),
            key => write!(f, "{}: {key}: {}", self.place, self.why),
        }
    }
}

/// What a settings type finds wrong with itself, by key.
#[derive(Debug, Default)]
pub struct Findings(pub(super) Vec<(String, String)>);

impl Findings {
    /// Notes a fault.
    pub fn add(&mut self, key: impl Into<String>, why: impl Into<String>) {
        self.0.push((key.into(), why.into()));
    }

    /// Notes a fault unless the condition holds.
    pub fn check(&mut self, holds: bool, key: &str, why: impl FnOnce() -> String) {
        if !holds {
            self.add(key, why());
        }
    }

    /// Takes over faults that are sentences beginning with their key, as other crates write them: `aws.bucket is …`.
    pub fn sentences(&mut self, sentences: impl IntoIterator<Item = String>) {
        for sentence in sentences {
            let end = sentence.find([' ', ':']).unwrap_or(sentence.len());
            let (key, rest) = sentence.split_at(end);
            self.add(key, rest.trim_start_matches([' ', ':']));
        }
    }
}
