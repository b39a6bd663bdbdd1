//! The document as a page for people: plain HTML, with no script. Whatever comes from the document is escaped.

use super::openapi;
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::LazyLock;

static PAGE: LazyLock<String> = LazyLock::new(|| Page::default().whole(openapi()));

/// The page.
pub(crate) fn html() -> &'static str {
    &PAGE
}

const HEAD: &str = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="light dark">
<title>API · Superb Owl</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/base.css">
<link rel="stylesheet" href="/assets/docs.css">
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header class="top"><a class="brand" href="/"><span class="square" aria-hidden="true"></span>Superb Owl</a></header>
<main id="main" tabindex="-1">
<h1>HTTP API</h1>
"##;
const FOOT: &str = "</main>\n</body>\n</html>\n";

/// HTML so far.
#[derive(Default)]
struct Page(String);

/// Text between tags or in an attribute; what stands in backquotes becomes code.
fn text(raw: &str) -> String {
    let safe = raw.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut out = String::new();
    for (n, part) in safe.split('`').enumerate() {
        let _ = if n % 2 == 1 { write!(out, "<code>{part}</code>") } else { write!(out, "{part}") };
    }
    out
}

fn str_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn words(value: &Value) -> Vec<&str> {
    items(value).filter_map(Value::as_str).collect()
}

impl Page {
    fn add(&mut self, html: &str) {
        self.0.push_str(html);
    }

    fn whole(mut self, document: &Value) -> String {
        self.add(HEAD);
        self.add(&format!("<p>{}</p>\n", text(str_of(&document["info"], "description"))));
        self.add("<p>For programs: <a href=\"/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>\n");
        self.contents(document);
        for tag in items(&document["tags"]) {
            self.group(document, tag);
        }
        self.problems(&document["components"]["schemas"]["ProblemType"]["x-problems"]);
        self.add("<section aria-labelledby=\"schemas\">\n<h2 id=\"schemas\">Schemas</h2>\n");
        for (name, schema) in fields(&document["components"]["schemas"]) {
            self.schema(name, schema);
        }
        self.add("</section>\n");
        self.add(FOOT);
        self.0
    }

