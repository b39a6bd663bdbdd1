//! The scenarios that come with the program.

/// A ready scenario: its name, and its text.
pub const READY: [(&str, &str); 7] = [
    ("smoke", include_str!("ready/smoke.toml")),
    ("empty-payload", include_str!("ready/empty-payload.toml")),
    ("superbowl-4m", include_str!("ready/superbowl-4m.toml")),
    ("ramp", include_str!("ready/ramp.toml")),
    ("bad-night", include_str!("ready/bad-night.toml")),
    ("soak", include_str!("ready/soak.toml")),
    ("quota", include_str!("ready/quota.toml")),
];

/// The text of a ready scenario.
#[must_use]
pub fn ready(name: &str) -> Option<&'static str> {
    READY.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::super::Scenario;
    use super::*;

    #[test]
    fn every_ready_scenario_can_be_read() {
        for (name, text) in READY {
            let scenario = Scenario::parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!scenario.about.is_empty(), "{name} says what it is for");
        }
        assert!(ready("smoke").is_some() && ready("smok").is_none());
    }
}
