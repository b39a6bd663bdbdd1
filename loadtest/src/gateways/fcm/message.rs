//! The JSON of FCM's HTTP v1 API, read without copying. Unknown fields are refused, as Google's parser does.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::super::limits;

/// One thing that is wrong with a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) field: &'static str,
    pub(super) description: String,
}

impl Violation {
    fn new(field: &'static str, description: impl Into<String>) -> Self {
        Self { field, description: description.into() }
    }

    pub(super) fn too_big() -> Self {
        Self::new("message", format!("Message is too big: more than {} bytes", limits::MAX_PAYLOAD_BYTES))
    }

    pub(super) fn bad_token() -> Self {
        Self::new("message.token", "Invalid registration token")
    }
}

/// A string, borrowed unless it contains escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The body of `messages:send`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request<'a> {
    #[serde(default, alias = "validateOnly")]
    pub(super) validate_only: bool,
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    #[serde(rename = "name")]
    _name: Option<IgnoredAny>,
    #[serde(default)]
    data: Data,
    #[serde(borrow)]
    notification: Option<Notification<'a>>,
    #[serde(borrow)]
    android: Option<Android<'a>>,
    #[serde(rename = "webpush")]
    _webpush: Option<Webpush>,
    #[serde(rename = "apns")]
    _apns: Option<Apns>,
    #[serde(rename = "fcm_options", alias = "fcmOptions")]
    _fcm_options: Option<FcmOptions>,
    #[serde(borrow)]
    token: Option<Text<'a>>,
    #[serde(borrow)]
    fid: Option<Text<'a>>,
    topic: Option<IgnoredAny>,
    condition: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notification<'a> {
    #[serde(borrow)]
    title: Option<Text<'a>>,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    #[serde(borrow)]
    image: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Android<'a> {
    #[serde(rename = "collapse_key", alias = "collapseKey", borrow)]
    _collapse_key: Option<Text<'a>>,
    #[serde(borrow)]
    priority: Option<Text<'a>>,
    #[serde(borrow)]
    ttl: Option<Text<'a>>,
    #[serde(rename = "restricted_package_name", alias = "restrictedPackageName", borrow)]
    _restricted_package_name: Option<Text<'a>>,
    #[serde(default)]
    data: Data,
    #[serde(borrow)]
    notification: Option<AndroidNotification<'a>>,
    #[serde(rename = "fcm_options", alias = "fcmOptions")]
    _fcm_options: Option<FcmOptions>,
    #[serde(rename = "direct_boot_ok", alias = "directBootOk")]
    _direct_boot_ok: Option<bool>,
    #[serde(rename = "bandwidth_constrained_ok", alias = "bandwidthConstrainedOk")]
    _bandwidth_constrained_ok: Option<bool>,
    #[serde(rename = "restricted_satellite_ok", alias = "restrictedSatelliteOk")]
    _restricted_satellite_ok: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AndroidNotification<'a> {
    #[serde(borrow)]
    title: Option<Text<'a>>,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    #[serde(rename = "icon", borrow)]
    _icon: Option<Text<'a>>,
    #[serde(borrow)]
    color: Option<Text<'a>>,
    #[serde(rename = "sound", borrow)]
    _sound: Option<Text<'a>>,
    #[serde(rename = "tag", borrow)]
    _tag: Option<Text<'a>>,
    #[serde(rename = "click_action", alias = "clickAction", borrow)]
    _click_action: Option<Text<'a>>,
    #[serde(rename = "body_loc_key", alias = "bodyLocKey", borrow)]
    _body_loc_key: Option<Text<'a>>,
    #[serde(rename = "body_loc_args", alias = "bodyLocArgs", borrow)]
    _body_loc_args: Option<Vec<Text<'a>>>,
    #[serde(rename = "title_loc_key", alias = "titleLocKey", borrow)]
    _title_loc_key: Option<Text<'a>>,
    #[serde(rename = "title_loc_args", alias = "titleLocArgs", borrow)]
    _title_loc_args: Option<Vec<Text<'a>>>,
    #[serde(rename = "channel_id", alias = "channelId", borrow)]
    _channel_id: Option<Text<'a>>,
    #[serde(rename = "ticker", borrow)]
    _ticker: Option<Text<'a>>,
    #[serde(rename = "sticky")]
    _sticky: Option<bool>,
    #[serde(rename = "event_time", alias = "eventTime", borrow)]
    _event_time: Option<Text<'a>>,
    #[serde(rename = "local_only", alias = "localOnly")]
    _local_only: Option<bool>,
    #[serde(rename = "notification_priority", alias = "notificationPriority", borrow)]
    _notification_priority: Option<Text<'a>>,
    #[serde(rename = "default_sound", alias = "defaultSound")]
    _default_sound: Option<bool>,
    #[serde(rename = "default_vibrate_timings", alias = "defaultVibrateTimings")]
    _default_vibrate_timings: Option<bool>,
    #[serde(rename = "default_light_settings", alias = "defaultLightSettings")]
    _default_light_settings: Option<bool>,
    #[serde(rename = "vibrate_timings", alias = "vibrateTimings", borrow)]
    _vibrate_timings: Option<Vec<Text<'a>>>,
    #[serde(rename = "visibility", borrow)]
    _visibility: Option<Text<'a>>,
    #[serde(rename = "notification_count", alias = "notificationCount")]
    _notification_count: Option<i32>,
    #[serde(rename = "light_settings", alias = "lightSettings")]
    _light_settings: Option<IgnoredAny>,
    #[serde(borrow)]
    image: Option<Text<'a>>,
    #[serde(rename = "bypass_proxy_notification", alias = "bypassProxyNotification")]
    _bypass_proxy_notification: Option<bool>,
    #[serde(rename = "proxy", borrow)]
    _proxy: Option<Text<'a>>,
}

