//! Bodies, queries and headers of every route that takes any, on a backend in memory: no answer is a fault of ours, and every
//! refusal is a problem in JSON.

use crate::script::Script;
use api::access::AccessConfig;
use api::{ApiConfig, PROBLEM_MEDIA_TYPE, router};
use axum::body::Body;
use axum::http::{Request, header};
use common::campaign::{Campaign, Options};
use common::content::Content;
use common::secret::Secret;
use common::time::{ManualClock, UnixMs};
use contract::memory::MemoryParts;
use control::Control;
use http_body_util::BodyExt as _;
use std::sync::Arc;
use tower::ServiceExt as _;

/// Opens a backend that lives as long as one script.
const TOKEN: &str = "owl_0ad41000_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Method and path; `{id}` is a draft, `{text}` comes from the script.
const ROUTES: [(&str, &str); 21] = [
    ("POST", "/v1/campaigns"),
    ("PATCH", "/v1/campaigns/{id}"),
    ("POST", "/v1/campaigns/{id}/clone"),
    ("PUT", "/v1/campaigns/{id}/audience"),
    ("POST", "/v1/campaigns/{id}/arm"),
    ("POST", "/v1/campaigns/{id}/canary"),
    ("POST", "/v1/campaigns/{id}/press"),
    ("POST", "/v1/campaigns/{id}/resume"),
    ("POST", "/v1/campaigns/{id}/test"),
    ("GET", "/v1/campaigns/{id}/preflight?{text}"),
    ("GET", "/v1/campaigns/{id}/receipts/{text}"),
    ("GET", "/v1/campaigns/{text}"),
    ("PUT", "/v1/testers/{text}"),
    ("POST", "/v1/devices"),
    ("GET", "/v1/devices/{text}"),
    ("POST", "/v1/fleet/scale"),
    ("POST", "/v1/redrive"),
    ("GET", "/v1/audit?{text}"),
    ("POST", "/v1/tokens"),
    ("POST", "/v1/webhooks"),
    ("POST", "/v1/session"),
];
const KINDS: [&str; 6] =
    ["application/json", "text/csv", "application/x-ndjson", "text/plain", "application/octet-stream", "x"];

/// See `docs/fuzzing.md`.
pub fn api_bodies(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let (method, path) = script.one_of(&ROUTES);
    let (kind, more) = (script.one_of(&KINDS), script.byte());
    let text = if path.contains("{text}") { percent(script.some()) } else { String::new() };
    let body = script.rest().to_vec();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let clock = Arc::new(ManualClock::at(UnixMs(1_770_593_465_120)));
        let control = Control::new(MemoryParts::new(clock.clone()).backend(), clock);
        let draft: Campaign = control
            .create(&control::Who::named("fuzzer"), "draft", Content::silent(), Options::default())
            .await
            .expect("a draft");
        let path = path.replace("{id}", &draft.id.to_string()).replace("{text}", &text);
        let mut request = Request::builder()
            .method(method)
            .uri(&path)
            .header(header::HOST, "127.0.0.1:1")
            .header(header::CONTENT_TYPE, kind)
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        if more & 1 == 1 {
            request = request.header("idempotency-key", text.get(..20).unwrap_or("k"));
        }
        if more & 2 == 2 {
            request = request.header(header::CONTENT_ENCODING, if more & 4 == 4 { "gzip" } else { "zstd" });
        }
        // A path that is no URI never gets this far.
        let Ok(request) = request.body(Body::from(body)) else { return };
        let access =
            AccessConfig { admin_token: Some(Secret::new(TOKEN.to_owned())), ..AccessConfig::default() };
        let answer = router(control, ApiConfig { access, ..ApiConfig::default() })
            .oneshot(request)
            .await
            .expect("an answer");
        let status = answer.status();
        let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        assert!(status.as_u16() != 401, "the token opens everything");
        assert!(!status.is_server_error(), "{method} {path}: {status} {}", String::from_utf8_lossy(&body));
        if status.is_client_error() {
            let kind = kind.expect("a problem has a type");
            assert_eq!(kind.to_str().ok(), Some(PROBLEM_MEDIA_TYPE), "{method} {path}: {status}");
            let problem: serde_json::Value = serde_json::from_slice(&body).expect("a problem is JSON");
            assert_eq!(problem["status"], status.as_u16());
        }
    });
}

/// Any bytes, as they may stand in a URI.
fn percent(bytes: &[u8]) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~=&,".contains(&b);
    bytes.iter().map(|&b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
