//! What goes to Google: the headers that a group shares, and each device's body.

use crate::gateway::Push;
use common::device::Platform;
use common::time::UnixMs;
use http::{HeaderValue, header};
use payload::{FcmAt, Rendered};
use wire::{Policy, Request, Template};

/// Room for one target (Google gives no bound; seen: 140 to 250 bytes).
const TARGET_BYTES: usize = 256;

/// How a message begins that Google only looks at, instead of its brace.
pub(super) const VALIDATE_ONLY: &[u8] = b"{\"validate_only\":true,";

/// What the requests of a group share. The token is sent once on each connection; later requests name it with one byte.
pub(super) fn template(authority: &str, path: &str, bearer: &HeaderValue) -> Template {
    Template::to_path(authority, path)
        .with(header::AUTHORIZATION.as_str(), bearer.as_bytes(), Policy::Indexed)
        .with(header::CONTENT_TYPE.as_str(), "application/json", Policy::Indexed)
}

/// A group's messages, in one buffer.
pub(super) struct Bodies {
    text: Vec<u8>,
    /// Place and where its body ends.
    ends: Vec<(u16, usize)>,
    /// Pushes that are not FCM's to send, or in no locale that was rendered.
    pub(super) unsendable: Vec<u16>,
}

impl Bodies {
    /// Writes them into `text`, over what it held.
    pub(super) fn new(
        mut text: Vec<u8>,
        pushes: &[Push<'_>],
        rendered: &Rendered,
        deadline_at: UnixMs,
        now: UnixMs,
    ) -> Self {
        // Whole seconds that are left, so that nothing is shown after the deadline.
        let ttl_s = deadline_at.since(now).as_secs();
        let messages: Vec<FcmAt> = rendered.fcm().map(|template| template.at(ttl_s)).collect();
        let each = messages.iter().map(FcmAt::len_without_target).max().unwrap_or(0) + TARGET_BYTES;
        text.clear();
        text.reserve(each * pushes.len());
        let mut bodies = Self { text, ends: Vec::with_capacity(pushes.len()), unsendable: Vec::new() };
        for push in pushes {
            match messages.get(rendered.place(push.locale)) {
                Some(message) if push.target.platform() == Platform::Fcm => {
                    message.write(push.target, &mut bodies.text);
                    bodies.ends.push((push.place, bodies.text.len()));
                }
                _ => bodies.unsendable.push(push.place),
            }
        }
        bodies
    }

    /// The buffer, for other bodies.
    pub(super) fn into_text(self) -> Vec<u8> {
        self.text
    }

    /// The devices' requests, tagged with their places; without the first brace where [`VALIDATE_ONLY`] brings it.
    pub(super) fn requests(&self, without_brace: bool) -> Vec<Request<'_>> {
        let (mut start, skip) = (0, usize::from(without_brace));
        let one = |&(place, end): &(u16, usize)| {
            let body = self.text.get(start + skip..end).unwrap_or_default();
            start = end;
            Request { tag: u64::from(place), path: b"", own: &[], body }
        };
        self.ends.iter().map(one).collect()
    }
}
