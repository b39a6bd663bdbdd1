//! What the document says of each route: one entry here for each line in the router and in the table of rules.

mod access;
mod campaigns;
mod fleet;
mod live;
mod pages;
mod testers;
mod webhooks;

use super::operation::Operation;

/// Groups of routes: a name, what they are for, the routes.
type Group = (&'static str, &'static str, Vec<Operation>);

/// Every route, by group.
pub(super) fn all() -> Vec<Group> {
    let groups = [
        ("Campaigns", "What is sent to whom.", campaigns::operations()),
        (
            "Going live",
            "From armed to done. Whatever changes a state may be asked again.",
            live::operations(),
        ),
        ("Testers", "A look at the content on one's own phones, before the press.", testers::operations()),
        ("Devices", "The device table.", fleet::devices()),
        ("Fleet", "The workers, dead letters, and who did what.", fleet::operations()),
        ("Webhooks", "Others are told what happens.", webhooks::operations()),
        ("Access", "Sessions and tokens.", access::operations()),
        ("Health", "For load balancers and for Prometheus.", pages::health()),
        ("Pages", "For browsers.", pages::operations()),
    ];
    let mut all = Vec::from(groups);
    for (tag, _, operations) in &mut all {
        operations.iter_mut().for_each(|operation| operation.tag = tag);
    }
    all
}
