//! `owl devices`: filling the device table.

use crate::client::{Client, Kind};
use crate::output;
use crate::output::outln;
use anyhow::Context;
use clap::Subcommand;
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub(crate) enum DevicesCommand {
    /// Import devices: a CSV with the header user_id,platform,token,locale and optional
    /// timezone,opted_out,registered_at,app,environment,target_kind; or NDJSON with the same names. gzip and zstd by
    /// the file's ending.
    Import {
        /// The file.
        file: PathBuf,
    },
    /// How many users have devices.
    Count,
    /// One user's devices, with their tokens hashed.
    Show {
        /// The user's id.
        user: String,
    },
}

pub(crate) fn run(client: &Client, command: DevicesCommand, json: bool) -> anyhow::Result<bool> {
    match command {
        DevicesCommand::Import { file } => import(client, &file, json),
        DevicesCommand::Count => {
            let answer: Value = client.get("/v1/devices")?;
            if json {
                output::json(&answer)?;
            } else {
                outln!("{} users", output::count(answer["users"].as_u64().unwrap_or(0)));
            }
            Ok(true)
        }
        DevicesCommand::Show { user } => {
            let answer: Value = client.get(&format!("/v1/devices/{}", crate::client::segment(&user)))?;
            if json {
                output::json(&answer)?;
            } else {
                outln!("{}", serde_json::to_string_pretty(&answer)?);
            }
            Ok(true)
        }
    }
}

fn import(client: &Client, path: &std::path::Path, json: bool) -> anyhow::Result<bool> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bar = output::progress("importing devices", file.metadata().ok().map(|m| m.len()));
    let answer: Value = client.post_stream("/v1/devices", Kind::of_devices(path), bar.wrap_read(file))?;
    bar.finish_and_clear();
    if json {
        output::json(&answer)?;
    } else {
        imported(&answer);
    }
    Ok(answer["bad_lines"].as_u64() == Some(0))
}

/// Says what an import did, and names the first lines that were left out.
pub(crate) fn imported(answer: &Value) {
    let n = |key: &str| output::count(answer[key].as_u64().unwrap_or(0));
    outln!(
        "{} rows: {} taken, {} refused, {} bad lines",
        n("rows"),
        n("taken"),
        n("refused"),
        n("bad_lines")
    );
    for bad in answer["bad"].as_array().into_iter().flatten() {
        let text = |key: &str| bad[key].as_str().unwrap_or("").to_owned();
        outln!("  line {}: {} {}", bad["line"], text("field"), text("why"));
    }
}
