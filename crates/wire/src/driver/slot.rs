//! Keeps one connection of a pool open: dials, waits until it takes no more requests, dials again.

use super::dial::{Io, dial};
use super::drive::drive;
use super::limits;
use super::link::Link;
use super::pool::Shared;
use super::socket::Marks;
use crate::{Connection, End, State};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Runs until the pool closes; then waits for the last answers.
pub(super) async fn keep(slot: usize, shared: Rc<Shared>) {
    let mut drivers = JoinSet::new();
    let mut failures = 0;
    let mut rest = limits::STAGGER.saturating_mul(u32::try_from(slot).unwrap_or(u32::MAX));
    while shared.or_closed(tokio::time::sleep(rest)).await.is_some() {
        let marks = Rc::new(Marks::default());
        let Some(dialled) = shared.or_closed(dial(&shared.target, &marks)).await else { break };
        match dialled {
            Err(error) => {
                failures += 1;
                shared.note_trouble(slot, error.to_string());
            }
            Ok(io) => {
                let link = open(slot, io, marks, &shared, &mut drivers);
                let closed = shared.or_closed(link.retired()).await.is_none();
                link.retire(shared.hub.time(Instant::now() + limits::CLOSE_WITHIN));
                shared.set(slot, None);
                failures = if link.is_proven() { 0 } else { failures + 1 };
                if closed {
                    break;
                }
            }
        }
        while drivers.try_join_next().is_some() {}
        // A peer that leaves requests unanswered and goes away, again and again, gets no more until some have ended.
        while drivers.len() >= limits::RETIRING_MAX && shared.or_closed(drivers.join_next()).await.is_some() {
        }
        rest = back_off(failures);
    }
    while drivers.join_next().await.is_some() {}
}

fn open(slot: usize, io: Io, marks: Rc<Marks>, shared: &Rc<Shared>, drivers: &mut JoinSet<()>) -> Rc<Link> {
    let core = Connection::new(shared.config.clone(), shared.hub.time(Instant::now()));
    let link = Rc::new(Link::new(core, marks));
    shared.note_link(&link);
    let (driven, shared_too) = (Rc::clone(&link), Rc::clone(shared));
    drivers.spawn_local(async move {
        drive(Rc::clone(&driven), io, Rc::clone(&shared_too.hub)).await;
        if let State::Ended(end @ (End::Unread | End::PingLost | End::Protocol(..))) = driven.state() {
            shared_too.note_trouble(slot, end.to_string());
        }
    });
    shared.set(slot, Some(Rc::clone(&link)));
    link
}

/// Between half and the whole of a time that doubles; nothing but a little jitter after a connection that was of use.
fn back_off(failures: u32) -> Duration {
    let whole = match failures {
        0 => limits::STAGGER,
        n => limits::BACK_OFF_MIN.saturating_mul(1 << (n - 1).min(16)).min(limits::BACK_OFF_MAX),
    };
    whole.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_doubles_up_to_its_limit() {
        for (failures, most) in
            [(0, limits::STAGGER), (1, limits::BACK_OFF_MIN), (2, limits::BACK_OFF_MIN * 2)]
        {
            assert!((most / 2..=most).contains(&back_off(failures)));
        }
        assert!(back_off(u32::MAX) <= limits::BACK_OFF_MAX && back_off(60) >= limits::BACK_OFF_MAX / 2);
    }
}
