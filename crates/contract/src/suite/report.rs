//! What a run of the suite found.

use std::fmt;

/// A rule that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {says}. Seen: {seen}")]
pub struct Violation {
    /// The rule's name.
    pub rule: String,
    /// What it demands.
    pub says: &'static str,
    /// What was seen instead.
    pub seen: String,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It held.
    Held,
    /// It did not.
    Broken(Violation),
    /// It was not run, because of this.
    Skipped(String),
}

/// What became of every rule on one adapter.
#[derive(Clone, Debug)]
pub struct Report {
    /// The adapter's name.
    pub adapter: String,
    /// Rules by name, in the order in which they ran.
    pub verdicts: Vec<(String, Verdict)>,
}

impl Report {
    /// The rules that did not hold.
    pub fn violations(&self) -> impl Iterator<Item = &Violation> {
        self.verdicts.iter().filter_map(|(_, v)| match v {
            Verdict::Broken(violation) => Some(violation),
            _ => None,
        })
    }

    /// The rules that were not run, and why.
    pub fn skipped(&self) -> impl Iterator<Item = (&str, &str)> {
        self.verdicts.iter().filter_map(|(name, v)| match v {
            Verdict::Skipped(why) => Some((name.as_str(), why.as_str())),
            _ => None,
        })
    }

    /// The first violation as an error, with all of them counted: `report.into_result()?` in a test.
    ///
    /// # Errors
    /// When any rule did not hold; the text is the whole report.
    pub fn into_result(self) -> Result<(), BrokenContract> {
        if self.violations().next().is_none() { Ok(()) } else { Err(BrokenContract(self)) }
    }
}

/// A report with violations in it.
#[derive(Clone, thiserror::Error)]
#[error("{0}")]
pub struct BrokenContract(pub Report);

impl fmt::Debug for BrokenContract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (broken, skipped) = (self.violations().count(), self.skipped().count());
        let held = self.verdicts.len() - broken - skipped;
        writeln!(f, "{}: {held} rules held, {broken} broken, {skipped} skipped", self.adapter)?;
        for violation in self.violations() {
            writeln!(f, "  broken   {violation}")?;
        }
        for (name, why) in self.skipped() {
            writeln!(f, "  skipped  {name}: {why}")?;
        }
        Ok(())
    }
}
