//! `owl login`, `logout`, `whoami`, `token` and `audit`: who may do what, and who did.

use super::create::parse_duration;
use crate::args::USUAL_SERVER;
use crate::client::Client;
use crate::output::outln;
use crate::{credentials, output};
use anyhow::{Context, anyhow, bail};
use api::views::{AuditList, FirstSession, NewToken, SessionView, TokenList, TokenMade, TokenView};
use clap::{Args, Subcommand};
use common::access::{Role, Token, TokenId};
use common::time::{Clock, SystemClock, UnixMs};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;
use std::io::BufRead;
use std::time::Duration;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  owl login http://127.0.0.1:8080 CODE     the one-time code that `owl up` printed: you become the first administrator
  owl login https://owl.example.com        asks for the token, or the link that an administrator gave you
A token is never given on the command line: every process of this machine sees that, and the shell keeps it.")]
pub(crate) struct LoginArgs {
    /// The server, a one-time code, or both; or the one-time link.
    #[arg(num_args = 0..=2, value_name = "URL|CODE")]
    what: Vec<String>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum TokenCommand {
    /// Make a token for somebody. It is shown once.
    Create {
        /// Their name, as it will stand in campaigns and in the audit trail.
        #[arg(long)]
        name: String,
        /// viewer, marketer, engineer, sre, load-tester or admin; docs/access.md says who may do what.
        #[arg(long)]
        role: Role,
        /// How long it is good, or `never` for no end.
        #[arg(long, default_value = "90d", value_parser = parse_life, value_name = "TIME")]
        expires: Life,
    },
    /// Every token, without its secret; revoked ones included.
    List,
    /// Take a token back: it ends within two seconds, everywhere.
    Revoke {
        /// Its id, as `owl token list` shows it.
        id: String,
    },
}

/// How long a token is good; `None`: for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life(Option<Duration>);

fn parse_life(text: &str) -> Result<Life, String> {
    if text == "never" {
        return Ok(Life(None));
    }
    parse_duration(text).map(|life| Life(Some(life))).map_err(|e| e.to_string())
}

#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    /// Only what was done to this campaign: id, beginning of the id, or name.
    #[arg(long)]
    campaign: Option<String>,
    /// How many entries, the newest.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

/// What was typed after `owl login`.
struct Login {
    server: String,
    secret: Option<String>,
}

impl Login {
    fn of(args: &LoginArgs, server: &str) -> anyhow::Result<Self> {
        if args.what.iter().any(|text| text.contains("owl_")) {
            bail!(
                "a token on the command line is seen by every process here, and kept by the shell: leave it out, and \
                 paste it when asked"
            );
        }
        let mut login = Self { server: server.to_owned(), secret: None };
        for text in &args.what {
            if let Some((server, secret)) = text.split_once("/sign-in#") {
                login = Self { server: server.to_owned(), secret: Some(secret.to_owned()) };
            } else if text.contains("://") {
                login.server.clone_from(text);
            } else if login.secret.replace(text.clone()).is_some() {
                bail!("one of the two must be the server, such as http://127.0.0.1:8080");
            }
        }
        Ok(login)
    }

