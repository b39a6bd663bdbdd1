//! `owl rehearse`: a full press with measurements, pass or fail, against gateways that cannot reach a phone.

mod blast;
mod embedded;
mod figures;
mod fleet;
mod print;
mod served;
mod stage;
mod standins;

use crate::client::Client;
use crate::output::{self, outln};
use crate::way::{Made, Say, interrupted};
use crate::{args, credentials};
use anyhow::{Context, anyhow, ensure};
use clap::Args;
use loadtest::rehearse::{self as rehearsal, READY, Rehearsal, Scenario};
use served::Server;
use stage::Rehearsed;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  owl rehearse smoke                          does the whole way work here, and how fast is it?
  owl rehearse superbowl-4m                   the night itself
  owl rehearse --list                         all ready scenarios
  owl rehearse --print bad-night > mine.toml  a scenario of your own begins with a ready one
  owl rehearse mine.toml --baseline rehearsals/mine-2026-02-01T20-14-03Z.json
  owl rehearse ramp --json | jq '.presses[] | {users, last: .steps.accepted.times.last_ms}'
  owl rehearse mine.toml --server https://owl.example.com --gateways http://127.0.0.1:9000
                                              services that run already, and the stand-ins that they send to

Everything runs on this machine: all roles in one process, the stand-in gateways in another. With --server on the command line
(OWL_SERVER alone does not do it) the services that run there are pressed instead, where every push worker says that its
gateways are stand-ins. docs/rehearsals.md says what a scenario can say, and how to read the page. Exit status: 0 all objectives hold, 1 one does not, 2 usage.")]
pub(crate) struct RehearseArgs {
    /// A ready scenario's name, or a file.
    #[arg(required_unless_present_any = ["list", "print"])]
    scenario: Option<String>,
    /// Show the ready scenarios.
    #[arg(long)]
    list: bool,
    /// Print a ready scenario, to change it.
    #[arg(long, value_name = "NAME")]
    print: Option<String>,
    /// With --server: the admin listener of the stand-in gateways that the services send to, to set them and to read their journal;
    /// once for each process of them.
    #[arg(long, value_name = "URL")]
    gateways: Vec<String>,
    /// Print the made-up devices that the table behind --server has to hold, as CSV for `owl devices import`.
    #[arg(long)]
    print_devices: bool,
    /// Users instead of the scenario's; several are a ramp.
    #[arg(long, value_name = "N", value_delimiter = ',')]
    users: Vec<u64>,
    /// Where the page and the figures are written.
    #[arg(long, value_name = "DIR", default_value = "rehearsals")]
    out: PathBuf,
    /// The figures of an earlier rehearsal, to compare with.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

/// Rehearses. False when an objective does not hold.
pub(crate) fn run(args: &RehearseArgs, server: &args::Server, json: bool) -> anyhow::Result<bool> {
    crate::logging::init(crate::logging::Form::Text, "warn");
    if args.list {
        return list(json);
    }
    if let Some(name) = &args.print {
        outln!("{}", ready(name)?.trim_end());
        return Ok(true);
    }
    let wanted = args.scenario.as_deref().unwrap_or_default();
    let (name, mut text) = text(wanted)?;
    let mut scenario = Scenario::parse(&text).map_err(|e| anyhow!("{wanted} is not a scenario: {e}"))?;
    if server.typed {
        let wrong = rehearsal::not_for_a_server(&text, !args.gateways.is_empty()).map_err(|e| anyhow!(e))?;
        ensure!(wrong.is_empty(), "{wanted} can't be rehearsed with --server: {}", wrong.join("; "));
    } else {
        ensure!(args.gateways.is_empty(), "--gateways is for services that run already: say --server too");
    }
    if !args.users.is_empty() {
        scenario.audience.users.clone_from(&args.users);
        let written = toml::to_string(&scenario).context("the scenario can't be written")?;
        Scenario::parse(&written).map_err(|e| anyhow!("--users: {e}"))?;
        text = format!("# with --users; every setting as it was\n{written}");
    }
    if args.print_devices {
        return print_devices(&scenario);
    }
    let baseline = args.baseline.as_deref().map(read).transpose()?;
    // What can't be written is known before the minutes that it takes.
    let no = || format!("nothing can be written into {}", args.out.display());
    std::fs::create_dir_all(&args.out).with_context(no)?;
    tempfile::tempfile_in(&args.out).with_context(no)?;
    interrupted::listen("nothing was written")?;
    let passed = rehearse(args, server, json, (name, text), &scenario, baseline.as_ref());
    // Whoever interrupted this hears how it ended, whatever it came to meanwhile.
    interrupted::wait_if_interrupted();
    passed
}

/// Presses, judges, and writes down. False when an objective does not hold.
fn rehearse(
    args: &RehearseArgs,
    server: &args::Server,
    json: bool,
    (name, text): (String, String),
    scenario: &Scenario,
    baseline: Option<&Rehearsal>,
) -> anyhow::Result<bool> {
    let say = Say { quiet: json };
    let server = server.typed.then(|| {
        let token = credentials::find(server.token_file.as_deref(), &server.url)?;
        Server::open(Client::new(&server.url, token), &args.gateways, scenario, say)
    });
    let server = server.transpose()?;
    say.line(&format!("rehearsal: {name}. {}", scenario.about));
    let done = Rehearsed { say, scenario, server: server.as_ref() }.run();
    // The stand-ins behave as before again: it may take a while, in which nothing is written yet.
    drop(server);
    let mut done = done?;
    (done.scenario, done.text) = (name, text);
    if let Some(baseline) = baseline {
        done.compared = rehearsal::compare(baseline, &done);
        if done.compared.is_empty() {
            say.line("baseline    no press there is of the same size, so nothing is compared");
        } else if baseline.scenario != done.scenario {
            say.line(&format!("baseline    it is of another scenario: {}", baseline.scenario));
        }
    }
    interrupted::wait_if_interrupted();
    if json {
        output::json(&done)?;
    } else {
        print::print(&done);
    }
    let page = write(&done, &args.out)?;
    say.line(&format!("report      {}", page.display()));
    Ok(done.passed)
}

/// The devices of the largest audience, which has those of the others.
fn print_devices(scenario: &Scenario) -> anyhow::Result<bool> {
    let users = scenario.audience.users.iter().copied().max().unwrap_or(0);
    let made = Made::apart(users, &scenario.audience);
    let copied = std::io::copy(&mut made.devices_csv(), &mut std::io::stdout().lock());
    match copied {
        // A reader that has gone (`| head`) is no error.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the devices")
        }
        _ => Ok(true),
    }
}

