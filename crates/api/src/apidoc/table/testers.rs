//! Lists of testers, and test sends.

use crate::apidoc::operation::{Operation, on};
use crate::problem::Code;
use crate::views::{Nothing, TestersList};
use common::campaign::RefusalCode;
use control::{TestReport, TestRequest, TestersView};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        on("list_testers", "GET", "/v1/testers", "The lists of testers").ok::<TestersList>("The lists, by name."),
        on("read_testers", "GET", "/v1/testers/{name}", "Who is on a list")
            .about("Device tokens appear as hashes only.")
            .ok::<TestersView>("The list."),
        on("put_testers", "PUT", "/v1/testers/{name}", "Makes a list, or puts another in its place")
            .about(
                "NDJSON, 1 to 100 lines: `{\"person\": \"Ann's iPhone\", \"platform\": \"apns\", \"token\": \"…\", \"locale\": \"de-DE\"}`, and \
where wanted `target_kind`, `app`, `environment`, as in an import of devices.",
            )
            .lines()
            .ok::<TestersView>("The list as stored.")
            .fails(&[Code::NotNdjson, Code::Busy])
            .refuses(&[RefusalCode::TooManyLists]),
        on("remove_testers", "DELETE", "/v1/testers/{name}", "Removes a list")
            .ok::<Nothing>("It is gone; again, the same.")
            .fails(&[Code::Busy]),
        on("test", "POST", "/v1/campaigns/{id}/test", "Sends the content to a list of testers, before the press")
            .about(
                "Answers at once; `Location` says where to ask what came of it. A `dry_run` reaches no phone; without a list it \
renders only.",
            )
            .body::<TestRequest>()
            .ok::<TestReport>("Rendered; nobody was asked.")
            .accepted::<TestReport>("Asked for.")
            .with(&[("Location", "What comes of it.")])
            .fails(&[Code::Busy])
            .refuses(&[RefusalCode::TooLateToTest, RefusalCode::FleetBusy, RefusalCode::NoTesterLeft]),
        on("read_test", "GET", "/v1/campaigns/{id}/test/{test}", "What came of a test")
            .ok::<TestReport>("What is known, device by device."),
    ]
}
