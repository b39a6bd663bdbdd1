//! One NDJSON line of an import: the same names as the columns; numbers and booleans where they make sense.

use super::row::{Raw, Rows, bad};
use crate::users::json_fault;
use common::device::{BadField, DeviceRow};
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object<'a> {
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    #[serde(borrow)]
    platform: Cow<'a, str>,
    #[serde(borrow)]
    token: Cow<'a, str>,
    #[serde(borrow, default)]
    locale: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    timezone: Option<Cow<'a, str>>,
    #[serde(default)]
    opted_out: Option<bool>,
    #[serde(borrow, default)]
    registered_at: Option<Instant<'a>>,
    #[serde(borrow, default)]
    app: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    environment: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    target_kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Instant<'a> {
    Number(u64),
    Text(#[serde(borrow)] Cow<'a, str>),
}

pub(super) fn row(line: &str, rows: &mut Rows) -> Result<DeviceRow, BadField> {
    let o: Object<'_> = serde_json::from_str(line).map_err(|e| bad("line", json_fault(&e)))?;
    let number = match &o.registered_at {
        Some(Instant::Number(n)) => n.to_string(),
        _ => String::new(),
    };
    let registered_at = match &o.registered_at {
        Some(Instant::Text(text)) => text,
        _ => number.as_str(),
    };
    rows.check(&Raw {
        user_id: &o.user_id,
        platform: &o.platform,
        token: &o.token,
        locale: o.locale.as_deref().unwrap_or(""),
        timezone: o.timezone.as_deref().unwrap_or(""),
        opted_out: o.opted_out.map_or("", |out| if out { "true" } else { "false" }),
        registered_at,
        app: o.app.as_deref().unwrap_or(""),
        environment: o.environment.as_deref().unwrap_or(""),
        target_kind: o.target_kind.as_deref().unwrap_or(""),
    })
}
