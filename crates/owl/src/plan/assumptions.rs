//! What a plan takes for granted: each figure with its unit and where it comes from, so that a reader can put their own in
//! its place.

scale::figures! {
    /// Everything that a plan takes for granted.
    pub(crate) struct Assumptions {
        /// CPU of a push, from envelope to ledger, without AWS's SDK.
        push_cpu_us: 2.0, "us a push", "docs/benchmarks.md, demos on 2 cores: 1.3 to 2.0; --from puts a measured one here";
        /// CPU of the SDK for a batch.
        sdk_cpu_us_per_batch: 700.0, "us a batch", "docs/aws.md, measured on a stand-in: 200 us for SQS, 250 us for each of two ledger writes";
        /// Share of a task's CPU that is planned for.
        cpu_use: 0.5, "of 1", "ours: half stays free for retries and lost tasks";
        /// Virtual CPUs of a push worker's task.
        push_vcpu: 4.0, "vCPU", "ours";
        /// Devices that a lane holds at once; a task has a lane for each vCPU.
        lane_room: 4_000.0, "devices", "push-worker's default `devices_in_flight`: what a process that dies may leave in doubt";
        /// How long a batch's room is held: three calls, and the slowest answer of its devices.
        held_ms: 560.0, "ms", "three calls and FCM's 99 of a hundred; docs/scaling.md has the whole model";
        /// Memory of a push worker's task.
        push_gb: 8.0, "GB", "Fargate: the least for 4 vCPU";
        /// Virtual CPUs of an interim worker's task.
        interim_vcpu: 2.0, "vCPU", "ours";
        /// Memory of an interim worker's task.
        interim_gb: 4.0, "GB", "Fargate: the least for 2 vCPU";
        /// Memory that a user takes in an interim worker.
        bytes_per_user: 122.0, "bytes", "docs/benchmarks.md, measured";
        /// Share of the seconds that expanding may take.
        expand_share: 0.2, "of 1", "ours";
        /// One SQS or DynamoDB call.
        call_ms: 20.0, "ms", "the issue's figure for one region; measure yours in a rehearsal";
        /// Calls that an interim worker has in flight.
        interim_calls: 32.0, "calls", "interim-worker's default";
        /// Requests that one APNs connection does.
        apns_per_connection: 2_000.0, "requests/s", "practitioners: 500 to 4,000";
        /// FCM's answer.
        fcm_round_trip_ms: 350.0, "ms", "Google: p95 below 350 ms";
        /// Streams of one FCM connection.
        fcm_streams: 100.0, "streams", "practitioners";
        /// FCM's quota of a new project.
        fcm_quota_per_min: 600_000.0, "messages/min", "Google";
        /// How much larger the quota may become in one step.
        fcm_quota_step: 1.25, "times", "Google: at most +25 % a step";
        /// How long ahead each step must be asked for.
        fcm_quota_days: 15.0, "days", "Google";
        /// Bytes of a batch envelope on SQS.
        envelope_bytes: 15_500.0, "bytes", "100 users, 105 devices, base64; measured 11.3 KB before base64";
        /// Bytes of a batch's ledger record.
        ledger_bytes: 700.0, "bytes", "60 + 5 for each device, and the keys";
        /// One Fargate vCPU.
        usd_vcpu_hour: 0.040_48, "USD/h", "AWS price list, us-east-1, Linux x86, on demand; check your region";
        /// One Fargate GB.
        usd_gb_hour: 0.004_445, "USD/h", "AWS price list, us-east-1, Linux x86, on demand";
        /// SQS standard requests.
        usd_sqs_million: 0.40, "USD/million", "AWS price list, us-east-1; each 64 KB is one";
        /// DynamoDB writes.
        usd_wru_million: 0.625, "USD/million", "AWS price list, us-east-1, on demand since November 2024";
        /// DynamoDB reads.
        usd_rru_million: 0.125, "USD/million", "AWS price list, us-east-1, on demand since November 2024";
        /// What stands there at rest: interface endpoints, load balancer, two small api tasks.
        usd_rest_hour: 0.20, "USD/h", "9 endpoints in 2 zones at 0.01, a balancer at 0.0225; 2 tasks of 0.25 vCPU";
    }
}
