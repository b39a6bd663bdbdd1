//! Writes the table of operations as an OpenAPI 3.1 document.

use super::operation::{Answer, Body, Header, Operation};
use super::schemas::Schemas;
use super::table;
use crate::access::rules::Lets;
use crate::live::Live;
use crate::problem::{Code, MEDIA_TYPE, Problem};
use common::access::Role;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const ABOUT: &str = "Push fan-out: a campaign is made, given an audience, armed, and pressed. Times are milliseconds since 1970 \
(UTC). Every request and answer has an id in `x-request-id`. Unknown fields and parameters are refused by name. Faults are \
problems (RFC 9457) with a stable `type`; nothing was changed then, unless the detail says so. `x-roles` of an operation lists \
the roles that may do it.";

/// The document.
pub(super) fn document() -> Value {
    let mut writer = Writer { schemas: Schemas::new(), responses: Map::new() };
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for (_, _, operations) in table::all() {
        for operation in operations {
            let methods = paths.entry(operation.path).or_default();
            methods.insert(operation.method.to_ascii_lowercase(), writer.operation(&operation));
        }
    }
    // Named in texts only: what every fault looks like, and what an event carries.
    let _ = (writer.schemas.output::<Problem>(), writer.schemas.output::<Live>());
    let mut document = json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Superb Owl",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": table::all().iter().map(|(tag, about, _)| json!({"name": tag, "description": about})).collect::<Value>(),
        "paths": paths,
        "components": {"responses": writer.responses, "securitySchemes": security_schemes()},
    });
    let mut schemas = writer.schemas.finish(&mut document);
    name_problems(&mut schemas);
    document["components"]["schemas"] = schemas.into();
    document
}

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "owl_ + 8 hexadecimal digits + _ + 43 letters, digits, - and _",
            "description": "A token, as `owl token create` makes one. What it may do depends on its role.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "owl_session",
            "description": "The cookie that `POST /v1/session` sets (by TLS: `__Host-owl_session`). Methods other than GET and \
    HEAD then need an `Origin` of this host or `Sec-Fetch-Site: same-origin`.",
        },
    })
}

/// Every type that a problem can have, with its status and meaning.
fn name_problems(schemas: &mut Map<String, Value>) {
    let mut all: Vec<_> = Code::all().collect();
    all.sort_by_key(|code| (code.status().as_u16(), code.label()));
    let kinds: Vec<_> = all.iter().map(|code| code.kind()).collect();
    let told = |code: &Code| {
        let told = json!({"status": code.status().as_u16(), "description": code.about()});
        (code.kind(), told)
    };
    let told: Map<_, _> = all.iter().map(told).collect();
    let kind = json!({
        "type": "string",
        "enum": kinds,
        "description": "The stable types of problems.",
        "x-problems": told,
    });
    schemas.insert("ProblemType".to_owned(), kind);
    let kind = json!({"$ref": "#/components/schemas/ProblemType"});
    schemas["Problem"]["properties"]["type"] = kind;
}

struct Writer {
    schemas: Schemas,
    responses: Map<String, Value>,
}

impl Writer {
    fn operation(&mut self, operation: &Operation) -> Value {
        let mut out = json!({
            "operationId": operation.id,
            "summary": operation.summary,
            "tags": [operation.tag],
            "parameters": self.parameters(operation),
            "responses": self.answers(operation),
        });
        if !operation.about.is_empty() {
            out["description"] = operation.about.into();
        }
        if let Some(body) = self.body(operation.body) {
            out["requestBody"] = body;
        }
        admit(operation, &mut out);
        out
    }

    fn parameters(&mut self, operation: &Operation) -> Vec<Value> {
        let mut all: Vec<_> = operation.segments().map(|name| in_path(operation.path, name)).collect();
        if let Some(schema_of) = operation.query {
            all.extend(in_query(&schema_of(&mut self.schemas)));
        }
        let of_header = |Header { name, about, pattern }: &Header| {
            let schema = json!({"type": "string", "pattern": pattern, "minLength": 1, "maxLength": 255});
            json!({"name": name, "in": "header", "description": about, "schema": schema})
        };
        all.extend(operation.headers.iter().map(of_header));
        all
    }

    fn body(&mut self, body: Body) -> Option<Value> {
        match body {
            Body::Nothing => None,
            Body::Json(schema) => {
                let schema = schema(&mut self.schemas);
                Some(json!({"required": true, "content": {"application/json": {"schema": schema}}}))
            }
            Body::Lines => Some(json!({"required": true, "content": {"application/x-ndjson": {}}})),
            Body::List(kinds) => {
                let content: Map<_, _> = kinds.iter().map(|kind| ((*kind).to_owned(), json!({}))).collect();
                Some(json!({"required": true, "content": content}))
            }
        }
    }

    fn answers(&mut self, operation: &Operation) -> Map<String, Value> {
        let good = operation.answers.iter().map(|a| (a.status.to_string(), self.answer(a)));
        let mut all: Map<_, _> = good.collect();
        let mut by_status: BTreeMap<u16, BTreeSet<&str>> = BTreeMap::new();
        for code in operation.codes() {
            by_status.entry(code.status().as_u16()).or_default().insert(code.label());
        }
        for (status, labels) in by_status {
            let name = self.problem(status, &labels);
            all.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{name}")}));
        }
        all
    }

