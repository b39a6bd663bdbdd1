//! `owl campaign create` and `edit`: content and options from flags or a file.

use anyhow::{Context, bail};
use clap::Args;
use common::campaign::Options;
use common::content::{Content, Text};
use std::path::PathBuf;
use std::time::Duration;

/// What it says, and how it is sent.
#[derive(Args, Debug, Default)]
pub(crate) struct ContentArgs {
    /// The bold line, in English (for more locales, use --content).
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// The text below it.
    #[arg(long)]
    pub(crate) body: Option<String>,
    /// Show nothing: wake the app only. Proves acceptance, not display.
    #[arg(long, conflicts_with_all = ["title", "body", "content"])]
    pub(crate) silent: bool,
    /// JSON file with the content: {"texts":{"en":{"title":..,"body":..}},"default_locale":"en",..}.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["title", "body"])]
    pub(crate) content: Option<PathBuf>,
}

impl ContentArgs {
    /// The content that these flags make of an existing one: title and body change alone, in its only language.
    pub(crate) fn onto(&self, old: &Content) -> anyhow::Result<Option<Content>> {
        if self.content.is_some() || self.silent || (self.title.is_none() && self.body.is_none()) {
            return self.read();
        }
        if old.texts.len() > 1 {
            let languages: Vec<_> = old.texts.keys().map(String::as_str).collect();
            bail!("it has texts in {}: change them with --content FILE", languages.join(", "));
        }
        let mut new = Content { silent: false, ..old.clone() };
        let text = new.texts.entry(new.default_locale.clone());
        let text = text.or_insert_with(|| Text { title: String::new(), body: String::new() });
        text.title = self.title.clone().unwrap_or_else(|| std::mem::take(&mut text.title));
        text.body = self.body.clone().unwrap_or_else(|| std::mem::take(&mut text.body));
        Ok(Some(new))
    }

    /// The content, if any of the flags was given.
    pub(crate) fn read(&self) -> anyhow::Result<Option<Content>> {
        if let Some(file) = &self.content {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            return serde_json::from_str(&text)
                .map(Some)
                .with_context(|| format!("{} is not a content", file.display()));
        }
        if self.silent {
            return Ok(Some(Content::silent()));
        }
        if self.title.is_none() && self.body.is_none() {
            return Ok(None);
        }
        let text = Text {
            title: self.title.clone().unwrap_or_default(),
            body: self.body.clone().unwrap_or_default(),
        };
        let mut content = Content::english("", "");
        content.texts.insert(content.default_locale.clone(), text);
        Ok(Some(content))
    }
}

/// Numbers that can be chosen.
#[derive(Args, Debug, Default)]
pub(crate) struct OptionArgs {
    /// Nothing is sent later than this after the press, such as 90s or 10m (10m unless chosen).
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub(crate) deadline: Option<Duration>,
    /// Shards of the snapshot, 1 to 1000 (50 unless chosen).
    #[arg(long, value_name = "N")]
    pub(crate) shards: Option<u16>,
    /// Users of a batch, 1 to 1000 (100 unless chosen).
    #[arg(long, value_name = "N")]
    pub(crate) batch_users: Option<u16>,
    /// Send again what was written and never answered.
    #[arg(long)]
    pub(crate) resend_ambiguous: bool,
    /// Only devices of this app.
    #[arg(long)]
    pub(crate) app: Option<String>,
}

impl OptionArgs {
    /// Whether any flag was given.
    pub(crate) fn any(&self) -> bool {
        let numbers = self.deadline.is_some() || self.shards.is_some() || self.batch_users.is_some();
        numbers || self.resend_ambiguous || self.app.is_some()
    }

    /// These flags on top of `base`.
    pub(crate) fn onto(&self, mut base: Options) -> Options {
        if let Some(deadline) = self.deadline {
            base.deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        }
        base.shards = self.shards.unwrap_or(base.shards);
        base.batch_users = self.batch_users.unwrap_or(base.batch_users);
        base.resend_ambiguous |= self.resend_ambiguous;
        base.app = self.app.clone().or(base.app);
        base
    }
}

/// `250ms`, `90s`, `10m`, `2h`, `30d`, or a plain number of seconds.
pub(crate) fn parse_duration(text: &str) -> anyhow::Result<Duration> {
    let cut = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(cut);
    let n: u64 = number.parse().with_context(|| format!("`{text}` is not a time such as 90s or 10m"))?;
    let ms = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => bail!("`{unit}` is not a unit of time; use ms, s, m, h or d"),
    };
    Ok(Duration::from_millis(n.saturating_mul(ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_changes_what_it_names_and_nothing_else() {
        let title = ContentArgs { title: Some("new".into()), ..ContentArgs::default() };
        let edited = title.onto(&Content::english("old", "body")).unwrap().unwrap();
        assert_eq!(edited, Content::english("new", "body"));
        let mut two = Content::english("old", "body");
        two.texts.insert("de".into(), Text { title: "alt".into(), body: String::new() });
        assert!(title.onto(&two).unwrap_err().to_string().contains("de, en"));
        assert_eq!(ContentArgs::default().onto(&two).unwrap(), None);
    }

    #[test]
    fn durations() {
        let ms = |t: &str| parse_duration(t).map(|d| d.as_millis()).ok();
        assert_eq!(
            ["5", "250ms", "90s", "10m", "2h", "30d"].map(ms),
            [5000, 250, 90_000, 600_000, 7_200_000, 2_592_000_000].map(Some)
        );
        assert_eq!(["", "x", "10 m", "1w", "-1s"].map(ms), [None; 5]);
    }
}
