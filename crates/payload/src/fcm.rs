//! FCM: one body per text, cut where the deadline (`ttl`) and the device (`token` or `fid`) stand.
//!
//! Silent campaigns are data-only messages of NORMAL priority, alerts are of HIGH priority: Google lowers the priority of
//! apps whose HIGH messages show nothing, and a rehearsal must not wake sleeping phones (as APNs' priority 5 doesn't).

use crate::error::PayloadError;
use common::content::{Content, Text};
use common::device::{Platform, TargetRef};
use fcm_v1::android::{AndroidConfig, AndroidMessagePriority, AndroidNotification};
use fcm_v1::message::{Message, Notification};
use serde_json::{Value, json};

/// Longest `ttl`, in seconds (Google: four weeks).
const TTL_S_MAX: u64 = 28 * 24 * 3600;

/// A message without its `ttl` and its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FcmTemplate {
    before_ttl: Vec<u8>,
    before_target: Vec<u8>,
    after_target: Vec<u8>,
    counted: usize,
}

/// A message without its target: what one deadline makes of an [`FcmTemplate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FcmAt {
    prefix: Vec<u8>,
    suffix: Vec<u8>,
}

impl FcmTemplate {
    /// Renders one text; `None` for a silent campaign.
    pub(crate) fn new(
        content: &Content,
        locale: &str,
        text: Option<&Text>,
        collapse_id: &str,
    ) -> Result<Self, PayloadError> {
        let unwritable = || PayloadError::Unwritable { locale: locale.to_owned(), platform: Platform::Fcm };
        check_keys(content)?;
        let sentinel = sentinel(content, collapse_id);
        let message = message(content, text, collapse_id, &sentinel);
        // By way of a value, whose keys are sorted: the crate's own maps come out in another order each time.
        let value = serde_json::to_value(message).map_err(|_| unwritable())?;
        let counted = counted(&value);
        let body = json!({ "message": value }).to_string();
        let (before_ttl, rest) = cut(&body, &format!("{sentinel}s")).ok_or_else(unwritable)?;
        let member = format!("\"token\":\"{sentinel}");
        let (before_target, after_target) = cut(rest, &member).ok_or_else(unwritable)?;
        Ok(Self {
            before_ttl: before_ttl.into(),
            before_target: [b"s", before_target.as_bytes()].concat(),
            after_target: after_target.into(),
            counted,
        })
    }

    /// Its size as far as the limit goes, in bytes: see [`crate::Sizes::fcm_bytes`].
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        self.counted
    }

    /// The message for a deadline that is `ttl_s` whole seconds away; at most four weeks are asked for.
    #[must_use]
    pub fn at(&self, ttl_s: u64) -> FcmAt {
        let ttl = ttl_s.min(TTL_S_MAX).to_string();
        let prefix = [&self.before_ttl, ttl.as_bytes(), &self.before_target].concat();
        FcmAt { prefix, suffix: self.after_target.clone() }
    }
}

impl FcmAt {
    /// Appends the message for one device. Targets have letters, digits and `:_-.=%` only (see
    /// [`common::device::Target::parse`]), so that nothing has to be escaped.
    pub fn write(&self, target: TargetRef<'_>, out: &mut Vec<u8>) {
        let kind: &[u8] =
            if matches!(target, TargetRef::FcmFid(_)) { b"\"fid\":\"" } else { b"\"token\":\"" };
        out.extend_from_slice(&self.prefix);
        out.extend_from_slice(kind);
        target.write_text(out);
        out.extend_from_slice(&self.suffix);
    }

    /// Bytes of a message for one device beside its target.
    #[must_use]
    pub fn len_without_target(&self) -> usize {
        self.prefix.len() + self.suffix.len() + "\"token\":\"".len()
    }
}

fn message(content: &Content, text: Option<&Text>, collapse_id: &str, sentinel: &str) -> Message {
    let full = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let data = content.data.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
    let shown = text.map(|_| AndroidNotification {
        sound: content.sound.clone(),
        tag: Some(collapse_id.to_owned()),
        ..AndroidNotification::default()
    });
    let priority = match text {
        Some(_) => AndroidMessagePriority::High,
        None => AndroidMessagePriority::Normal,
    };
    Message {
        data: (!content.data.is_empty()).then(|| data.collect()),
        notification: text.map(|t| Notification { title: full(&t.title), body: full(&t.body), image: None }),
        android: Some(AndroidConfig {
            collapse_key: Some(collapse_id.to_owned()),
            priority: Some(priority),
            ttl: Some(format!("{sentinel}s")),
            notification: shown,
            ..AndroidConfig::default()
        }),
        token: Some(sentinel.to_owned()),
        ..Message::default()
    }
}

/// A word that stands nowhere in the content.
fn sentinel(content: &Content, collapse_id: &str) -> String {
    let text = serde_json::to_string(content).unwrap_or_default() + collapse_id;
    let words = (0_u64..).map(|n| format!("owl-cut-{n}-"));
    words.into_iter().find(|word| !text.contains(word.as_str())).unwrap_or_default()
}

/// What stands before and after the first place of `word`.
fn cut<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(word)
}

/// Google's words among data keys.
fn check_keys(content: &Content) -> Result<(), PayloadError> {
    let reserved = |key: &&String| {
        matches!(key.as_str(), "from" | "message_type")
            || key.starts_with("google.")
            || key.starts_with("gcm.")
    };
    match content.data.keys().find(reserved) {
        Some(key) => Err(PayloadError::ReservedKey { key: key.clone(), platform: Platform::Fcm }),
        None => Ok(()),
    }
}

/// JSON bytes of `data`, `notification` and `android.notification`: a little more than the keys and texts that Google
/// counts, so that what passes here passes there.
fn counted(message: &Value) -> usize {
    let parts = ["/data", "/notification", "/android/notification"];
    parts.iter().filter_map(|at| message.pointer(at)).map(|part| part.to_string().len()).sum()
}
