//! Why a content can't be sent.

use common::device::Platform;

/// Why a content can't be rendered. All of them mean: change the content, then arm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// One text is too long for a gateway.
    #[error("the text for `{locale}` makes a payload of {bytes} bytes for {}, {max} are allowed: shorten it", .platform.label())]
    TooLarge {
        /// Language tag of the text; empty for a silent campaign.
        locale: String,
        /// For which gateway.
        platform: Platform,
        /// Its size in bytes, as [`crate::Sizes`] counts.
        bytes: usize,
        /// Largest size allowed, in bytes.
        max: usize,
    },
    /// A key of the content's data means something to a gateway.
    #[error("the data key `{key}` is reserved by {}: give it another name", .platform.label())]
    ReservedKey {
        /// The key.
        key: String,
        /// Whose word it is.
        platform: Platform,
    },
    /// The collapse id becomes a header.
    #[error("the collapse id may have visible ASCII characters only, because it becomes an HTTP header")]
    CollapseId,
    /// A payload crate could not write what it was given, which no content is known to bring about.
    #[error("the text for `{locale}` can't be written as JSON for {}", .platform.label())]
    Unwritable {
        /// Language tag of the text.
        locale: String,
        /// For which gateway.
        platform: Platform,
    },
}
