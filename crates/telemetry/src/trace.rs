//! Trace context between processes, for crates that must not know a tracer: they hand a [`TraceParent`] on with an
//! envelope, and let a span follow the one that came with it. Until an exporter is installed nothing of it does anything.

use common::trace::TraceParent;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tracing::Span;

/// Spans with these names are exported, and no others. The first ones begin a trace; the others only go on with one.
pub const SPANS: [&str; 6] = ["press", "canary", "resume", "shard", "batch", "gateway group"];

/// Of these [`SPANS`], a trace begins here when there is none yet: each is one person's deed.
pub const ROOTS: [&str; 3] = ["press", "canary", "resume"];

/// What the exporter does for this module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tracer {
    pub(crate) current: fn(&Span) -> Option<TraceParent>,
    pub(crate) follow: fn(&Span, &TraceParent),
}

static TRACER: OnceLock<Tracer> = OnceLock::new();
static BATCHES_ONE_IN: AtomicU32 = AtomicU32::new(0);

#[cfg(feature = "export")]
pub(crate) fn install(tracer: Tracer, batches_one_in: u32) {
    BATCHES_ONE_IN.store(batches_one_in, Ordering::Relaxed);
    // A second call in one process changes nothing, and that is fine.
    let _ = TRACER.set(tracer);
}

/// The context to send along with what is sent now; `None` when nobody traces, or the current span is not followed.
#[must_use]
pub fn current() -> Option<TraceParent> {
    (TRACER.get()?.current)(&Span::current())
}

/// Makes a span the child of what came with an envelope. Call it before the span is entered.
pub fn follow(span: &Span, parent: Option<&TraceParent>) {
    if let (Some(tracer), Some(parent)) = (TRACER.get(), parent) {
        (tracer.follow)(span, parent);
    }
}

/// The context for the envelope of this batch: one batch in so many is followed, as the configuration says.
#[must_use]
pub fn of_batch(shard: Option<&TraceParent>, number: u32) -> Option<TraceParent> {
    let one_in = BATCHES_ONE_IN.load(Ordering::Relaxed);
    shard.filter(|_| one_in > 0 && number.is_multiple_of(one_in)).cloned()
}

#[cfg(all(test, not(feature = "export")))]
mod tests {
    use super::*;

    #[test]
    fn without_an_exporter_nothing_is_followed() {
        let parent: TraceParent =
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().expect("is good");
        follow(&tracing::info_span!("shard"), Some(&parent));
        assert_eq!((current(), of_batch(Some(&parent), 0)), (None, None));
    }
}
