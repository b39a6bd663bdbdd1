//! Renders a campaign's content into what goes to each gateway: once per text, not once per device.
//!
//! `a2` and `fcm_v1` say what a payload looks like; the bytes that differ between two devices (FCM's target, the `ttl`)
//! are cut out here, so that a push is two copies. Nothing here sends anything.

mod apns;
mod error;
mod fcm;
mod preview;
mod rendered;

pub use apns::ApnsHeaders;
pub use error::PayloadError;
pub use fcm::{FcmAt, FcmTemplate};
pub use preview::{Preview, Sizes, preview};
pub use rendered::{Rendered, render};
