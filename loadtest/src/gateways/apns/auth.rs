//! Provider tokens (JWT): verified once, and counted, since Apple refuses a provider that makes too many.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use super::super::Behaviour;
use super::super::jws::Jws;
use super::super::limits;
use super::super::reason::Reason;

/// A token that was verified.
#[derive(Clone, Copy)]
struct Known {
    iat: i64,
    /// First use that was not refused with 429, in seconds since the Unix epoch.
    admitted: Option<i64>,
}

#[derive(Deserialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
}

/// The provider tokens that were seen.
pub(in super::super) struct ProviderTokens {
    public_key: Vec<u8>,
    key_id: String,
    team_id: String,
    known: Mutex<HashMap<Box<[u8]>, Known>>,
}

impl ProviderTokens {
    pub(in super::super) fn new(public_key: Vec<u8>, key_id: String, team_id: String) -> Self {
        Self { public_key, key_id, team_id, known: Mutex::default() }
    }

    /// Checks a JWT at this time (seconds since the Unix epoch), and returns its `iat`.
    pub(super) fn admit(&self, jwt: &[u8], now: i64, behaviour: &Behaviour) -> Result<i64, Reason> {
        let (limit, life_s) = (behaviour.apns_jwt_limit, behaviour.apns_jwt_life_s);
        let remembered = self.known().get(jwt).copied();
        let known = match remembered {
            Some(known) => known,
            None => Known { iat: self.verify(jwt)?, admitted: None },
        };
        in_time(known.iat, now, life_s)?;
        if known.admitted.is_some() {
            return Ok(known.iat);
        }
        let mut all = self.known();
        if all.len() >= limits::MAX_REMEMBERED_CREDENTIALS {
            all.retain(|_, known| in_time(known.iat, now, life_s).is_ok() && known.admitted.is_some());
        }
        let recent = |known: &&Known| known.admitted.is_some_and(|at| at > now - limits::JWT_WINDOW_S);
        let room = all.values().filter(recent).count() < limit as usize;
        all.insert(jwt.into(), Known { admitted: room.then_some(now), ..known });
        if room { Ok(known.iat) } else { Err(Reason::ApnsTooManyTokenUpdates) }
    }

    /// How many different tokens with a good signature were seen.
    pub(in super::super) fn distinct(&self) -> usize {
        self.known().len()
    }

    /// Forgets which were seen.
    pub(in super::super) fn reset(&self) {
        self.known().clear();
    }

    fn verify(&self, jwt: &[u8]) -> Result<i64, Reason> {
        let invalid = Reason::ApnsInvalidProviderToken;
        let jws = std::str::from_utf8(jwt).ok().and_then(Jws::strict).ok_or(invalid)?;
        let algorithm = &ring::signature::ECDSA_P256_SHA256_FIXED;
        let ours = jws.header.alg == "ES256" && jws.header.kid.as_deref() == Some(&self.key_id);
        if !ours || !jws.verify(algorithm, &self.public_key) {
            return Err(invalid);
        }
        let claims: Claims<'_> = jws.claims().ok_or(invalid)?;
        if claims.iss == self.team_id { Ok(claims.iat) } else { Err(invalid) }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Box<[u8]>, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a token issued at `iat` that lives so long can be used now; both in seconds since the Unix epoch.
pub(super) fn in_time(iat: i64, now: i64, life_s: u32) -> Result<(), Reason> {
    let range = now - i64::from(life_s)..=now + limits::JWT_SKEW_S;
    if range.contains(&iat) { Ok(()) } else { Err(Reason::ApnsExpiredProviderToken) }
}
