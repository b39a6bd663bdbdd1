//! Who may do what: one line for each route. A route that has no line here is not served, and a router with one does not
//! start in a debug build. docs/access.md is made from this table.

use common::access::Role;

/// Whom a route lets in. An administrator may go everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lets {
    /// Everybody, without a token.
    Open,
    /// Somebody on this machine; from elsewhere, any token.
    Local,
    /// A token of one of these roles, or of an administrator.
    Roles(&'static [Role]),
}

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The method; `GET` is `HEAD` too.
    pub method: &'static str,
    /// As it is written in the router.
    pub path: &'static str,
    /// What it is called in `can` of `GET /v1/session`; several routes may be one action.
    pub action: &'static str,
    /// Whom it lets in.
    pub lets: Lets,
    /// A load-tester may do it to a silent campaign only.
    pub silent: bool,
}

use Role::{Engineer, LoadTester, Marketer, Sre, Viewer};

/// Whoever has a token.
const ANY: Lets = Lets::Roles(&[Viewer, Marketer, Engineer, Sre, LoadTester]);
/// Those who may see users' ids.
const USERS: Lets = Lets::Roles(&[Marketer, Engineer, Sre, LoadTester]);
/// Those who make campaigns.
const MAKE: Lets = Lets::Roles(&[Engineer, LoadTester]);
const ARM: Lets = Lets::Roles(&[Engineer, Sre, LoadTester]);
const PRESS: Lets = Lets::Roles(&[Marketer, LoadTester]);
const ABORT: Lets = Lets::Roles(&[Marketer, Engineer, Sre, LoadTester]);
const RESUME: Lets = Lets::Roles(&[Sre, LoadTester]);
const IMPORT: Lets = Lets::Roles(&[Engineer]);
const TEST: Lets = Lets::Roles(&[Marketer, Engineer, Sre, LoadTester]);
/// A load-tester's list would be tested with by others, who may show something to people.
const TESTERS: Lets = Lets::Roles(&[Marketer, Engineer, Sre]);
const FLEET: Lets = Lets::Roles(&[Sre]);
const WEBHOOKS: Lets = Lets::Roles(&[Engineer, Sre]);
const ADMIN: Lets = Lets::Roles(&[]);

/// Who may override a check when arming. Not a route: a field of one.
pub(crate) const OVERRIDE: (&str, Lets) = ("override", Lets::Roles(&[Sre]));

const fn get(path: &'static str, action: &'static str, lets: Lets) -> Rule {
    Rule { method: "GET", path, action, lets, silent: false }
}

const fn on(method: &'static str, path: &'static str, action: &'static str, lets: Lets) -> Rule {
    Rule { method, path, action, lets, silent: false }
}

/// As [`on`], and for load-testers only where the campaign is silent.
const fn silent(method: &'static str, path: &'static str, action: &'static str, lets: Lets) -> Rule {
    Rule { method, path, action, lets, silent: true }
}

