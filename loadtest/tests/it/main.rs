//! The stand-in gateways, driven from outside. One binary, so that the workspace links once.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod apns;
mod behaviour;
mod faults;
mod fcm;
mod journal;
mod oauth;
mod others;
mod restart;
mod support;
