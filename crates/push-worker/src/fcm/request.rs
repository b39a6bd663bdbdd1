//! What goes to Google: the headers that a group shares, and each device's body.

use crate::gateway::{Answer, Push};
use crate::transport::{Request, Template};
use bytes::Bytes;
use common::device::Platform;
use common::outcome::Outcome;
use common::time::UnixMs;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, header};
use payload::{FcmAt, Rendered};

/// Room for one target (Google gives no bound; seen: 140 to 250 bytes).
const TARGET_BYTES: usize = 256;

/// The headers of a group.
pub(super) fn template(bearer: HeaderValue) -> Template {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(header::AUTHORIZATION, bearer);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Template { headers }
}

/// A group's messages: one buffer for all bodies, of which each request holds its slice.
pub(super) fn requests(
    pushes: &[Push<'_>],
    rendered: &Rendered,
    path: &PathAndQuery,
    deadline_at: UnixMs,
    now: UnixMs,
) -> (Vec<Request>, Vec<(u16, Answer)>) {
    // Whole seconds that are left, so that nothing is shown after the deadline.
    let ttl_s = deadline_at.since(now).as_secs();
    let messages: Vec<FcmAt> = rendered.fcm().map(|template| template.at(ttl_s)).collect();
    let each = messages.iter().map(FcmAt::len_without_target).max().unwrap_or(0) + TARGET_BYTES;
    let mut buffer = Vec::with_capacity(each * pushes.len());
    let (mut ends, mut unsendable) = (Vec::with_capacity(pushes.len()), Vec::new());
    for push in pushes {
        match messages.get(rendered.place(push.locale)) {
            Some(message) if push.target.platform() == Platform::Fcm => {
                let start = buffer.len();
                message.write(push.target, &mut buffer);
                ends.push((push.place, start..buffer.len()));
            }
            _ => unsendable.push((push.place, Answer::Rejected(Outcome::Unsendable))),
        }
    }
    let buffer = Bytes::from(buffer);
    let one = |(place, range)| Request { place, path: path.clone(), body: buffer.slice(range) };
    (ends.into_iter().map(one).collect(), unsendable)
}
