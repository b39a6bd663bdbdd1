use super::example::{Example as Sample, Kind};
use super::*;

fn sources(file: &str, env: &[(&str, &str)]) -> Sources {
    Sources {
        file: Some(("owl.toml".to_owned(), file.to_owned())),
        env: env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        flags: Vec::new(),
    }
}

fn good(file: &str, env: &[(&str, &str)]) -> Sample {
    load(sources(file, env)).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn bad(file: &str, env: &[(&str, &str)]) -> Vec<String> {
    let faults = load::<Sample>(sources(file, env)).expect_err("it should be refused");
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file =
        "listen = \"127.0.0.1:1\"\n[part]\npermits = 5\nname = \"file\"\n[aws]\nbucket = \"of-file\"\n";
    let env = [("OWL_PART__NAME", "env"), ("OWL_LISTEN", "127.0.0.1:2"), ("HOME", "/"), ("OWL_TOKEN", "me")];
    let mut sources = sources(file, &env);
    sources.flags = vec![("listen", "--listen", "127.0.0.1:3".to_owned())];
    let sample: Sample = load(sources).unwrap();
    assert_eq!(sample.listen.port(), 3);
    assert_eq!((sample.part.permits, sample.part.name.as_str()), (5, "env"));
    assert_eq!((sample.aws.bucket.as_str(), sample.aws.prefix.as_str()), ("of-file", "owl"));
}

/// A variable is text; what is made of it depends on the key, and text that looks like a number stays text where text is
/// wanted.
#[test]
fn variables_become_what_their_key_is() {
    let env = [
        ("OWL_PART__PERMITS", "7"),
        ("OWL_PART__ON", "true"),
        ("OWL_PART__HOSTS", "a.example, b.example"),
        ("OWL_PART__NAME", "0123456789"),
        ("OWL_GATEWAY__KIND", "sandbox"),
        ("OWL_GATEWAY__TOPIC", "com.example"),
        ("OWL_GATEWAY__KEY", "-----BEGIN\nx = 1\n-----END\n"),
        ("OWL_LOG", "debug"),
    ];
    let sample = good("", &env);
    assert_eq!((sample.part.permits, sample.part.on, sample.part.name.as_str()), (7, true, "0123456789"));
    assert_eq!(sample.part.hosts, ["a.example", "b.example"]);
    assert_eq!(good("", &[("OWL_PART__HOSTS", "[\"c\"]")]).part.hosts, ["c"]);
    let gateway = sample.gateway.unwrap();
    assert_eq!((gateway.kind, gateway.key.as_deref()), (Kind::Sandbox, Some(env[6].1)));
    assert_eq!(sample.telemetry.log, "debug");
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let file = "listne = 1\n\n[part]\npermits = 200\non = \"maybe\"\nhosts = [\"a\", 2]\n\n[gateway]\nconnections = 70000\n[nonsense]\nx = 1\n";
    let env = [
        ("OWL_AWS__BUCKETT", "b"),
        ("OWL_AWS__ATTEMPTS_MAX", "many"),
        ("OWL_PART__", ""),
        ("OWL_PRAT__ON", "1"),
    ];
    let faults = bad(file, &env);
    let expected = [
        "OWL_PART__: is not OWL_KEY or OWL_SECTION__KEY",
        "owl.toml:1: listne: unknown key `listne`",
        "owl.toml:4: part.permits: at most 99",
        "owl.toml:5: part.on: invalid type",
        "owl.toml:6: part.hosts: invalid type: integer `2`",
        "owl.toml:9: gateway.connections: invalid value: integer `70000`",
        "owl.toml:8: gateway.kind: is missing",
        "owl.toml:8: gateway.topic: is missing",
        "owl.toml:10: nonsense: unknown key `nonsense`",
        "OWL_AWS__BUCKETT: aws.buckett: unknown key `buckett`",
        "OWL_AWS__ATTEMPTS_MAX: aws.attempts_max: invalid type: string \"many\"",
        "OWL_PRAT__ON: prat: unknown key `prat`",
    ];
    for words in expected {
        assert!(faults.iter().any(|f| f.starts_with(words)), "no `{words}` in {faults:#?}");
    }
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
}

#[test]
fn what_does_not_fit_together_has_a_place_too() {
    let file = "[part]\npermits = 100\n[gateway]\nkind = \"sandbox\"\ntopic = \"x\"\n";
    let faults = bad(file, &[("OWL_AWS__ATTEMPTS_MAX", "0"), ("OWL_AWS__PREFIX", "a b")]);
    for words in [
        "owl.toml:2: part.permits: at most 99",
        "owl.toml:5: gateway.topic: no bundle id",
        "OWL_AWS__ATTEMPTS_MAX: aws.attempts_max: is 0",
        "OWL_AWS__PREFIX: aws.prefix: is \"a b\"",
    ] {
        assert!(faults.iter().any(|f| f.starts_with(words)), "no `{words}` in {faults:#?}");
    }
    assert_eq!(faults.len(), 4, "{faults:#?}");
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_line_beside_the_rest() {
    let faults = bad("listen = \"127.0.0.1:1\"\n[part\n", &[("OWL_NOTHING", "1")]);
    assert!(faults[0].starts_with("owl.toml:2: this is not TOML"), "{faults:?}");
    assert!(faults[1].starts_with("OWL_NOTHING: nothing: unknown key"), "{faults:?}");
}

#[test]
fn secrets_stand_in_no_file_and_in_no_fault() {
    let file = "[gateway]\nkind = \"sandbox\"\ntopic = \"a.b\"\nkey = \"SECRET\"\n";
    let faults = bad(file, &[]);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].starts_with("owl.toml:4: gateway.key: a secret") && faults[0].contains("OWL_GATEWAY__KEY")
    );
    assert!(!faults[0].contains("SECRET"));
    let slip = [
        ("OWL_GATEWAY", "-----BEGIN PRIVATE KEY-----\nSECRET\n"),
        ("OWL_PART__PERMITS", "-----BEGIN PRIVATE KEY-----\nSECRET"),
    ];
    let mut faults = bad("", &slip);
    assert_eq!(faults.len(), 2, "{faults:?}");
    faults.extend(bad("", &[("OWL_GATEWAY__TOPIC", "a.b"), ("OWL_GATEWAY__KIND", slip[0].1)]));
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(!faults.concat().contains("SECRET"), "{faults:?}");
}

#[test]
fn all_keys_are_found() {
    let keys = keys::<Sample>();
    for key in
        ["listen", "part.hosts", "gateway.kind", "gateway.key", "aws.operation_timeout_ms", "telemetry.log"]
    {
        assert!(keys.iter().any(|k| k == key), "no {key} in {keys:?}");
    }
    assert!(!keys.iter().any(|k| k == "part" || k == "aws"), "{keys:?}");
}
