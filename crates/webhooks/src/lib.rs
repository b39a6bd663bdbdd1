//! Webhooks after the Standard Webhooks specification: who is told that a campaign was armed, pressed, half sent, done or
//! stopped.
//!
//! What happened is read off the campaigns' records, outside of every press: nothing of a press waits for this crate or can
//! fail through it, and a process that dies right after a press leaves the telling to the next one that looks. Of several
//! processes one sends a message, by a conditional write with a lease: usually once, at least once always.

mod address;
mod config;
mod deliver;
mod message;
mod notice;
mod notifier;
mod sender;
mod sign;
mod target;

pub use address::Kind;
pub use config::WebhookConfig;
pub use message::{Happened, happened};
pub use notifier::{Notifier, Tried};
pub use sender::{HttpSender, Post, Sender};
pub use sign::sign;
pub use target::Target;
