//! Compact JSON web signatures: taken apart here, verified with a key that the caller gives.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;

/// Google takes base64url with and without padding, Apple (as far as anyone relies on it) only without.
const EITHER_PADDING: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The header of a signed token.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
}

/// A token whose parts are readable; nothing is verified yet.
pub(super) struct Jws<'a> {
    pub(super) header: Header,
    claims: Vec<u8>,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes a token with unpadded parts apart.
    pub(super) fn strict(token: &'a str) -> Option<Self> {
        Self::split(token, &URL_SAFE_NO_PAD)
    }

    /// Takes a token apart whose parts may be padded.
    pub(super) fn lenient(token: &'a str) -> Option<Self> {
        Self::split(token, &EITHER_PADDING)
    }

    fn split(token: &'a str, base64: &GeneralPurpose) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self {
            header: serde_json::from_slice(&base64.decode(header).ok()?).ok()?,
            claims: base64.decode(claims).ok()?,
            signed,
            signature: base64.decode(signature).ok()?,
        })
    }

    /// Whether `key` signed this token.
    pub(super) fn verify(&self, algorithm: &'static dyn VerificationAlgorithm, key: &[u8]) -> bool {
        UnparsedPublicKey::new(algorithm, key).verify(self.signed.as_bytes(), &self.signature).is_ok()
    }

    /// The claims, if they have the expected shape.
    pub(super) fn claims<T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_slice(&self.claims).ok()
    }
}
