//! What is wrong with a configuration, all of it together.

use super::origin::Origin;
use common::secret::Secret;
use std::fmt;
use std::path::Path;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field at fault, such as `apns.key_file`.
    pub field: String,
    /// What is wrong with it, and what would be right. Never quotes a secret.
    pub why: String,
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            write!(f, "{}{}: {}", if n == 0 { "" } else { "; " }, fault.field, fault.why)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Collects faults while a configuration is read.
#[derive(Debug)]
pub struct Finder {
    section: &'static str,
    found: Vec<Fault>,
}

impl Finder {
    /// For the fields of one section.
    #[must_use]
    pub fn new(section: &'static str) -> Self {
        Self { section, found: Vec::new() }
    }

    /// Notes a fault.
    pub fn add(&mut self, field: &str, why: impl Into<String>) {
        self.found.push(Fault { field: format!("{}.{field}", self.section), why: why.into() });
    }

    /// Notes a fault unless the condition holds.
    pub fn check(&mut self, holds: bool, field: &str, why: &str) {
        if !holds {
            self.add(field, why);
        }
    }

    /// The value, or a fault noted.
    pub fn take<T, E: fmt::Display>(&mut self, field: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|e| self.add(field, e.to_string())).ok()
    }

    /// A file's text, or a fault noted.
    pub fn read(&mut self, field: &str, path: &Path) -> Option<String> {
        let text =
            std::fs::read_to_string(path).map_err(|e| format!("`{}` can't be read: {e}", path.display()));
        self.take(field, text)
    }

    /// A secret's text, from a file or given as it is, with the field it came by; or a fault noted when it is not given in
    /// exactly one of these ways. `fields` are the names of both.
    pub fn secret(
        &mut self,
        fields: [&'static str; 2],
        file: Option<&Path>,
        text: Option<&Secret>,
    ) -> Option<(&'static str, String)> {
        let [by_file, as_text] = fields;
        match (file, text) {
            (Some(path), None) => Some((by_file, self.read(by_file, path)?)),
            (None, Some(text)) => Some((as_text, text.expose().to_owned())),
            (None, None) => {
                self.add(by_file, format!("one of {by_file} and {as_text} is needed"));
                None
            }
            (Some(_), Some(_)) => {
                self.add(by_file, format!("{as_text} is given too: leave one out"));
                None
            }
        }
    }

    /// A stand-in's origin, for which both fields are needed.
    pub fn rehearsal(&mut self, endpoint: Option<&str>, ca_file: Option<&Path>) -> Option<Origin> {
        self.check(endpoint.is_some(), "endpoint", "a rehearsal needs the stand-in's host:port");
        self.check(ca_file.is_some(), "ca_file", "a rehearsal needs the stand-in's own CA");
        self.take("endpoint", Origin::rehearsal(endpoint?, ca_file?))
    }

    /// The vendor's own gateway can't be pointed elsewhere.
    pub fn nothing_but_fixed(&mut self, endpoint: bool, ca_file: bool) {
        let why = "is for a rehearsal only: the vendor's own gateway has a fixed host and public CAs";
        self.check(!endpoint, "endpoint", why);
        self.check(!ca_file, "ca_file", why);
    }

    /// The value if nothing was found.
    ///
    /// # Errors
    /// All faults.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Faults> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(Faults(self.found)),
        }
    }
}
