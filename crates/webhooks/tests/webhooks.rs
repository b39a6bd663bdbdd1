//! Webhooks on the model backend in memory: what is told, when it is tried again, and by whom; and the sender against real
//! listeners.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where something is not as it expects")]

mod webhooks {
    mod http;
    mod retries;
    mod several;
    mod telling;
    mod world;
}
