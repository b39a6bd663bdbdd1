//! What goes to Apple: the headers that a group shares, and each device's path and body.

use crate::gateway::{Answer, Push};
use crate::transport::{Request, Template};
use common::device::TargetRef;
use common::outcome::Outcome;
use common::time::UnixMs;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use payload::Rendered;

const TOPIC: HeaderName = HeaderName::from_static("apns-topic");
const PUSH_TYPE: HeaderName = HeaderName::from_static("apns-push-type");
const PRIORITY: HeaderName = HeaderName::from_static("apns-priority");
const EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
const COLLAPSE_ID: HeaderName = HeaderName::from_static("apns-collapse-id");
const PATH: &str = "/3/device/";

/// The headers of a campaign, but for the two that change.
pub(super) fn campaign_headers(rendered: &Rendered, topic: &HeaderValue) -> Option<HeaderMap> {
    let shared = rendered.apns_headers();
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(TOPIC, topic.clone());
    headers.insert(PUSH_TYPE, HeaderValue::from_str(&shared.push_type).ok()?);
    headers.insert(PRIORITY, HeaderValue::from_str(&shared.priority).ok()?);
    headers.insert(COLLAPSE_ID, HeaderValue::from_str(&shared.collapse_id).ok()?);
    Some(headers)
}

/// The headers of a group: `apns-expiration` is the deadline in seconds, rounded down.
pub(super) fn template(campaign: &HeaderMap, bearer: HeaderValue, deadline_at: UnixMs) -> Template {
    let mut headers = campaign.clone();
    headers.insert(EXPIRATION, HeaderValue::from((deadline_at.0 / 1000).max(0)));
    headers.insert(header::AUTHORIZATION, bearer);
    Template { headers }
}

/// One device's request; the answer at once if it is not APNs' to send.
pub(super) fn request(push: &Push<'_>, rendered: &Rendered) -> Result<Request, Answer> {
    if !matches!(push.target, TargetRef::Apns(_)) {
        return Err(Answer::Rejected(Outcome::Unsendable));
    }
    let mut path = Vec::with_capacity(PATH.len() + 64);
    path.extend_from_slice(PATH.as_bytes());
    push.target.write_text(&mut path);
    let path = PathAndQuery::from_maybe_shared(bytes::Bytes::from(path));
    let path = path.map_err(|_| Answer::Rejected(Outcome::Unsendable))?;
    Ok(Request { place: push.place, path, body: rendered.apns(push.locale).clone() })
}
