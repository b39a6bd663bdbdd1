//! Drains batches to APNs and FCM.

pub mod gateway;
