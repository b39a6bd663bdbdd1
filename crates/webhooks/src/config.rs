//! What an operator says about where messages may go.

use serde::{Deserialize, Serialize};

/// The `webhooks` section. Without it: HTTPS to public addresses only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// Also without TLS: whoever listens in reads the messages, and can't forge them.
    pub allow_http: bool,
    /// Also to private addresses and to this machine. Whoever may make webhooks can then reach what is inside.
    pub allow_private: bool,
    /// Also to this machine, also without TLS: for trying things out.
    pub allow_loopback: bool,
}
