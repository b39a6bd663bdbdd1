//! The OAuth2 token endpoint: a signed assertion of the service account becomes an access token.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom as _;
use serde::{Deserialize, Serialize};

use super::jws::Jws;
use super::{keys, limits};

/// The one scope that the FCM stand-in asks for.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How Google's access tokens for service accounts begin.
const PREFIX: &str = "ya29.c.";

/// The form that is posted.
#[derive(Deserialize)]
pub(super) struct Grant {
    grant_type: String,
    assertion: String,
}

/// The answer to a good assertion.
#[derive(Serialize)]
pub(super) struct AccessToken {
    access_token: String,
    expires_in: u32,
    token_type: &'static str,
}

/// The answer to any other, always with status 400.
#[derive(Debug, Serialize)]
pub(super) struct OAuthError {
    error: &'static str,
    error_description: &'static str,
}

#[derive(Deserialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    #[serde(borrow)]
    scope: std::borrow::Cow<'a, str>,
    iat: i64,
    exp: i64,
}

/// The endpoint and the tokens that it gave out.
pub(super) struct TokenEndpoint {
    public_key: Vec<u8>,
    client_email: String,
    token_uri: String,
    issued: Mutex<HashMap<Box<[u8]>, i64>>,
}

impl TokenEndpoint {
    pub(super) fn new(public_key: Vec<u8>, client_email: String, token_uri: String) -> Self {
        Self { public_key, client_email, token_uri, issued: Mutex::default() }
    }

    /// Gives out an access token that lives `life_s` seconds; `now` is in seconds since the Unix epoch.
    pub(super) fn grant(&self, grant: &Grant, now: i64, life_s: u32) -> Result<AccessToken, OAuthError> {
        if grant.grant_type != GRANT_TYPE {
            return Err(OAuthError {
                error: "unsupported_grant_type",
                error_description: "Invalid grant_type",
            });
        }
        self.verify(&grant.assertion, now)?;
        let access_token = random_token()?;
        let mut issued = self.issued();
        if issued.len() >= limits::MAX_REMEMBERED_CREDENTIALS {
            issued.retain(|_, expires| *expires > now);
        }
        if issued.len() >= limits::MAX_REMEMBERED_CREDENTIALS {
            issued.clear();
        }
        issued.insert(access_token.as_bytes().into(), now + i64::from(life_s));
        Ok(AccessToken { access_token, expires_in: life_s, token_type: "Bearer" })
    }

    /// When a token that we gave out expires, in seconds since the Unix epoch.
    pub(super) fn expiry(&self, bearer: &[u8]) -> Option<i64> {
        self.issued().get(bearer).copied()
    }

    /// A token as if it had been given out.
    #[cfg(test)]
    pub(super) fn issue(&self, token: &str, expires: i64) {
        self.issued().insert(token.as_bytes().into(), expires);
    }

    fn verify(&self, assertion: &str, now: i64) -> Result<(), OAuthError> {
        let jws = Jws::lenient(assertion).ok_or(invalid("Invalid JWT: it cannot be decoded."))?;
        let kid_fits = jws.header.kid.as_deref().is_none_or(|kid| kid == keys::FCM_KEY_ID);
        let algorithm = &ring::signature::RSA_PKCS1_2048_8192_SHA256;
        if jws.header.alg != "RS256" || !kid_fits || !jws.verify(algorithm, &self.public_key) {
            return Err(invalid("Invalid JWT Signature."));
        }
        let claims: Claims<'_> = jws.claims().ok_or(invalid("Invalid JWT: a claim is missing."))?;
        if claims.iss != self.client_email {
            return Err(invalid("Invalid grant: account not found"));
        }
        if claims.aud != self.token_uri {
            return Err(invalid("Invalid JWT: Failed audience check."));
        }
        let short_lived = claims.exp - claims.iat <= limits::ASSERTION_LIFE_S;
        if !short_lived || claims.exp <= now || claims.iat > now + limits::JWT_SKEW_S {
            return Err(invalid(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. \
                 Check your iat and exp values in the JWT claim.",
            ));
        }
        if !claims.scope.split(' ').any(|scope| scope == SCOPE) {
            return Err(OAuthError { error: "invalid_scope", error_description: "Invalid OAuth scope." });
        }
        Ok(())
    }

    fn issued(&self) -> MutexGuard<'_, HashMap<Box<[u8]>, i64>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn invalid(error_description: &'static str) -> OAuthError {
    OAuthError { error: "invalid_grant", error_description }
}

/// An opaque token, as long as Google's.
fn random_token() -> Result<String, OAuthError> {
    let mut bytes = [0; limits::ACCESS_TOKEN_BYTES];
    let failed = |_| OAuthError { error: "internal_failure", error_description: "no randomness" };
    ring::rand::SystemRandom::new().fill(&mut bytes).map_err(failed)?;
    let mut token = PREFIX.to_owned();
    URL_SAFE_NO_PAD.encode_string(bytes, &mut token);
    token.truncate(limits::ACCESS_TOKEN_BYTES);
    Ok(token)
}