/// Overrides for browsers: only the names of its fields are looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webpush {
    #[serde(rename = "headers")]
    _headers: Option<IgnoredAny>,
    #[serde(rename = "data")]
    _data: Option<Data>,
    #[serde(rename = "notification")]
    _notification: Option<IgnoredAny>,
    #[serde(rename = "fcm_options", alias = "fcmOptions")]
    _fcm_options: Option<IgnoredAny>,
}

/// Overrides for Apple's devices: only the names of its fields are looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Apns {
    #[serde(rename = "headers")]
    _headers: Option<IgnoredAny>,
    #[serde(rename = "payload")]
    _payload: Option<IgnoredAny>,
    #[serde(rename = "fcm_options", alias = "fcmOptions")]
    _fcm_options: Option<IgnoredAny>,
    #[serde(rename = "live_activity_token", alias = "liveActivityToken")]
    _live_activity_token: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FcmOptions {
    #[serde(rename = "analytics_label", alias = "analyticsLabel")]
    _analytics_label: Option<IgnoredAny>,
}

/// A map from strings to strings, of which only the size is kept.
#[derive(Default)]
struct Data {
    bytes: usize,
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Data;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
                let mut bytes = 0;
                while let Some((Text(key), Text(value))) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    if is_reserved(&key) {
                        return Err(A::Error::custom(format_args!("Invalid data payload key: {key}")));
                    }
                    bytes += key.len() + value.len();
                }
                Ok(Data { bytes })
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Keys that FCM keeps for itself.
fn is_reserved(key: &str) -> bool {
    matches!(key, "from" | "message_type") || key.starts_with("google.") || key.starts_with("gcm.")
}

impl<'a> Request<'a> {
    /// Reads a body.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Violation> {
        serde_json::from_slice(body)
            .map_err(|error| Violation::new("message", format!("Invalid JSON payload received. {error}")))
    }

    /// The registration token or installation id that the message goes to.
    pub(super) fn target(&self) -> Result<&str, Violation> {
        let Message { token, fid, topic, condition, .. } = &self.message;
        match (token, fid, topic.is_some() || condition.is_some()) {
            (Some(Text(target)), None, false) | (None, Some(Text(target)), false) => Ok(target),
            (None, None, false) => Err(Violation::new(
                "message",
                "Recipient of the message is not set, or there is more than one recipient.",
            )),
            (None, None, true) => {
                Err(Violation::new("message.token", "This stand-in sends to registration tokens only."))
            }
            _ => Err(Violation::new("message", "Exactly one target is required.")),
        }
    }

    /// Everything that the shape alone does not say.
    pub(super) fn check(&self) -> Result<(), Violation> {
        if let Some(android) = &self.message.android {
            android.check()?;
        }
        if self.payload_bytes() > limits::MAX_PAYLOAD_BYTES {
            return Err(Violation::too_big());
        }
        Ok(())
    }

    /// Bytes that count against the limit: keys and values of the data, and the texts that are shown.
    fn payload_bytes(&self) -> usize {
        let shown = self.message.notification.as_ref().map_or(0, |n| length(&[&n.title, &n.body, &n.image]));
        let android = self.message.android.as_ref().map_or(0, |android| {
            let shown = android.notification.as_ref().map_or(0, |n| length(&[&n.title, &n.body, &n.image]));
            android.data.bytes + shown
        });
        self.message.data.bytes + shown + android
    }
}

