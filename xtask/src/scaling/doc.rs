//! Writes the figures into `docs/scaling.md`, between its markers, and the pictures beside it.

use super::measure::{Compared, Measured};
use super::{plot, tables};
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What the table of fleets is about; the same line stands in the document, and a test of `crates/owl` runs it.
const SHOWN: &[&str] = &["fleet", "predict", "--users", "4000000", "--fcm-quota", "25000000"];
/// The same with ten times the room, and a few workers only.
const ROOMY: &[&str] = &[
    "fleet",
    "predict",
    "--users",
    "4000000",
    "--fcm-quota",
    "25000000",
    "--devices-in-flight",
    "40000",
    "--push-workers",
    "2,5,10,50,200",
];
/// Audiences, in users.
const AUDIENCES: [&str; 6] = ["100000", "400000", "1000000", "4000000", "10000000", "40000000"];
const WORKERS: &str = "2,10,50,200,1000";

pub(super) fn write(
    docs: &Path,
    owl: &Path,
    measured: &Measured,
    compared: &[Compared],
) -> anyhow::Result<()> {
    let file = docs.join("scaling.md");
    let mut text =
        std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let shown = said(owl, SHOWN)?;
    let fleets = json(owl, SHOWN)?;
    let roomy = json(owl, ROOMY)?;
    let quota = json(owl, &["fleet", "predict", "--users", "4000000"])?;
    let sweep = |users: &&str| {
        // As if Google had granted what the whole audience takes within five seconds: else there is nothing but quota to see.
        json(
            owl,
            &["fleet", "predict", "--users", users, "--fcm-quota", "1000000000", "--push-workers", WORKERS],
        )
    };
    let audiences = AUDIENCES.iter().map(sweep).collect::<anyhow::Result<Vec<_>>>()?;
    put(&mut text, "printed", &format!("```\n$ owl {}\n{}\n```", SHOWN.join(" "), shown.trim_end()))?;
    put(&mut text, "fleets", &tables::fleets(&fleets))?;
    put(&mut text, "roomy", &format!("`owl {}`:\n\n{}", ROOMY.join(" "), tables::fleets(&roomy)))?;
    put(&mut text, "quota", &tables::fleets(&quota))?;
    put(&mut text, "audiences", &tables::audiences(&audiences))?;
    put(&mut text, "limits", &tables::limits(&fleets))?;
    if !compared.is_empty() {
        put(&mut text, "measured", &tables::compared(compared, measured))?;
        plot::compared(&docs.join("scaling"), compared)?;
    }
    plot::audiences(&docs.join("scaling"), &audiences)?;
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Between `<!-- name: ... -->` and `<!-- end of name -->`.
fn put(text: &mut String, name: &str, new: &str) -> anyhow::Result<()> {
    let (begin, end) = (format!("<!-- {name}:"), format!("<!-- end of {name} -->"));
    let from = text.find(&begin).and_then(|at| Some(at + text[at..].find("-->")? + "-->".len()));
    let (Some(from), Some(until)) = (from, text.find(&end)) else {
        bail!("docs/scaling.md has no markers for `{name}`");
    };
    ensure!(from <= until, "docs/scaling.md has its markers for `{name}` the wrong way round");
    text.replace_range(from..until, &format!("\n{}\n", new.trim_end()));
    Ok(())
}

fn said(owl: &Path, args: &[&str]) -> anyhow::Result<String> {
    let output =
        Command::new(owl).args(args).output().with_context(|| format!("cannot run {}", owl.display()))?;
    ensure!(output.status.success(), "`owl {}` failed", args.join(" "));
    String::from_utf8(output.stdout).context("owl says what is no text")
}

fn json(owl: &Path, args: &[&str]) -> anyhow::Result<Value> {
    let with: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&said(owl, &with)?).context("owl's JSON can't be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_markers_is_replaced_and_nothing_else() {
        let mut text = "a\n<!-- x: made by it -->\nold\n<!-- end of x -->\nb\n".to_owned();
        put(&mut text, "x", "new\n").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(text, "a\n<!-- x: made by it -->\nnew\n<!-- end of x -->\nb\n");
        assert!(put(&mut text, "y", "new").is_err());
    }

    /// The document has every marker that is written to.
    #[test]
    fn the_document_has_its_markers() {
        let mut text = include_str!("../../../docs/scaling.md").to_owned();
        for name in ["printed", "fleets", "roomy", "quota", "audiences", "limits", "measured"] {
            assert!(put(&mut text, name, "x").is_ok(), "{name}");
        }
    }
}
