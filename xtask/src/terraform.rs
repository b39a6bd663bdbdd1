//! Checks `deploy/terraform` without an account: form, `validate` against the AWS provider's schema, `terraform test` on
//! a mock of AWS, a policy scan, agreement with the code, and seeded mistakes that must be found. docs/terraform.md says
//! what this can't see.

mod drift;
mod mistakes;

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

/// Where the files are.
const SOURCE: &str = "deploy/terraform";
/// Where the tools go, and everything that Terraform writes.
const HOME: &str = "target/tools/terraform";
/// What is validated and tested: folder under [`SOURCE`], further arguments of `test`.
const CONFIGURATIONS: &[(&str, &[&str])] = &[
    ("", &[]),
    ("examples/event", &["-var-file=terraform.tfvars.example"]),
    ("examples/rehearsal", &["-var-file=terraform.tfvars.example"]),
];

/// Runs all of it, and prints a line with the counts.
pub(crate) fn check() -> anyhow::Result<bool> {
    let began = Instant::now();
    let tools = Tools::prepare()?;
    // The scan waits more than it computes: beside the rest it costs nearly nothing.
    let (scan, rest) = std::thread::scope(|scope| {
        let scan = scope.spawn(|| tools.scan());
        let rest = checks(&tools);
        (scan.join(), rest)
    });
    let scan = scan.map_err(|_| anyhow::anyhow!("the policy scan panicked"))?;
    let (good, counts) = match (rest, scan) {
        (Ok(rest), Ok(scan)) => (true, format!("{rest}, {scan}")),
        (rest, scan) => {
            for fault in [rest.err(), scan.err()].into_iter().flatten() {
                println!("{fault:#}");
            }
            (false, "see above".to_owned())
        }
    };
    println!(
        "terraform: {} in {} s: {counts}",
        if good { "good" } else { "FAILED" },
        began.elapsed().as_secs()
    );
    Ok(good)
}

fn checks(tools: &Tools) -> anyhow::Result<String> {
    done("fmt", &tools.terraform(&tools.source, "root", &["fmt", "-check", "-recursive", "-diff"])?)?;
    let agreed = drift::none()?;
    let mut passed = 0;
    for (folder, arguments) in CONFIGURATIONS {
        let (at, data) = (tools.source.join(folder), data_of(folder));
        done("get", &tools.terraform(&at, &data, &["get", "-no-color"])?)?;
        done(&format!("validate {folder}"), &tools.terraform(&at, &data, &["validate", "-no-color"])?)?;
        let test = tools.terraform(&at, &data, &[&["test", "-no-color"], *arguments].concat())?;
        let text = done(&format!("test {folder}"), &test)?;
        passed += tests_passed(&text).context("terraform test ran no test")?;
    }
    let found = mistakes::all_are_found(tools)?;
    let configurations = CONFIGURATIONS.len();
    Ok(format!(
        "{configurations} configurations, {passed} tests, {agreed} names agree with the code, {found} seeded mistakes found"
    ))
}

/// A name for a configuration's data folder.
fn data_of(folder: &str) -> String {
    if folder.is_empty() { "root".to_owned() } else { folder.replace('/', "-") }
}

/// What a program wrote, or an error with it.
fn done(what: &str, output: &Output) -> anyhow::Result<String> {
    let text = text_of(output);
    if !output.status.success() {
        bail!("terraform {what}:\n{text}");
    }
    Ok(text)
}

fn text_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The number in `Success! 28 passed, 0 failed.`; `None` when no test passed.
fn tests_passed(text: &str) -> Option<u32> {
    let line = text.lines().find_map(|line| line.strip_prefix("Success! "))?;
    let passed = line.split_once(" passed")?.0.parse().ok()?;
    (passed > 0).then_some(passed)
}

/// The programs that check, installed from PyPI into a virtual environment.
struct Tools {
    source: PathBuf,
    home: PathBuf,
}

impl Tools {
    fn prepare() -> anyhow::Result<Self> {
        let here = std::env::current_dir()?;
        let tools = Self { source: here.join(SOURCE), home: here.join(HOME) };
        let read = |name: &str| {
            let path = tools.source.join("tools").join(name);
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let wanted = read("requirements.txt")? + &read("constraints.txt")?;
        let marker = tools.home.join("installed");
        if !std::fs::read_to_string(&marker).is_ok_and(|there| there == wanted) {
            println!("installing the tools of {SOURCE} into {HOME}");
            tools.install()?;
            std::fs::write(marker, wanted)?;
        }
        tools.configure()?;
        Ok(tools)
    }

    fn python(&self) -> PathBuf {
        self.home.join("venv/bin/python")
    }

    fn install(&self) -> anyhow::Result<()> {
        let what = ["--requirement", "requirements.txt", "--constraint", "constraints.txt"];
        crate::python::environment(&self.home.join("venv"), &self.source.join("tools"), &what)
    }

    /// The stub provider as a program, and the configuration that makes Terraform take it for hashicorp/aws.
    fn configure(&self) -> anyhow::Result<()> {
        let bin = self.home.join("bin");
        std::fs::create_dir_all(&bin)?;
        let tools = self.source.join("tools");
        let program = bin.join("terraform-provider-aws");
        let script = format!(
            "#!/bin/sh\nexec '{}' '{}' '{}'\n",
            self.python().display(),
            tools.join("stub_provider.py").display(),
            tools.join("aws-schema.json").display()
        );
        std::fs::write(&program, script)?;
        executable(&program)?;
        let settings = format!(
            "provider_installation {{\n  dev_overrides {{\n    \"hashicorp/aws\" = \"{}\"\n  }}\n}}\n",
            bin.display()
        );
        Ok(std::fs::write(self.home.join("cli.tfrc"), settings)?)
    }

    /// Runs Terraform in a folder; `data` names where it notes down the modules (never beside the sources).
    fn terraform(&self, at: &Path, data: &str, args: &[&str]) -> anyhow::Result<Output> {
        Command::new(self.python())
            .arg(self.source.join("tools/terraform.py"))
            .args(args)
            .current_dir(at)
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_CLI_CONFIG_FILE", self.home.join("cli.tfrc"))
            .env("TF_DATA_DIR", self.home.join("data").join(data))
            .env("HOME", &self.home)
            .output()
            .context("cannot run terraform")
    }

    fn scan(&self) -> anyhow::Result<String> {
        let output = Command::new(self.python())
            .arg(self.source.join("tools/policy_scan.py"))
            .arg(self.home.join("venv/bin/checkov"))
            .output()
            .context("cannot run the policy scan")?;
        if !output.status.success() {
            bail!("policy scan:\n{}", text_of(&output));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

#[cfg(unix)]
fn executable(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}

#[cfg(not(unix))]
fn executable(_: &Path) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_passed_test_is_no_success() {
        assert_eq!(tests_passed("x\nSuccess! 28 passed, 0 failed.\n"), Some(28));
        assert_eq!(tests_passed("Success! 0 passed, 0 failed.\n"), None);
        assert_eq!(tests_passed("Failure! 3 passed, 1 failed.\n"), None);
    }
}
