//! Devices: what an import brings, how one user's devices are stored, and the record that snapshots and batches carry.

use crate::ids::clip;
use crate::limits::{APNS_TOKEN_BYTES, FCM_TOKEN_BYTES_MAX, FCM_TOKEN_BYTES_MIN, USER_ID_BYTES_MAX};
use crate::time::UnixMs;
use crate::wire::{Malformed, Reader, put_str16};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which gateway a device is reached through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A device token (APNs) or registration token (FCM).
    #[default]
    Token,
    /// A Firebase installation id.
    Fid,
}

/// Which of a gateway's environments a device registered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
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

/// The address of a device at a gateway. An APNs token is kept as its bytes, half as long as its hexadecimal form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// APNs device token, in bytes.
    Apns(Box<[u8]>),
    /// FCM registration token.
    FcmToken(Box<str>),
    /// Firebase installation id.
    FcmFid(Box<str>),
}

impl fmt::Debug for Target {
    /// Shows a hash, never the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:016x}", self.platform().label(), self.hash())
    }
}

impl Target {
    /// Checks and takes a token as a file or a program gives it.
    ///
    /// # Errors
    /// Says what is wrong with it, without quoting it.
    pub fn parse(platform: Platform, kind: TargetKind, token: &str) -> Result<Self, BadField> {
        match (platform, kind) {
            (Platform::Apns, TargetKind::Token) => parse_apns(token).map(Self::Apns),
            (Platform::Apns, TargetKind::Fid) => Err(bad("target_kind", "`fid` exists at FCM only")),
            (Platform::Fcm, kind) => {
                check_fcm(token, kind)?;
                Ok(if kind == TargetKind::Token {
                    Self::FcmToken(token.into())
                } else {
                    Self::FcmFid(token.into())
                })
            }
        }
    }

    /// Which gateway it belongs to.
    #[must_use]
    pub fn platform(&self) -> Platform {
        if matches!(self, Self::Apns(_)) { Platform::Apns } else { Platform::Fcm }
    }

    /// Its text form: lower-case hexadecimal for APNs.
    #[must_use]
    pub fn text(&self) -> String {
        self.as_ref().text()
    }

    /// XXH3 of the text form: what logs show and what the stand-in gateways' journal is keyed by.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.as_ref().hash()
    }

    /// The same, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> TargetRef<'_> {
        match self {
            Self::Apns(b) => TargetRef::Apns(b),
            Self::FcmToken(s) => TargetRef::FcmToken(s),
            Self::FcmFid(s) => TargetRef::FcmFid(s),
        }
    }
}

fn parse_apns(token: &str) -> Result<Box<[u8]>, BadField> {
    let nibble = |c: u8| (c as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = token.as_bytes().chunks(2).map(|p| match p {
        [a, b] => Some(nibble(*a)? << 4 | nibble(*b)?),
        _ => None,
    });
    let bytes: Option<Box<[u8]>> = pairs.collect();
    bytes.filter(|b| APNS_TOKEN_BYTES.contains(&b.len())).ok_or_else(|| {
        let (lo, hi) = (APNS_TOKEN_BYTES.start() * 2, APNS_TOKEN_BYTES.end() * 2);
        bad(
            "token",
            format!("an APNs token is {lo} to {hi} hexadecimal digits; this has {} characters", token.len()),
        )
    })
}

fn check_fcm(token: &str, kind: TargetKind) -> Result<(), BadField> {
    let min = if kind == TargetKind::Token { FCM_TOKEN_BYTES_MIN } else { 1 };
    if !(min..=FCM_TOKEN_BYTES_MAX).contains(&token.len()) {
        let n = token.len();
        return Err(bad(
            "token",
            format!("an FCM target is {min} to {FCM_TOKEN_BYTES_MAX} characters; this has {n}"),
        ));
    }
    if !token
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-' | b'.' | b'=' | b'%'))
    {
        return Err(bad("token", "an FCM target has letters, digits and : _ - . = % only"));
    }
    Ok(())
}

/// A borrowed [`Target`], as it stands in a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TargetRef<'a> {
    /// APNs device token, in bytes.
    Apns(&'a [u8]),
    /// FCM registration token.
    FcmToken(&'a str),
    /// Firebase installation id.
    FcmFid(&'a str),
}

impl fmt::Debug for TargetRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:016x}", self.platform().label(), self.hash())
    }
}

