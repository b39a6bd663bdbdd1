use super::*;
use std::fmt::Write as _;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/access.md");
const BEGIN: &str = "<!-- begin of the table: `UPDATE_DOCS=1 cargo test -p api docs` writes it -->\n";
const END: &str = "<!-- end of the table -->\n";

#[test]
fn docs_say_what_the_rules_say() {
    let text = std::fs::read_to_string(DOCS).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("docs/access.md has a begin of the table");
    let (table, after) = rest.split_once(END).expect("docs/access.md has an end of the table");
    let wanted = written();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(DOCS, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(table, wanted, "docs/access.md differs from the rules: UPDATE_DOCS=1 cargo test -p api docs");
}

fn written() -> String {
    let mut out = String::from("| route | action |");
    Role::ALL.iter().for_each(|role| write!(out, " {role} |").unwrap());
    out.push_str("\n|---|---|");
    Role::ALL.iter().for_each(|_| out.push_str("---|"));
    out.push('\n');
    for rule in RULES {
        write!(out, "| `{} {}` | {} |", rule.method, rule.path, rule.action).unwrap();
        for role in Role::ALL {
            let silent = rule.silent && role == LoadTester;
            let word = match rule.lets {
                Lets::Open => "open",
                Lets::Local => "yes*",
                Lets::Roles(_) if !rule.lets.role(role) => "",
                Lets::Roles(_) if silent => "silent",
                Lets::Roles(_) => "yes",
            };
            write!(out, " {word} |").unwrap();
        }
        out.push('\n');
    }
    out
}

#[test]
fn a_session_lists_what_its_role_may_do() {
    assert_eq!(can(Viewer), ["read"]);
    assert_eq!(can(Marketer), ["read", "canary", "press", "abort", "read_users", "test", "testers"]);
    let admin = can(Role::Admin);
    for role in Role::ALL {
        assert!(can(role).iter().all(|action| admin.contains(action)), "{role}");
        let only_admin = role == Role::Admin;
        assert_eq!(can(role).contains(&"tokens"), only_admin, "{role}");
        assert_eq!(can(role).contains(&"override"), only_admin || role == Sre, "{role}");
        assert_eq!(
            can(role).contains(&"press"),
            only_admin || matches!(role, Marketer | LoadTester),
            "{role}"
        );
    }
}

#[test]
fn what_names_users_is_not_for_viewers_and_what_changes_is_for_nobody_without_a_role() {
    for rule in RULES {
        let of_users = rule.path.contains("{user}") || rule.action == "read_users";
        assert!(!of_users || !rule.lets.role(Viewer), "{rule:?}");
        let changes = rule.method != "GET" && !rule.path.starts_with("/v1/session");
        assert!(!changes || matches!(rule.lets, Lets::Roles(_)), "{rule:?}");
        assert!(!changes || !rule.lets.role(Viewer), "{rule:?}");
        let of_campaigns = changes && rule.path.starts_with("/v1/campaigns");
        assert_eq!(rule.silent, of_campaigns, "{rule:?}");
    }
}
