//! Google's gateway: configuration, access tokens, requests, answers.

mod auth;
mod client;
mod config;
mod request;
mod response;

pub use auth::{AccessTokens, AuthError};
pub use client::FcmGateway;
pub use config::{FcmConfig, FcmKind, FcmSetup};
