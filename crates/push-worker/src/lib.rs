//! Drains batches to APNs and FCM.

pub mod apns;
pub mod fcm;
pub mod gateway;
pub mod transport;

mod admit;
mod breaker;
mod claim;
mod config;
mod control;
mod fate;
mod finish;
mod heartbeat;
mod lane;
mod measure;
mod pacing;
mod permits;
mod retry;
mod send;
mod shared;
mod testing;
mod work;
mod worker;

pub use common::secret::Secret;
pub use config::PushConfig;
pub use lane::Lane;
pub use shared::{Assignment, Shared};
pub use worker::{MakeGateways, PushWorker};
