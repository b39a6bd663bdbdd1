//! Load tests of Superb Owl: stand-in gateways, scenarios and benchmarks.
//!
//! Nothing here can reach a phone: the gateways listen on this machine, with a CA and keys made at run time.

pub mod crowd;
pub mod gateways;
pub mod rehearse;
