//! What the requests of a group share: a POST with these header fields, and how each is to be compressed.

use std::sync::atomic::{AtomicU64, Ordering};

/// How a field is compressed (RFC 7541, 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Sent once, then one or two octets (6.1): what is the same in all requests, such as FCM's bearer.
    Indexed,
    /// Sent each time and never entered in the table (6.2.2): what Apple wants of `authorization`.
    Literal,
    /// The same, and every intermediary must keep it so (6.2.3).
    NeverIndexed,
}

#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) policy: Policy,
}

/// The path of a group's requests.
#[derive(Clone, Debug)]
pub(crate) enum Path {
    /// The same for all.
    Whole(Fixed),
    /// Begins so; each request adds its own rest.
    Begins(Vec<u8>),
}

/// The fields that all requests of a group share. Made once, used for many groups on many connections; a new bearer is a
/// new template. Names must be lower case (RFC 9113, 8.2); nothing here checks what names and values mean.
#[derive(Clone, Debug)]
pub struct Template {
    pub(crate) id: u64,
    /// Method, scheme, authority.
    pub(crate) pseudo: [Fixed; 3],
    pub(crate) path: Path,
    pub(crate) fields: Vec<Fixed>,
    pub(crate) own: Vec<Vec<u8>>,
}

static NEXT: AtomicU64 = AtomicU64::new(1);

fn fixed(name: &str, value: impl Into<Vec<u8>>, policy: Policy) -> Fixed {
    Fixed { name: name.to_ascii_lowercase().into_bytes(), value: value.into(), policy }
}

impl Template {
    fn new(authority: &str, path: Path) -> Self {
        let pseudo = [
            fixed(":method", "POST", Policy::Indexed),
            fixed(":scheme", "https", Policy::Indexed),
            fixed(":authority", authority, Policy::Indexed),
        ];
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), pseudo, path, fields: Vec::new(), own: Vec::new() }
    }

    /// Requests with one path for all; theirs is left unread.
    #[must_use]
    pub fn to_path(authority: &str, path: &str) -> Self {
        Self::new(authority, Path::Whole(fixed(":path", path, Policy::Indexed)))
    }

    /// Requests whose paths begin alike; each adds its own rest. Sent as a literal without indexing.
    #[must_use]
    pub fn to_paths_below(authority: &str, begins: &str) -> Self {
        Self::new(authority, Path::Begins(begins.as_bytes().to_vec()))
    }

    /// Adds a field with the same value in all requests.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Vec<u8>>, policy: Policy) -> Self {
        self.id = NEXT.fetch_add(1, Ordering::Relaxed);
        self.fields.push(fixed(name, value, policy));
        self
    }

    /// Adds a field of which each request gives its own value (in the order of these calls). Its name is indexed once,
    /// its values are literals: what Apple wants of `apns-id` and `apns-collapse-id`.
    #[must_use]
    pub fn with_own(mut self, name: &str) -> Self {
        self.id = NEXT.fetch_add(1, Ordering::Relaxed);
        self.own.push(name.to_ascii_lowercase().into_bytes());
        self
    }
}
