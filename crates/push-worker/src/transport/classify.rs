//! What the end of a stream without an answer means.

use super::Reply;

/// After `h2` took the request. `h2` gives "GOAWAY by the other side" only to streams above the last one that the GOAWAY
/// names (RFC 9113, 6.8: not processed); those below end with the connection's own error. REFUSED_STREAM says the same
/// of one stream (8.7). All else may have been processed.
pub(super) fn after_hand_over(error: &h2::Error) -> Reply {
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    if error.is_remote() && (error.is_go_away() || refused) { Reply::NotSent } else { Reply::Ambiguous }
}

#[cfg(test)]
mod tests;
