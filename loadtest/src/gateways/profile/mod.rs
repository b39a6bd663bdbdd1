//! Profiles: how the gateways behave, as a TOML file or by the name of one that comes with the program.
//!
//! A profile is a [`Behaviour`] in which everything may be left out. [`find`] reads one, [`print()`] writes a whole one with
//! what each setting means; faults name file, line and setting, and say what would be right.

mod print;
mod read;

use std::fmt;
use std::path::Path;

use super::Behaviour;

pub(super) use print::fields;
pub use print::{Setting, print, settings};
pub use read::parse;

/// A profile that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// What `--profile` calls it.
    pub name: &'static str,
    /// In a few words.
    pub about: &'static str,
    /// The file.
    pub toml: &'static str,
}

/// All of them; the first is what the gateways do without a profile.
pub const READY: [Ready; 4] = [
    Ready {
        name: "polite",
        about: "accepts everything at once",
        toml: include_str!("../profiles/polite.toml"),
    },
    Ready {
        name: "apple-google",
        about: "an ordinary night of the real ones",
        toml: include_str!("../profiles/apple-google.toml"),
    },
    Ready {
        name: "bad-night",
        about: "several faults at once",
        toml: include_str!("../profiles/bad-night.toml"),
    },
    Ready {
        name: "quota",
        about: "apple-google with FCM's default quota a minute",
        toml: include_str!("../profiles/quota.toml"),
    },
];

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It is neither the name of a ready one nor a file that can be read.
    #[error("there is no profile `{name}`: {source}; right would be a file, or one of {}", names())]
    Missing {
        /// What was asked for.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is wrong in these places.
    #[error("{}", lines(.0))]
    Wrong(Vec<ProfileFault>),
}

/// One place at which a profile is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileFault {
    /// The file, or the name of a ready profile.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// The setting, such as `burst[1].share`; empty where the text is no TOML.
    pub setting: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl fmt::Display for ProfileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, setting, problem } = self;
        let colon = if setting.is_empty() { "" } else { ": " };
        write!(f, "{file}:{line}{colon}{setting}: {problem}")
    }
}

/// The ready profile of this name, or else the file's.
pub fn find(name_or_file: &str) -> Result<Behaviour, ProfileError> {
    parse(name_or_file, &text(name_or_file)?).map_err(ProfileError::Wrong)
}

/// The profile's text.
pub(super) fn text(name_or_file: &str) -> Result<String, ProfileError> {
    if let Some(ready) = READY.iter().find(|ready| ready.name == name_or_file) {
        return Ok(ready.toml.to_owned());
    }
    let missing = |source| ProfileError::Missing { name: name_or_file.to_owned(), source };
    std::fs::read_to_string(Path::new(name_or_file)).map_err(missing)
}

fn names() -> String {
    READY.map(|ready| ready.name).join(", ")
}

fn lines(faults: &[ProfileFault]) -> String {
    faults.iter().map(ProfileFault::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
