//! Pages, files, health.

use crate::apidoc::operation::{JSON, Operation, on};
use crate::problem::Code;
use crate::routes::{ConsoleView, Fine};

const HTML: &str = "text/html";
const KNOWN: &str = "The browser has it already: `If-None-Match` named it.";

pub(super) fn health() -> Vec<Operation> {
    vec![
        on("lives", "GET", "/healthz", "The process lives").free().ok::<Fine>("It lives."),
        on("is_ready", "GET", "/readyz", "A press would go through now")
            .free()
            .ok::<Fine>("It is ready.")
            .fails(&[Code::BackendUnavailable]),
        on("metrics", "GET", "/metrics", "Every metric of this process, for Prometheus")
            .about("On the same machine without a token; from elsewhere with any.")
            .free()
            .media("text/plain", "Prometheus' text format."),
    ]
}

pub(super) fn operations() -> Vec<Operation> {
    let page =
        |id, path, summary| on(id, "GET", path, summary).free().media(HTML, "The page.").bare(304, KNOWN);
    vec![
        page("campaigns_page", "/", "The console: campaigns"),
        page("campaign_page", "/campaigns/{id}", "The console: one campaign"),
        page("report_page", "/campaigns/{id}/report", "The console: a report"),
        page("sign_in_page", "/sign-in", "The console: signing in"),
        page("audit_page", "/audit", "The console: who did what"),
        page("fleet_page", "/fleet", "The console: workers"),
        page("tokens_page", "/tokens", "The console: tokens"),
        page("docs_page", "/docs", "This document, for people"),
        on("openapi", "GET", "/openapi.json", "This document, for programs")
            .free()
            .media(JSON, "OpenAPI 3.1.")
            .bare(304, KNOWN),
        on("asset", "GET", "/assets/{name}", "A file of the console")
            .free()
            .media("*/*", "The file.")
            .bare(304, KNOWN)
            .fails(&[Code::NotFound]),
        on("console_settings", "GET", "/v1/console", "The server's clock, and how the button is held")
            .free()
            .ok::<ConsoleView>("The settings."),
    ]
}
