//! Tries the API with Schemathesis, from PyPI, against the real `owl up`: whatever the document of the API allows, and much that
//! it does not. First with an administrator's token, then with none. Nothing there can be pushed to: no gateway is set up.

use anyhow::{Context, bail};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Where Schemathesis lives, and where it is told what to do.
const HOME: &str = "target/tools/schemathesis";
const CONFIG: &str = "crates/api/schemathesis";
/// The administrator of an installation that lives for a minute, on this machine only.
const ADMIN: &str = "owl_0ad41000_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Runs both passes; answers whether nothing was found.
pub(crate) fn test() -> anyhow::Result<bool> {
    let began = Instant::now();
    install()?;
    let owl = crate::browser::owl()?;
    let mut good = true;
    for who in [Who::Administrator, Who::Nobody] {
        let pass = Instant::now();
        // Each pass has an installation of its own: what one leaves behind is not the other's.
        let passed = try_it(&Up::start(&owl)?, who)?;
        println!("schemathesis, {who:?}: {} in {} s", word(passed), pass.elapsed().as_secs());
        good &= passed;
    }
    println!("schemathesis: {} in {} s", word(good), began.elapsed().as_secs());
    Ok(good)
}

fn word(good: bool) -> &'static str {
    if good { "good" } else { "FAILED" }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Administrator,
    Nobody,
}

/// Installs what the list names, unless that is what is there.
fn install() -> anyhow::Result<()> {
    let wanted = std::fs::read(Path::new(CONFIG).join("requirements.txt")).context("no requirements.txt")?;
    let (home, stamp) = (Path::new(HOME), Path::new(HOME).join("owl-requirements.txt"));
    if std::fs::read(&stamp).is_ok_and(|was| was == wanted) {
        return Ok(());
    }
    println!("installing Schemathesis into {HOME}");
    crate::python::environment(home, Path::new(CONFIG), &["--requirement", "requirements.txt"])?;
    std::fs::write(stamp, wanted).context("cannot write down what was installed")
}

fn try_it(up: &Up, who: Who) -> anyhow::Result<bool> {
    let program = std::path::absolute(Path::new(HOME).join("bin/st"))?;
    // In a directory that goes away: it remembers where it runs what it found, and would look for that first.
    for file in ["schemathesis.toml", "hooks.py"] {
        std::fs::copy(Path::new(CONFIG).join(file), up.dir.join(file))
            .with_context(|| format!("no {file}"))?;
    }
    let mut command = Command::new(program);
    command.current_dir(&up.dir).stdin(Stdio::null()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.args(["--config-file", "schemathesis.toml", "run", "--no-color", "--url", &up.url]);
    command.arg(format!("{}/openapi.json", up.url)).env_remove("OWL_TOKEN");
    match who {
        Who::Administrator => command
            .args(["--header", &format!("Authorization: Bearer {ADMIN}")])
            .env("OWL_TOKEN", ADMIN)
            .env("OWL_URL", &up.url),
        // Nothing is created, so that a sequence of calls comes to nothing.
        Who::Nobody => command.args(["--phases", "coverage,fuzzing", "--max-examples", "5"]),
    };
    Ok(command.status().context("cannot run Schemathesis")?.success())
}

/// An `owl up` in a fresh directory, on a port that the system chose. It ends with this.
struct Up {
    child: Child,
    url: String,
    dir: PathBuf,
}

impl Up {
    fn start(owl: &Path) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("owl-schemathesis-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).context("cannot make a directory")?;
        // Whoever tries it names another address each time (hooks.py), as a balancer would.
        let config = "listen = \"127.0.0.1:0\"\n[access]\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
        std::fs::write(dir.join("owl.toml"), config).context("cannot write the configuration")?;
        let mut child = Command::new(owl)
            .args(["--json", "up", "--config"])
            .arg(dir.join("owl.toml"))
            .arg("--data-dir")
            .arg(dir.join("data"))
            .env("OWL_ADMIN_TOKEN", ADMIN)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run owl")?;
        let out = child.stdout.take();
        let mut up = Self { child, url: String::new(), dir };
        let mut line = String::new();
        BufReader::new(out.context("no output")?).read_line(&mut line)?;
        up.url = address(&line)?;
        Ok(up)
    }
}

/// Where it listens, as the first line says.
fn address(line: &str) -> anyhow::Result<String> {
    let found = line.split('"').find(|part| part.starts_with("http://"));
    let Some(url) = found else { bail!("owl up did not start: `{}`", line.trim()) };
    Ok(url.to_owned())
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_address() {
        let url = address("{\"listening\":\"http://127.0.0.1:8123\"}\n").unwrap();
        assert_eq!(url, "http://127.0.0.1:8123");
        assert!(address("").is_err());
    }
}
