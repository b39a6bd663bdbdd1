//! From settings to text: every setting with its meaning, as `--print-profile` shows it.

use std::collections::HashMap;
use std::sync::LazyLock;

use clap::Args as _;
use serde_json::Value;

use super::super::Behaviour;

/// What is known of one setting.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name in a profile; as a flag with dashes.
    pub name: String,
    /// What it means: what `--help` says.
    pub about: String,
    /// What it is if left out, as TOML; `None` where that is nothing.
    pub default: Option<String>,
    /// Which fact about the real gateways it imitates.
    pub source: &'static str,
    /// A value, as TOML.
    sample: Option<&'static str>,
}

impl Setting {
    /// A line of a profile with this setting.
    #[must_use]
    pub fn example(&self) -> String {
        format!("{} = {}", self.name, self.sample.or(self.default.as_deref()).unwrap_or_default())
    }
}

/// Settings without a default, or whose default shows too little, with a value.
const SAMPLES: [(&str, &str); 9] = [
    ("round_trip", "{ lognormal = { median_ms = 30, p99_ms = 120 } }"),
    ("fcm_round_trip", "{ quantiles = [[0, 20], [0.5, 80], [0.95, 350], [1, 2000]] }"),
    ("retry_after_s", "30"),
    ("apns_goaway_reason", "\"Shutdown\""),
    ("apns_slowdown_share", "0.1"),
    ("apns_disconnect_share", "0.5"),
    ("fcm_quota_per_minute", "600_000"),
    ("connections_beyond", "\"reset\""),
    ("burst", "[{ what = \"unavailable\", every_s = 60, for_s = 5, share = 0.5 }]"),
];

/// Whose word each setting goes by: vendors' pages, practitioners' reports. The others are our choice.
const SOURCES: [(&str, &str); 34] = [
    ("round_trip", "practitioners: latency climbs with load; Google: p95 below 350 ms"),
    ("fcm_round_trip", "Google: p95 below 350 ms"),
    ("answer_singly", "our choice: the real ones are not known to gather answers"),
    ("dead_share", "Apple: 410 Unregistered; Google: 404 UNREGISTERED"),
    ("expired_token_share", "Apple: 410 ExpiredToken"),
    ("dead_within_s", "Apple: `timestamp` in the body of 410"),
    ("bad_share", "Apple: 400 BadDeviceToken; Google: 400 INVALID_ARGUMENT"),
    ("mismatched_share", "Apple: 400 DeviceTokenNotForTopic; Google: 403 SENDER_ID_MISMATCH"),
    ("unavailable_share", "Apple, Google: 503"),
    ("internal_error_share", "Apple, Google: 500"),
    ("throttle_share", "Apple: 429 TooManyRequests; Google: 429 QUOTA_EXCEEDED"),
    ("retry_after_s", "Google: honour it"),
    ("retry_after_share", "Google: 60 s where it is absent on a 429"),
    ("reset_share", "HTTP/2: RST_STREAM"),
    ("apns_streams_until_proven", "Apple: one until the first authenticated success"),
    ("apns_streams", "practitioners: typically 1000; read SETTINGS"),
    ("apns_streams_after_reject", "reported once, unconfirmed: 1 until the next success"),
    ("apns_requests_per_s", "practitioners: 500 to 4,000, with latency climbing above that"),
    ("fcm_streams", "practitioners: 100"),
    ("goaway_on_excess", "practitioners: GOAWAY exceeded_max_concurrent_streams"),
    ("goaway_every", "HTTP/2: GOAWAY; Apple: streams above the last id were not processed"),
    ("goaway_after_s", "the same"),
    ("apns_goaway_reason", "Apple: JSON with a reason; practitioners: often nothing"),
    ("half_open_every", "networks: the peer is gone, and no FIN came"),
    ("half_open_after_s", "the same"),
    ("apns_slowdown_share", "Apple: many 4xx slow a provider down, BadDeviceToken soonest, 410 not"),
    ("apns_disconnect_share", "Apple: ... and then disconnect it"),
    ("connections_max", "Apple: churn is treated as an attack"),
    ("connections_beyond", "our choice: a full accept queue or a dropping firewall is silent"),
    (
        "fcm_quota_per_minute",
        "Google: 600,000 a minute and project, full again a minute after its first message",
    ),
    (
        "apns_jwt_limit",
        "Apple: a new token at most every 20 minutes; practitioners: 429 for a fleet that mints many",
    ),
    ("apns_jwt_life_s", "Apple: 403 ExpiredProviderToken after 60 minutes"),
    ("access_token_life_s", "Google: an hour (`expires_in` 3599)"),
    ("burst", "Apple, Google: 429, 500, 503; that they come in bursts is our choice"),
];

