//! What a notification says, per locale, or that it says nothing (a silent one).
//!
//! Rendering it into a gateway's payload is the `payload` crate's work; this knows words and rules only.

use crate::device::{BadField, parse_locale};
use crate::ids::ContentId;
use crate::limits::COLLAPSE_ID_BYTES_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The text of one locale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// The bold line.
    #[serde(default)]
    pub title: String,
    /// The text below it.
    #[serde(default)]
    pub body: String,
}

/// What a campaign sends.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// A silent campaign wakes the app and shows nothing: an APNs background push, an FCM data message.
    #[serde(default)]
    pub silent: bool,
    /// Text by language tag. Must hold the default locale, unless silent.
    #[serde(default)]
    pub texts: BTreeMap<String, Text>,
    /// The locale for devices whose own is not among the texts. `en` when left out.
    #[serde(default = "default_locale")]
    pub default_locale: String,
    /// Name of the sound file in the app, or `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<String>,
    /// Text pairs handed to the app, such as a deep link.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    /// A phone shows one notification for each collapse id; the campaign's id when left out. At most 64 bytes.
    #[schemars(length(min = 1, max = COLLAPSE_ID_BYTES_MAX))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapse_id: Option<String>,
}

fn default_locale() -> String {
    "en".to_owned()
}

impl Content {
    /// A content with one English text.
    #[must_use]
    pub fn english(title: &str, body: &str) -> Self {
        let text = Text { title: title.to_owned(), body: body.to_owned() };
        Self {
            texts: BTreeMap::from([(default_locale(), text)]),
            default_locale: default_locale(),
            ..Self::default()
        }
    }

    /// A content that shows nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self { silent: true, default_locale: default_locale(), ..Self::default() }
    }

    /// Checks it, and brings its language tags into their usual form.
    ///
    /// # Errors
    /// Names the field at fault and what would be right. The payload's size is checked where it is rendered.
    pub fn checked(mut self) -> Result<Self, BadField> {
        let bad = |field, why: String| Err(BadField { field, why });
        self.default_locale = parse_locale(&self.default_locale)?;
        let mut texts = BTreeMap::new();
        for (tag, text) in std::mem::take(&mut self.texts) {
            let tag = parse_locale(&tag).map_err(|e| BadField { field: "content.texts", why: e.why })?;
            if tag.is_empty() || (text.title.is_empty() && text.body.is_empty()) {
                return bad("content.texts", format!("locale `{tag}` has neither title nor body"));
            }
            if texts.insert(tag.clone(), text).is_some() {
                return bad("content.texts", format!("locale `{tag}` stands there twice"));
            }
        }
        self.texts = texts;
        if self.silent && !self.texts.is_empty() {
            return bad("content.silent", "a silent campaign shows nothing, so it has no texts".to_owned());
        }
        if !self.silent && self.texts.is_empty() {
            let why = "nothing to show: give a title or a body, or make the campaign silent".to_owned();
            return bad("content.texts", why);
        }
        if !self.silent && !self.texts.contains_key(&self.default_locale) {
            return bad(
                "content.default_locale",
                format!("`{}` is not among the texts", self.default_locale),
            );
        }
        match &self.collapse_id {
            Some(id) if id.is_empty() || id.len() > COLLAPSE_ID_BYTES_MAX => bad(
                "content.collapse_id",
                format!("is {} bytes, 1 to {COLLAPSE_ID_BYTES_MAX} are allowed", id.len()),
            ),
            _ => Ok(self),
        }
    }

    /// Its name: the hash of its canonical JSON.
    #[must_use]
    pub fn id(&self) -> ContentId {
        let json = serde_json::to_vec(self).unwrap_or_default();
        ContentId(*blake3::hash(&json).as_bytes())
    }

    /// The tag of the text that a device with this locale gets: its own, its language's, or the default.
    #[must_use]
    pub fn resolve(&self, locale: &str) -> &str {
        let mut tag = locale;
        loop {
            if let Some((key, _)) = self.texts.get_key_value(tag) {
                return key;
            }
            match tag.rfind('-') {
                Some(cut) => tag = &tag[..cut],
                None => return &self.default_locale,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_falls_back_to_its_language_and_then_to_the_default() {
        let mut content = Content::english("Hi", "there");
        content.texts.insert("pt".to_owned(), Text { title: "Oi".to_owned(), body: String::new() });
        let content = content.checked().unwrap();
        assert_eq!(
            ["pt-BR", "pt", "en-GB", "fr", ""].map(|l| content.resolve(l)),
            ["pt", "pt", "en", "en", "en"]
        );
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_its_field() {
        let field = |c: Content| c.checked().unwrap_err().field;
        assert_eq!(field(Content { silent: false, ..Content::silent() }), "content.texts");
        assert_eq!(field(Content { silent: true, ..Content::english("a", "b") }), "content.silent");
        assert_eq!(
            field(Content { default_locale: "fr".into(), ..Content::english("a", "b") }),
            "content.default_locale"
        );
        assert_eq!(
            field(Content { collapse_id: Some("x".repeat(65)), ..Content::english("a", "b") }),
            "content.collapse_id"
        );
        let mut odd = Content::english("a", "b");
        odd.texts.insert("not a tag".into(), Text { title: "x".into(), body: String::new() });
        assert_eq!(field(odd), "content.texts");
        assert_ne!(Content::english("a", "b").id(), Content::english("a", "c").id());
    }
}
