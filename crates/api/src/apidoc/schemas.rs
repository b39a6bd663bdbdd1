//! The schemas of what goes in and out, taken from the types, and put together under `components/schemas`.
//!
//! A type that is read otherwise than it is written (what may be left out of a request stands in every answer) is there
//! twice: as itself, and with `Input` behind its name.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const SCHEMAS: &str = "#/components/schemas/";
/// Where the schemas of requests are looked for until they have their names.
const INPUTS: &str = "#/components/inputs/";

/// Makes the schema of one type.
pub(super) type SchemaOf = fn(&mut Schemas) -> Value;

/// The schemas so far.
pub(super) struct Schemas {
    inputs: SchemaGenerator,
    outputs: SchemaGenerator,
}

fn settings(path: &str) -> SchemaSettings {
    let path = path.trim_end_matches('/').to_owned();
    SchemaSettings::draft2020_12().with(|s| {
        s.definitions_path = path.into();
        s.meta_schema = None;
    })
}

impl Schemas {
    pub(super) fn new() -> Self {
        Self {
            inputs: settings(INPUTS).into_generator(),
            outputs: settings(SCHEMAS).for_serialize().into_generator(),
        }
    }

    /// How a type is read. The reference is named by [`Schemas::finish`].
    pub(super) fn input<T: JsonSchema>(&mut self) -> Value {
        self.inputs.subschema_for::<T>().to_value()
    }

    /// How a type is written.
    pub(super) fn output<T: JsonSchema>(&mut self) -> Value {
        self.outputs.subschema_for::<T>().to_value()
    }

    /// The whole schema of a type's parameters, with nothing referred to.
    pub(super) fn parameters<T: JsonSchema>(_: &mut Self) -> Value {
        let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
        let mut schema: Schema = settings.into_generator().into_root_schema_for::<T>();
        schema.remove("$schema");
        let mut schema = schema.to_value();
        tidy(&mut schema);
        schema
    }

    /// Names the references in `document`, and answers what they refer to.
    pub(super) fn finish(mut self, document: &mut Value) -> Map<String, Value> {
        let mut all = self.outputs.take_definitions(true);
        let inputs = self.inputs.take_definitions(true);
        let names = names(&inputs, &all);
        rename(document, &names);
        for (name, mut schema) in inputs {
            rename(&mut schema, &names);
            all.insert(names[&name].clone(), schema);
        }
        all.values_mut().for_each(tidy);
        all
    }
}

/// What each schema of a request is called in the end.
fn names(inputs: &Map<String, Value>, outputs: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut differ = BTreeSet::new();
    loop {
        let name = |n: &String| if differ.contains(n) { format!("{n}Input") } else { n.clone() };
        let names: BTreeMap<_, _> = inputs.keys().map(|n| (n.clone(), name(n))).collect();
        let before = differ.len();
        for (name, schema) in inputs {
            let mut schema = schema.clone();
            rename(&mut schema, &names);
            if outputs.get(name).is_some_and(|written| *written != schema) {
                differ.insert(name.clone());
            }
        }
        if differ.len() == before {
            return names;
        }
    }
}

fn rename(value: &mut Value, names: &BTreeMap<String, String>) {
    walk(value, &mut |object| {
        if let Some(Value::String(to)) = object.get_mut("$ref")
            && let Some(name) = to.strip_prefix(INPUTS).and_then(|name| names.get(name))
        {
            *to = format!("{SCHEMAS}{name}");
        }
    });
}

/// Calls `f` for every object.
fn walk(value: &mut Value, f: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            f(object);
            object.values_mut().for_each(|v| walk(v, f));
        }
        Value::Array(all) => all.iter_mut().for_each(|v| walk(v, f)),
        _ => {}
    }
}

/// The range of numbers whose format says it, and descriptions without the marks of Rust's documentation.
fn tidy(schema: &mut Value) {
    walk(schema, &mut |object| {
        let (min, max) = match object.get("format").and_then(Value::as_str) {
            Some("uint32") => (None, json!(u32::MAX)),
            Some("uint64" | "uint") => (None, json!(u64::MAX)),
            Some("int64") => (Some(json!(i64::MIN)), json!(i64::MAX)),
            _ => (None, Value::Null),
        };
        if !max.is_null() {
            object.entry("maximum").or_insert(max);
        }
        if let Some(min) = min {
            object.entry("minimum").or_insert(min);
        }
        if let Some(Value::String(text)) = object.get_mut("description") {
            *text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
        }
    });
}
