//! Stand-in APNs and FCM gateways.
//!
//! They validate like the real ones, answer with the real statuses and bodies, can be told to misbehave, and keep a
//! journal of what every device got, so that a test can prove "nobody twice, nobody lost" from the far side.
//! They make up keys and certificates at run time, and never send anything to anyone.
//!
//! [`start`] runs them on threads of their own; [`run_blocking`] is what `owl gateways` does.

mod admin;
mod admin_client;
mod apns;
mod args;
mod behaviour;
mod connection;
mod delay;
mod error;
mod fcm;
mod head;
mod info;
pub mod journal;
mod jws;
mod keys;
pub mod limits;
mod oauth;
mod process;
pub mod profile;
mod reason;
mod run;
mod server;
mod settings_gate;
mod shared;
mod verdict;
mod witness;

pub use admin_client::{AdminClient, AdminError};
pub use args::{GatewayArgs, ProfileArgs, ServerKind};
pub use behaviour::{Behaviour, Beyond, Burst, BurstKind, Fate, Lognormal, RoundTrip, SettingFault, Uniform};
pub use error::GatewayError;
pub use info::GatewayInfo;
pub use journal::Platform;
pub use run::{Running, run_blocking, start, stdin_closed};
