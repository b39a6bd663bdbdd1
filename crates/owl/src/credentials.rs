//! Which token a command uses: `--token-file`, then `OWL_TOKEN`, then what `owl login` wrote down for this server.

use anyhow::{Context, anyhow, bail};
use common::access::Token;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The variable that holds a token.
pub(crate) const VARIABLE: &str = "OWL_TOKEN";

/// The token for a server; `None` when there is none.
///
/// # Errors
/// Where one was named, and is none.
pub(crate) fn find(token_file: Option<&Path>, server: &str) -> anyhow::Result<Option<Token>> {
    if let Some(path) = token_file {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let token = text.trim().parse().map_err(|why| anyhow!("{}: {why}", path.display()))?;
        return Ok(Some(token));
    }
    match std::env::var(VARIABLE) {
        Ok(text) if !text.is_empty() => {
            let token = text.trim().parse().map_err(|why| anyhow!("{VARIABLE}: {why}"))?;
            Ok(Some(token))
        }
        Ok(_) | Err(std::env::VarError::NotPresent) => stored(server),
        Err(std::env::VarError::NotUnicode(_)) => bail!("{VARIABLE} is not text"),
    }
}

fn stored(server: &str) -> anyhow::Result<Option<Token>> {
    // Without a home there is no file, and nothing to complain about.
    let Ok(path) = path() else { return Ok(None) };
    let Some(entry) = read(&path)?.servers.remove(&key(server)) else { return Ok(None) };
    let again = |why| anyhow!("{}: {why}; run `owl login {server}`", path.display());
    entry.token.parse().map(Some).map_err(again)
}

/// The file's content. The tokens in it are what makes it secret.
#[derive(Default, Serialize, Deserialize)]
struct File {
    servers: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    token: String,
}

/// As servers are told apart.
fn key(server: &str) -> String {
    server.trim_end_matches('/').to_owned()
}

/// Where the tokens of this person are.
pub(crate) fn path() -> anyhow::Result<PathBuf> {
    let dir = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let config = dir("XDG_CONFIG_HOME").or_else(|| dir("HOME").map(|home| home.join(".config")));
    let config = config.context("neither XDG_CONFIG_HOME nor HOME is set: use --token-file or OWL_TOKEN")?;
    Ok(config.join("owl").join("credentials.json"))
}

fn read(path: &Path) -> anyhow::Result<File> {
    let bytes = match std::fs::read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(File::default()),
        other => other.with_context(|| format!("cannot read {}", path.display()))?,
    };
    // The parser's words may quote a token.
    serde_json::from_slice(&bytes).map_err(|_| {
        anyhow!("{} is not what `owl login` writes; remove it, and log in again", path.display())
    })
}

/// Writes a new file beside the old one, readable by its owner only, and puts it in its place.
fn write(path: &Path, file: &File) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let dir = path.parent().with_context(failed)?;
    DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(failed)?;
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    let written = out.as_mut().map_err(|e| std::io::Error::new(e.kind(), e.to_string())).and_then(|out| {
        out.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        out.write_all(serde_json::to_string_pretty(file)?.as_bytes())?;
        out.sync_all()?;
        std::fs::rename(&new, path)
    });
    written.inspect_err(|_| drop(std::fs::remove_file(&new))).with_context(failed)
}

/// Writes down the token for a server.
pub(crate) fn store(server: &str, name: &str, token: &Token) -> anyhow::Result<PathBuf> {
    let path = path()?;
    let mut file = read(&path)?;
    let entry = Entry { name: name.to_owned(), token: token.expose() };
    file.servers.insert(key(server), entry);
    write(&path, &file)?;
    Ok(path)
}

/// Forgets the token for a server; whether there was one.
pub(crate) fn forget(server: &str) -> anyhow::Result<bool> {
    let path = path()?;
    let mut file = read(&path)?;
    let was_there = file.servers.remove(&key(server)).is_some();
    if was_there {
        write(&path, &file)?;
    }
    Ok(was_there)
}
