//! Who gets it: how many, and who has what.

use std::collections::BTreeMap;

use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

/// Most locales of an audience, and most parts that they have together (ours: a snapshot numbers locales with a byte).
const LOCALES_MAX: usize = 100;
const LOCALE_PARTS_MAX: u32 = 10_000;
/// Most users of an audience.
const USERS_MAX: u64 = 40_000_000;

/// Who gets it. How many of the tokens are dead is the gateways' `dead_share`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audience {
    /// Users in the snapshot, made up; a list is a ramp, each size pressed by itself in a fresh directory.
    #[serde(deserialize_with = "one_or_more")]
    pub users: Vec<u64>,
    /// Share of the devices that are Apple's, 0.0 to 1.0, to a thousandth.
    pub apple_share: f64,
    /// Devices of a user on average, 1.0 to 5.0, to a thousandth.
    pub devices_per_user: f64,
    /// So many parts of the users have this locale; six in equal parts when left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub locales: BTreeMap<String, u32>,
}

impl Default for Audience {
    fn default() -> Self {
        Self { users: vec![200_000], apple_share: 0.5, devices_per_user: 1.05, locales: BTreeMap::new() }
    }
}

impl Audience {
    /// What can't be.
    pub(super) fn check(&self, check: &mut impl FnMut(bool, String)) {
        check(!self.users.is_empty(), "audience.users is an empty list".to_owned());
        for users in &self.users {
            check(
                (1..=USERS_MAX).contains(users),
                format!("audience.users must be 1 to {USERS_MAX}, not {users}"),
            );
        }
        let Self { apple_share, devices_per_user, locales, .. } = self;
        check(
            (0.0..=1.0).contains(apple_share),
            format!("audience.apple_share must be 0.0 to 1.0, not {apple_share}"),
        );
        check(
            (1.0..=5.0).contains(devices_per_user),
            format!("audience.devices_per_user must be 1.0 to 5.0, not {devices_per_user}"),
        );
        check(
            locales.len() <= LOCALES_MAX,
            format!("audience.locales has {} entries, {LOCALES_MAX} are allowed", locales.len()),
        );
        let parts = locales.values().fold(0_u32, |sum, parts| sum.saturating_add(*parts));
        check(
            locales.is_empty() || (1..=LOCALE_PARTS_MAX).contains(&parts),
            format!("the parts in audience.locales must be 1 to {LOCALE_PARTS_MAX} together, not {parts}"),
        );
        for locale in locales.keys() {
            let letters =
                |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
            check(
                locale.split('-').all(letters),
                format!("audience.locales: `{locale}` is no locale such as de or pt-BR"),
            );
        }
    }
}

/// A number, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    struct Numbers;
    impl<'de> serde::de::Visitor<'de> for Numbers {
        type Value = Vec<u64>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a number of users, or a list of them")
        }
        fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Self::Value, E> {
            let wrong = || E::invalid_value(serde::de::Unexpected::Signed(n), &self);
            u64::try_from(n).map(|n| vec![n]).map_err(|_| wrong())
        }
        fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Self::Value, E> {
            Ok(vec![n])
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(n) = list.next_element()? {
                all.push(n);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(Numbers)
}