    /// Operations of a group, each with its path and method.
    fn of_tag<'a>(document: &'a Value, tag: &str) -> Vec<(&'a str, &'a str, &'a Value)> {
        let paths = fields(&document["paths"]);
        let all = paths
            .flat_map(|(path, methods)| fields(methods).map(move |(m, op)| (path.as_str(), m.as_str(), op)));
        all.filter(|(_, _, op)| op["tags"][0] == tag).collect()
    }

    fn contents(&mut self, document: &Value) {
        self.add("<nav aria-label=\"Contents\" class=\"contents\">\n");
        for tag in items(&document["tags"]) {
            let name = str_of(tag, "name");
            self.add(&format!("<h2>{}</h2>\n<ul>\n", text(name)));
            for (path, method, op) in Self::of_tag(document, name) {
                let (id, method) = (str_of(op, "operationId"), method.to_uppercase());
                self.add(&format!("<li><a href=\"#{id}\"><code>{method} {}</code></a></li>\n", text(path)));
            }
            self.add("</ul>\n");
        }
        self.add("<ul>\n<li><a href=\"#problems\">Problems</a></li>\n<li><a href=\"#schemas\">Schemas</a></li>\n</ul>\n</nav>\n");
    }

    fn group(&mut self, document: &Value, tag: &Value) {
        let name = str_of(tag, "name");
        let id = name.to_lowercase().replace(' ', "-");
        self.add(&format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>\n", text(name)));
        self.add(&format!("<p>{}</p>\n", text(str_of(tag, "description"))));
        for (path, method, op) in Self::of_tag(document, name) {
            self.operation(document, path, method, op);
        }
        self.add("</section>\n");
    }

    fn operation(&mut self, document: &Value, path: &str, method: &str, op: &Value) {
        let id = str_of(op, "operationId");
        self.add(&format!("<article aria-labelledby=\"{id}\">\n<h3 id=\"{id}\"><code>"));
        self.add(&format!("<b>{}</b> {}</code></h3>\n", method.to_uppercase(), text(path)));
        self.add(&format!("<p>{}.</p>\n", text(str_of(op, "summary").trim_end_matches('?'))));
        if !str_of(op, "description").is_empty() {
            self.add(&format!("<p>{}</p>\n", text(str_of(op, "description"))));
        }
        self.add("<dl>\n");
        self.entry("Who", &who(op));
        for parameter in items(&op["parameters"]) {
            self.parameter(parameter);
        }
        for (kind, media) in fields(&op["requestBody"]["content"]) {
            self.entry(&format!("Body <code>{}</code>", text(kind)), &kind_of(&media["schema"]));
        }
        for (status, answer) in fields(&op["responses"]) {
            self.answer(document, status, answer);
        }
        self.add("</dl>\n</article>\n");
    }

    fn parameter(&mut self, parameter: &Value) {
        let term =
            format!("{} <code>{}</code>", text(str_of(parameter, "in")), text(str_of(parameter, "name")));
        let about = text(str_of(parameter, "description"));
        self.entry(&term, &format!("{}. {about}", kind_of(&parameter["schema"])));
    }

    fn answer(&mut self, document: &Value, status: &str, answer: &Value) {
        let name = str_of(answer, "$ref").rsplit('/').next().unwrap_or_default();
        let answer = if name.is_empty() { answer } else { &document["components"]["responses"][name] };
        let mut said = text(str_of(answer, "description"));
        for (kind, media) in fields(&answer["content"]).filter(|(kind, _)| *kind != crate::PROBLEM_MEDIA_TYPE)
        {
            let _ = write!(said, " <code>{}</code> {}", text(kind), kind_of(&media["schema"]));
        }
        self.entry(&format!("<code>{}</code>", text(status)), &said);
    }

    fn entry(&mut self, term: &str, said: &str) {
        self.add(&format!("<div><dt>{term}</dt><dd>{said}</dd></div>\n"));
    }

    fn problems(&mut self, all: &Value) {
        self.add("<section aria-labelledby=\"problems\">\n<h2 id=\"problems\">Problems</h2>\n<dl>\n");
        for (kind, problem) in fields(all) {
            let term = format!("<code>{}</code>", text(kind.trim_start_matches("/problems/")));
            let status = problem["status"].as_u64().unwrap_or_default();
            self.entry(&term, &format!("{status}. {}", text(str_of(problem, "description"))));
        }
        self.add("</dl>\n</section>\n");
    }

    fn schema(&mut self, name: &str, schema: &Value) {
        self.add(&format!(
            "<article aria-labelledby=\"schema-{name}\">\n<h3 id=\"schema-{name}\">{}</h3>\n",
            text(name)
        ));
        self.add(&format!("<p>{}</p>\n<dl>\n", text(str_of(schema, "description"))));
        let needed = words(&schema["required"]);
        for (field, of) in fields(&schema["properties"]) {
            let may = if needed.contains(&field.as_str()) { "" } else { ", may be left out" };
            let about = text(str_of(of, "description"));
            self.entry(&format!("<code>{}</code>", text(field)), &format!("{}{may}. {about}", kind_of(of)));
        }
        for choice in items(&schema["oneOf"]) {
            let term = format!("<code>{}</code>", text(str_of(choice, "const")));
            self.entry(&term, &text(str_of(choice, "description")));
        }
        self.add("</dl>\n");
        if schema["properties"].is_null() && schema["oneOf"].is_null() {
            self.add(&format!("<p>{}</p>\n", kind_of(schema)));
        }
        self.add("</article>\n");
    }
}

/// Who may do it.
fn who(op: &Value) -> String {
    let roles = words(&op["x-roles"]);
    let silent = words(&op["x-silent-only"]);
    match (roles.is_empty(), silent.is_empty()) {
        (true, _) => "everybody, without a token".to_owned(),
        (false, true) => text(&roles.join(", ")),
        (false, false) => {
            format!("{} ({}: silent campaigns only)", text(&roles.join(", ")), text(&silent.join(", ")))
        }
    }
}

/// What a schema is, in a word or two, with a link where it has a name.
fn kind_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|to| to.rsplit('/').next()) {
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        let all: Vec<_> = items(&schema[key]).map(kind_of).collect();
        if !all.is_empty() {
            return all.join(" or ");
        }
    }
    if let Some(one) = schema.get("const") {
        return format!("<code>{}</code>", text(one.as_str().unwrap_or_default()));
    }
    let kinds = schema["type"].as_str().map_or_else(|| words(&schema["type"]).join(" or "), str::to_owned);
    match kinds.as_str() {
        "array" if schema["items"].is_object() => format!("list of {}", kind_of(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", kind_of(&schema["additionalProperties"]))
        }
        _ => text(&(kinds + &range(schema))),
    }
}

fn range(schema: &Value) -> String {
    match (&schema["minimum"], &schema["maximum"]) {
        (Value::Number(min), Value::Number(max)) if max.as_u64().is_some_and(|m| m < u64::from(u32::MAX)) => {
            format!(", {min} to {max}")
        }
        _ => str_of(schema, "pattern")
            .is_empty()
            .then(String::new)
            .unwrap_or_else(|| format!(", `{}`", str_of(schema, "pattern"))),
    }
}
