//! Where a device is reached: tokens checked and kept small, and how they stand in records.

use super::{BadField, Platform, TargetKind, bad};
use crate::limits::{APNS_TOKEN_BYTES, FCM_TOKEN_BYTES_MAX, FCM_TOKEN_BYTES_MIN};
use crate::wire::{Malformed, Reader, put_str16};
use std::fmt;

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

/// A hexadecimal digit of 0 to 15: arithmetic, so that the compiler makes many at once.
fn digit(nibble: u8) -> u8 {
    nibble + b'0' + if nibble > 9 { b'a' - b'0' - 10 } else { 0 }
}

/// Appends two lower-case hexadecimal digits for each byte. A token has 32 bytes today.
fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        let mut digits = [0; 64];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(block) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        out.extend_from_slice(&digits);
    }
    out.extend(rest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

impl TargetRef<'_> {
    /// Which gateway it belongs to.
    #[must_use]
    pub fn platform(self) -> Platform {
        if matches!(self, Self::Apns(_)) { Platform::Apns } else { Platform::Fcm }
    }

    /// Appends the text form: lower-case hexadecimal for APNs.
    pub fn write_text(self, out: &mut Vec<u8>) {
        match self {
            Self::Apns(bytes) => write_hex(bytes, out),
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