    fn answer(&mut self, answer: &Answer) -> Value {
        let mut out = json!({"description": answer.about});
        let content = answer.content.iter().map(|(kind, schema)| {
            let schema = schema.map(|of| of(&mut self.schemas));
            ((*kind).to_owned(), schema.map_or_else(|| json!({}), |schema| json!({"schema": schema})))
        });
        let content: Map<_, _> = content.collect();
        if !content.is_empty() {
            out["content"] = content.into();
        }
        let header = |(name, about): &(&str, &str)| {
            ((*name).to_owned(), json!({"description": about, "schema": {"type": "string"}}))
        };
        let headers: Map<_, _> = answer.headers.iter().map(header).collect();
        if !headers.is_empty() {
            out["headers"] = headers.into();
        }
        out
    }

    /// The answer with one of these problems; routes that have the same ones share it.
    fn problem(&mut self, status: u16, labels: &BTreeSet<&str>) -> String {
        let labels: Vec<_> = labels.iter().copied().collect();
        let name = format!("{status}.{}", labels.join("."));
        let kinds: Vec<_> = labels.iter().map(|label| format!("/problems/{label}")).collect();
        let mut out = json!({
            "description": labels.iter().map(|l| format!("`{l}`")).collect::<Vec<_>>().join(", "),
            "content": {MEDIA_TYPE: {"schema": {
                "allOf": [{"$ref": "#/components/schemas/Problem"}],
                "properties": {"type": {"enum": kinds}, "status": {"const": status}},
            }}},
        });
        let header = |about: &str, kind: &str| json!({"description": about, "schema": {"type": kind}});
        match status {
            401 => out["headers"]["WWW-Authenticate"] = header("`Bearer`", "string"),
            429 | 503 => out["headers"]["Retry-After"] = header("Seconds to wait.", "integer"),
            _ => {}
        }
        self.responses.insert(name.clone(), out);
        name
    }
}

/// Who may do it.
fn admit(operation: &Operation, out: &mut Value) {
    let Some(rule) = operation.rule() else { return };
    let token = [json!({"bearer": []}), json!({"session": []})];
    let security: Vec<_> = match rule.lets {
        Lets::Open => Vec::new(),
        // On this machine nobody is asked.
        Lets::Local => [json!({})].into_iter().chain(token).collect(),
        Lets::Roles(_) => token.into(),
    };
    out["security"] = security.into();
    if rule.lets != Lets::Open {
        let roles: Vec<_> = Role::ALL.into_iter().filter(|r| rule.lets.role(*r)).map(Role::label).collect();
        out["x-roles"] = roles.into();
        out["x-action"] = rule.action.into();
    }
    if rule.silent {
        out["x-silent-only"] = json!([Role::LoadTester.label()]);
    }
}

fn in_path(path: &str, name: &str) -> Value {
    let (about, schema) = match (name, path.starts_with("/v1/")) {
        ("id", true) if path.starts_with("/v1/tokens") => {
            ("The token's public id.", json!({"type": "string", "pattern": "^[0-9a-f]{8}$"}))
        }
        ("id", true) if path.starts_with("/v1/webhooks") => {
            ("The webhook's id.", json!({"type": "string", "pattern": "^[0-9a-f]{16}$"}))
        }
        ("id", true) => ("The campaign's id.", json!({"type": "string", "format": "uuid"})),
        ("test", _) => ("The test's id.", json!({"type": "string", "format": "uuid"})),
        ("name", true) => ("The list's name.", json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"})),
        ("shard", _) => {
            ("The shard, counted from 0.", json!({"type": "integer", "minimum": 0, "maximum": u16::MAX}))
        }
        ("batch", _) => (
            "The batch within its shard, counted from 0.",
            json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
        ),
        ("user", _) => (
            "The user's id, 1 to 128 bytes, percent-encoded.",
            json!({"type": "string", "minLength": 1, "maxLength": 128}),
        ),
        _ => ("Anything.", json!({"type": "string", "minLength": 1})),
    };
    json!({"name": name, "in": "path", "required": true, "description": about, "schema": schema})
}

/// A parameter for each field. What may be left out is never `null` in a query.
fn in_query(schema: &Value) -> Vec<Value> {
    let empty = Map::new();
    let fields = schema["properties"].as_object().unwrap_or(&empty);
    let one = |(name, field): (&String, &Value)| {
        let mut schema = field.clone();
        let about = schema.as_object_mut().and_then(|s| s.remove("description"));
        without_null(&mut schema);
        json!({"name": name, "in": "query", "description": about.unwrap_or_default(), "schema": schema})
    };
    fields.iter().map(one).collect()
}

fn without_null(schema: &mut Value) {
    let kinds = schema["type"].as_array().cloned().unwrap_or_default();
    if let Some(kind) = kinds.iter().find(|kind| *kind != "null").filter(|_| kinds.len() == 2) {
        schema["type"] = kind.clone();
    }
    let either = schema["anyOf"].as_array().cloned().unwrap_or_default();
    if let Some(some) = either.iter().find(|s| s["type"] != "null").filter(|_| either.len() == 2) {
        *schema = some.clone();
    }
    for gone in ["default", "anyOf", "type"] {
        if schema[gone].is_null()
            && let Some(object) = schema.as_object_mut()
        {
            object.remove(gone);
        }
    }
}
