//! The FCM stand-in: what a request must look like, and how it is answered.

mod answer;
mod message;
mod quota;
mod request;

pub(super) use answer::answer;
pub(super) use quota::Quota;
pub(super) use request::{Judged, Memory, judge};
