//! Scenarios, right and wrong.

use super::*;

#[test]
fn every_fault_has_its_place() {
    let why = |text: &str| Scenario::parse(text).expect_err(text).to_string();
    assert!(why("about = 'x'\n[audience]\nuser = 5\n").starts_with("line 3: unknown field `user`"));
    assert!(
        why("about = 'x'\n\n[campaign]\ndeadline = 'soon'\n").contains("line 4: `soon` is no length of time")
    );
    assert!(why("about = 'x'\n[audience]\nusers = -1\n").starts_with("line 3: "));
    assert!(why("about = 'x'\n[gateways]\nround_trip = 3\n").starts_with("line 3: "));
    assert!(why("about = 'x'\n[fleet]\nfcm_quota_per_minute = -1\n").starts_with("line 3: "));
    let all = why(
        "about = 'x'\naudience.users = [0]\ncampaign.shards = 0\nfleet.connections = 1001\nfleet.fcm_quota_per_minute = 0\ngateways.dead_share = 2.0\n",
    );
    for part in
        ["audience.users", "campaign.shards", "fleet.connections", "fcm_quota_per_minute", "dead_share"]
    {
        assert!(all.contains(part), "{part} in {all}");
    }
    let all = why(
        "about = 'x'\n[audience]\napple_share = 1.5\ndevices_per_user = nan\nlocales = { de_DE = 1, en = 20000 }\n",
    );
    for part in ["apple_share", "devices_per_user", "`de_DE` is no locale", "10000 together, not 20001"] {
        assert!(all.contains(part), "{part} in {all}");
    }
    let fault = |fault: &str| why(&format!("about = 'x'\n[[fault]]\n{fault}\n"));
    assert!(fault("at = '40%'\ndo = 'freeze'").contains("fault 1 (freeze): say `for`"));
    assert!(fault("at = '40%'\ndo = 'gateways'\nset = { thottle_share = 1.0 }").contains("unknown field"));
    assert!(
        fault("at = '1%'\ndo = 'press-again'\nfor = '1s'")
            .contains("fault 1 (press-again): it takes no `for`")
    );
    assert!(fault("at = '140%'\ndo = 'kill'").contains("line 3: `140%` is neither"));
}

#[test]
fn what_counts_for_new_connections_only_needs_some() {
    let parse = |set: &str, more: &str| {
        Scenario::parse(&format!(
            "about = 'x'\n{more}\n[[fault]]\nat = '40%'\ndo = 'gateways'\nset = {{ {set} }}\n"
        ))
    };
    let slow = "tls_handshake_ms = 500, connections_max = 3, apns_streams = 10";
    let why = parse(slow, "").expect_err("nothing would happen").to_string();
    assert!(why.contains("fault 1 (gateways): all that it sets counts for new connections only"), "{why}");
    // What is wrong with the settings themselves comes first.
    assert!(parse("fcm_streams = 0", "").expect_err("too few").to_string().contains("must be at least 1"));
    for (set, more) in [
        ("tls_handshake_ms = 500, close_every = 100", ""),
        ("tls_handshake_ms = 500, throttle_share = 0.1", ""),
        (slow, "gateways.goaway_after_s = 5.0"),
        (slow, "[[fault]]\nat = '50%'\ndo = 'kill'"),
        (slow, "[[fault]]\nat = '50%'\ndo = 'deaf-gateways'\nfor = '30s'"),
        (slow, "gateways.stall_share = 0.1"),
        (slow, "[[fault]]\nat = '50%'\ndo = 'gateways'\nset = { half_open_every = 100 }"),
    ] {
        let good = parse(set, more);
        assert!(good.is_ok(), "{set} {more}: {good:?}");
    }
}

#[test]
fn what_is_written_reads_back() {
    let text = "about = 'x'\naudience.users = 5\n[[fault]]\nat = '1.5s'\ndo = 'gateways'\nfor = '2s'\nset = { seed = 3 }\n";
    let scenario = Scenario::parse(text).expect("a scenario");
    assert_eq!(scenario.audience.users, [5]);
    assert_eq!(scenario.faults[0].changed(&scenario.gateways).expect("settings").seed, 3);
    let written = toml::to_string(&scenario).expect("TOML");
    assert_eq!(Scenario::parse(&written), Ok(scenario));
}

#[test]
fn what_is_sent_again_and_how_fast_is_said_or_usual() {
    let parse = |text: &str| Scenario::parse(text).expect("a scenario");
    let usual = parse("about = 'x'\n");
    assert_eq!((usual.campaign.resend_ambiguous, usual.fleet.fcm_quota_per_minute), (false, None));
    let said = parse("about = 'x'\ncampaign.resend_ambiguous = true\nfleet.fcm_quota_per_minute = 6_000\n");
    assert_eq!((said.campaign.resend_ambiguous, said.fleet.fcm_quota_per_minute), (true, Some(6_000)));
    // As it is written with other users.
    let written = toml::to_string(&said).expect("TOML");
    assert_eq!(Scenario::parse(&written), Ok(said));
}

#[test]
fn what_a_scenario_says_wins_over_its_profile() {
    let text = "about = 'x'\nprofile = 'apple-google'\n[gateways]\ndead_share = 0.5\nround_trip_ms = 3\n";
    let scenario = Scenario::parse(text).expect("a scenario");
    let gateways = &scenario.gateways;
    assert!(gateways.answer_singly && gateways.round_trip.is_none(), "the profile's, but for the round trip");
    assert_eq!((gateways.dead_share, gateways.round_trip_ms), (0.5, 3));
    let written = toml::to_string(&scenario).expect("TOML");
    assert_eq!(Scenario::parse(&written), Ok(scenario));
    let unknown = Scenario::parse("about = 'x'\nprofile = 'no-such'\n").expect_err("no such profile");
    assert!(unknown.to_string().contains("profile: "), "{unknown}");
}
