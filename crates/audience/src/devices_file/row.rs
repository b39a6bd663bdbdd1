//! The fields of one row, as text, into a checked [`DeviceRow`].

use crate::timestamp;
use common::device::{
    BadField, Device, DeviceRow, Environment, Platform, Target, TargetKind, check_user_id, parse_locale,
};
use common::ids::clip;
use common::time::UnixMs;

/// Every column, in the order of [`Raw`].
pub(super) const COLUMNS: [&str; 10] = [
    "user_id",
    "platform",
    "token",
    "locale",
    "timezone",
    "opted_out",
    "registered_at",
    "app",
    "environment",
    "target_kind",
];

/// Those that a header must have, with their place in [`COLUMNS`].
pub(super) const REQUIRED: [(usize, &str); 4] =
    [(0, "user_id"), (1, "platform"), (2, "token"), (3, "locale")];

const TIMEZONE_BYTES_MAX: usize = 64;
const APP_BYTES_MAX: usize = 255;

/// A row's fields; empty where left out.
#[derive(Clone, Copy, Default)]
pub(super) struct Raw<'a> {
    pub(super) user_id: &'a str,
    pub(super) platform: &'a str,
    pub(super) token: &'a str,
    pub(super) locale: &'a str,
    pub(super) timezone: &'a str,
    pub(super) opted_out: &'a str,
    pub(super) registered_at: &'a str,
    pub(super) app: &'a str,
    pub(super) environment: &'a str,
    pub(super) target_kind: &'a str,
}

impl<'a> Raw<'a> {
    pub(super) fn from_columns(fields: [&'a str; COLUMNS.len()]) -> Self {
        let [
            user_id,
            platform,
            token,
            locale,
            timezone,
            opted_out,
            registered_at,
            app,
            environment,
            target_kind,
        ] = fields;
        Self {
            user_id,
            platform,
            token,
            locale,
            timezone,
            opted_out,
            registered_at,
            app,
            environment,
            target_kind,
        }
    }
}

/// The gateways' names, and what people call them.
const PLATFORMS: [(&str, Platform); 4] =
    [("apns", Platform::Apns), ("fcm", Platform::Fcm), ("ios", Platform::Apns), ("android", Platform::Fcm)];

/// Checks rows. Remembers the last locale, because neighbours mostly share it.
#[derive(Debug)]
pub(super) struct Rows {
    registered_at: UnixMs,
    locale: (String, Box<str>),
}

impl Rows {
    pub(super) fn new(registered_at: UnixMs) -> Self {
        Self { registered_at, locale: Default::default() }
    }

    pub(super) fn check(&mut self, raw: &Raw<'_>) -> Result<DeviceRow, BadField> {
        check_user_id(raw.user_id)?;
        let platform = choose("platform", raw.platform, &PLATFORMS)?;
        let kinds = [("token", TargetKind::Token), ("fid", TargetKind::Fid), ("", TargetKind::Token)];
        let kind = choose("target_kind", raw.target_kind, &kinds)?;
        let target = Target::parse(platform, kind, raw.token)?;
        Ok(DeviceRow {
            user_id: raw.user_id.into(),
            opted_out: opted_out(raw.opted_out)?,
            device: Device {
                target,
                locale: self.locale(raw.locale)?,
                timezone: timezone(raw.timezone)?.into(),
                registered_at: self.registered_at(raw.registered_at)?,
                app: app(raw.app)?.into(),
                environment: environment(raw.environment)?,
            },
        })
    }

    fn locale(&mut self, tag: &str) -> Result<Box<str>, BadField> {
        if self.locale.0 != tag {
            self.locale = (tag.to_owned(), parse_locale(tag)?.into());
        }
        Ok(self.locale.1.clone())
    }

    fn registered_at(&self, text: &str) -> Result<UnixMs, BadField> {
        if text.is_empty() {
            return Ok(self.registered_at);
        }
        timestamp::parse(text).ok_or_else(|| {
            let why =
                "is neither RFC 3339, such as 2026-02-08T23:31:05Z, nor Unix time in seconds or milliseconds";
            bad("registered_at", why)
        })
    }
}

pub(super) fn bad(field: &'static str, why: impl Into<String>) -> BadField {
    BadField { field, why: why.into() }
}

fn choose<T: Copy>(field: &'static str, text: &str, known: &[(&str, T)]) -> Result<T, BadField> {
    known.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
        bad(field, format!("`{}` is not one of {}", short(text), names.join(", ")))
    })
}

/// A short quote: a token that slipped into another column must not be readable in an error.
fn short(text: &str) -> String {
    if text.len() > 16 { "…".to_owned() } else { clip(text) }
}

fn opted_out(text: &str) -> Result<Option<bool>, BadField> {
    let known = [
        ("true", Some(true)),
        ("false", Some(false)),
        ("1", Some(true)),
        ("0", Some(false)),
        ("yes", Some(true)),
        ("no", Some(false)),
        ("", None),
    ];
    choose("opted_out", text, &known)
}

fn environment(text: &str) -> Result<Environment, BadField> {
    let known = [
        ("production", Environment::Production),
        ("sandbox", Environment::Sandbox),
        ("", Environment::Production),
    ];
    choose("environment", text, &known)
}

fn timezone(text: &str) -> Result<&str, BadField> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
    if text.len() <= TIMEZONE_BYTES_MAX && text.bytes().all(good) {
        return Ok(text);
    }
    Err(bad("timezone", "is not an IANA time zone such as Europe/Berlin"))
}

fn app(text: &str) -> Result<&str, BadField> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.len() <= APP_BYTES_MAX && text.bytes().all(good) {
        return Ok(text);
    }
    Err(bad("app", "is not a bundle id or package name such as com.example.app"))
}
