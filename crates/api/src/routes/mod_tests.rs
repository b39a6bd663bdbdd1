use super::*;
use crate::access::rules::RULES;
use axum::body::Body;
use axum::http::{StatusCode, header};
use common::time::{Clock, SystemClock};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use std::collections::BTreeSet;

/// Every path in the router's source.
fn paths() -> BTreeSet<&'static str> {
    let source = include_str!("mod.rs");
    source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The router itself says which methods it has: `Allow` of a request by a method that no route has.
async fn served() -> BTreeSet<(String, String)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let control = Control::new(contract::memory::backend(clock.clone()), clock);
    let app = Arc::new(App::new(control, ApiConfig::default(), Arc::default(), CancellationToken::new()));
    let router = TowerToHyperService::new(all(&app).with_state(Arc::clone(&app)));
    let mut found = BTreeSet::new();
    for path in paths() {
        let request = axum::extract::Request::builder().method("PROBE").uri(path).body(Body::empty());
        let answer = router.call(request.unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allow = answer.headers()[header::ALLOW].to_str().unwrap();
        found.extend(allow.split(',').filter(|m| *m != "HEAD").map(|m| (m.to_owned(), path.to_owned())));
    }
    found
}

#[tokio::test]
async fn every_route_has_its_rule_and_every_rule_its_route() {
    let rules: BTreeSet<_> = RULES.iter().map(|r| (r.method.to_owned(), r.path.to_owned())).collect();
    assert_eq!(rules.len(), RULES.len(), "two rules for one route");
    assert_eq!(served().await, rules, "the rules are in crates/api/src/access/rules.rs");
}
