//! Devices: what an import brings, how one user's devices are stored, and the record that snapshots and batches carry.

mod target;

pub use target::{Target, TargetRef};
pub(crate) use target::{put_target, read_target, target_head};

use crate::ids::clip;
use crate::limits::USER_ID_BYTES_MAX;
use crate::time::UnixMs;
use crate::wire::{Malformed, Reader, put_str16};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which gateway a device is reached through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Apple's.
    Apns,
    /// Google's.
    Fcm,
}

impl Platform {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Apns, Self::Fcm];

    /// Its name in files, metrics and reports.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
        }
    }
}

/// What kind of address a device has (FCM knows two).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A device token (APNs) or registration token (FCM).
    #[default]
    Token,
    /// A Firebase installation id.
    Fid,
}

/// Which of a gateway's environments a device registered in.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Apps from the store.
    #[default]
    Production,
    /// Development builds.
    Sandbox,
}

/// Why a field of a device can't be taken. Never quotes a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct BadField {
    /// The column at fault.
    pub field: &'static str,
    /// What is wrong with it, and what would be right.
    pub why: String,
}

fn bad(field: &'static str, why: impl Into<String>) -> BadField {
    BadField { field, why: why.into() }
}

/// Checks a user id: 1 to 128 bytes of UTF-8 without control characters or surrounding space.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_user_id(id: &str) -> Result<(), BadField> {
    if id.is_empty() {
        return Err(bad("user_id", "is empty"));
    }
    if id.len() > USER_ID_BYTES_MAX {
        return Err(bad("user_id", format!("is {} bytes long, {USER_ID_BYTES_MAX} are allowed", id.len())));
    }
    if id.trim() != id || id.chars().any(char::is_control) {
        return Err(bad("user_id", "has spaces around it or a control character in it"));
    }
    Ok(())
}

/// One device of a user, as the device table holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Where it is reached.
    pub target: Target,
    /// BCP 47 language tag, such as `pt-BR`; empty when unknown.
    pub locale: Box<str>,
    /// IANA time zone; empty when unknown.
    pub timezone: Box<str>,
    /// When the app registered the token: of two users that claim one device, the later keeps it.
    pub registered_at: UnixMs,
    /// Bundle id or package name; empty when there is one app only.
    pub app: Box<str>,
    /// Which environment the token belongs to.
    pub environment: Environment,
}

/// Everything the device table holds for one user: one item.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UserDevices {
    /// The user wants no notifications.
    pub opted_out: bool,
    /// The user's devices; at most [`crate::limits::USER_DEVICES_MAX`].
    pub devices: Vec<Device>,
}

/// One line of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// Whose device it is.
    pub user_id: Box<str>,
    /// What the line says of opting out; `None` leaves what is stored.
    pub opted_out: Option<bool>,
    /// The device.
    pub device: Device,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// New, or at least as new as what was there.
    Taken,
    /// Older than what is stored; nothing to do.
    Older,
    /// The user has the most devices allowed already.
    Full,
}

impl UserDevices {
    /// Adds or replaces one device (the same target means the same device), as an import does.
    ///
    /// An opt-out is taken from any row; opting in again only from a row that is taken.
    pub fn merge(&mut self, row: DeviceRow) -> Merged {
        self.opted_out |= row.opted_out == Some(true);
        let full = self.devices.len() >= crate::limits::USER_DEVICES_MAX;
        match self.devices.iter_mut().find(|d| d.target == row.device.target) {
            Some(same) if same.registered_at <= row.device.registered_at => *same = row.device,
            Some(_) => return Merged::Older,
            None if full => return Merged::Full,
            None => self.devices.push(row.device),
        }
        self.opted_out = row.opted_out.unwrap_or(self.opted_out);
        Merged::Taken
    }

    /// Removes a dead token unless it registered again after `dead_since`. Answers whether something went.
    pub fn remove_dead(&mut self, target: &Target, dead_since: UnixMs) -> bool {
        let before = self.devices.len();
        self.devices.retain(|d| d.target != *target || d.registered_at > dead_since);
        before != self.devices.len()
    }

