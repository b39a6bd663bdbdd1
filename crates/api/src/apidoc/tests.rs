use super::*;
use crate::access::rules::RULES;
use crate::problem::Code;
use std::collections::BTreeSet;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

#[test]
fn docs_have_the_document() {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(DOCS, text()).unwrap();
        return;
    }
    let there = std::fs::read_to_string(DOCS).unwrap_or_default();
    let same = there == text();
    assert!(
        same,
        "docs/openapi.json differs from the code: UPDATE_DOCS=1 cargo test -p api --all-features docs"
    );
}

/// Method and path of everything in the document.
fn documented() -> BTreeSet<(String, String)> {
    let paths = openapi()["paths"].as_object().unwrap();
    let of = |(path, methods): (&String, &Value)| {
        let methods: Vec<_> = methods.as_object().unwrap().keys().map(|m| m.to_uppercase()).collect();
        methods.into_iter().map(|m| (m, path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

/// The router has the same routes as the rules (`routes/mod_tests.rs`), and every route is tried by every role from the rules
/// (`tests/api/access.rs`): so all of them are the document's.
#[test]
fn the_document_has_every_route_and_no_other() {
    let rules: BTreeSet<_> = RULES.iter().map(|r| (r.method.to_owned(), r.path.to_owned())).collect();
    assert_eq!(documented(), rules, "entries of the document are in crates/api/src/apidoc/table");
    let entries = table::all().iter().map(|(_, _, operations)| operations.len()).sum::<usize>();
    assert_eq!(entries, RULES.len(), "a route has two entries");
}

#[test]
fn operations_have_names_of_their_own_and_good_answers() {
    let mut names = BTreeSet::new();
    for (tag, _, operations) in table::all() {
        for operation in operations {
            assert!(names.insert(operation.id), "{} twice", operation.id);
            assert!(operation.answers.iter().any(|a| a.status < 300), "{tag}: {}", operation.id);
            assert!(!operation.summary.ends_with('.'), "{}", operation.summary);
        }
    }
}

/// That no other type can be given is the compiler's work: a problem is made of a `Code` only.
#[test]
fn every_type_of_problem_is_listed_and_some_route_has_it() {
    let listed = openapi()["components"]["schemas"]["ProblemType"]["enum"].as_array().unwrap();
    let listed: BTreeSet<_> = listed.iter().map(|kind| kind.as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, Code::all().map(Code::kind).collect());
    let operations = table::all().into_iter().flat_map(|(_, _, operations)| operations);
    let given: BTreeSet<_> = operations.flat_map(|o| o.codes()).collect();
    let never: Vec<_> = Code::all().filter(|code| !given.contains(code)).map(Code::label).collect();
    // These two are said where no route is; the last one only to the builder.
    assert_eq!(never, ["no_such_route", "wrong_method", "not_building"]);
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(value: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(to)) = object.get("$ref") {
                    let pointer = to.strip_prefix('#').unwrap();
                    assert!(openapi().pointer(pointer).is_some(), "{to}");
                }
                object.values().for_each(check);
            }
            Value::Array(all) => all.iter().for_each(check),
            _ => {}
        }
    }
    check(openapi());
}

#[test]
fn the_page_has_every_route_and_nothing_inline() {
    let page = html();
    for (tag, _, operations) in table::all() {
        for operation in operations {
            assert!(page.contains(&format!("<h3 id=\"{}\">", operation.id)), "{tag}: {}", operation.id);
        }
    }
    for bad in ["<script", "<style", " style=", "http://", "https://", "javascript:"] {
        assert!(!page.contains(bad), "the page has {bad}");
    }
    for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!(" id=\"{link}\"")), "#{link} leads nowhere");
    }
}
