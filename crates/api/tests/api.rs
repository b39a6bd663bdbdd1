//! The API over a real listener, on the model backend in memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where something is not as it expects")]

mod api {
    mod access;
    mod bodies;
    mod client;
    mod console;
    mod devices;
    mod document;
    mod fixture;
    mod guards;
    mod lanes;
    mod once;
    mod press;
    mod reads;
    mod server;
    mod sessions;
    mod states;
    mod testers;
    mod tls;
    mod tokens;
    mod uploads;
    mod webhooks;
}
