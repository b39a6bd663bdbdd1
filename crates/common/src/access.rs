//! Who may use the API: roles, and tokens as they are shown once and as they are kept.
//!
//! A token is `owl_` + 8 hexadecimal digits + `_` + 43 characters of base64url: a public id, and 256 random bits. Kept is
//! the SHA-256 of these bits. A slow hash protects what people choose; 256 random bits can't be guessed at any speed.

use crate::campaign::Stamp;
use crate::ids::clip;
use crate::time::UnixMs;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Begins every token, so that scanners for leaked secrets know one when they see it.
const PREFIX: &str = "owl_";
/// Digits of the public id.
const ID_DIGITS: usize = 8;
/// Length of the secret as text.
const SECRET_CHARS: usize = 43;
/// Longest name of a token, in characters.
const NAME_CHARS_MAX: usize = 100;
/// How long a token is good where nothing else is said.
pub const TOKEN_GOOD_FOR: Duration = Duration::from_secs(90 * 24 * 3_600);
/// The longest life that can be asked for; longer ones say that they never end.
pub const TOKEN_GOOD_FOR_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3_600);

/// What somebody may do. Which route wants which role is the API's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Looks, at everything that names no user.
    Viewer,
    /// Has the button: press, canary, abort.
    Marketer,
    /// Makes campaigns, and arms them.
    Engineer,
    /// Has the fleet; may override a check, and resume.
    Sre,
    /// Does what engineer and marketer do, with silent campaigns.
    LoadTester,
    /// Everything, and makes tokens.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Marketer, Self::Engineer, Self::Sre, Self::LoadTester, Self::Admin];

    /// Its name, as people write it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Marketer => "marketer",
            Self::Engineer => "engineer",
            Self::Sre => "sre",
            Self::LoadTester => "load-tester",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::label).join(", ");
        let found = Self::ALL.into_iter().find(|role| role.label() == s);
        found.ok_or_else(|| format!("`{}` is no role; these are: {}", clip(s), names()))
    }
}

/// The public part of a token: names it in lists and in the audit trail. Written as 8 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub struct TokenId(#[schemars(with = "String", regex(pattern = "^[0-9a-f]{8}$"))] pub u32);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

/// Text that is no token's id. It is not quoted: it may be a whole token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no token's id: one is 8 hexadecimal digits, as `owl token list` shows them")]
pub struct NoTokenId;

impl FromStr for TokenId {
    type Err = NoTokenId;
    fn from_str(s: &str) -> Result<Self, NoTokenId> {
        let digits = s.len() == ID_DIGITS && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let id = u32::from_str_radix(s, 16).ok().filter(|_| digits);
        id.map(Self).ok_or(NoTokenId)
    }
}

impl Serialize for TokenId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A token as its owner has it. Neither `Debug` nor an error shows it.
#[derive(Clone)]
pub struct Token {
    id: TokenId,
    secret: [u8; 32],
}

/// Text that is no token. What was given is not quoted: it may be one, with a slip in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no token: one is `owl_`, 8 hexadecimal digits, `_` and 43 letters, digits, `-` and `_`")]
pub struct NoToken;

impl Token {
    /// Of random bits.
    #[must_use]
    pub fn new(id: TokenId, secret: [u8; 32]) -> Self {
        Self { id, secret }
    }

    /// Its public part.
    #[must_use]
    pub fn id(&self) -> TokenId {
        self.id
    }

    /// The whole of it, for its owner. There is no `Display`: nobody shows it by mistake.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, URL_SAFE_NO_PAD.encode(self.secret))
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.secret)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, hidden)", self.id)
    }
}

impl FromStr for Token {
    type Err = NoToken;
    fn from_str(s: &str) -> Result<Self, NoToken> {
        let (id, secret) = s.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(NoToken)?;
        if secret.len() != SECRET_CHARS {
            return Err(NoToken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(secret).map_err(|_| NoToken)?;
        let secret = bytes.try_into().map_err(|_| NoToken)?;
        Ok(Self { id: id.parse().map_err(|_| NoToken)?, secret })
    }
}

/// The SHA-256 of a secret. Compared in constant time only: it has no `==`.
#[derive(Clone)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Of these bytes.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Whether both are of the same secret. Takes as long whether they differ early, late or not at all.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(hidden)")
    }
}

impl Serialize for SecretHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for SecretHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let bytes = URL_SAFE_NO_PAD.decode(String::deserialize(d)?).map_err(serde::de::Error::custom)?;
        bytes.try_into().map(Self).map_err(|_| serde::de::Error::custom("a hash has 32 bytes"))
    }
}

/// A token as it is kept. Records are never deleted: a name in the audit trail stays explained.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The public part.
    pub id: TokenId,
    /// Raised by every write: a write names the version that it read.
    pub version: u64,
    /// Whose it is: what stands in campaigns and in the audit trail.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// What is kept of the secret.
    pub hash: SecretHash,
    /// Who made it, and when.
    pub created: Stamp,
    /// From when on it is good no more; `None`: never.
    pub expires_at: Option<UnixMs>,
    /// Who took it back, and when.
    pub revoked: Option<Stamp>,
}

/// Why a token is not good, whose secret was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Its time is over, since then.
    Expired(UnixMs),
    /// Somebody took it back.
    Revoked(Stamp),
}

impl TokenRecord {
    /// Of a new token.
    #[must_use]
    pub fn new(token: &Token, name: &str, role: Role, created: Stamp, expires_at: Option<UnixMs>) -> Self {
        let (id, hash, name) = (token.id(), token.hash(), name.to_owned());
        Self { id, version: 1, name, role, hash, created, expires_at, revoked: None }
    }

    /// The record once it is taken back; `None` when it was before.
    #[must_use]
    pub fn revoke(&self, stamp: Stamp) -> Option<Self> {
        let next = || Self { version: self.version + 1, revoked: Some(stamp), ..self.clone() };
        self.revoked.is_none().then(next)
    }

    /// Whether it is good now.
    ///
    /// # Errors
    /// Why not.
    pub fn good(&self, now: UnixMs) -> Result<(), Stale> {
        if let Some(stamp) = &self.revoked {
            return Err(Stale::Revoked(stamp.clone()));
        }
        match self.expires_at {
            Some(at) if at <= now => Err(Stale::Expired(at)),
            _ => Ok(()),
        }
    }
}

/// A name as it may stand in records: without spaces around it, printable, not too long.
///
/// # Errors
/// What is allowed.
pub fn checked_name(name: &str) -> Result<String, crate::device::BadField> {
    let name = name.trim();
    let good = (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    let why = || format!("1 to {NAME_CHARS_MAX} characters without control characters are allowed");
    if good { Ok(name.to_owned()) } else { Err(crate::device::BadField { field: "name", why: why() }) }
}

#[cfg(test)]
mod tests;
