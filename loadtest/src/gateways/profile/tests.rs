use proptest::prelude::*;

use super::super::{Burst, BurstKind, Platform, RoundTrip};
use super::*;

#[test]
fn ready_profiles_are_right_and_the_first_is_the_default() {
    for ready in READY {
        let behaviour = find(ready.name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(behaviour.faults(), []);
    }
    assert_eq!(find("polite").unwrap(), Behaviour::default());
    let (night, quota) = (find("apple-google").unwrap(), find("quota").unwrap());
    assert_eq!(quota, Behaviour { fcm_quota_per_minute: Some(600_000), ..night });
}

#[test]
fn faults_name_file_line_setting_and_what_would_be_right() {
    let text = "# a night\ndead_sahre = 0.1\nround_trip_ms = \"30\"\n\nround_trip.lognormal = { median_ms = 30 }\n\
                [[burst]]\nwhat = \"nap\"\nfor_s = 1\n";
    let faults = parse("night.toml", text).unwrap_err();
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    for (beginning, right) in [
        ("night.toml:2: dead_sahre: there is no such setting", "did you mean `dead_share`?"),
        ("night.toml:3: round_trip_ms: invalid type", "right would be, say, round_trip_ms = 0"),
        ("night.toml:5: round_trip", "p99_ms"),
        ("night.toml:7: burst[0].what", "unavailable"),
    ] {
        assert!(
            said.iter().any(|s| s.starts_with(beginning) && s.contains(right)),
            "{beginning} {right}: {said:#?}"
        );
    }
    assert_eq!(said.len(), 4);
}

#[test]
fn faults_of_range_have_their_lines_too() {
    let text = "stall_share = 0.7\nreset_share = 0.7\nfcm_streams = 0\n\
                [[burst]]\nwhat = \"stall\"\nfor_s = 1\n[[burst]]\nwhat = \"reset\"\nfor_s = 1\nshare = 2\n";
    let said: Vec<String> = parse("n", text).unwrap_err().iter().map(ToString::to_string).collect();
    for beginning in
        ["n:1: stall_share", "n:3: fcm_streams: must be at least 1", "n:10: burst[1].share: must lie"]
    {
        assert!(said.iter().any(|said| said.starts_with(beginning)), "{beginning}: {said:?}");
    }
    assert!(parse("n", "seed = = 1").unwrap_err()[0].to_string().starts_with("n:1: this is not TOML"));
    let missing = find("no-such-profile").unwrap_err().to_string();
    assert!(missing.contains("no-such-profile") && missing.contains("apple-google"), "{missing}");
}

#[test]
fn every_setting_is_printed_with_its_meaning() {
    let printed = print(&Behaviour::default());
    for setting in settings() {
        assert!(printed.contains(&setting.name) && !setting.about.is_empty(), "{}", setting.name);
        assert!(setting.name == "burst" || printed.contains(setting.about.split(' ').next().unwrap()));
        // What is shown as an example is right.
        let example = setting.example();
        assert!(parse("example", &example).is_ok(), "{example}: {:?}", parse("example", &example));
    }
}

#[test]
fn the_documentation_lists_every_setting() {
    const BEGIN: &str =
        "<!-- settings: made by `UPDATE_DOCS=1 cargo test -p loadtest --all-features documentation` -->\n";
    const END: &str = "<!-- end of settings -->";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gateways.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let mut table = String::from("| setting | default | what | after |\n|---|---|---|---|\n");
    for setting in settings() {
        let default = setting.default.as_ref().map_or("none".to_owned(), |value| format!("`{value}`"));
        let about = setting.about.replace('|', "\\|");
        table.push_str(&format!("| `{}` | {default} | {about} | {} |\n", setting.name, setting.source));
    }
    let expected = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, expected).unwrap();
    } else {
        assert!(text == expected, "docs/gateways.md is behind: run it with UPDATE_DOCS=1");
    }
}

fn share() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.0..0.2]
}

fn round_trip() -> impl Strategy<Value = Option<RoundTrip>> {
    let texts = ["constant:0.5", "uniform:1,2.25", "lognormal:30,120", "quantiles:0=5,0.5=30.125,1=900"];
    proptest::option::of(proptest::sample::select(texts.to_vec()))
        .prop_map(|text| text.map(|text| text.parse().unwrap()))
}

