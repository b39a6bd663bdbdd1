//! Arming, pressing, stopping, watching.

use crate::apidoc::operation::{Operation, on};
use crate::problem::Code;
use crate::views::Nothing;
use common::campaign::{Campaign, RefusalCode as R};
use common::fleet::Expected;
use control::{ArmRequest, Meant, Preflight, Receipt, Resumed, Status};

pub(super) fn operations() -> Vec<Operation> {
    let mut all = vec![
        on("preflight", "GET", "/v1/campaigns/{id}/preflight", "The checks, without arming")
            .query::<Expected>()
            .ok::<Preflight>("The checks.")
            .fails(&[Code::BadField]),
        on("arm", "POST", "/v1/campaigns/{id}/arm", "Freezes it, once the fleet is ready")
            .about(
                "Waits at most `wait_ms` for the fleet; hanging up before ends the wait. `overrides` is for sre and admin.",
            )
            .body::<ArmRequest>()
            .ok::<Campaign>("The campaign, armed.")
            .fails(&[Code::NotReady, Code::Busy])
            .refuses(&[R::Draft, R::Failed, R::Building, R::Sending, R::Stopped, R::Finished])
            .refuses(&[R::Changed, R::FleetTaken, R::SecondPersonNeeded]),
        on("press", "POST", "/v1/campaigns/{id}/press", "The press")
            .about("Answers the receipt as often as it is pressed: `result` is `pressed` once, and then `already_pressed`.")
            .body::<Meant>()
            .ok::<Receipt>("The receipt.")
            .refuses(&[R::ArmedAnew, R::TooLate, R::FleetTaken, R::Building, R::NotArmed, R::Stopped]),
    ];
    all.extend(buttons());
    all.extend(watching());
    all.into_iter()
        .map(|operation| if operation.method == "GET" { operation } else { operation.fails(&[Code::Busy]) })
        .collect()
}

fn buttons() -> Vec<Operation> {
    let button =
        |id, path, summary| on(id, "POST", path, summary).body::<Nothing>().ok::<Campaign>("The campaign.");
    vec![
        button("disarm", "/v1/campaigns/{id}/disarm", "Takes an armed campaign back to ready")
            .refuses(&[R::Sending, R::NotArmed]),
        button("canary", "/v1/campaigns/{id}/canary", "Sends one batch in a hundred, while armed")
            .refuses(&[R::NotArmed, R::FleetTaken]),
        button("abort", "/v1/campaigns/{id}/abort", "Stops a build, an armed state, or the sending")
            .about("Answers at once; `stopped` follows.")
            .refuses(&[R::Finished, R::Idle, R::Sending, R::NotArmed]),
        on("resume", "POST", "/v1/campaigns/{id}/resume", "Sends the rest after a stop")
            .about("`warning` says, where it is so, that no worker is there to send it.")
            .body::<Nothing>()
            .ok::<Resumed>("The campaign, and a warning.")
            .refuses(&[R::Stopping, R::Finished, R::NotStopped, R::FleetTaken]),
    ]
}

fn watching() -> Vec<Operation> {
    vec![
        on("read_status", "GET", "/v1/campaigns/{id}/status", "Live figures, so far")
            .ok::<Status>("The figures."),
        on("watch", "GET", "/v1/campaigns/{id}/live", "Live figures, as server-sent events")
            .about(
                "`event: live` has one JSON object (see `Live` among the schemas), 4 a second while something is sent, else one a \
second. `event: trouble` (`{\"at\", \"why\"}`) comes while the figures can't be read, `event: beat` (`{\"at\"}`) whenever \
nothing else came for a second and a half. It does not end by itself.",
            )
            .free()
            .media("text/event-stream", "Events.")
            .fails(&[Code::Overloaded, Code::Invalid]),
    ]
}
