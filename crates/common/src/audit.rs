//! The audit trail: who changed what, when, from where. Append-only, written outside the press's path.

use crate::ids::CampaignId;
use crate::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// When.
    pub at: UnixMs,
    /// Who.
    pub by: String,
    /// From which address.
    pub from: String,
    /// What, such as `campaign.press`.
    pub action: String,
    /// On which campaign.
    pub campaign: Option<CampaignId>,
    /// What came of it: state before and after, or the refusal.
    pub result: String,
}
