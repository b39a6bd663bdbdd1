//! Holds every answer that any of these tests gets against the document of the API: its status, its media type, and the type of
//! its problem must stand there.

use super::client::{Ask, Reply};
use super::fixture::start;
use serde_json::Value;

/// The path as the document writes it.
fn template(path: &str) -> Option<&'static String> {
    let path = path.split('?').next().unwrap_or_default();
    let fits = |template: &&String| {
        let (mut ours, mut theirs) = (template.split('/'), path.split('/'));
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some(our), Some(their)) if our == their || (our.starts_with('{') && !their.is_empty()) => {}
                _ => return false,
            }
        }
    };
    let paths = api::apidoc::openapi()["paths"].as_object().unwrap();
    let exact = paths.keys().find(|template| *template == path);
    exact.or_else(|| paths.keys().find(fits))
}

fn resolved(value: &'static Value) -> &'static Value {
    let to = value["$ref"].as_str();
    to.map_or(value, |to| api::apidoc::openapi().pointer(to.trim_start_matches('#')).unwrap())
}

/// Panics when the answer is not one that the document has. What is no route, or another method, is not looked at.
pub(super) fn check(ask: &Ask, reply: &Reply) {
    let Some(template) = template(&ask.path) else { return };
    let method = if ask.method == "HEAD" { "get".to_owned() } else { ask.method.to_ascii_lowercase() };
    let Some(operation) = api::apidoc::openapi()["paths"][template].get(method) else { return };
    let place = format!("{} {template} -> {} {}", ask.method, reply.status, reply.text());
    let Some(answer) = operation["responses"].get(reply.status.to_string()) else {
        panic!("the document has no such answer: {place}");
    };
    let content = &resolved(answer)["content"];
    let kind = reply.header("content-type").map(|kind| kind.split(';').next().unwrap_or_default());
    let Some(kind) = kind else { return };
    if content.get("*/*").is_some() && reply.status == 200 {
        return;
    }
    let media = content.get(kind);
    assert!(media.is_some() || content.is_null(), "another media type, {kind}: {place}");
    if kind == api::PROBLEM_MEDIA_TYPE && ask.method != "HEAD" {
        let kinds = media.unwrap()["schema"]["properties"]["type"]["enum"].as_array().unwrap();
        assert!(
            kinds.contains(&reply.json()["type"]),
            "the document does not have this problem there: {place}"
        );
    }
}

#[tokio::test]
async fn the_document_and_its_page_are_for_everybody() {
    let api = start().await;
    let document = api.send(Ask::get("/openapi.json").nobody()).await;
    assert_eq!((document.status, document.header("content-type")), (200, Some("application/json")));
    assert_eq!(document.json(), *api::apidoc::openapi());
    let page = api.send(Ask::get("/docs").nobody()).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(
        page.header("content-security-policy").unwrap().starts_with("default-src 'none'; script-src 'self'")
    );
    for path in ["/openapi.json", "/docs"] {
        let tag = api.get(path).await.header("etag").unwrap().to_owned();
        let again = api.send(Ask::get(path).header("if-none-match", &tag)).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
    }
}
