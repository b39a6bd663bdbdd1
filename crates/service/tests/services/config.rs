//! `--check-config` and wrong usage of the real binaries.

use super::process::command;
use std::path::Path;

const SERVICES: [&str; 3] = ["api", "interim-worker", "push-worker"];

fn run(name: &str, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String) {
    let out = command(name).args(args).envs(env.iter().copied()).output().unwrap();
    let text = [out.stdout, out.stderr].concat();
    (out.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn a_good_configuration_has_status_0_and_a_bad_one_2_with_all_its_faults() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    std::fs::write(&file, "listen = \"nowhere\"\n[aws]\nbukket = \"b\"\nattempts_max = 0\n").unwrap();
    let file = file.to_str().unwrap();
    for name in SERVICES {
        let (status, text) =
            run(name, &["--check-config", "--config", file], &[("OWL_TELEMETRY__LOGG", "x")]);
        assert_eq!(status, Some(2), "{name}: {text}");
        for words in [
            format!("{file}:1: listen: "),
            format!("{file}:3: aws.bukket: unknown key"),
            format!("{file}:4: aws.attempts_max: is 0"),
            "OWL_TELEMETRY__LOGG: telemetry.logg: unknown key".to_owned(),
        ] {
            assert!(text.contains(&words), "{name}: no `{words}` in {text}");
        }
        assert_eq!(run(name, &["--config", "/nonexistent"], &[]).0, Some(2));
        assert_eq!(run(name, &["--nonsense"], &[]).0, Some(2));
    }
    for name in ["api", "interim-worker"] {
        let (status, text) = run(name, &["--check-config", "--listen", "127.0.0.1:0"], &[]);
        assert_eq!(status, Some(0), "{text}");
    }
    let (status, text) = run("api", &["--check-config", "--listen", "0.0.0.0:8080"], &[]);
    assert!(status == Some(2) && text.starts_with("api: --listen: listen: "), "{text}");
    let (status, text) = run("push-worker", &["--check-config"], &[]);
    assert!(status == Some(2) && text.contains("neither [apns] nor [fcm]"), "{text}");
}

#[test]
fn help_has_examples() {
    for name in SERVICES {
        let (status, text) = run(name, &["--help"], &[]);
        assert!(status == Some(0) && text.contains("Examples:") && text.contains("--check-config"), "{text}");
    }
}

/// Every variable that Terraform sets is known to the service that gets it.
#[test]
fn terraforms_variables_are_known() {
    let text = std::fs::read_to_string(repository().join("deploy/terraform/services.tf")).unwrap();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: Vec<_> = words.filter(|w| w.starts_with("OWL_") && w.len() > 4).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let service = match name.strip_prefix("OWL_").and_then(|n| n.split("__").next()) {
            Some("APNS" | "FCM" | "PUSH") => "push-worker",
            Some("INTERIM") => "interim-worker",
            _ => "api",
        };
        let (_, text) = run(service, &["--check-config"], &[(name, "x")]);
        assert!(!text.contains("unknown key"), "{service}: {text}");
    }
}
