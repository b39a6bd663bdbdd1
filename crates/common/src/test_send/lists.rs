//! Named lists of testers, as they are stored.

use crate::campaign::Stamp;
use crate::device::{BadField, Device, Environment, Platform, Target, TargetKind};
use crate::ids::clip;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The name of a list of testers: 1 to 64 letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ListName(#[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))] String);

impl ListName {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ListName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ListName {
    type Err = BadField;
    fn from_str(s: &str) -> Result<Self, BadField> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if (1..=64).contains(&s.len()) && s.bytes().all(good) {
            return Ok(Self(s.to_owned()));
        }
        let why =
            format!("`{}` is no name of a list: 1 to 64 letters, digits, `-` and `_` are allowed", clip(s));
        Err(BadField { field: "list", why })
    }
}

impl<'de> Deserialize<'de> for ListName {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(|e: BadField| serde::de::Error::custom(e.why))
    }
}

/// A device on a list, with its token: for the store only, shown to nobody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tester {
    /// Whose it is, in words: `Ann's iPhone`.
    pub person: String,
    /// Its gateway.
    pub platform: Platform,
    /// What kind of address it has.
    #[serde(default)]
    pub target_kind: TargetKind,
    /// Its token.
    pub token: String,
    /// Language tag; empty when unknown.
    #[serde(default)]
    pub locale: String,
    /// Bundle id or package name; empty when there is one app only.
    #[serde(default)]
    pub app: String,
    /// Environment of the token.
    #[serde(default)]
    pub environment: Environment,
}

impl Tester {
    /// A checked device.
    #[must_use]
    pub fn new(person: &str, device: &Device) -> Self {
        let target = &device.target;
        let fid = matches!(target, Target::FcmFid(_));
        Self {
            person: person.to_owned(),
            platform: target.platform(),
            target_kind: if fid { TargetKind::Fid } else { TargetKind::Token },
            token: target.text(),
            locale: device.locale.to_string(),
            app: device.app.to_string(),
            environment: device.environment,
        }
    }

    /// Its address.
    ///
    /// # Errors
    /// When what is stored is none.
    pub fn target(&self) -> Result<Target, BadField> {
        Target::parse(self.platform, self.target_kind, &self.token)
    }
}

impl fmt::Debug for Tester {
    /// Never shows the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tester").field("platform", &self.platform).finish_non_exhaustive()
    }
}

/// A named list of testers, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TesterList {
    /// Its name.
    pub name: ListName,
    /// Who wrote it last, and when.
    pub changed: Stamp,
    /// Its devices, in the order of the file.
    pub devices: Vec<Tester>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::State;
    use crate::campaign::tests::in_state;
    use crate::time::UnixMs;

    #[test]
    fn names_stay_within_one_part_of_a_key() {
        for good in ["a", "Team_2", "qa-phones", &"x".repeat(64)] {
            assert!(good.parse::<ListName>().is_ok(), "{good}");
        }
        for bad in ["", "a/b", "..", "a b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<ListName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tester_shows_no_token() {
        let token = "ab".repeat(32);
        let target = Target::parse(Platform::Apns, TargetKind::Token, &token).unwrap();
        let device = Device {
            target: target.clone(),
            locale: "de".into(),
            timezone: "".into(),
            registered_at: UnixMs(0),
            app: "".into(),
            environment: Environment::Sandbox,
        };
        let tester = Tester::new("Ann", &device);
        assert!(!format!("{tester:?}").contains("abab"));
        assert_eq!(tester.target().unwrap(), target);
        let campaign = in_state(State::Draft);
        assert!(campaign.leaves_out(&tester).unwrap().contains("sandbox"));
        let same = Tester { environment: Environment::Production, ..tester };
        assert_eq!(campaign.leaves_out(&same), None);
    }
}
