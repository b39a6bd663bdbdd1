//! The console: a page and its modules, part of the binary. Nothing on it comes from elsewhere, and the policy sent with
//! it says so to the browser.

use crate::{Shared, apidoc};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use common::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What the page may load and do: its own files and this server, nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// What the page has no use for.
const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";
const PAGE: &str = "index.html";

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_bytes!(concat!("../../assets/", $name)))),*]
    };
}

/// Every file of the console; a test compares them with the directory.
#[rustfmt::skip]
const FILES: &[(&str, &[u8])] = files! {
    "index.html" "icon.svg"
    "base.css" "docs.css" "parts.css" "campaign.css" "phone.css" "print.css"
    "main.js" "api.js" "charts.js" "clock.js" "dom.js" "hold.js" "live.js" "session.js" "shell.js" "words.js"
    "again.js" "audience.js" "blast.js" "campaign.js" "content.js" "form.js" "history.js" "phone.js" "preflight.js" "press.js" "pressing.js" "reader.js" "stop.js" "tests.js"
    "page-audit.js" "page-campaigns.js" "page-fleet.js" "page-report.js" "page-signin.js" "page-tokens.js"
};

struct File {
    bytes: &'static [u8],
    kind: &'static str,
    tag: String,
}

impl File {
    fn new(bytes: &'static [u8], kind: &'static str) -> Self {
        Self { bytes, kind, tag: format!("\"{:.20}\"", blake3::hash(bytes).to_hex().as_str()) }
    }
}

/// The document of the API, for people and for programs.
static DOCS: LazyLock<File> =
    LazyLock::new(|| File::new(apidoc::html().as_bytes(), "text/html; charset=utf-8"));
static OPENAPI: LazyLock<File> = LazyLock::new(|| File::new(apidoc::text().as_bytes(), "application/json"));

static BY_NAME: LazyLock<BTreeMap<&str, File>> =
    LazyLock::new(|| FILES.iter().map(|(name, bytes)| (*name, File::new(bytes, kind(name)))).collect());

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// The page; its script looks at the address and shows what belongs there.
pub(crate) async fn page(headers: HeaderMap) -> Response {
    serve(PAGE, &headers)
}

/// A file of the page.
pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    if name == PAGE { nothing() } else { serve(&name, &headers) }
}

/// The API, for people.
pub(crate) async fn docs(headers: HeaderMap) -> Response {
    answer(&DOCS, &headers)
}

/// The API, for programs.
pub(crate) async fn openapi(headers: HeaderMap) -> Response {
    answer(&OPENAPI, &headers)
}

fn nothing() -> Response {
    super::no_such_file().into_response()
}

fn serve(name: &str, asked: &HeaderMap) -> Response {
    BY_NAME.get(name).map_or_else(nothing, |file| answer(file, asked))
}

fn answer(file: &'static File, asked: &HeaderMap) -> Response {
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    let known = known.flat_map(|v| v.split(',')).any(|v| v.trim().trim_start_matches("W/") == file.tag);
    // Asked again each time: a page and modules of two versions must not meet.
    let headers = [
        (header::CONTENT_TYPE.as_str(), file.kind),
        (header::ETAG.as_str(), file.tag.as_str()),
        (header::CACHE_CONTROL.as_str(), "no-cache"),
        (header::CONTENT_SECURITY_POLICY.as_str(), POLICY),
        ("permissions-policy", PERMISSIONS),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    if known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, file.bytes).into_response()
}

/// Answer of `GET /v1/console`: what the page needs to know before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConsoleView {
    /// The server's clock: the page reckons with it, not with the viewer's.
    pub at: UnixMs,
    /// How long the button is held for a press, in milliseconds.
    pub hold_ms: u64,
    /// Longest a push may take from the press before it is called late, in milliseconds.
    pub late_ms: i64,
}

pub(crate) async fn settings(State(app): Shared) -> Json<ConsoleView> {
    let (at, hold_ms) = (app.control.clock().now(), app.config.press_hold_ms);
    Json(ConsoleView { at, hold_ms, late_ms: common::limits::LATE_MS })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_served_and_none_is_long() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
        let there = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let there: BTreeSet<_> = there.collect();
        let listed: BTreeSet<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(there, listed);
        for (name, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(text.lines().count() < 400, "{name} is too long");
            assert_ne!(kind(name), "application/octet-stream", "{name}");
        }
    }

    #[test]
    fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
        for (name, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            for bad in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "setAttribute('style'",
            ] {
                assert!(!text.contains(bad), "{name} has {bad}");
            }
            let elsewhere = text.replace("http://www.w3.org/", "");
            assert!(
                !elsewhere.contains("http://") && !elsewhere.contains("https://"),
                "{name} names another place"
            );
            if name.ends_with(".html") {
                assert!(!text.contains("<style") && !text.contains(" style="), "{name} has a style inline");
                assert!(
                    text.split("<script").skip(1).all(|s| s.contains("src=")),
                    "{name} has a script inline"
                );
            }
        }
    }

    /// What stands between these two in the page's script about sessions.
    fn said_of_roles(begin: &str, end: &str) -> &'static str {
        let (_, script) = FILES.iter().find(|(name, _)| *name == "session.js").unwrap();
        let (_, rest) = std::str::from_utf8(script).unwrap().split_once(begin).unwrap();
        rest.split_once(end).unwrap().0
    }

    #[test]
    fn what_is_for_silent_campaigns_only_is_the_same_on_the_page() {
        use crate::access::rules::RULES;
        let told: BTreeSet<_> = said_of_roles("const SILENT = [", "]")
            .split(", ")
            .map(|action| action.trim_matches('\''))
            .collect();
        // Whoever creates one looks at none yet.
        let wanted: BTreeSet<_> =
            RULES.iter().filter(|r| r.silent && r.action != "create").map(|r| r.action).collect();
        assert_eq!(told, wanted);
    }

    /// What the page says of roles is what the server goes by.
    #[test]
    fn the_roles_on_the_page_are_those_of_the_rules() {
        use crate::access::rules::can;
        use common::access::Role;
        let table = said_of_roles("const ROLES = {", "};");
        let mut told = BTreeMap::new();
        for (head, roles) in table.split(']').filter_map(|entry| entry.split_once(": [")) {
            let action = head.trim_matches([',', ' ', '\n']).to_owned();
            let roles: BTreeSet<_> =
                roles.split(", ").map(|role| role.trim_matches('\'').to_owned()).collect();
            told.insert(action, roles);
        }
        // An administrator may do everything, and everybody may read: neither is said.
        let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let everybody: BTreeSet<_> = can(Role::Viewer).into_iter().collect();
        for action in can(Role::Admin).into_iter().filter(|action| !everybody.contains(action)) {
            let may =
                Role::ALL.into_iter().filter(|role| *role != Role::Admin && can(*role).contains(&action));
            let mut may: BTreeSet<_> = may.map(|role| role.label().to_owned()).collect();
            if may.is_empty() {
                may.insert(Role::Admin.label().to_owned());
            }
            wanted.insert(action.to_owned(), may);
        }
        assert_eq!(told, wanted);
    }
}
