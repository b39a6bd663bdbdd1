//! Log lines on standard error. `OWL_LOG` chooses what is shown, such as `info,push_worker=debug`.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Begins logging. `usual` is what is shown when `OWL_LOG` is not set.
pub(crate) fn init(form: Form, usual: &str) {
    let filter = EnvFilter::try_from_env("OWL_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let base = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let colours = std::io::stderr().is_terminal();
    // A second call in one process changes nothing, and that is fine.
    let _ = match form {
        Form::Text => base.with_target(false).with_ansi(colours).try_init(),
        Form::Json => base.json().try_init(),
    };
}
