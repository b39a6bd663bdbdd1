//! What goes out, for people to read before it does.

use crate::error::PayloadError;
use crate::rendered::{collapse_id, pair, texts};
use common::content::Content;
use common::ids::CampaignId;
use common::limits::PAYLOAD_BYTES_MAX;
use schemars::JsonSchema;
use serde::Serialize;

/// Sizes of one text's payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sizes {
    /// APNs: all bytes of the JSON, as Apple counts.
    pub apns_bytes: usize,
    /// FCM: JSON bytes of `data`, `notification` and `android.notification`. Google counts the keys and texts in them,
    /// which is a little less, and neither target nor options.
    pub fcm_bytes: usize,
    /// Largest size allowed for each, in bytes.
    pub max_bytes: usize,
    /// Both are within it.
    pub fits: bool,
}

/// One text as each gateway gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Preview {
    /// Its language tag.
    pub locale: String,
    /// APNs' payload.
    pub apns_json: String,
    /// FCM's message, with `TOKEN` for the device and a `ttl` of 0 s.
    pub fcm_json: String,
    /// How large they are.
    pub sizes: Sizes,
}

/// Every text of a content. One that is too long is shown all the same, and marked.
///
/// # Errors
/// Names the field that a gateway would refuse.
pub fn preview(content: &Content, campaign: CampaignId) -> Result<Vec<Preview>, PayloadError> {
    let collapse_id = collapse_id(content, campaign)?;
    let one = |(tag, text)| {
        let pair = pair(content, tag, text, &collapse_id)?;
        let (apns_bytes, fcm_bytes) = (pair.apns.len(), pair.fcm.counted_bytes());
        let mut fcm = Vec::new();
        pair.fcm.at(0).write(common::device::TargetRef::FcmToken("TOKEN"), &mut fcm);
        let fits = apns_bytes.max(fcm_bytes) <= PAYLOAD_BYTES_MAX;
        Ok(Preview {
            locale: String::from(tag),
            apns_json: String::from_utf8_lossy(&pair.apns).into_owned(),
            fcm_json: String::from_utf8_lossy(&fcm).into_owned(),
            sizes: Sizes { apns_bytes, fcm_bytes, max_bytes: PAYLOAD_BYTES_MAX, fits },
        })
    };
    texts(content).into_iter().map(one).collect()
}
