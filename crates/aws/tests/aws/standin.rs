//! The stand-in that all tests of this binary share, the suite's rules side by side, and that the stand-in ends.

use aws::standin::Ministack;
use contract::suite::{self, Factory, Report};
use futures::StreamExt;

/// Rules that run at a time: most of them wait for the stand-in's clock most of the time.
const SIDE_BY_SIDE: usize = 16;

/// Where the stand-in listens. A test without one fails: it is never skipped in silence.
pub(crate) fn endpoint() -> &'static str {
    match aws::standin::shared() {
        Ok(ministack) => ministack.endpoint(),
        Err(error) => panic!("{error}"),
    }
}

/// Runs the rules that `pick` wants, many at a time: each has names of its own.
pub(crate) async fn side_by_side(factory: &dyn Factory, pick: impl Fn(&str) -> bool) -> Report {
    let rules: Vec<_> = suite::rules().into_iter().filter(|r| pick(&r.name)).collect();
    let runs = rules.iter().map(|rule| async { (rule.name.clone(), rule.run(factory).await) });
    let verdicts = futures::stream::iter(runs).buffered(SIDE_BY_SIDE).collect().await;
    Report { adapter: factory.name(), verdicts }
}

#[tokio::test]
async fn a_stand_in_ends_when_it_is_dropped() {
    let ministack = Ministack::start().unwrap_or_else(|e| panic!("{e}"));
    let address = ministack.endpoint().trim_start_matches("http://").to_owned();
    assert!(std::net::TcpStream::connect(&address).is_ok());
    drop(ministack);
    assert!(std::net::TcpStream::connect(&address).is_err());
}
