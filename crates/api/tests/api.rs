//! The API over a real listener, on the model backend in memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where something is not as it expects")]

mod api {
    mod bodies;
    mod client;
    mod console;
    mod devices;
    mod fixture;
    mod guards;
    mod lanes;
    mod press;
    mod reads;
    mod server;
    mod states;
    mod uploads;
}