/// Every route.
pub const RULES: &[Rule] = &[
    get("/", "page", Lets::Open),
    get("/campaigns/{id}", "page", Lets::Open),
    get("/campaigns/{id}/report", "page", Lets::Open),
    get("/sign-in", "page", Lets::Open),
    get("/audit", "page", Lets::Open),
    get("/fleet", "page", Lets::Open),
    get("/tokens", "page", Lets::Open),
    get("/assets/{name}", "page", Lets::Open),
    get("/docs", "page", Lets::Open),
    get("/openapi.json", "page", Lets::Open),
    get("/v1/console", "page", Lets::Open),
    get("/healthz", "health", Lets::Open),
    get("/readyz", "health", Lets::Open),
    get("/metrics", "metrics", Lets::Local),
    get("/v1/session", "session", ANY),
    on("POST", "/v1/session", "sign_in", Lets::Open),
    on("DELETE", "/v1/session", "sign_out", Lets::Open),
    on("POST", "/v1/session/first", "sign_in", Lets::Open),
    get("/v1/campaigns", "read", ANY),
    silent("POST", "/v1/campaigns", "create", MAKE),
    get("/v1/campaigns/{id}", "read", ANY),
    silent("PATCH", "/v1/campaigns/{id}", "edit", MAKE),
    silent("POST", "/v1/campaigns/{id}/clone", "clone", MAKE),
    silent("PUT", "/v1/campaigns/{id}/audience", "upload", MAKE),
    silent("POST", "/v1/campaigns/{id}/arm", "arm", ARM),
    silent("POST", "/v1/campaigns/{id}/disarm", "disarm", ARM),
    silent("POST", "/v1/campaigns/{id}/canary", "canary", PRESS),
    silent("POST", "/v1/campaigns/{id}/press", "press", PRESS),
    silent("POST", "/v1/campaigns/{id}/abort", "abort", ABORT),
    silent("POST", "/v1/campaigns/{id}/resume", "resume", RESUME),
    get("/v1/campaigns/{id}/preflight", "read", ANY),
    get("/v1/campaigns/{id}/status", "read", ANY),
    get("/v1/campaigns/{id}/live", "read", ANY),
    get("/v1/campaigns/{id}/preview", "read", ANY),
    get("/v1/campaigns/{id}/report", "read", ANY),
    get("/v1/campaigns/{id}/late", "read_users", USERS),
    get("/v1/campaigns/{id}/receipts/{user}", "read_users", USERS),
    get("/v1/campaigns/{id}/snapshot", "read", ANY),
    get("/v1/campaigns/{id}/snapshot/shards/{shard}/batches/{batch}", "read_users", USERS),
    get("/v1/campaigns/{id}/dropped", "read_users", USERS),
    get("/v1/campaigns/{id}/outcomes", "read_users", USERS),
    silent("POST", "/v1/campaigns/{id}/test", "test", TEST),
    get("/v1/campaigns/{id}/test/{test}", "read_users", USERS),
    get("/v1/testers", "read_users", USERS),
    get("/v1/testers/{name}", "read_users", USERS),
    on("PUT", "/v1/testers/{name}", "testers", TESTERS),
    on("DELETE", "/v1/testers/{name}", "testers", TESTERS),
    get("/v1/devices", "read", ANY),
    on("POST", "/v1/devices", "import", IMPORT),
    get("/v1/devices/{user}", "read_users", USERS),
    get("/v1/fleet", "read", ANY),
    on("POST", "/v1/fleet/scale", "scale", FLEET),
    on("POST", "/v1/redrive", "redrive", FLEET),
    get("/v1/audit", "read", ANY),
    get("/v1/tokens", "tokens", ADMIN),
    on("POST", "/v1/tokens", "tokens", ADMIN),
    on("DELETE", "/v1/tokens/{id}", "tokens", ADMIN),
    get("/v1/webhooks", "webhooks", WEBHOOKS),
    on("POST", "/v1/webhooks", "webhooks", WEBHOOKS),
    on("DELETE", "/v1/webhooks/{id}", "webhooks", WEBHOOKS),
    get("/v1/webhooks/{id}/deliveries", "webhooks", WEBHOOKS),
    on("POST", "/v1/webhooks/{id}/test", "webhooks", WEBHOOKS),
];

/// Whether this role may see users' ids, where some of an answer is for everybody.
pub(crate) fn reads_users(role: Role) -> bool {
    USERS.role(role)
}

impl Lets {
    /// Whether a token of this role is let in.
    #[must_use]
    pub fn role(self, role: Role) -> bool {
        match self {
            Self::Open | Self::Local => true,
            Self::Roles(roles) => role == Role::Admin || roles.contains(&role),
        }
    }

    /// The roles, as a sentence names them.
    pub(crate) fn names(self) -> String {
        let names: Vec<_> = Role::ALL.into_iter().filter(|r| self.role(*r)).map(Role::label).collect();
        names.join(", ")
    }
}

/// Whether there is a route of this path.
pub(crate) fn knows(path: &str) -> bool {
    RULES.iter().any(|rule| rule.path == path)
}

/// The rule of a request.
pub(crate) fn find(method: &str, path: &str) -> Option<&'static Rule> {
    let method = if method == "HEAD" { "GET" } else { method };
    RULES.iter().find(|rule| rule.path == path && rule.method == method)
}

/// The methods of a path, for `Allow`.
pub(crate) fn methods(path: &str) -> String {
    let all: Vec<_> = RULES.iter().filter(|r| r.path == path).map(|r| r.method).collect();
    if all.contains(&"GET") { format!("{},HEAD", all.join(",")) } else { all.join(",") }
}

/// What a role may do, by the actions' names.
#[must_use]
pub fn can(role: Role) -> Vec<&'static str> {
    let wants = |rule: &&Rule| matches!(rule.lets, Lets::Roles(_)) && rule.lets.role(role);
    let mut found = Vec::new();
    for action in RULES.iter().filter(wants).map(|rule| rule.action) {
        if action != "session" && !found.contains(&action) {
            found.push(action);
        }
    }
    found.extend(OVERRIDE.1.role(role).then_some(OVERRIDE.0));
    found
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
