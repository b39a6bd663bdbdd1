//! From an installation that nobody administers to a marketer with a token, as people type it.

use super::support::{Process, stranger};
use serde_json::Value;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

/// Somebody with a home of their own, at one server.
struct Person<'a> {
    home: &'a Path,
    server: &'a str,
}

impl Person<'_> {
    fn run(&self, args: &[&str]) -> Output {
        let mut command = stranger();
        command.env("XDG_CONFIG_HOME", self.home).args(["--json", "--server", self.server]).args(args);
        command.output().unwrap()
    }

    fn good(&self, args: &[&str]) -> Value {
        let out = self.run(args);
        assert_eq!(out.status.code(), Some(0), "owl {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    }

    fn types(&self, args: &[&str], line: &str) -> String {
        let mut command = stranger();
        command.env("XDG_CONFIG_HOME", self.home).args(args);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "owl {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    fn bad(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert_eq!(out.status.code(), Some(1), "owl {args:?} should fail");
        String::from_utf8(out.stderr).unwrap()
    }
}

fn up(data: &Path) -> Process {
    Process::start(stranger().args(["--json", "up", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

#[test]
fn the_first_administrator_lets_others_in() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let first = up(&data);
    let server = text(&first.first, "listening").to_owned();
    let code = text(&first.first["first_administrator"], "code").to_owned();
    let link = text(&first.first["first_administrator"], "link");
    assert_eq!(link, format!("{server}/sign-in#first={code}"));
    let (ada_home, bea_home) = (dir.path().join("ada"), dir.path().join("bea"));
    let ada = Person { home: &ada_home, server: &server };
    let bea = Person { home: &bea_home, server: &server };

    let stranger = ada.bad(&["campaign", "list"]);
    assert!(stranger.contains("run `owl login"), "{stranger}");
    let login = ada.good(&["login", &server, &code]);
    assert_eq!((text(&login, "name"), text(&login, "role")), ("first administrator", "admin"));
    let file = ada_home.join("owl/credentials.json");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert!(bea.bad(&["login", &server, &code]).contains("not good"), "a code is good once");

    let made = ada.good(&["token", "create", "--name", "Bea", "--role", "marketer", "--expires", "30d"]);
    let token = text(&made, "token");
    let link = format!("{server}{}", text(&made, "link"));
    for told in [link.as_str(), token] {
        let refused = bea.bad(&["login", told]);
        assert!(refused.contains("paste it when asked") && !refused.contains(&token[13..]), "{refused}");
    }
    bea.types(&["login", &server], &link);
    let said = bea.types(&["login", &server], token);
    assert!(said.contains(&format!("export OWL_SERVER={server}")), "where else would it go? {said}");
    assert_eq!(text(&bea.good(&["whoami"]), "name"), "Bea");
    let refused = bea.bad(&["campaign", "create", "--name", "c", "--title", "Hi"]);
    assert!(refused.contains("engineer, load-tester, admin"), "{refused}");
    ada.good(&["campaign", "create", "--name", "c", "--title", "Hi"]);
    assert!(bea.bad(&["campaign", "press", "c"]).contains("armed"), "she may, and it is not armed");
    assert!(bea.bad(&["token", "list"]).contains("admin"));
    let trail = ada.good(&["audit", "--campaign", "c"]);
    assert!(trail["entries"].as_array().unwrap().iter().all(|e| e["campaign"].is_string()), "{trail}");

    // The whole token names itself, for whoever finds it where it should not be.
    assert_eq!(text(&ada.good(&["token", "revoke", token])["revoked"], "by"), "first administrator");
    let gone = bea.bad(&["whoami"]);
    assert!(gone.contains("revoked by first administrator") && !gone.contains(&token[13..]), "{gone}");
    let list = ada.good(&["token", "list"]).to_string();
    assert!(list.contains("Bea") && !list.contains(&token[13..]), "{list}");
    assert_eq!(bea.good(&["logout"])["forgotten"], true);
    assert!(bea.bad(&["whoami"]).contains("owl login"));

    // The port is another after a restart, and the tokens are the same.
    let token_file = dir.path().join("token");
    let stored: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    std::fs::write(&token_file, text(&stored["servers"][&server], "token")).unwrap();
    assert_eq!(first.terminate(), Some(0));
    let second = up(&data);
    assert_eq!(second.first["first_administrator"], Value::Null, "somebody administers it");
    let again = Person { home: &bea_home, server: text(&second.first, "listening") };
    let session = again.good(&["--token-file", token_file.to_str().unwrap(), "whoami"]);
    assert_eq!(text(&session, "name"), "first administrator");
}

#[test]
fn a_fault_in_the_configuration_does_not_show_the_token_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("owl.toml");
    let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    for fault in
        ["[access]\nadmin_token = \"TOKEN", "[access]\nadmin_tokn = \"TOKEN\"", "\naccess = \"TOKEN\""]
    {
        std::fs::write(&config, fault.replace("TOKEN", &format!("owl_0ad41000_{secret}"))).unwrap();
        let out = stranger().args(["up", "--config"]).arg(&config).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && said.contains("line 2"), "{said}");
        assert!(!said.contains(secret), "{said}");
    }
}
