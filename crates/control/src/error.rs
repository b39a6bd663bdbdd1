//! Why an operation did not happen. Named for what the caller does next.

use crate::preflight::Preflight;
use audience::listing::ListingError;
use common::campaign::Refusal;
use common::device::BadField;
use common::ports::PortError;

/// Why an operation did not happen. Nothing was changed then.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ControlError {
    /// There is no such campaign (or user, or batch).
    #[error("{0}")]
    NotFound(String),
    /// The state table forbids it; the text says what to do instead.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// A field of the request is wrong.
    #[error("{0}")]
    BadField(#[from] BadField),
    /// Preflight has red lights; nothing is armed.
    #[error("not armed: {}", .0.reds())]
    NotReady(Box<Preflight>),
    /// Others kept changing the record; try again.
    #[error("others are changing this campaign at the same time; try again")]
    Busy,
    /// The backend could not do it.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl From<ListingError> for ControlError {
    fn from(error: ListingError) -> Self {
        match error {
            ListingError::Port(error) => error.into(),
            ListingError::NoSnapshot(_) | ListingError::NoShard { .. } | ListingError::NoBatch { .. } => {
                Self::NotFound(error.to_string())
            }
            other => PortError::Corrupt { what: "snapshot", why: other.to_string() }.into(),
        }
    }
}
