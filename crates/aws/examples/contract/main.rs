//! Runs the contract's suite on a real AWS account, or on any endpoint that speaks its protocols, under names of its
//! own, and removes all that it made: also after Ctrl-C or a failure. `deploy/aws-contract.sh` calls it.
//!
//! `cargo run -p aws --features standin --example contract -- --region eu-central-1 [--endpoint URL] [--only PREFIX]`

mod account;

use account::{Account, Part};
use aws::AwsConfig;
use contract::suite::{Report, rules};
use futures::StreamExt;
use std::process::ExitCode;
use std::sync::Arc;

/// Rules that run at a time. Making tables takes seconds, and an account makes few at a time.
const SIDE_BY_SIDE: usize = 8;

#[derive(Default)]
struct Args {
    config: AwsConfig,
    only: String,
}

fn args() -> Result<Args, String> {
    let mut args = Args::default();
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let value = given.next().ok_or(format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--region" => args.config.region = Some(value),
            "--endpoint" => args.config.endpoint = Some(value),
            "--only" => args.only = value,
            _ => return Err(format!("{flag} is none of --region, --endpoint, --only")),
        }
    }
    Ok(args)
}

async fn run(account: &Arc<Account>, only: &str) -> bool {
    let mut good = true;
    for part in [Part::Queues, Part::Objects, Part::Tables] {
        let factory = account.part(part);
        let picked: Vec<_> =
            rules().into_iter().filter(|r| part.has(&r.name) && r.name.starts_with(only)).collect();
        let runs = picked.iter().map(|rule| async { (rule.name.clone(), rule.run(&factory).await) });
        let verdicts = futures::stream::iter(runs).buffered(SIDE_BY_SIDE).collect().await;
        let report = Report { adapter: format!("{part:?}"), verdicts };
        println!("{report}");
        good &= report.into_result().is_ok();
    }
    good
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = match args() {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let account = Arc::new(Account::new(args.config).await);
    println!("everything that this makes has a name that begins with {}", account.base());
    let good = tokio::select! {
        good = run(&account, &args.only) => good,
        _ = tokio::signal::ctrl_c() => {
            println!("stopped; removing what was made");
            false
        }
    };
    let left = account.remove_all().await;
    for what in &left {
        eprintln!("NOT removed: {what}");
    }
    if good && left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
