//! Files that people write by hand: configurations, scenarios, contents. A fault names its place; what is taken is written
//! and read back the same, and can be rendered.

use crate::script::Script;
use common::content::Content;
use common::ids::CampaignId;
use loadtest::rehearse::Scenario;
use service::config::example::Example;
use service::config::{Place, Sources, load};

/// See `docs/fuzzing.md`.
pub fn config(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    match script.byte() % 3 {
        0 => service(script),
        1 => scenario(script.rest()),
        _ => content(script.rest()),
    }
}

fn service(mut script: Script<'_>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let env = (0..script.byte() % 4)
        .map(|_| {
            let key = script.one_of(&[
                "OWL_LISTEN",
                "OWL_PART__PERMITS",
                "OWL_GATEWAY__KEY",
                "OWL_PART__HOSTS",
                "OWL_X",
            ]);
            (key.to_owned(), text(script.some()))
        })
        .collect();
    let file = text(script.rest());
    let lines = file.lines().count();
    let sources = Sources { file: Some(("owl.toml".to_owned(), file)), env, flags: Vec::new() };
    if let Err(faults) = load::<Example>(sources) {
        assert!(!faults.is_empty(), "a refusal says why");
        for fault in faults {
            let said = fault.to_string();
            assert!(!said.is_empty());
            if let Place::File { line, .. } = fault.place {
                assert!((1..=lines.max(1) + 1).contains(&line), "{said}: there are {lines} lines");
            }
        }
    }
}

fn scenario(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // A profile may be a file: what is read then depends on the machine.
    if text.contains("profile") {
        return;
    }
    let _ = loadtest::gateways::profile::parse("profile.toml", &text);
    if let Ok(scenario) = Scenario::parse(&text) {
        let written = toml::to_string(&scenario).expect("a scenario can be written");
        assert_eq!(Scenario::parse(&written).as_ref(), Ok(&scenario), "{written}");
    }
}

fn content(bytes: &[u8]) {
    let Ok(content) = serde_json::from_slice::<Content>(bytes) else { return };
    let Ok(content) = content.checked() else { return };
    let locales: Vec<String> = content.texts.keys().cloned().collect();
    let campaign = CampaignId(uuid::Uuid::nil());
    let rendered = payload::render(&content, campaign, &locales);
    assert_eq!(
        rendered.is_ok(),
        payload::preview(&content, campaign).is_ok(),
        "the preview and the workers agree"
    );
}
