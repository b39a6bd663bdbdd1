//! Keeps one connection of a pool open: dials, waits until it takes no more requests, dials again.

use super::connection::{Conn, drive};
use super::dial::{Dialled, dial};
use super::limits;
use super::pool::Shared;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Runs until the pool closes; then waits for the last answers.
pub(super) async fn keep(slot: usize, shared: Rc<Shared>) {
    let mut drivers = JoinSet::new();
    let mut failures = 0;
    let mut rest = limits::STAGGER.saturating_mul(u32::try_from(slot).unwrap_or(u32::MAX));
    while shared.or_closed(tokio::time::sleep(rest)).await.is_some() {
        let Some(dialled) = shared.or_closed(dial(&shared.origin)).await else { break };
        match dialled {
            Err(error) => {
                failures += 1;
                shared.note_trouble(slot, error.to_string());
            }
            Ok(dialled) => {
                let conn = open(slot, dialled, &shared, &mut drivers);
                let closed = shared.or_closed(conn.retired()).await.is_none();
                conn.retire();
                shared.set(slot, None);
                failures = if conn.is_proven() { 0 } else { failures + 1 };
                if closed {
                    break;
                }
            }
        }
        while drivers.try_join_next().is_some() {}
        rest = back_off(failures);
    }
    while drivers.join_next().await.is_some() {}
}

fn open(slot: usize, dialled: Dialled, shared: &Rc<Shared>, drivers: &mut JoinSet<()>) -> Rc<Conn> {
    let conn = Rc::new(Conn::new(dialled.send, dialled.blocked));
    drivers.spawn_local(drive(Rc::clone(&conn), dialled.connection, Rc::clone(shared)));
    shared.set(slot, Some(Rc::clone(&conn)));
    conn
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