/// All settings, in the order in which they are printed.
#[must_use]
pub fn settings() -> Vec<Setting> {
    let defaults = fields(&Behaviour::default());
    let about = Behaviour::augment_args(clap::Command::new("behaviour"));
    let of_flag = |name: &str| {
        let flag = about.get_arguments().find(|flag| flag.get_id() == name)?;
        flag.get_help().map(ToString::to_string)
    };
    let known = |list: &[(&'static str, &'static str)], name: &str| {
        list.iter().find(|(setting, _)| *setting == name).map(|(_, text)| *text)
    };
    let setting = |(name, default): (String, Value)| Setting {
        about: of_flag(&name).unwrap_or_else(|| ABOUT_BURST.to_owned()),
        default: toml(&default).filter(|_| name != "burst"),
        source: known(&SOURCES, &name).unwrap_or("our choice"),
        sample: known(&SAMPLES, &name),
        name,
    };
    defaults.into_iter().map(setting).collect()
}

/// Bursts are no flag.
const ABOUT_BURST: &str = "Faults that come for a while and go again: what (unavailable, internal_error, throttle, stall, reset) for for_s \
     seconds every every_s seconds (0: once), the first after_s seconds after the gateways' start or their journal's reset, to this \
     share of requests, of one platform (apns, fcm) or of both";

/// A whole profile: every setting with what it means, as a start for one's own.
#[must_use]
pub fn print(behaviour: &Behaviour) -> String {
    let values = fields(behaviour);
    let mut text = String::from(
        "# How the stand-in gateways behave: every setting. What is left out has its default; docs/gateways.md tells more.\n",
    );
    for (setting, (_, value)) in settings().iter().zip(&values) {
        text.push('\n');
        for line in wrapped(&setting.about) {
            text.push_str(&format!("# {line}\n"));
        }
        if setting.name == "burst" {
            continue;
        }
        match toml(value) {
            Some(value) => text.push_str(&format!("{} = {value}\n", setting.name)),
            None => text.push_str(&format!("# {}\n", setting.example())),
        }
    }
    let bursts = values.last().and_then(|(_, bursts)| bursts.as_array()).into_iter().flatten();
    for burst in bursts {
        text.push_str("\n[[burst]]\n");
        for (name, value) in burst.as_object().into_iter().flatten() {
            text.extend(toml(value).map(|value| format!("{name} = {value}\n")));
        }
    }
    if behaviour.burst.is_empty() {
        text.push_str("# [[burst]]\n# what = \"unavailable\"\n# every_s = 60\n# for_s = 5\n# share = 0.5\n");
    }
    text
}

/// Names and values in the order of the struct, bursts last: tables end a TOML file.
pub(in super::super) fn fields(behaviour: &Behaviour) -> Vec<(String, Value)> {
    let fields = match serde_json::to_value(behaviour) {
        Ok(Value::Object(fields)) => fields,
        // A struct is nothing else.
        _ => serde_json::Map::new(),
    };
    let order = |name: &String| PLACES.get(name).copied().unwrap_or(usize::MAX);
    let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
    fields.sort_by_key(|(name, _)| order(name));
    fields
}

/// JSON objects forget the order of their fields; flags keep it.
static PLACES: LazyLock<HashMap<String, usize>> = LazyLock::new(|| {
    let command = Behaviour::augment_args(clap::Command::new("behaviour"));
    command.get_arguments().enumerate().map(|(place, flag)| (flag.get_id().to_string(), place)).collect()
});

/// A JSON value as TOML on one line; nothing for null.
fn toml(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        // Both write these alike: strings here are single words.
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(values) => {
            format!("[{}]", values.iter().filter_map(toml).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .filter_map(|(name, value)| Some(format!("{name} = {}", toml(value)?)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
    })
}

/// Lines of a readable length.
fn wrapped(text: &str) -> Vec<String> {
    const WIDTH: usize = 110;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < WIDTH => line.push_str(&format!(" {word}")),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
