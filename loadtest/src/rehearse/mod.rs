//! Rehearsals: what is tried, what was measured, what that means, and the page that shows it. Running one is `owl rehearse`'s.

mod compare;
mod judge;
mod limits;
mod measured;
mod page;
mod plot;
mod ready;
mod scenario;
mod served;
mod span;

pub use compare::{Change, Figure, compare};
pub use judge::{Judged, judge, judge_growth};
pub use limits::{Limits, Stage, limits};
pub use measured::{
    Counted, Happened, Late, Machine, Passed, Pressed, Rehearsal, Sample, Steps, Times, WorkerDid,
};
pub use page::page;
pub use ready::{READY, ready};
pub use scenario::{Audience, Campaign, Fault, Fleet, Objectives, Scenario, ScenarioError, What, When};
pub use served::{Served, not_for_a_server};
pub use span::Span;
