//! Provider tokens: a JWT that every worker mints to the same bytes, without talking to the others.
//!
//! `iat` lies on a grid of 30 minutes and the signature is deterministic (RFC 6979), so a fleet shows Apple one token at a
//! time, 5 to 35 minutes old; Apple takes 20 to 60 minutes between updates (FACTS.md, APNs).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::time::UnixMs;
use http::HeaderValue;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::DecodePrivateKey as _;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Distance of two `iat` (Apple: tokens are renewed after 20 to 60 minutes).
const GRID_S: i64 = 30 * 60;
/// A token is at least this old when it is first used, so that a clock that is a little late does not make one from the
/// future (ours).
const AGE_MIN_S: i64 = 5 * 60;
/// Life of a token (Apple).
const LIFE: Duration = Duration::from_secs(60 * 60);

/// Mints tokens; shared by the lanes of a process.
pub struct ProviderTokens {
    key: SigningKey,
    /// The JWT's first part, encoded.
    header: String,
    team_id: String,
    newest: Mutex<Option<Minted>>,
}

#[derive(Clone)]
struct Minted {
    iat_s: i64,
    value: HeaderValue,
    number: u64,
    after_refusal: bool,
}

/// What goes into the `authorization` header, and which one it is.
#[derive(Clone)]
pub(super) struct Credential {
    pub(super) value: HeaderValue,
    pub(super) number: u64,
}

impl fmt::Debug for ProviderTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderTokens").finish_non_exhaustive()
    }
}

impl ProviderTokens {
    /// Reads the signing key (PKCS #8 in PEM, as Apple's `.p8` files are).
    ///
    /// # Errors
    /// In words, without quoting the key.
    pub fn new(pem: &str, key_id: &str, team_id: &str) -> Result<Self, &'static str> {
        let key = SigningKey::from_pkcs8_pem(pem)
            .map_err(|_| "is no P-256 key in PKCS #8 PEM, as Apple's .p8 files are")?;
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"ES256","kid":"{key_id}"}}"#));
        Ok(Self { key, header, team_id: team_id.to_owned(), newest: Mutex::default() })
    }

    /// The token of this time.
    pub(super) fn bearer(&self, now: UnixMs) -> Option<Credential> {
        let iat_s = grid(now);
        let mut newest = self.newest();
        if newest.as_ref().is_none_or(|m| m.iat_s != iat_s) {
            let number = newest.as_ref().map_or(0, |m| m.number) + 1;
            *newest = Some(Minted { iat_s, value: self.mint(iat_s)?, number, after_refusal: false });
        }
        newest.as_ref().map(|m| Credential { value: m.value.clone(), number: m.number })
    }

    /// Apple said that the token with this number has expired. Answers whether another try may help: once for each place
    /// on the grid. A second refusal means that our clock is wrong.
    pub(super) fn refused(&self, number: u64) -> bool {
        match self.newest().as_mut() {
            Some(m) if m.number == number && m.after_refusal => false,
            Some(m) if m.number == number => {
                m.number += 1;
                m.after_refusal = true;
                true
            }
            _ => true,
        }
    }

    /// When a token of this time stops being valid; it is replaced long before.
    pub(super) fn valid_until(now: UnixMs) -> UnixMs {
        UnixMs(grid(now).saturating_mul(1000)).plus(LIFE)
    }

    fn mint(&self, iat_s: i64) -> Option<HeaderValue> {
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"{}","iat":{iat_s}}}"#, self.team_id));
        let signed = format!("{}.{claims}", self.header);
        let signature: Signature = self.key.try_sign(signed.as_bytes()).ok()?;
        let jwt = format!("bearer {signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()));
        let mut value = HeaderValue::from_str(&jwt).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn newest(&self) -> MutexGuard<'_, Option<Minted>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The `iat` of this time, in seconds since 1970.
fn grid(now: UnixMs) -> i64 {
    (now.0.div_euclid(1000) - AGE_MIN_S).div_euclid(GRID_S) * GRID_S
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier as _;

    fn tokens() -> ProviderTokens {
        use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
        let pem = p256::SecretKey::from_slice(&[7; 32]).unwrap().to_pkcs8_pem(LineEnding::LF).unwrap();
        ProviderTokens::new(&pem, "OWLKEY0001", "OWLTEAM001").unwrap()
    }

    fn minutes(n: i64) -> UnixMs {
        UnixMs(1_770_595_200_000 + n * 60_000)
    }

    #[test]
    fn two_workers_mint_the_same_bytes_for_half_an_hour() {
        let (a, b) = (tokens(), tokens());
        let first = a.bearer(minutes(5)).unwrap();
        let same = b.bearer(UnixMs(minutes(35).0 - 1)).unwrap();
        assert_eq!(first.value, same.value);
        let next = a.bearer(minutes(35)).unwrap();
        assert_ne!(first.value, next.value);
        assert_eq!((first.number, next.number), (1, 2));
        assert!(first.value.is_sensitive() && !format!("{a:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_token_is_5_to_35_minutes_old_and_lives_an_hour() {
        for minute in 0..120 {
            let now = minutes(minute);
            let age_s = now.0 / 1000 - grid(now);
            assert!((300..2_100).contains(&age_s), "{age_s}");
            assert!(ProviderTokens::valid_until(now).since(now) > Duration::from_secs(24 * 60));
        }
    }

    #[test]
    fn the_signature_is_right_and_nothing_is_padded() {
        let tokens = tokens();
        let value = tokens.bearer(minutes(0)).unwrap().value;
        let jwt = value.to_str().unwrap().strip_prefix("bearer ").unwrap();
        assert!(!jwt.contains(['=', '+', '/']));
        let (signed, signature) = jwt.rsplit_once('.').unwrap();
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        VerifyingKey::from(&tokens.key).verify(signed.as_bytes(), &signature).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims, serde_json::json!({ "iss": "OWLTEAM001", "iat": grid(minutes(0)) }));
    }

    #[test]
    fn a_refusal_is_worth_one_more_try_for_all_that_used_the_token() {
        let tokens = tokens();
        let first = tokens.bearer(minutes(6)).unwrap().number;
        assert!(tokens.refused(first) && tokens.refused(first));
        let second = tokens.bearer(minutes(7)).unwrap().number;
        assert!(second != first && !tokens.refused(second) && !tokens.refused(second));
        assert!(tokens.refused(tokens.bearer(minutes(40)).unwrap().number));
    }
}
