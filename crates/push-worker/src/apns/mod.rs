//! Apple's gateway: configuration, provider tokens, requests, answers.

mod auth;
mod client;
mod config;
mod request;
mod response;

pub use auth::ProviderTokens;
pub use client::ApnsGateway;
pub use config::{ApnsConfig, ApnsKind, ApnsSetup};
