//! What messages are signed with: 32 random bytes, written `whsec_` and base64, as the specification has it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Begins every secret, so that scanners for leaked secrets know one when they see it.
const PREFIX: &str = "whsec_";

/// A webhook's secret. No log line shows it: there is no `Display`, and `Debug` hides it. Records hold it as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct HookSecret([u8; 32]);

impl HookSecret {
    /// Of random bits.
    #[must_use]
    pub fn new(bits: [u8; 32]) -> Self {
        Self(bits)
    }

    /// The whole of it, for the one who made the webhook, this once.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0))
    }

    /// The key of the HMAC.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for HookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookSecret(hidden)")
    }
}

impl Serialize for HookSecret {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.expose())
    }
}

impl<'de> Deserialize<'de> for HookSecret {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let bits = text.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
        // What was there is not quoted.
        let bits = bits.and_then(|bits| bits.try_into().ok());
        bits.map(Self).ok_or_else(|| serde::de::Error::custom("a secret is whsec_ and 32 bytes in base64"))
    }
}
