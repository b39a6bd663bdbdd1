//! People: they arm, press (several of them), stop and resume through whichever API process answers, and try again when none
//! does.

use crate::fleet::Fleet;
use crate::strike::Kind;
use crate::world::World;
use control::{ArmRequest, Control, ControlError, PressResult, Receipt, Who};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Once nothing goes wrong any more, an act works within this.
const CALM_WORKS_WITHIN: Duration = Duration::from_secs(90);
/// A person who gets no answer for this long tries again.
const GIVES_UP: Duration = Duration::from_secs(30);
/// The fleet of a stormy night has fewer workers than it should, dead letters from before, clocks that differ.
const OVERRIDES: [&str; 4] = ["interim_workers", "push_workers", "queues_empty", "clock_skew"];

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Arm,
    Canary,
    Press,
    Abort,
    Resume,
}

impl Act {
    fn label(self) -> &'static str {
        match self {
            Self::Arm => "arms",
            Self::Canary => "sends a canary",
            Self::Press => "presses",
            Self::Abort => "stops it",
            Self::Resume => "resumes it",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "somebody {}", self.label())
    }
}

/// What came of one try.
enum Tried {
    Done,
    Refused(String),
    Again(String),
}

/// The receipts so far: at most one says that this press was it, and all name the same.
#[derive(Default)]
pub(crate) struct Receipts(RefCell<Option<(Receipt, u32)>>);

impl Receipts {
    fn take(&self, world: &World, receipt: Receipt) {
        let mut kept = self.0.borrow_mut();
        let first = u32::from(receipt.result == PressResult::Pressed);
        let Some((known, firsts)) = kept.as_mut() else {
            *kept = Some((receipt, first));
            return;
        };
        *firsts += first;
        if *firsts > 1 || (&known.by, known.at) != (&receipt.by, receipt.at) {
            world.violate(format!("two receipts: {known:?} and {receipt:?}, {firsts} of them the first"));
        }
    }
}

/// Somebody does this, from now on until it has worked or was refused for good.
pub(crate) async fn act(fleet: Rc<Fleet>, act: Act, name: String, receipts: Rc<Receipts>) {
    let world = Arc::clone(&fleet.world);
    loop {
        let why = match once(&fleet, act, &name, &receipts).await {
            Tried::Done => return world.say(&name, act.label(), "done", [0, 0]),
            Tried::Refused(_) if fleet.is_past(act) => {
                return world.say(&name, act.label(), "refused for good", [0, 0]);
            }
            Tried::Refused(why) | Tried::Again(why) => why,
        };
        if fleet.calm_for() > CALM_WORKS_WITHIN {
            let what = act.label();
            return world
                .violate(format!("{name} {what}, and it does not work though nothing is wrong: {why}"));
        }
        let pause = world.with(|s| s.dice.between(200, 1_500));
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// One try, through one API process.
async fn once(fleet: &Fleet, act: Act, name: &str, receipts: &Receipts) -> Tried {
    let world = &fleet.world;
    let Some((process, control)) = fleet.some_api() else {
        return Tried::Again("no API process answers".to_owned());
    };
    let request = async {
        tokio::time::sleep(Duration::from_millis(world.with(|s| s.dice.between(1, 40)))).await;
        process.alive().await;
        let done = request(&control, world, act, &Who::named(name), receipts).await;
        process.alive().await;
        done
    };
    tokio::select! {
        biased;
        done = request => done,
        () = process.died() => Tried::Again("the API process died".to_owned()),
        () = tokio::time::sleep(GIVES_UP) => Tried::Again("no answer".to_owned()),
    }
}

async fn request(control: &Arc<Control>, world: &World, act: Act, who: &Who, receipts: &Receipts) -> Tried {
    let id = world.campaign;
    let done = match act {
        Act::Arm => {
            let overrides = OVERRIDES.map(|check| (check.to_owned(), "tonight".to_owned()));
            let request =
                ArmRequest { overrides: overrides.into(), wait_ms: 15_000, ..ArmRequest::default() };
            control.arm(who, id, &request).await.map(|_| ())
        }
        Act::Canary => control.canary(who, id).await.map(|_| ()),
        Act::Press => control.press(who, id).await.map(|receipt| receipts.take(world, receipt)),
        Act::Abort => control.abort(who, id).await.map(|_| ()),
        Act::Resume => control.resume(who, id).await.map(|_| ()),
    };
    match done {
        Ok(()) => Tried::Done,
        Err(ControlError::Refused(no)) => Tried::Refused(no.code.to_string()),
        Err(error) => Tried::Again(error.to_string()),
    }
}

/// Which kind of process people talk to.
pub(crate) const DOOR: Kind = Kind::Api;