fn list(json: bool) -> anyhow::Result<bool> {
    let about = |text: &str| Scenario::parse(text).map(|s| s.about).map_err(anyhow::Error::from);
    if json {
        let all: anyhow::Result<Vec<_>> = READY
            .iter()
            .map(|(name, text)| Ok(serde_json::json!({ "name": name, "about": about(text)? })))
            .collect();
        output::json(&all?)?;
        return Ok(true);
    }
    for (name, text) in READY {
        outln!("{name:14} {}", about(text)?);
    }
    Ok(true)
}

fn ready(name: &str) -> anyhow::Result<&'static str> {
    rehearsal::ready(name).with_context(|| {
        let names: Vec<_> = READY.iter().map(|(name, _)| *name).collect();
        format!("there is no ready scenario `{name}`; there are {}", names.join(", "))
    })
}

/// A scenario's name and text: a ready one's, or a file's.
fn text(wanted: &str) -> anyhow::Result<(String, String)> {
    if let Some(text) = rehearsal::ready(wanted) {
        return Ok((wanted.to_owned(), text.to_owned()));
    }
    let file = Path::new(wanted);
    if !file.exists() && !wanted.contains(['/', '.']) {
        ready(wanted)?;
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {wanted}"))?;
    let name = file.file_stem().map_or_else(|| wanted.to_owned(), |stem| stem.to_string_lossy().into_owned());
    Ok((name, text))
}

fn read(file: &Path) -> anyhow::Result<Rehearsal> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&bytes).with_context(|| {
        format!("{} holds no figures of a rehearsal (the .json beside a page does)", file.display())
    })
}

/// Writes the page, and the figures beside it. Answers where the page is.
fn write(done: &Rehearsal, out: &Path) -> anyhow::Result<PathBuf> {
    let began = std::time::UNIX_EPOCH + std::time::Duration::from_millis(done.began_unix_ms);
    let at = humantime::format_rfc3339_seconds(began).to_string().replace(':', "-");
    let stem = format!("{}-{at}", done.scenario);
    let (page, figures) = (out.join(format!("{stem}.html")), out.join(format!("{stem}.json")));
    let fail = |file: &Path| format!("cannot write {}", file.display());
    interrupted::wait_if_interrupted();
    std::fs::write(&page, rehearsal::page(done)).with_context(|| fail(&page))?;
    std::fs::write(&figures, serde_json::to_vec_pretty(done)?).with_context(|| fail(&figures))?;
    Ok(page)
}

/// Nothing was pressed.
fn nothing() -> anyhow::Error {
    anyhow!("nothing was pressed")
}
