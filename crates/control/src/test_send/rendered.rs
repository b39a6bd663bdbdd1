//! What a dry run without a list shows: every text as both gateways get it, measured.

use common::campaign::Campaign;
use common::device::{BadField, Platform};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One text for one gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RenderedText {
    /// The gateway.
    pub platform: Platform,
    /// Language tag of the text; the default one's for a silent campaign.
    pub locale: String,
    /// Size as the gateway counts it, in bytes.
    pub bytes: usize,
    /// Most bytes allowed.
    pub max_bytes: usize,
    /// Whether it is within them.
    pub fits: bool,
}

/// Renders every text for both gateways, and checks sizes, headers and names of data.
pub(super) fn render(campaign: &Campaign) -> Result<Vec<RenderedText>, BadField> {
    let bad = |e: payload::PayloadError| BadField { field: "content", why: e.to_string() };
    let texts = payload::preview(&campaign.content, campaign.id).map_err(bad)?;
    let tags: Vec<String> = texts.iter().map(|t| t.locale.clone()).collect();
    // Says which text is too long, and the headers that Apple would refuse.
    payload::render(&campaign.content, campaign.id, &tags).map_err(bad)?;
    let both = |t: &payload::Preview| {
        let max_bytes = t.sizes.max_bytes;
        [(Platform::Apns, t.sizes.apns_bytes), (Platform::Fcm, t.sizes.fcm_bytes)].map(|(platform, bytes)| {
            RenderedText { platform, locale: t.locale.clone(), bytes, max_bytes, fits: bytes <= max_bytes }
        })
    };
    Ok(texts.iter().flat_map(both).collect())
}
