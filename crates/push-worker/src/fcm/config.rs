//! What an operator says about FCM, and what is left once it is checked.

use super::auth::AccessTokens;
use crate::transport::fault::Finder;
use crate::transport::{Faults, Origin, is_loopback, is_vendor_host, limits};
use common::secret::Secret;
use fcm_v1::auth::ServiceAccountKey;
use http::uri::{PathAndQuery, Uri};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Messages a minute that a project may send when nobody asked for more (Google).
const QUOTA_PER_MINUTE_DEFAULT: u64 = 600_000;
/// Where Google's service accounts get their access tokens (Google; the second is in files of old).
const TOKEN_URIS: [&str; 2] =
    ["https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token"];

/// Which FCM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FcmKind {
    /// Google's.
    Production,
    /// A stand-in that can't reach a phone.
    Rehearsal,
}

/// The `fcm` section. Which fields a kind takes is checked by [`FcmConfig::check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FcmConfig {
    /// Which FCM.
    pub kind: FcmKind,
    /// `host:port` of the stand-in; for a rehearsal only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// PEM file of the one CA that is trusted; for a rehearsal only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The service account's JSON file; or else `service_account`. Its `token_uri` is Google's, or a rehearsal's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_file: Option<PathBuf>,
    /// The text of such a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<Secret>,
    /// The Firebase project; the service account's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Connections of each lane.
    #[serde(default = "connections")]
    pub connections: u16,
    /// Messages a minute that the project may send. When left out: Google's default, or none for a rehearsal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_per_minute: Option<u64>,
}

fn connections() -> u16 {
    16
}

/// A checked configuration, shared by all lanes of a process.
#[derive(Debug)]
pub struct FcmSetup {
    pub(super) origin: Origin,
    pub(super) tokens: AccessTokens,
    pub(super) path: PathAndQuery,
    pub(super) connections: u16,
    pub(super) quota_per_s: Option<u64>,
}

impl FcmConfig {
    /// Reads the files and checks everything.
    ///
    /// # Errors
    /// All faults together.
    pub fn check(&self) -> Result<FcmSetup, Faults> {
        let mut finder = Finder::new("fcm");
        let range = (1..=limits::CONNECTIONS_MAX).contains(&self.connections);
        finder.check(range, "connections", "1 to 1000 are allowed");
        finder.check(
            self.quota_per_minute != Some(0),
            "quota_per_minute",
            "nothing can be sent with a quota of 0",
        );
        let origin = self.origin(&mut finder);
        let fields = ["service_account_file", "service_account"];
        let json = finder.secret(fields, self.service_account_file.as_deref(), self.service_account.as_ref());
        let field = json.as_ref().map_or(fields[0], |(field, _)| *field);
        let key = json.and_then(|(field, json)| finder.take(field, account(&json)));
        let path = key.as_ref().and_then(|key| self.path(key, &mut finder));
        if let (Some(key), Some(origin)) = (&key, &origin) {
            finder.check(may_mint(&key.token_uri, origin), field, self.why_not_mint());
        }
        let setup = origin.zip(key).zip(path).map(|((origin, key), path)| FcmSetup {
            origin,
            tokens: AccessTokens::new(key),
            path,
            connections: self.connections,
            quota_per_s: self.quota_per_s(),
        });
        finder.finish(setup)
    }

    fn origin(&self, finder: &mut Finder) -> Option<Origin> {
        if self.kind == FcmKind::Rehearsal {
            return finder.rehearsal(self.endpoint.as_deref(), self.ca_file.as_deref());
        }
        finder.nothing_but_fixed(self.endpoint.is_some(), self.ca_file.is_some());
        finder.take("kind", Origin::fcm_production())
    }

    fn path(&self, key: &ServiceAccountKey, finder: &mut Finder) -> Option<PathAndQuery> {
        let project = self.project.as_ref().or(key.project_id.as_ref()).map_or("", String::as_str);
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':');
        let good = !project.is_empty() && project.bytes().all(fits);
        finder.check(good, "project", "is no project id, and the service account names none either");
        PathAndQuery::try_from(format!("/v1/projects/{project}/messages:send")).ok().filter(|_| good)
    }

    fn quota_per_s(&self) -> Option<u64> {
        let default = (self.kind == FcmKind::Production).then_some(QUOTA_PER_MINUTE_DEFAULT);
        self.quota_per_minute.or(default).map(|per_minute| (per_minute / 60).max(1))
    }

    fn why_not_mint(&self) -> &'static str {
        match self.kind {
            FcmKind::Production => "its token_uri is not Google's",
            FcmKind::Rehearsal => "its token_uri must be http:// on this machine or on the stand-in's host",
        }
    }
}

fn account(json: &str) -> Result<ServiceAccountKey, String> {
    // The parser's own words might quote the key.
    let key: ServiceAccountKey =
        serde_json::from_str(json).map_err(|e| format!("is no service account file (line {})", e.line()))?;
    if key.private_key.contains("BEGIN PRIVATE KEY") {
        Ok(key)
    } else {
        Err("its private_key is not PKCS #8 in PEM".to_owned())
    }
}

/// Whether an access token may be asked for there: at Google's for Google's gateway, and never at Google's for a stand-in.
fn may_mint(token_uri: &str, origin: &Origin) -> bool {
    if !origin.is_rehearsal() {
        return TOKEN_URIS.contains(&token_uri);
    }
    let Ok(uri) = token_uri.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or("");
    let ours = is_loopback(host) || host.trim_matches(['[', ']']).eq_ignore_ascii_case(origin.host());
    let plain = uri.authority().is_some_and(|a| !a.as_str().contains('@'));
    uri.scheme_str() == Some("http") && plain && ours && !is_vendor_host(host)
}
