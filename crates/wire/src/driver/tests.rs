//! The driver against a scripted peer: on paused time at the ends of a pipe, and the pool over real TLS.

mod deaf;
mod paused;
mod peer;
mod pool;
mod rude;
mod shim;