    /// The item's bytes: version, opted-out flag, then each device.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![1, u8::from(self.opted_out)];
        for d in &self.devices {
            let sandbox = u8::from(d.environment == Environment::Sandbox) << 2;
            out.push(target_head(d.target.as_ref()) | sandbox);
            put_target(&mut out, d.target.as_ref());
            out.extend_from_slice(&d.registered_at.0.to_le_bytes());
            for text in [&d.locale, &d.timezone, &d.app] {
                put_str16(&mut out, text);
            }
        }
        out
    }

    /// Reads what [`UserDevices::encode`] wrote.
    ///
    /// # Errors
    /// Says at which byte it is not.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        if r.u8("device item version")? != 1 {
            return Err(r.bad("device item of an unknown version"));
        }
        let opted_out = r.u8("opted-out flag")? != 0;
        let mut devices = Vec::new();
        while !r.is_empty() {
            let head = r.u8("device head")?;
            let target = read_target(&mut r, head)?.to_owned();
            let registered_at = UnixMs(r.i64("registration time")?);
            let environment = if head & 4 == 0 { Environment::Production } else { Environment::Sandbox };
            let (locale, timezone) = (r.str16("locale")?.into(), r.str16("time zone")?.into());
            devices.push(Device {
                target,
                locale,
                timezone,
                registered_at,
                app: r.str16("app")?.into(),
                environment,
            });
        }
        Ok(Self { opted_out, devices })
    }
}

/// Checks a BCP 47 language tag as far as this system needs: letters and digits in parts of 1 to 8, joined by `-`
/// (an underscore, as Android writes it, is accepted and becomes `-`). Empty is "unknown" and fine.
///
/// # Errors
/// Quotes the tag.
pub fn parse_locale(tag: &str) -> Result<String, BadField> {
    let tag = tag.replace('_', "-");
    let good = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let head = tag.split('-').next().unwrap_or("");
    let language = (2..=8).contains(&head.len()) && head.bytes().all(|b| b.is_ascii_alphabetic());
    if tag.is_empty() || (language && tag.len() <= 35 && tag.split('-').all(good)) {
        return Ok(tag);
    }
    Err(bad("locale", format!("`{}` is not a language tag such as `de` or `pt-BR`", clip(&tag))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(target: Target, at: i64) -> Device {
        Device {
            target,
            locale: "pt-BR".into(),
            timezone: "America/Sao_Paulo".into(),
            registered_at: UnixMs(at),
            app: "com.example.app".into(),
            environment: Environment::Sandbox,
        }
    }

    fn apns(last: u8) -> Target {
        Target::Apns([vec![7; 31], vec![last]].concat().into())
    }

    #[test]
    fn an_item_survives_its_bytes_and_every_cut_is_an_error() {
        let fcm = Target::parse(Platform::Fcm, TargetKind::Token, "abcdefghij:KLMNOPQRST_-1").unwrap();
        let fid = Target::parse(Platform::Fcm, TargetKind::Fid, "f1").unwrap();
        let item = UserDevices {
            opted_out: true,
            devices: vec![device(apns(1), 5), device(fcm, 6), device(fid, 7)],
        };
        let bytes = item.encode();
        assert_eq!(UserDevices::decode(&bytes), Ok(item.clone()));
        for cut in 0..bytes.len() {
            assert_ne!(UserDevices::decode(&bytes[..cut]), Ok(item.clone()));
        }
    }

    #[test]
    fn tokens_are_checked_without_being_quoted() {
        let secret = "z".repeat(64);
        let error = Target::parse(Platform::Apns, TargetKind::Token, &secret).unwrap_err().to_string();
        assert!(error.contains("hexadecimal") && !error.contains("zzz"), "{error}");
        assert!(
            Target::parse(Platform::Apns, TargetKind::Token, &"AB".repeat(32))
                .unwrap()
                .text()
                .starts_with("abab")
        );
        assert!(Target::parse(Platform::Apns, TargetKind::Token, &"a".repeat(65)).is_err());
        assert!(Target::parse(Platform::Fcm, TargetKind::Token, "with space with space").is_err());
        assert!(!format!("{:?}", apns(9)).contains("0707"));
    }

    #[test]
    fn merging_keeps_the_latest_registration_and_removing_spares_a_newer_one() {
        let row = |at, out| DeviceRow { user_id: "u".into(), opted_out: out, device: device(apns(1), at) };
        let mut user = UserDevices::default();
        assert_eq!(
            [user.merge(row(10, Some(true))), user.merge(row(5, Some(false)))],
            [Merged::Taken, Merged::Older]
        );
        assert_eq!(
            (user.devices.len(), user.devices[0].registered_at, user.opted_out),
            (1, UnixMs(10), true)
        );
        assert!(!user.remove_dead(&apns(1), UnixMs(9)));
        assert!(user.remove_dead(&apns(1), UnixMs(10)));
    }

    #[test]
    fn locales() {
        assert_eq!(parse_locale("pt_BR").unwrap(), "pt-BR");
        assert_eq!(parse_locale("").unwrap(), "");
        for wrong in ["p", "de-", "d e", "../x", "deutsch-landsprache"] {
            assert!(parse_locale(wrong).is_err(), "{wrong}");
        }
    }
}