fn burst() -> impl Strategy<Value = Burst> {
    let kinds = [
        BurstKind::Unavailable,
        BurstKind::InternalError,
        BurstKind::Throttle,
        BurstKind::Stall,
        BurstKind::Reset,
    ];
    let platforms = proptest::sample::select(vec![None, Some(Platform::Apns), Some(Platform::Fcm)]);
    (proptest::sample::select(kinds.to_vec()), 50.0..1e6, 0.0..50.0, 0.0..1e6, 0.0..=1.0, platforms).prop_map(
        |(what, every_s, for_s, after_s, share, platform)| Burst {
            what,
            every_s,
            for_s,
            after_s,
            share,
            platform,
        },
    )
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    let shares = proptest::array::uniform9(share());
    let numbers = proptest::array::uniform4(0..=i64::MAX as u64);
    let small = proptest::array::uniform4(any::<u32>());
    let options = (
        proptest::option::of(any::<u32>()),
        proptest::option::of(0.0..2.0),
        proptest::option::of("[A-Z][a-z]{0,9}"),
    );
    (
        shares,
        numbers,
        small,
        options,
        round_trip(),
        round_trip(),
        proptest::collection::vec(burst(), 0..4),
        any::<bool>(),
    )
        .prop_map(|(shares, numbers, small, options, round_trip, fcm_round_trip, burst, flag)| {
            Behaviour {
                seed: numbers[0],
                goaway_every: numbers[1],
                half_open_every: numbers[2],
                fcm_quota_per_minute: flag.then_some(numbers[3]),
                round_trip_ms: if round_trip.is_some() { 0 } else { small[0] },
                dead_within_s: small[1],
                apns_streams: small[2] % 100_000 + 1,
                connections_max: small[3],
                connections_beyond: if flag {
                    super::super::Beyond::Reset
                } else {
                    super::super::Beyond::Silence
                },
                dead_share: shares[0],
                bad_share: shares[1],
                unavailable_share: shares[2],
                reset_share: shares[3],
                stall_share: shares[4],
                lost_answer_accepted_share: shares[8],
                retry_after_share: shares[5],
                expired_token_share: shares[6],
                goaway_after_s: shares[7] * 100.0,
                retry_after_s: options.0,
                apns_slowdown_share: options.1,
                apns_goaway_reason: options.2,
                pause: flag,
                round_trip,
                fcm_round_trip,
                burst,
                ..Behaviour::default()
            }
        })
}

/// Lines that are nearly right.
fn line() -> impl Strategy<Value = String> {
    let names: Vec<String> = settings().into_iter().map(|setting| setting.name).collect();
    let values = [
        "0",
        "-1",
        "1.5",
        "inf",
        "nan",
        "true",
        "\"x\"",
        "[]",
        "{}",
        "[[1, 2]]",
        "1979-05-27",
        "99999999999999999999",
        "{ lognormal = { median_ms = 0, p99_ms = nan } }",
        "{ constant_ms = -0.0 }",
        "{ quantiles = [[0, 1], [0, 2]] }",
        "[{ what = \"stall\", for_s = 1e308 }]",
        "[{ for_s = {} }, 7]",
        "18446744073709551615",
    ];
    (proptest::sample::select(names), proptest::sample::select(values.to_vec()))
        .prop_map(|(name, value)| format!("{name} = {value}\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_profile_survives_print_and_parse(behaviour in behaviour()) {
        let printed = print(&behaviour);
        match parse("printed", &printed) {
            Ok(parsed) => prop_assert_eq!(parsed, behaviour),
            Err(faults) => prop_assert!(false, "{:?}\n{}", faults, printed),
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = parse("any", &text);
    }

    #[test]
    fn nor_do_lines_that_are_nearly_right(lines in proptest::collection::vec(line(), 0..6), tail in ".{0,20}") {
        for text in [lines.concat(), lines.concat() + &tail] {
            match parse("any", &text) {
                Ok(behaviour) => prop_assert_eq!(behaviour.faults(), vec![]),
                Err(faults) => prop_assert!(faults.iter().all(|fault| fault.line >= 1 && !fault.problem.is_empty())),
            }
        }
    }
}
