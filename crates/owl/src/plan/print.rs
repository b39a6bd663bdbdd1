//! A plan for people, and as Terraform variables.

use super::arithmetic::{Connections, Plan, Tasks};
use crate::output::{count, outln};

/// In lines.
pub(super) fn people(plan: &Plan) {
    let b = &plan.blast;
    outln!(
        "{} users, {} devices within {} s: {} pushes/s",
        count(b.users),
        count(plan.devices),
        b.seconds,
        count(plan.apns.per_second + plan.fcm.per_second)
    );
    outln!();
    tasks("interim", &plan.interim);
    tasks("push", &plan.push);
    connections("apns", &plan.apns);
    connections("fcm", &plan.fcm);
    let load = &plan.load;
    outln!("queues      {} batches, {} SQS calls/s", count(load.batches), count(load.sqs_calls_per_s));
    outln!(
        "tables      {} ledger writes/s ({} to the busiest key), {} reads/s of the fleet's record, {} rows/s of workers",
        count(load.ledger_writes_per_s),
        count(load.busiest_ledger_key_per_s),
        count(load.slot_reads_per_s),
        count(load.fleet_writes_per_s)
    );
    quotas(plan);
    costs(plan);
    for warning in &plan.warnings {
        outln!("WARNING     {warning}");
    }
    outln!();
    outln!("Assumed:");
    for (name, figure) in plan.assumptions.all() {
        outln!("  {name:22} {:>10} {:14} {}", figure.value, figure.unit, figure.source);
    }
    outln!();
    outln!("next: owl fleet scale --interim {} --push {} --until 6h", plan.interim.count, plan.push.count);
}

fn tasks(role: &str, t: &Tasks) {
    outln!("{role:11} {} tasks of {} vCPU, {} GB: {}", count(t.count.into()), t.vcpu, t.gb, t.because);
}

fn connections(gateway: &str, c: &Connections) {
    outln!(
        "{gateway:11} {} requests/s: {} connections ({} a push worker), {} streams",
        count(c.per_second),
        count(c.connections),
        count(c.per_task),
        count(c.streams)
    );
}

fn quotas(plan: &Plan) {
    outln!();
    outln!("Quotas:");
    for q in &plan.quotas {
        if q.enough {
            outln!("  ok        {}: {} needed, {} usual", q.what, count(q.need), count(q.usual));
            continue;
        }
        let by = q.ask_by.clone().unwrap_or_else(|| format!("{} days before", q.days_before));
        outln!("  ASK       {}: {} needed, {} usual; ask by {by}", q.what, count(q.need), count(q.usual));
        outln!("            {}", q.how);
    }
}

fn costs(plan: &Plan) {
    let (usd, b) = (&plan.usd, &plan.blast);
    outln!();
    outln!("US dollars, about:");
    outln!("  {:>9.2}   a month at rest (fleets at 0)", usd.at_rest_per_month);
    outln!("  {:>9.2}   {} rehearsals of an hour", usd.rehearsals, b.rehearsals);
    outln!("  {:>9.2}   the event, fleet up for {} h", usd.event, b.up_hours);
    outln!("  {:>9.2}   for each day that somebody forgets to scale down", usd.forgotten_per_day);
}

/// For `deploy/terraform`.
pub(super) fn tfvars(plan: &Plan) {
    let b = &plan.blast;
    outln!(
        "# owl fleet plan --users {} --seconds {} --android-share {} --devices-per-user {}",
        b.users,
        b.seconds,
        b.android_share,
        b.devices_per_user
    );
    outln!("# the counts: owl fleet scale --interim {} --push {}", plan.interim.count, plan.push.count);
    outln!("interim_worker = {{ {}, tasks_max = {} }}", size(&plan.interim), spare(&plan.interim));
    let connections = plan.apns.per_task + plan.fcm.per_task;
    outln!(
        "push_worker = {{ {}, tasks_max = {}, connections_per_task = {connections} }}",
        size(&plan.push),
        spare(&plan.push)
    );
    // Below this AWS takes no warm throughput: a new table begins there.
    if plan.load.ledger_writes_per_s > 4_000 {
        outln!(
            "warm_throughput = {{ ledger = {{ read = 12000, write = {} }} }}",
            plan.load.ledger_writes_per_s
        );
    }
}

/// ECS counts CPU in 1,024ths of a vCPU and memory in MiB.
fn size(t: &Tasks) -> String {
    format!("cpu = {:.0}, memory_mib = {:.0}", t.vcpu * 1_024.0, t.gb * 1_024.0)
}

/// Twice what is planned may be asked for on the evening.
fn spare(t: &Tasks) -> u32 {
    t.count * 2
}
