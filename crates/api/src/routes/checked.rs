//! A router that takes no route without a rule.

use crate::App;
use crate::access::rules;
use axum::Router;
use axum::routing::MethodRouter;
use std::sync::Arc;

/// Routes that each have a line in the table of `access::rules`.
pub(super) struct Routes(Router<Arc<App>>);

impl Routes {
    pub(super) fn new() -> Self {
        Self(Router::new())
    }

    /// Adds a route. In a debug build one without a rule does not start; in a release it is not served.
    pub(super) fn route(self, path: &'static str, methods: MethodRouter<Arc<App>>) -> Self {
        debug_assert!(rules::knows(path), "{path} has no rule in crates/api/src/access/rules.rs");
        Self(self.0.route(path, methods))
    }

    pub(super) fn into_router(self) -> Router<Arc<App>> {
        self.0
    }
}
