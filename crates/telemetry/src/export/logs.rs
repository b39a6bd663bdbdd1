//! Log lines as flat JSON objects, one a line: the fields of the event and of all spans around it side by side, so that
//! CloudWatch Logs Insights can filter by `campaign`, `shard` or `batch` without a path.

use super::json::Fields;
use super::{Lines, now_ms};
use common::time::UnixMs;
use serde_json::{Map, Value};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Writes a line for each event.
pub(super) struct JsonLines {
    service: &'static str,
    lines: Lines,
}

/// A span's fields, kept with it.
struct Kept(Map<String, Value>);

impl JsonLines {
    pub(super) fn new(service: &'static str, lines: Lines) -> Self {
        Self { service, lines }
    }

    /// What every line has; no field can replace it.
    fn head(&self, event: &Event<'_>, fields: &mut Map<String, Value>) {
        let about = event.metadata();
        fields.insert("timestamp".to_owned(), UnixMs(now_ms()).rfc3339().into());
        fields.insert("level".to_owned(), about.level().as_str().into());
        fields.insert("target".to_owned(), about.target().into());
        fields.insert("service".to_owned(), self.service.into());
        fields.entry("message").or_insert_with(|| "".into());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLines {
    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let mut fields = Map::new();
        attrs.record(&mut Fields(&mut fields));
        span.extensions_mut().insert(Kept(fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        if let Some(Kept(fields)) = span.extensions_mut().get_mut::<Kept>() {
            values.record(&mut Fields(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut fields = Map::new();
        for span in ctx.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(Kept(kept)) = span.extensions().get::<Kept>() {
                fields.extend(kept.clone());
            }
        }
        event.record(&mut Fields(&mut fields));
        self.head(event, &mut fields);
        let mut line = Value::Object(fields).to_string();
        line.push('\n');
        (self.lines)(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    fn lines_of(what: impl FnOnce()) -> Vec<Value> {
        let all = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&all);
        let lines: Lines = Arc::new(move |bytes| into.lock().expect("no panic").push(bytes.to_vec()));
        let subscriber = tracing_subscriber::registry().with(JsonLines::new("push-worker", lines));
        tracing::subscriber::with_default(subscriber, what);
        let all = all.lock().expect("no panic");
        all.iter()
            .map(|line| {
                let text = std::str::from_utf8(line).expect("UTF-8");
                assert_eq!(text.matches('\n').count(), 1, "one line");
                serde_json::from_str(text).expect("a JSON object")
            })
            .collect()
    }

    #[test]
    fn fields_of_all_spans_stand_beside_those_of_the_event() {
        let lines = lines_of(|| {
            let outer =
                tracing::info_span!("shard", campaign = "c1", shard = 3, batch = tracing::field::Empty);
            let _in = outer.entered();
            let inner = tracing::info_span!("batch", batch = "3/7");
            inner
                .in_scope(|| tracing::warn!(count = 2_u64, ok = false, text = "two\nlines", "batch put off"));
            tracing::info!("shard expanded");
        });
        let first = &lines[0];
        for (name, value) in [
            ("campaign", Value::from("c1")),
            ("shard", 3.into()),
            ("batch", "3/7".into()),
            ("count", 2.into()),
            ("ok", false.into()),
            ("text", "two\nlines".into()),
            ("level", "WARN".into()),
            ("message", "batch put off".into()),
            ("service", "push-worker".into()),
            ("target", module_path!().into()),
        ] {
            assert_eq!(first[name], value, "{name}");
        }
        assert_eq!(first["timestamp"].as_str().map(str::len), Some("2026-01-01T00:00:00.000Z".len()));
        assert_eq!(
            (lines[1].get("batch"), lines[1]["shard"].as_i64()),
            (None, Some(3)),
            "the inner span has ended"
        );
    }

    #[test]
    fn no_field_hides_what_every_line_has() {
        let lines =
            lines_of(|| tracing::info!(level = "x", service = "y", timestamp = 0, target = "z", "as it is"));
        assert_eq!((&lines[0]["level"], &lines[0]["service"]), (&"INFO".into(), &"push-worker".into()));
        assert_eq!(lines[0]["target"], module_path!());
        assert!(lines[0]["timestamp"].is_string());
    }
}
