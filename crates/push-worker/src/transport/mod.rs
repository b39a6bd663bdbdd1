//! The gateways' side of [`wire::driver`]: where its pools may connect to, how their connections behave, and what an end
//! without an answer means for a push.
//!
//! It knows nothing of APNs or FCM. What it promises is the difference between [`Reply::NotSent`] and
//! [`Reply::Ambiguous`]: see [`Reply`]. It runs on one thread: a current-thread runtime with a `LocalSet`.

pub(crate) mod ear;
pub mod fault;
pub(crate) mod group;
pub mod limits;
mod origin;
mod reply;
mod tls;

pub use fault::{Fault, Faults};
pub use group::connection;
pub use origin::{Origin, is_loopback, is_vendor_host};
pub use reply::{Reply, Response};
