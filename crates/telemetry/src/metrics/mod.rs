//! Every metric that there is, with every label that it may have: the one place. A metric that is not here does not exist.

#[macro_use]
mod macros;
mod labels;

pub use labels::*;

use crate::cells::{About, Counter, Gauge, Histogram, Labels, Metric, Target, Unit};

metrics! {
    // Press and campaign (api)
    READY: Gauge<()> = "ready", State, Both, "1 when this process could do its part of a press now, else 0.";
    PRESSES: Counter<Pressed> = "presses", Count, Both, "Presses, by what they came to.";
    PRESS_RECEIPT_SECONDS: Histogram<()> = "press_receipt_seconds", Seconds, Both, "From the moment that a press is let in to its receipt: at most a second.";
    QUEUE_DEPTH: Gauge<(Queue, Place)> = "queue_depth", Count, Both, "Envelopes on a queue, as the reconciler last saw it.";
    DEAD_LETTERS: Gauge<Queue> = "dead_letters", Count, Both, "Envelopes in the dead-letter queue beside a queue, as the reconciler last saw it.";
    RECONCILER_FAILURES: Counter<()> = "reconciler_failures", Count, Both, "Steps of the reconciler that failed, in whole or for one campaign; each is tried again.";
    WEBHOOK_ATTEMPTS: Counter<Told> = "webhook_attempts", Count, Both, "Attempts to send a message to a webhook, by what they came to.";
    AUDIT_LOST: Counter<()> = "audit_lost", Count, Both, "Audit entries that were not written.";

    // Queues and ledger (api and both workers)
    ENVELOPES: Counter<(Queue, Event)> = "envelopes", Count, Both, "What was done with envelopes.";
    QUEUE_FAILURES: Counter<Queue> = "queue_failures", Count, Both, "Calls to a queue that failed, and entries of calls that were not taken.";
    SHARDS: Counter<Expansion> = "shards", Count, Both, "Shard envelopes handled, by what became of them.";
    SHARD_EXPAND_SECONDS: Histogram<()> = "shard_expand_seconds", Seconds, Both, "From the receipt of a shard's envelope to the mark that all its batches are on their queue.";
    CLAIMS: Counter<Claim> = "claims", Count, Both, "Claims of batches, by the ledger's answer.";
    BATCHES_COMPLETED: Counter<Completion> = "batches_completed", Count, Both, "Batches whose outcomes were reported, by the ledger's answer.";
    SNAPSHOT_LOAD_SECONDS: Histogram<()> = "snapshot_load_seconds", Seconds, Prometheus, "Loading and checking a whole snapshot.";

    // Gateways (push worker)
    GATEWAY_ANSWERS: Counter<(Gateway, Answered)> = "gateway_answers", Count, Both, "Answers to requests, by what they mean. A device that is tried again has several.";
    DEVICES_SETTLED: Counter<(Gateway, Settled)> = "devices_settled", Count, Both, "Devices that got their outcome, by its class.";
    ACCEPTED_SECONDS: Histogram<Gateway> = "accepted_seconds", Seconds, Both, "From the press to a gateway's acceptance, for each device that was accepted.";
    GATEWAY_SECONDS: Histogram<Gateway> = "gateway_group_seconds", Seconds, Both, "From handing a group of requests to a gateway to its last answer.";
    CONNECTIONS: Gauge<Gateway> = "connections", Count, Both, "Open connections.";
    STREAMS: Gauge<Gateway> = "streams", Count, Prometheus, "Streams that may be open at once over all connections.";
    DEVICES_IN_FLIGHT: Gauge<()> = "devices_in_flight", Count, Both, "Devices that room is held for: received and not finished.";
    CLAIMS_HELD: Gauge<()> = "claims_held", Count, Prometheus, "Batches that this worker holds a claim on.";
    BREAKER: Gauge<Gateway> = "breaker", State, Both, "0 closed, 1 tripped in this worker, 2 given up by the whole fleet.";
    CREDENTIAL_AGE_SECONDS: Gauge<Gateway> = "credential_age_seconds", Seconds, Both, "Age of the token that requests carry now.";

    // AWS (crates/aws)
    AWS_CALLS: Counter<(AwsOperation, AwsClass)> = "aws_calls", Count, Both, "Attempts of calls to AWS, by what they came to.";
    AWS_CALL_SECONDS: Histogram<AwsOperation> = "aws_call_seconds", Seconds, Prometheus, "How long attempts of calls to AWS took.";

    // HTTP (api)
    HTTP_REQUESTS: Counter<(Route, Status)> = "http_requests", Count, Prometheus, "Requests, by route and status class.";
    HTTP_SECONDS: Histogram<Route> = "http_request_seconds", Seconds, Prometheus, "From a request's head to its answer's head.";
    API_SHED: Counter<()> = "api_shed", Count, Both, "Requests that were turned away because there were too many.";
    API_REQUESTS_IN_FLIGHT: Gauge<()> = "api_requests_in_flight", Count, Both, "Requests under way.";

    // The process
    UPTIME_SECONDS: Gauge<()> = "uptime_seconds", Seconds, Prometheus, "Since the process started.";
    RESIDENT_BYTES: Gauge<()> = "resident_bytes", Bytes, Both, "Memory in use.";
    OPEN_FILES: Gauge<()> = "open_files", Count, Both, "Open files and sockets.";
    SPANS_FAILED: Counter<()> = "span_exports_failed", Count, Prometheus, "Exports of spans that the collector did not take.";
}

#[cfg(test)]
mod tests;
