//! Why a build ended without a snapshot, by what the caller does next.

use crate::fault::ListError;
use common::limits::LOCALES_MAX;
use common::ports::PortError;

/// Why there is no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Stop: the campaign is no longer being built, or not from this upload. Nothing is left behind.
    #[error("the build was cancelled")]
    Cancelled,
    /// Stop: another builder has the lease, and goes on from the checkpoints.
    #[error("another builder has taken over")]
    LeaseLost,
    /// Try again later: the checkpoints are kept.
    #[error("{0}")]
    Later(PortError),
    /// The upload is not a list; a person must upload another.
    #[error("the upload can't be used: {0}")]
    List(#[from] ListError),
    /// The upload is not in the object store; a person must upload it again.
    #[error("the uploaded list `{0}` is gone from the object store: upload it again")]
    UploadGone(String),
    /// The devices have more languages than a snapshot can number; a person must clean them up.
    #[error(
        "the audience's devices have more than {LOCALES_MAX} different locales, the most allowed: clean them up in the device table"
    )]
    TooManyLocales,
    /// A store refused or holds something unreadable; an engineer must look.
    #[error("{0}")]
    Store(PortError),
    /// A scratch object is not there, or is not what was written.
    #[error("the build's scratch object `{0}` is missing or damaged: upload the list again")]
    ScratchGone(String),
    /// The counts don't add up, or a part of the builder broke: a fault of the builder, and no snapshot was made.
    #[error("the build is faulty and was thrown away: {0}")]
    Faulty(String),
}

impl BuildError {
    /// Whether nobody goes on from here, so that scratch can go.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::LeaseLost | Self::Later(_))
    }

    pub(super) fn broken(e: &tokio::task::JoinError) -> Self {
        Self::Faulty(format!("a part of it broke off: {e}"))
    }
}

impl From<PortError> for BuildError {
    fn from(e: PortError) -> Self {
        if e.is_transient() { Self::Later(e) } else { Self::Store(e) }
    }
}
