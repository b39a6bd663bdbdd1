//! What a request says before its body, as far as a gateway looks at it: the same for both servers.

use http::request::Parts;

/// The headers that are looked at, in the order of [`Head::from_places`].
pub(super) const WANTED: [&str; 9] = [
    ":method",
    ":path",
    "authorization",
    "apns-id",
    "apns-topic",
    "apns-push-type",
    "apns-priority",
    "apns-expiration",
    "apns-collapse-id",
];

/// A request's head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) method: &'a [u8],
    pub(super) path: &'a str,
    pub(super) authorization: Option<&'a [u8]>,
    pub(super) id: Option<&'a [u8]>,
    pub(super) topic: Option<&'a [u8]>,
    pub(super) push_type: Option<&'a [u8]>,
    pub(super) priority: Option<&'a [u8]>,
    pub(super) expiration: Option<&'a [u8]>,
    pub(super) collapse_id: Option<&'a [u8]>,
}

impl<'a> Head<'a> {
    /// From what `value` says of each place in [`WANTED`].
    pub(super) fn from_places(value: impl Fn(usize) -> Option<&'a [u8]>) -> Self {
        Self {
            method: value(0).unwrap_or_default(),
            // What is no text is no path that we know.
            path: value(1).and_then(|path| std::str::from_utf8(path).ok()).unwrap_or_default(),
            authorization: value(2),
            id: value(3),
            topic: value(4),
            push_type: value(5),
            priority: value(6),
            expiration: value(7),
            collapse_id: value(8),
        }
    }

    /// As the `h2` crate gives it.
    pub(super) fn of(parts: &'a Parts) -> Self {
        Self::from_places(|place| match place {
            0 => Some(parts.method.as_str().as_bytes()),
            1 => Some(parts.uri.path().as_bytes()),
            _ => parts.headers.get(*WANTED.get(place)?).map(http::HeaderValue::as_bytes),
        })
    }
}
