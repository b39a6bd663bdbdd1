//! For tests: whether a sample file and the documentation have every key that a service knows, and none that it does not.

use super::{Fault, Settings, Sources, keys, load};

/// What a sample and the documentation have too much or too little; empty when they are as the type is.
///
/// A key is in the sample as `key = …` under its section, also when the line begins with `# `; in the documentation as
/// `` `section.key` ``.
#[must_use]
pub fn drift<S: Settings>(sample: &str, docs: &str) -> Vec<String> {
    let (known, shown) = (keys::<S>(), keys_of(sample));
    let missing = known.iter().filter(|key| !shown.contains(key) && !docs.contains(&format!("`{key}`")));
    let missing = missing.map(|key| format!("`{key}` is neither in the sample nor in the documentation"));
    let unknown = shown.iter().filter(|key| !known.contains(key));
    missing.chain(unknown.map(|key| format!("`{key}` is in the sample and unknown"))).collect()
}

/// Reads a sample as the service would, with these variables set.
///
/// # Errors
/// Every fault there is.
pub fn read<S: Settings>(sample: &str, env: &[(&str, &str)]) -> Result<S, Vec<Fault>> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let file = Some(("sample".to_owned(), sample.to_owned()));
    load(Sources { file, env: env.collect(), flags: Vec::new() })
}

fn keys_of(sample: &str) -> Vec<String> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in sample.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.split(']').next()) {
            section = format!("{name}.");
        }
        let line = line.strip_prefix("# ").unwrap_or(line);
        let is_key =
            |key: &str| key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| is_key(key)) {
            found.push(format!("{section}{key}"));
        }
    }
    found
}