/// Each byte in two hexadecimal digits.
const HEX_PAIRS: [[u8; 2]; 256] = {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let (mut pairs, mut byte) = ([[0; 2]; 256], 0);
    while byte < 256 {
        pairs[byte] = [HEX[byte >> 4], HEX[byte & 15]];
        byte += 1;
    }
    pairs
};

impl TargetRef<'_> {
    /// Which gateway it belongs to.
    #[must_use]
    pub fn platform(self) -> Platform {
        if matches!(self, Self::Apns(_)) { Platform::Apns } else { Platform::Fcm }
    }

    /// Appends the text form: lower-case hexadecimal for APNs.
    pub fn write_text(self, out: &mut Vec<u8>) {
        match self {
            Self::Apns(bytes) => {
                out.reserve(2 * bytes.len());
                bytes.iter().for_each(|b| out.extend_from_slice(&HEX_PAIRS[usize::from(*b)]));
            }
            Self::FcmToken(s) | Self::FcmFid(s) => out.extend_from_slice(s.as_bytes()),
        }
    }

    /// The text form, as a string of its own.
    #[must_use]
    pub fn text(self) -> String {
        let mut out = Vec::new();
        self.write_text(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// XXH3 of the text form.
    #[must_use]
    pub fn hash(self) -> u64 {
        match self {
            Self::Apns(_) => {
                let mut out = Vec::with_capacity(200);
                self.write_text(&mut out);
                xxhash_rust::xxh3::xxh3_64(&out)
            }
            Self::FcmToken(s) | Self::FcmFid(s) => xxhash_rust::xxh3::xxh3_64(s.as_bytes()),
        }
    }

    /// The same, owned.
    #[must_use]
    pub fn to_owned(self) -> Target {
        match self {
            Self::Apns(b) => Target::Apns(b.into()),
            Self::FcmToken(s) => Target::FcmToken(s.into()),
            Self::FcmFid(s) => Target::FcmFid(s.into()),
        }
    }
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

/// The kind of target in the two low bits of a device's first byte.
pub(crate) fn target_head(target: TargetRef<'_>) -> u8 {
    match target {
        TargetRef::Apns(_) => 0,
        TargetRef::FcmToken(_) => 1,
        TargetRef::FcmFid(_) => 2,
    }
}

/// Length (one byte for APNs, two for FCM) and bytes of a target.
pub(crate) fn put_target(out: &mut Vec<u8>, target: TargetRef<'_>) {
    match target {
        TargetRef::Apns(bytes) => {
            out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(bytes);
        }
        TargetRef::FcmToken(s) | TargetRef::FcmFid(s) => put_str16(out, s),
    }
}

pub(crate) fn read_target<'a>(r: &mut Reader<'a>, head: u8) -> Result<TargetRef<'a>, Malformed> {
    match head & 3 {
        0 => {
            let n = usize::from(r.u8("token length")?);
            Ok(TargetRef::Apns(r.take(n, "APNs token")?))
        }
        1 => Ok(TargetRef::FcmToken(r.str16("FCM token")?)),
        2 => Ok(TargetRef::FcmFid(r.str16("FCM installation id")?)),
        _ => Err(r.bad("unknown kind of target")),
    }
}

/// Passes over a target. Answers whose it is; what it says is not looked at.
pub(crate) fn skip_target(r: &mut Reader<'_>, head: u8) -> Result<Platform, Malformed> {
    let (platform, bytes) = match head & 3 {
        0 => (Platform::Apns, usize::from(r.u8("token length")?)),
        1 | 2 => (Platform::Fcm, usize::from(r.u16("token length")?)),
        _ => return Err(r.bad("unknown kind of target")),
    };
    r.take(bytes, "target")?;
    Ok(platform)
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
