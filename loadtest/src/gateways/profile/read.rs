//! From text to settings, naming every fault and not only the first.

use std::ops::Range;

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::Behaviour;
use super::ProfileFault;
use super::print::{Setting, settings};

/// Reads a profile; `file` is what faults call it.
pub fn parse(file: &str, text: &str) -> Result<Behaviour, Vec<ProfileFault>> {
    let reader = Reader { file, text, settings: settings() };
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => return Err(vec![reader.no_toml(&error)]),
    };
    // One setting at a time, so that one fault does not hide the others.
    let faults: Vec<ProfileFault> =
        table.get_ref().iter().filter_map(|(key, value)| reader.setting_fault(key, value)).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let behaviour = Behaviour::deserialize(table.clone().into_deserializer())
        .map_err(|error| vec![reader.no_toml(&error)])?;
    let faults: Vec<ProfileFault> = behaviour
        .faults()
        .into_iter()
        .map(|fault| {
            let span = place(&table, &fault.path);
            reader.fault(span, fault.path, fault.problem)
        })
        .collect();
    if faults.is_empty() { Ok(behaviour) } else { Err(faults) }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    settings: Vec<Setting>,
}

impl Reader<'_> {
    fn fault(&self, span: Option<Range<usize>>, setting: String, problem: String) -> ProfileFault {
        let start = span.map_or(0, |span| span.start).min(self.text.len());
        let line = 1 + self.text.as_bytes().iter().take(start).filter(|byte| **byte == b'\n').count();
        ProfileFault { file: self.file.to_owned(), line, setting, problem }
    }

    fn no_toml(&self, error: &toml::de::Error) -> ProfileFault {
        let said = error.message().trim().replace('\n', ", ");
        self.fault(error.span(), String::new(), format!("this is not TOML: {said}"))
    }

    /// What is wrong with this setting alone, if anything: its name, or its type.
    fn setting_fault(
        &self,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<ProfileFault> {
        let name = key.get_ref().to_string();
        let Some(setting) = self.settings.iter().find(|setting| setting.name == name) else {
            let likely = nearest(&name, &self.settings);
            let problem = format!("there is no such setting; did you mean `{likely}`?");
            return Some(self.fault(Some(key.span()), name, problem));
        };
        let alone = DeTable::from_iter([(key.clone(), value.clone())]);
        let alone = Spanned::new(value.span(), alone).into_deserializer();
        let error = serde_path_to_error::deserialize::<_, Behaviour>(alone).err()?;
        let path = error.path().to_string();
        let path = if path.starts_with(name.as_str()) { path } else { name };
        let (span, said) = (error.inner().span(), error.inner().message().trim().replace('\n', ", "));
        let problem = format!("{said}; right would be, say, {}", setting.example());
        Some(self.fault(span.or_else(|| Some(key.span())), path, problem))
    }
}

/// Where a setting such as `burst[1].share` stands, or as much of it as there is.
fn place(table: &Spanned<DeTable<'_>>, path: &str) -> Option<Range<usize>> {
    let mut parts = path.split(['.', '[']).map(|part| part.trim_end_matches(']'));
    let (key, value) = table.get_ref().get_key_value(parts.next()?)?;
    let (mut span, mut value) = (key.span(), value.get_ref());
    for part in parts {
        let next = match value {
            DeValue::Array(array) => {
                part.parse::<usize>().ok().and_then(|n| array.get(n)).map(|next| (next.span(), next))
            }
            DeValue::Table(table) => table.get_key_value(part).map(|(key, next)| (key.span(), next)),
            _ => None,
        };
        let Some((at, next)) = next else { break };
        (span, value) = (at, next.get_ref());
    }
    Some(span)
}

/// The setting whose name is the least different.
fn nearest(name: &str, settings: &[Setting]) -> String {
    let near = settings.iter().min_by_key(|setting| distance(name, &setting.name));
    near.map_or_else(String::new, |setting| setting.name.clone())
}

/// How many characters have to be put in, taken out or changed to make one of the other. Names are short; what is longer is
/// cut.
fn distance(a: &str, b: &str) -> usize {
    const MOST: usize = 64;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(MOST).collect(), b.chars().take(MOST).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut before = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = before + usize::from(from != to);
            before = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(before + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, steps) in
            [("", "abc", 3), ("abc", "abc", 0), ("dead_sahre", "dead_share", 2), ("a", "b", 1)]
        {
            assert_eq!(distance(a, b), steps, "{a} {b}");
        }
    }
}