impl Android<'_> {
    fn check(&self) -> Result<(), Violation> {
        if let Some(Text(ttl)) = &self.ttl
            && !is_ttl(ttl)
        {
            let why = "Illegal duration format; duration must end with 's' and lie within 0 and 4 weeks";
            return Err(Violation::new("message.android.ttl", format!("Invalid value: {why}")));
        }
        if let Some(Text(priority)) = &self.priority
            && !priority.eq_ignore_ascii_case("high")
            && !priority.eq_ignore_ascii_case("normal")
        {
            return Err(Violation::new("message.android.priority", "Invalid value: NORMAL or HIGH expected"));
        }
        let color = self.notification.as_ref().and_then(|notification| notification.color.as_ref());
        if color.is_some_and(|Text(color)| !is_color(color)) {
            return Err(Violation::new(
                "message.android.notification.color",
                "Invalid value: #rrggbb expected",
            ));
        }
        Ok(())
    }
}

fn length(texts: &[&Option<Text<'_>>]) -> usize {
    texts.iter().filter_map(|text| text.as_ref()).map(|Text(text)| text.len()).sum()
}

/// A duration in protobuf's JSON form: `3.5s`.
fn is_ttl(ttl: &str) -> bool {
    let Some(number) = ttl.strip_suffix('s') else { return false };
    let digits = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    digits && number.parse::<f64>().is_ok_and(|seconds| seconds <= limits::MAX_TTL_S)
}

fn is_color(color: &str) -> bool {
    color.len() == 7 && color.starts_with('#') && color[1..].bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Option<Violation> {
        let request = match Request::parse(json.as_bytes()) {
            Ok(request) => request,
            Err(violation) => return Some(violation),
        };
        request.target().err().or_else(|| request.check().err())
    }

    #[test]
    fn good_messages() {
        for good in [
            r#"{"message":{"token":"t"}}"#,
            r#"{"validate_only":true,"message":{"fid":"t","data":{"a":"b\n"}}}"#,
            r##"{"message":{"token":"t","android":{"ttl":"3.5s","priority":"high","collapse_key":"c",
                "notification":{"title":"x","tag":"y","color":"#00ffAA"}},"notification":{"title":"t"}}}"##,
            r#"{"message":{"token":"t","android":{"collapseKey":"c","directBootOk":true}}}"#,
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
    }

    #[test]
    fn wrong_messages() {
        for (wrong, field) in [
            ("", "message"),
            ("[]", "message"),
            (r#"{"message":{}}"#, "message"),
            (r#"{"message":{"token":"t","topic":"u"}}"#, "message"),
            (r#"{"message":{"topic":"u"}}"#, "message.token"),
            (r#"{"message":{"token":"t","colour":"red"}}"#, "message"),
            (r#"{"message":{"token":"t","data":{"n":1}}}"#, "message"),
            (r#"{"message":{"token":"t","data":{"from":"me"}}}"#, "message"),
            (r#"{"message":{"token":"t","android":{"ttl":"60"}}}"#, "message.android.ttl"),
            (r#"{"message":{"token":"t","android":{"ttl":"-1s"}}}"#, "message.android.ttl"),
            (r#"{"message":{"token":"t","android":{"ttl":"2419201s"}}}"#, "message.android.ttl"),
            (r#"{"message":{"token":"t","android":{"priority":"10"}}}"#, "message.android.priority"),
            (
                r#"{"message":{"token":"t","android":{"notification":{"color":"red"}}}}"#,
                "message.android.notification.color",
            ),
        ] {
            assert_eq!(fault(wrong).map(|violation| violation.field), Some(field), "{wrong}");
        }
    }

    #[test]
    fn the_payload_is_measured() {
        let message = |bytes: usize| {
            format!(r#"{{"message":{{"token":"t","data":{{"k":"{}"}}}}}}"#, "v".repeat(bytes - 1))
        };
        assert_eq!(fault(&message(4096)), None);
        assert_eq!(fault(&message(4097)), Some(Violation::too_big()));
    }
}
