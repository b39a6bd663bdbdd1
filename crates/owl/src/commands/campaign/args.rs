//! What people type behind `owl campaign`.

use crate::commands::create::{ContentArgs, OptionArgs, parse_duration};
use clap::{Args, Subcommand};
use common::campaign::DropReason;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Subcommand, Debug)]
pub(crate) enum CampaignCommand {
    /// Create a campaign in draft.
    Create {
        /// Its name.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        content: ContentArgs,
        #[command(flatten)]
        options: OptionArgs,
    },
    /// Change its name, content or deadline.
    Edit {
        /// Id, beginning of the id, or name.
        campaign: String,
        /// A new name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        content: ContentArgs,
        #[command(flatten)]
        options: OptionArgs,
    },
    /// Upload its audience: CSV with the header user_id, NDJSON, or one id a line; gzip and zstd by the file's ending.
    #[command(after_help = UPLOAD_EXAMPLES)]
    Upload {
        /// Id, beginning of the id, or name.
        campaign: String,
        /// The file.
        file: PathBuf,
        /// Return at once instead of waiting until the snapshot is built.
        #[arg(long)]
        no_wait: bool,
    },
    /// Freeze it, once every check is green: the button works from then on.
    Arm(ArmArgs),
    /// Take it back to ready.
    Disarm(Id),
    /// Send 1 % of the batches of an armed campaign (at least one batch), to look before the press. It reaches people.
    Canary(Id),
    /// Press the button.
    Press(PressArgs),
    /// Stop it: a build, an armed state, or the sending.
    Abort(Id),
    /// Send the rest, after a stop.
    Resume(Id),
    /// How it stands now.
    Status {
        /// Id, beginning of the id, or name.
        campaign: String,
        /// Follow it live until it is finished or stopped; with --json, a line for each look.
        #[arg(long)]
        watch: bool,
    },
    /// Who was left out of its snapshot, and why: line, user, reason. With --json, one object a line.
    Dropped(DroppedArgs),
    /// The exact books, from the ledger; who did what; how fast, and who was late.
    Report(ReportArgs),
    /// A draft with the same content and options.
    Clone {
        /// Id, beginning of the id, or name.
        campaign: String,
        /// The copy's name.
        #[arg(long)]
        name: Option<String>,
    },
    /// Send it to a list of testers before the press, or see whether it could be sent.
    Test(crate::commands::testers::TestArgs),
    /// The newest campaigns.
    List,
    /// What the notification looks like for each gateway and locale.
    Preview(Id),
    /// What is in its snapshot: the manifest, or one batch of one shard.
    Snapshot {
        /// Id, beginning of the id, or name.
        campaign: String,
        /// Shard, counted from 0.
        shard: Option<u16>,
        /// Batch within the shard, counted from 0.
        #[arg(default_value_t = 0)]
        batch: u32,
    },
}

const UPLOAD_EXAMPLES: &str = "Examples:
  owl campaign upload finale users.csv             names the first lines that can't be used, with the reason
  owl campaign upload finale users.ndjson.zst --no-wait
  owl --json campaign upload finale users.csv | jq '.facts.bad_lines'

Lines that can't be used are left out, and the rest goes on: the exit status is 0. `owl campaign dropped` lists them all.";

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  owl campaign dropped finale                      the first 100 lines
  owl campaign dropped finale --reason unknown --limit 5000
  owl --json campaign dropped finale > left-out.ndjson   all of them

Exit status: 0 listed, also when nobody was left out; 1 no such campaign, or no snapshot yet; 2 usage.")]
pub(crate) struct DroppedArgs {
    /// Id, beginning of the id, or name.
    pub(super) campaign: String,
    /// Left out for this reason only: bad_line, duplicate, unknown, opted_out or no_device.
    #[arg(long, value_parser = parse_reason)]
    pub(super) reason: Option<DropReason>,
    /// How many lines, at most [default: 100; with --json, all].
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<u64>,
}

fn parse_reason(text: &str) -> Result<DropReason, String> {
    let named = DropReason::ALL.into_iter().find(|reason| reason.label() == text);
    named.ok_or_else(|| {
        let all: Vec<_> = DropReason::ALL.iter().map(|reason| reason.label()).collect();
        format!("give one of {}", all.join(", "))
    })
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  owl campaign report finale
  owl campaign report finale --csv finale.csv      for a spreadsheet: one fact a row, everything that is in --json
  owl campaign report finale --csv - | grep ^late
  owl --json campaign report finale | jq '.trail.entries[].result'

Exit status: 0 the books balance (with --csv: it was written), 1 they do not, or there is no report; 2 usage.")]
pub(crate) struct ReportArgs {
    /// Id, beginning of the id, or name.
    pub(super) campaign: String,
    /// Write it as CSV into this file instead, or to standard output (`-`).
    #[arg(long, value_name = "FILE|-")]
    pub(super) csv: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Id {
    /// Id, beginning of the id, or name.
    pub(super) campaign: String,
}

#[derive(Args, Debug)]
pub(crate) struct ArmArgs {
    /// Id, beginning of the id, or name.
    pub(super) campaign: String,
    /// Interim workers that are expected [default: what was last asked of `owl fleet scale`, else 1].
    #[arg(long)]
    pub(super) interim: Option<u32>,
    /// Push workers that are expected [default: likewise].
    #[arg(long)]
    pub(super) push: Option<u32>,
    /// How many of a hundred of them suffice [default: 95].
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(super) percent: Option<u8>,
    /// Override a check, with the reason: --override snapshot='older list is fine'. May be repeated.
    #[arg(long = "override", value_name = "CHECK=REASON")]
    pub(super) overrides: Vec<String>,
    /// How long to wait for the workers to load the snapshot.
    #[arg(long, default_value = "20s", value_parser = parse_duration)]
    pub(super) wait: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct PressArgs {
    /// Id, beginning of the id, or name.
    pub(super) campaign: String,
    /// Wait until it is finished, and print the report.
    #[arg(long)]
    pub(super) wait: bool,
}

#[derive(Args, Debug)]
pub(crate) struct PreflightArgs {
    /// Id, beginning of the id, or name.
    pub(super) campaign: String,
    /// Interim workers that are expected [default: what it was armed with, or what was last scaled, else 1].
    #[arg(long)]
    pub(super) interim: Option<u32>,
    /// Push workers that are expected.
    #[arg(long)]
    pub(super) push: Option<u32>,
}
