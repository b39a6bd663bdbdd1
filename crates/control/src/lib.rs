//! Campaign operations on the ports: create, arm, press, stop, report; and the reconciler that finishes what a press or a
//! dead process left undone. No HTTP here: the API is a thin shell over [`Control`], and so are tests and simulations.
//!
//! Every operation is: read the record, let `common::campaign` decide, write conditionally, begin again on a conflict.

mod arm;
mod books;
mod counted;
mod dispatch;
mod error;
mod figures;
mod late;
mod leave;
mod measure;
mod once;
mod operations;
mod outcomes;
pub mod preflight;
mod press;
mod receipts;
mod reconcile;
mod redrive;
mod scale;
mod status;
mod test_send;
mod testers;
mod trail;

pub use arm::ArmRequest;
pub use error::ControlError;
pub use figures::{WorkerFigures, about_ms};
pub use late::{LateUser, LateUsers, unnamed};
pub use leave::Leave;
pub use once::OnceKey;
pub use operations::Edit;
pub use outcomes::{BatchOutcomes, DeviceOutcome, Outcomes};
pub use preflight::{Check, Light, Preflight};
pub use press::{Meant, PressResult, Receipt, Resumed};
pub use receipts::{DeviceReceipt, UserReceipt};
pub use reconcile::Step;
pub use redrive::{RedriveRequest, Redriven};
pub use scale::{ScaleRequest, Scaled};
pub use status::{Report, Status, Tally};
pub use test_send::{DeviceReport, RenderedText, TestReport, TestRequest, TestState};
pub use testers::{TesterView, TestersBrief, TestersView};
pub use trail::WhoDidWhat;

use common::ports::{Backend, Scaling};
use common::time::Clock;
use std::sync::Arc;

/// Who asks, and from where: for the record and the audit trail.
#[derive(Clone, Debug)]
pub struct Who {
    /// The person's name.
    pub name: String,
    /// The address that the request came from.
    pub from: String,
    /// Asked before each write.
    pub leave: Leave,
}

impl Who {
    /// A name without an address: the service itself, or a test.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::at(name, "-")
    }

    /// A name and an address.
    #[must_use]
    pub fn at(name: &str, from: &str) -> Self {
        Self { name: name.to_owned(), from: from.to_owned(), leave: Leave::default() }
    }
}

/// The campaign service. Cheap to share; holds no state that another process would need.
pub struct Control {
    pub(crate) backend: Backend,
    pub(crate) clock: Arc<dyn Clock>,
    /// One dispatch at a time in this process: concurrent presses wait for the first and find nothing left to do.
    pub(crate) dispatching: tokio::sync::Mutex<()>,
    pub(crate) reconciling: reconcile::Memory,
    pub(crate) trail: trail::Trail,
    /// Whoever starts and stops the workers' tasks, where somebody does.
    pub(crate) scaling: Option<Arc<dyn Scaling>>,
    pub(crate) counted: counted::Counted,
    pub(crate) scaled_at: std::sync::Mutex<Option<std::time::Duration>>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

impl Control {
    /// A service on this backend, in which nobody starts or stops workers.
    #[must_use]
    pub fn new(backend: Backend, clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::with_scaling(backend, clock, None)
    }

    /// A service on this backend that can have workers started and stopped.
    #[must_use]
    pub fn with_scaling(
        backend: Backend,
        clock: Arc<dyn Clock>,
        scaling: Option<Arc<dyn Scaling>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            trail: trail::Trail::new(Arc::clone(&backend.audit), Arc::clone(&clock)),
            backend,
            clock,
            dispatching: tokio::sync::Mutex::new(()),
            reconciling: reconcile::Memory::default(),
            scaling,
            counted: counted::Counted::default(),
            scaled_at: std::sync::Mutex::default(),
        })
    }

    /// The ports that it works on.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The clock that it works by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}
