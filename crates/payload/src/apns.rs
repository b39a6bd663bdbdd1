//! APNs: one body per text, the same bytes for every device, and headers that are the same for the whole campaign.

use crate::error::PayloadError;
use a2::request::payload::{APS, PayloadLike as _};
use a2::{
    CollapseId, DefaultNotificationBuilder, NotificationBuilder as _, NotificationOptions, Priority, PushType,
};
use bytes::Bytes;
use common::content::{Content, Text};
use common::device::Platform;

/// The only key of an APNs payload that is not ours to use.
const RESERVED: &str = "aps";

/// Headers that all pushes of a campaign share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApnsHeaders {
    /// `apns-push-type`: `alert`, or `background` for a silent campaign.
    pub push_type: String,
    /// `apns-priority`: 10 for an alert; 5 for a background push, the only one that Apple takes there.
    pub priority: String,
    /// `apns-collapse-id`, at most [`common::limits::COLLAPSE_ID_BYTES_MAX`] bytes of visible ASCII.
    pub collapse_id: String,
}

/// The headers of a campaign.
pub(crate) fn headers(silent: bool, collapse_id: &str) -> Result<ApnsHeaders, PayloadError> {
    let options = options(silent, collapse_id)?;
    let text = |value: Option<String>| value.unwrap_or_default();
    Ok(ApnsHeaders {
        push_type: text(options.apns_push_type.map(|t| t.to_string())),
        priority: text(options.apns_priority.map(|p| p.to_string())),
        collapse_id: text(options.apns_collapse_id.map(|id| id.value.to_owned())),
    })
}

fn options(silent: bool, collapse_id: &str) -> Result<NotificationOptions<'_>, PayloadError> {
    Ok(NotificationOptions {
        apns_push_type: Some(if silent { PushType::Background } else { PushType::Alert }),
        apns_priority: Some(if silent { Priority::Normal } else { Priority::High }),
        apns_collapse_id: Some(CollapseId::new(collapse_id).map_err(|_| PayloadError::CollapseId)?),
        ..NotificationOptions::default()
    })
}

/// The body for one text; `None` for a silent campaign.
pub(crate) fn body(content: &Content, locale: &str, text: Option<&Text>) -> Result<Bytes, PayloadError> {
    let unwritable = |_| PayloadError::Unwritable { locale: locale.to_owned(), platform: Platform::Apns };
    let mut payload = builder(content, text).build("", NotificationOptions::default());
    // The builder says 0 where it should say nothing.
    payload.aps = APS { mutable_content: None, ..payload.aps };
    for (key, value) in &content.data {
        if key == RESERVED {
            return Err(PayloadError::ReservedKey { key: key.clone(), platform: Platform::Apns });
        }
        payload.add_custom_data(key, value).map_err(unwritable)?;
    }
    Ok(payload.to_json_string().map_err(unwritable)?.into())
}

fn builder<'a>(content: &'a Content, text: Option<&'a Text>) -> DefaultNotificationBuilder<'a> {
    let mut builder = DefaultNotificationBuilder::new();
    let Some(text) = text else { return builder.set_content_available() };
    if !text.title.is_empty() {
        builder = builder.set_title(&text.title);
    }
    if !text.body.is_empty() {
        builder = builder.set_body(&text.body);
    }
    match &content.sound {
        Some(sound) => builder.set_sound(sound),
        None => builder,
    }
}
