//! Choices that go with a campaign.

use crate::device::{BadField, Environment};
use crate::limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Choices that go with a campaign from its creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Nothing is sent later than this after the press, in milliseconds.
    #[schemars(range(min = limits::DEADLINE_MS_MIN, max = limits::DEADLINE_MS_MAX))]
    pub deadline_ms: u64,
    /// Shards of the snapshot: envelopes on the FIFO queue.
    #[schemars(range(min = 1, max = limits::SHARDS_MAX))]
    pub shards: u16,
    /// Users of a batch.
    #[schemars(range(min = 1, max = limits::BATCH_USERS_MAX))]
    pub batch_users: u16,
    /// Send again what was written and never answered (under the same collapse id). Off: it is counted as ambiguous.
    pub resend_ambiguous: bool,
    /// Only devices of this app; all when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Only devices of this environment.
    pub environment: Environment,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deadline_ms: limits::DEADLINE_MS_DEFAULT,
            shards: limits::SHARDS_DEFAULT,
            batch_users: limits::BATCH_USERS_DEFAULT,
            resend_ambiguous: false,
            app: None,
            environment: Environment::Production,
        }
    }
}

impl Options {
    /// Checks the numbers against their limits.
    ///
    /// # Errors
    /// Names the field and the range.
    pub fn checked(self) -> Result<Self, BadField> {
        use limits::{BATCH_USERS_MAX, DEADLINE_MS_MAX, DEADLINE_MS_MIN, SHARDS_MAX};
        let within = |field, value: u64, lo: u64, hi: u64| {
            let why = format!("is {value}, {lo} to {hi} are allowed");
            if (lo..=hi).contains(&value) { Ok(()) } else { Err(BadField { field, why }) }
        };
        within("options.deadline_ms", self.deadline_ms, DEADLINE_MS_MIN, DEADLINE_MS_MAX)?;
        within("options.shards", self.shards.into(), 1, SHARDS_MAX.into())?;
        within("options.batch_users", self.batch_users.into(), 1, BATCH_USERS_MAX.into())?;
        Ok(self)
    }
}
