//! What goes to Apple: the headers that a group shares, and each device's path and body.

use crate::gateway::Push;
use common::device::TargetRef;
use common::time::UnixMs;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use payload::Rendered;
use wire::{Policy, Request, Template};

const TOPIC: HeaderName = HeaderName::from_static("apns-topic");
const PUSH_TYPE: HeaderName = HeaderName::from_static("apns-push-type");
const PRIORITY: HeaderName = HeaderName::from_static("apns-priority");
const EXPIRATION: HeaderName = HeaderName::from_static("apns-expiration");
const COLLAPSE_ID: HeaderName = HeaderName::from_static("apns-collapse-id");
const PATH: &str = "/3/device/";
/// Room for one token (today's have 64 digits).
const TOKEN_BYTES: usize = 64;

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

/// What the requests of a group share: `apns-expiration` is the deadline in seconds, rounded down. Path and token are
/// literals, all else is compressed away, as Apple asks for.
pub(super) fn template(
    authority: &str,
    campaign: &HeaderMap,
    bearer: &HeaderValue,
    deadline_at: UnixMs,
) -> Template {
    let expiration = (deadline_at.0 / 1000).max(0).to_string();
    let begin = Template::to_paths_below(authority, PATH);
    let campaigns = campaign.iter().fold(begin, |template, (name, value)| {
        template.with(name.as_str(), value.as_bytes(), Policy::Indexed)
    });
    campaigns.with(EXPIRATION.as_str(), expiration, Policy::Indexed).with(
        header::AUTHORIZATION.as_str(),
        bearer.as_bytes(),
        Policy::NeverIndexed,
    )
}

/// The devices' tokens, each as the end of a path, and whose they are. Pushes that are not APNs' to send are left out.
pub(super) struct Paths {
    text: Vec<u8>,
    /// Place, locale and where its token ends.
    ends: Vec<(u16, u8, usize)>,
}

impl Paths {
    pub(super) fn new(pushes: &[Push<'_>]) -> Self {
        let mut paths = Self {
            text: Vec::with_capacity(pushes.len() * TOKEN_BYTES),
            ends: Vec::with_capacity(pushes.len()),
        };
        for push in pushes.iter().filter(|push| is_ours(push)) {
            push.target.write_text(&mut paths.text);
            paths.ends.push((push.place, push.locale, paths.text.len()));
        }
        paths
    }

    /// The devices' requests, tagged with their places.
    pub(super) fn requests<'a>(&'a self, rendered: &'a Rendered) -> Vec<Request<'a>> {
        let mut start = 0;
        let one = |&(place, locale, end): &(u16, u8, usize)| {
            let path = self.text.get(start..end).unwrap_or_default();
            start = end;
            Request { tag: u64::from(place), path, own: &[], body: rendered.apns(locale) }
        };
        self.ends.iter().map(one).collect()
    }
}

/// Whether it is APNs' to send.
pub(super) fn is_ours(push: &Push<'_>) -> bool {
    matches!(push.target, TargetRef::Apns(_))
}