    /// Asks for it where it was not given; a link that is pasted says which server it is for.
    fn secret(&mut self) -> anyhow::Result<String> {
        if let Some(secret) = &self.secret {
            return Ok(bare(secret).to_owned());
        }
        eprint!("token, link or one-time code for {} (not shown): ", self.server);
        let line = secret_line().context("cannot read standard input")?;
        if let Some((server, _)) = line.split_once("/sign-in#") {
            self.server = server.trim().to_owned();
        }
        match bare(&line) {
            "" => bail!("no token was given"),
            secret => Ok(secret.to_owned()),
        }
    }
}

/// The secret of what was given: a whole link, what stands behind its `#`, or the secret itself.
fn bare(text: &str) -> &str {
    let secret = text.rsplit_once('#').map_or(text, |(_, secret)| secret).trim();
    secret.strip_prefix("first=").unwrap_or(secret)
}

/// A line of standard input, which a terminal does not show meanwhile.
fn secret_line() -> std::io::Result<String> {
    let stdin = std::io::stdin();
    let shown = tcgetattr(&stdin).ok();
    if let Some(mut hidden) = shown.clone() {
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
    }
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if let Some(shown) = shown {
        tcsetattr(&stdin, OptionalActions::Flush, &shown)?;
    }
    read.map(|_| line)
}

pub(crate) fn login(args: &LoginArgs, server: &str, json: bool) -> anyhow::Result<bool> {
    let mut login = Login::of(args, server)?;
    let secret = login.secret()?;
    let server = login.server.trim_end_matches('/');
    let (token, session) = match secret.parse::<Token>() {
        Ok(token) => {
            let session: SessionView = Client::new(server, Some(token.clone())).get("/v1/session")?;
            (token, session)
        }
        Err(why) if secret.starts_with("owl_") => bail!(why),
        Err(_) => {
            let body = json!({ "code": secret });
            let made: FirstSession = Client::new(server, None).post("/v1/session/first", &body)?;
            (made.token.parse().map_err(|e| anyhow!("the answer holds no token: {e}"))?, made.session)
        }
    };
    let path = credentials::store(server, &session.name, &token)?;
    if std::env::var_os(credentials::VARIABLE).is_some() {
        eprintln!("owl: {} is set, and wins over what was stored just now", credentials::VARIABLE);
    }
    if json {
        output::json(&session)?;
    } else {
        say(&session, server);
        outln!("stored in {}", path.display());
        let usual = std::env::var("OWL_SERVER").unwrap_or_else(|_| USUAL_SERVER.to_owned());
        if usual.trim_end_matches('/') != server {
            outln!("other commands ask {usual}: export OWL_SERVER={server}, or give each --server {server}");
        }
    }
    Ok(true)
}

/// Forgets the token here. It stays good: `owl token revoke` ends one.
pub(crate) fn logout(server: &str, json: bool) -> anyhow::Result<bool> {
    let was_there = credentials::forget(server)?;
    if json {
        output::json(&json!({ "server": server, "forgotten": was_there }))?;
    } else if was_there {
        outln!("the token for {server} is forgotten here; `owl token revoke` ends it everywhere");
    } else {
        outln!("there was no token for {server}");
    }
    Ok(true)
}

pub(crate) fn whoami(client: &Client, json: bool) -> anyhow::Result<bool> {
    let session: SessionView = client.get("/v1/session")?;
    if json {
        output::json(&session)?;
    } else {
        say(&session, client.server());
    }
    Ok(true)
}

fn say(session: &SessionView, server: &str) {
    outln!("you are `{}` at {server}: {}, {}", session.name, session.role, ends(session.expires_at));
    outln!("you may: {}", session.can.join(", "));
}

fn ends(at: Option<UnixMs>) -> String {
    at.map_or_else(|| "without an end".to_owned(), |at| format!("until {}", at.rfc3339()))
}

pub(crate) fn token(client: &Client, command: &TokenCommand, json: bool) -> anyhow::Result<bool> {
    match command {
        TokenCommand::Create { name, role, expires } => create(client, name, *role, *expires, json),
        TokenCommand::List => list(client, json),
        TokenCommand::Revoke { id } => revoke(client, id, json),
    }
}

fn create(client: &Client, name: &str, role: Role, life: Life, json: bool) -> anyhow::Result<bool> {
    let expires_at = life.0.map(|life| SystemClock::default().now().plus(life));
    let new = NewToken { name: name.to_owned(), role, expires_at: Some(expires_at) };
    let made: TokenMade = client.post("/v1/tokens", &new)?;
    if json {
        output::json(&made)?;
        return Ok(true);
    }
    outln!("{}", made.token);
    outln!("  for `{}`: {role}, {} (id {})", made.record.name, ends(made.record.expires_at), made.record.id);
    outln!("  browser: {}{}", client.server(), made.link);
    outln!("  command: owl login {}", client.server());
    outln!("  it is shown this once");
    Ok(true)
}

fn list(client: &Client, json: bool) -> anyhow::Result<bool> {
    let all: TokenList = client.get("/v1/tokens")?;
    if json {
        output::json(&all)?;
    } else {
        all.tokens.iter().for_each(line);
    }
    Ok(true)
}

fn line(token: &TokenView) {
    let end = match &token.revoked {
        Some(by) => format!("revoked by {} at {}", by.by, by.at.rfc3339()),
        None => ends(token.expires_at),
    };
    let made = &token.created;
    outln!("{}  {:11} {:24} {end} (made by {})", token.id, token.role.label(), token.name, made.by);
}

fn revoke(client: &Client, given: &str, json: bool) -> anyhow::Result<bool> {
    // Somebody may hold the whole token that leaked.
    let id = given.parse::<Token>().map(|token| token.id());
    let id: TokenId = id.or_else(|_| given.parse())?;
    let gone: TokenView = client.delete(&format!("/v1/tokens/{id}"))?;
    if json {
        output::json(&gone)?;
    } else {
        line(&gone);
    }
    Ok(true)
}

pub(crate) fn audit(client: &Client, args: &AuditArgs, json: bool) -> anyhow::Result<bool> {
    let mut path = format!("/v1/audit?limit={}", args.limit);
    if let Some(campaign) = &args.campaign {
        path = format!("{path}&campaign={}", super::campaign::resolve(client, campaign)?);
    }
    let trail: AuditList = client.get(&path)?;
    if json {
        output::json(&trail)?;
        return Ok(true);
    }
    for entry in &trail.entries {
        let campaign = entry.campaign.map_or_else(String::new, |id| format!(" {id}"));
        outln!(
            "{}  {} from {}: {}{campaign}: {}",
            entry.at.rfc3339(),
            entry.by,
            entry.from,
            entry.action,
            entry.result
        );
    }
    Ok(true)
}
