//! All texts of a content, rendered, and found by a locale's number.

use crate::apns::{self, ApnsHeaders};
use crate::error::PayloadError;
use crate::fcm::FcmTemplate;
use bytes::Bytes;
use common::content::{Content, Text};
use common::device::Platform;
use common::ids::CampaignId;
use common::limits::PAYLOAD_BYTES_MAX;
use std::collections::BTreeMap;

/// One text for both gateways.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) apns: Bytes,
    pub(crate) fcm: FcmTemplate,
}

/// A content that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Rendered {
    headers: ApnsHeaders,
    pairs: Vec<Pair>,
    /// Place in `pairs` by number of the locale.
    by_locale: Vec<usize>,
    /// Place of what a device gets whose locale has no number.
    default: usize,
}

/// Renders a content for the locales that a snapshot numbers. The collapse id is the content's, or the campaign's id.
///
/// # Errors
/// Names the locale, the gateway and the size if a text is too long, or the field that a gateway would refuse.
pub fn render(content: &Content, campaign: CampaignId, locales: &[String]) -> Result<Rendered, PayloadError> {
    let collapse_id = collapse_id(content, campaign)?;
    let headers = apns::headers(content.silent, &collapse_id)?;
    let mut pairs = Vec::new();
    let mut places = BTreeMap::new();
    for (tag, text) in texts(content) {
        let pair = pair(content, tag, text, &collapse_id)?;
        check_sizes(tag, &pair)?;
        places.insert(tag, pairs.len());
        pairs.push(pair);
    }
    let default = places.get(content.default_locale.as_str()).copied().unwrap_or(0);
    let place = |locale: &String| places.get(content.resolve(locale)).copied().unwrap_or(default);
    Ok(Rendered { headers, by_locale: locales.iter().map(place).collect(), pairs, default })
}

impl Rendered {
    /// Headers of every APNs push.
    #[must_use]
    pub fn apns_headers(&self) -> &ApnsHeaders {
        &self.headers
    }

    /// The APNs body for a locale's number.
    #[must_use]
    pub fn apns(&self, locale: u8) -> &Bytes {
        &self.pairs[self.place(locale)].apns
    }

    /// Number of the text that devices of a locale's number get, below [`Rendered::texts`].
    #[must_use]
    pub fn place(&self, locale: u8) -> usize {
        self.by_locale.get(usize::from(locale)).copied().unwrap_or(self.default)
    }

    /// The FCM messages, one per text, by [`Rendered::place`].
    pub fn fcm(&self) -> impl Iterator<Item = &FcmTemplate> {
        self.pairs.iter().map(|pair| &pair.fcm)
    }

    /// How many texts there are; at least one.
    #[must_use]
    pub fn texts(&self) -> usize {
        self.pairs.len()
    }

    /// The largest payload for a gateway, in bytes, counted as [`crate::Sizes`] does.
    #[must_use]
    pub fn bytes_max(&self, platform: Platform) -> usize {
        self.pairs.iter().map(|pair| pair.bytes(platform)).max().unwrap_or(0)
    }
}

impl Pair {
    pub(crate) fn bytes(&self, platform: Platform) -> usize {
        match platform {
            Platform::Apns => self.apns.len(),
            Platform::Fcm => self.fcm.counted_bytes(),
        }
    }
}

/// The texts by language tag; of a silent content, the one that isn't there.
pub(crate) fn texts(content: &Content) -> Vec<(&str, Option<&Text>)> {
    if content.silent || content.texts.is_empty() {
        return vec![(content.default_locale.as_str(), None)];
    }
    content.texts.iter().map(|(tag, text)| (tag.as_str(), Some(text))).collect()
}

pub(crate) fn pair(
    content: &Content,
    tag: &str,
    text: Option<&Text>,
    collapse_id: &str,
) -> Result<Pair, PayloadError> {
    let fcm = FcmTemplate::new(content, tag, text, collapse_id)?;
    Ok(Pair { apns: apns::body(content, tag, text)?, fcm })
}

pub(crate) fn collapse_id(content: &Content, campaign: CampaignId) -> Result<String, PayloadError> {
    let id = content.collapse_id.clone().unwrap_or_else(|| campaign.to_string());
    if id.bytes().all(|b| b.is_ascii_graphic()) { Ok(id) } else { Err(PayloadError::CollapseId) }
}

fn check_sizes(tag: &str, pair: &Pair) -> Result<(), PayloadError> {
    for platform in Platform::ALL {
        let bytes = pair.bytes(platform);
        if bytes > PAYLOAD_BYTES_MAX {
            return Err(PayloadError::TooLarge {
                locale: tag.to_owned(),
                platform,
                bytes,
                max: PAYLOAD_BYTES_MAX,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
