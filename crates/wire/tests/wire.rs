//! The state machine against scripted rude peers, arbitrary bytes, and `h2`'s server.
#![allow(clippy::unwrap_used, clippy::panic)]

#[cfg(feature = "fuzzing")]
#[path = "wire/corpus.rs"]
mod corpus;
#[path = "wire/differential.rs"]
mod differential;
#[path = "wire/ends.rs"]
mod ends;
#[path = "wire/flow.rs"]
mod flow;
#[path = "wire/foreign.rs"]
mod foreign;
#[path = "wire/goaway.rs"]
mod goaway;
#[path = "wire/property.rs"]
mod property;
#[path = "wire/rude.rs"]
mod rude;
#[path = "wire/states.rs"]
mod states;
#[path = "wire/support.rs"]
mod support;
