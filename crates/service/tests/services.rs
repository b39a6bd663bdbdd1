//! The three real binaries as processes of their own, against a stand-in AWS and the stand-in gateways.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop where something is not as they expect"
)]

mod services {
    mod config;
    mod http;
    mod press;
    mod process;
    mod protection;
    mod readiness;
    mod rehearse;
    mod signals;
    mod world;
}
