//! Whether whoever began something may still do it when it is written: an arming waits for minutes.

use crate::Who;
use common::campaign::{Campaign, Refusal};
use std::fmt;
use std::sync::Arc;

type Look = dyn Fn(&Campaign) -> Result<(), Refusal> + Send + Sync;

/// Asked with the campaign as it is, right before each write. The default always agrees.
#[derive(Clone, Default)]
pub struct Leave(Option<Arc<Look>>);

impl Leave {
    /// To be asked so. It answers from memory: a press waits for it.
    #[must_use]
    pub fn asking(look: impl Fn(&Campaign) -> Result<(), Refusal> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(look)))
    }

    /// Whether this campaign may be changed now.
    pub(crate) fn check(&self, campaign: &Campaign) -> Result<(), Refusal> {
        self.0.as_ref().map_or(Ok(()), |look| look(campaign))
    }
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Leave(asking)" } else { "Leave(always)" })
    }
}

impl Who {
    /// The same, for taking back what they did a moment ago: that is never refused.
    pub(crate) fn taking_back(&self) -> Self {
        Self { leave: Leave::default(), ..self.clone() }
    }
}
