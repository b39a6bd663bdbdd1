//! Printing: results on standard output, progress on standard error and only on a terminal.

use crate::client::Problem;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Prints a line on standard output. A reader that has gone (`owl … | head`) is no error.
macro_rules! outln {
    () => { $crate::output::line(format_args!("")) };
    ($($arg:tt)*) => { $crate::output::line(format_args!($($arg)*)) };
}
pub(crate) use outln;

/// What [`outln`] does.
pub(crate) fn line(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints an error, and its causes where they say more; with `as_json`, also what the API answered, as one line of JSON.
pub(crate) fn error(error: &anyhow::Error, as_json: bool) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    eprintln!("owl: {text}");
    if let Some(problem) = error.downcast_ref::<Problem>().filter(|p| as_json && !p.json.is_null()) {
        eprintln!("{}", problem.json);
    }
}

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    outln!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// A number as people read it: `4,000,000`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Bytes as people read them: `212 MB`.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{} kB", n / 1_000),
        _ => format!("{} MB", n / 1_000_000),
    }
}

/// A progress bar over `total` things, or a counter when the total is not known. Hidden unless standard error is a
/// terminal.
pub(crate) fn progress(what: &str, total: Option<u64>) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(total, target);
    let template = match total {
        Some(_) => "{msg:22} {bar:32} {human_pos} of {human_len}  {per_sec}",
        None => "{spinner} {msg:20} {human_pos}",
    };
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 4_000_000].map(super::count), ["0", "999", "1,000", "4,000,000"]);
        assert_eq!([12, 212_000_000].map(super::bytes), ["12 B", "212 MB"]);
    }
}
