//! The labels: all of them closed, so that no user id, token or key can become one.

use crate::cells::Label;
use common::device::Platform;
use common::outcome::{Class, Outcome};

labels! {
    /// A gateway.
    Gateway = "gateway" {
        Apns = "apns",
        Fcm = "fcm",
    }

    /// A queue, by what its envelopes are.
    Queue = "queue" {
        Shards = "shards",
        Batches = "batches",
    }

    /// Where on a queue an envelope is.
    Place = "place" {
        Visible = "visible",
        InFlight = "in_flight",
        Delayed = "delayed",
    }

    /// What a press came to.
    Pressed = "result" {
        First = "pressed",
        Again = "already_pressed",
        Refused = "refused",
        Failed = "failed",
    }

    /// What an attempt to send a message to a webhook came to.
    Told = "told" {
        Delivered = "delivered",
        Again = "tried_again_later",
        GivenUp = "given_up",
    }

    /// What was done with envelopes.
    Event = "event" {
        Sent = "sent",
        Received = "received",
        Deleted = "deleted",
        GivenBack = "given_back",
        SentLater = "sent_later",
        Unreadable = "unreadable",
    }

    /// What became of a shard's envelope.
    Expansion = "result" {
        Expanded = "expanded",
        Dropped = "dropped",
        GivenBack = "given_back",
        Unreadable = "unreadable",
    }

    /// What the ledger answered to a claim.
    Claim = "answer" {
        Granted = "granted",
        Done = "done",
        Stale = "stale",
        Held = "held",
        Failed = "failed",
    }

    /// What the ledger answered to a completion.
    Completion = "answer" {
        Taken = "taken",
        Merged = "merged",
        Unknown = "unknown",
        Failed = "failed",
    }

    /// What a gateway's answer means: a recorded outcome's own name, or why there is none yet.
    Answered = "outcome" {
        Accepted = "accepted",
        Unregistered = "unregistered",
        BadDeviceToken = "bad_device_token",
        TokenNotForTopic = "device_token_not_for_topic",
        SenderIdMismatch = "sender_id_mismatch",
        PayloadTooLarge = "payload_too_large",
        BadRequest = "bad_request",
        TooManyRequests = "too_many_requests",
        Throttled = "throttled",
        Unavailable = "unavailable",
        Misconfigured = "misconfigured",
        CredentialsExpired = "credentials_expired",
        NotSent = "not_sent",
        Ambiguous = "ambiguous",
        Unknown = "unknown_answer",
    }

    /// The class of a device's outcome.
    Settled = "class" {
        Accepted = "accepted",
        Rejected = "rejected",
        Expired = "expired",
        Ambiguous = "ambiguous",
        Open = "open",
    }

    /// A call to AWS, as the SDK names service and operation.
    AwsOperation = "operation" {
        SqsUrl = "sqs.GetQueueUrl",
        SqsAttributes = "sqs.GetQueueAttributes",
        SqsSend = "sqs.SendMessageBatch",
        SqsReceive = "sqs.ReceiveMessage",
        SqsDelete = "sqs.DeleteMessageBatch",
        SqsHide = "sqs.ChangeMessageVisibilityBatch",
        SqsMoveTask = "sqs.StartMessageMoveTask",
        S3Put = "s3.PutObject",
        S3Get = "s3.GetObject",
        S3Head = "s3.HeadObject",
        S3HeadBucket = "s3.HeadBucket",
        S3List = "s3.ListObjectsV2",
        S3Delete = "s3.DeleteObject",
        S3CreateUpload = "s3.CreateMultipartUpload",
        S3UploadPart = "s3.UploadPart",
        S3CompleteUpload = "s3.CompleteMultipartUpload",
        S3AbortUpload = "s3.AbortMultipartUpload",
        DynamoGet = "dynamodb.GetItem",
        DynamoPut = "dynamodb.PutItem",
        DynamoUpdate = "dynamodb.UpdateItem",
        DynamoDelete = "dynamodb.DeleteItem",
        DynamoQuery = "dynamodb.Query",
        DynamoScan = "dynamodb.Scan",
        DynamoBatchGet = "dynamodb.BatchGetItem",
        DynamoBatchWrite = "dynamodb.BatchWriteItem",
        DynamoStatements = "dynamodb.BatchExecuteStatement",
        DynamoTransact = "dynamodb.TransactWriteItems",
        DynamoDescribe = "dynamodb.DescribeTable",
        EcsDescribe = "ecs.DescribeServices",
        EcsUpdate = "ecs.UpdateService",
        EcsProtect = "ecs.UpdateTaskProtection",
        Other = "other",
    }

    /// What a call to AWS came to.
    AwsClass = "class" {
        Ok = "ok",
        Conflict = "conflict",
        Throttled = "throttled",
        TimedOut = "timed_out",
        Unreachable = "unreachable",
        Refused = "refused",
        Broken = "broken",
    }

    /// A route of the API, as it is written in the router.
    Route = "route" {
        Page = "/",
        CampaignPage = "/campaigns/{id}",
        ReportPage = "/campaigns/{id}/report",
        SignInPage = "/sign-in",
        AuditPage = "/audit",
        FleetPage = "/fleet",
        TokensPage = "/tokens",
        Asset = "/assets/{name}",
        Docs = "/docs",
        OpenApi = "/openapi.json",
        Live = "/v1/campaigns/{id}/live",
        Health = "/healthz",
        Ready = "/readyz",
        Metrics = "/metrics",
        Campaigns = "/v1/campaigns",
        Campaign = "/v1/campaigns/{id}",
        Clone = "/v1/campaigns/{id}/clone",
        Audience = "/v1/campaigns/{id}/audience",
        Arm = "/v1/campaigns/{id}/arm",
        Disarm = "/v1/campaigns/{id}/disarm",
        Canary = "/v1/campaigns/{id}/canary",
        Press = "/v1/campaigns/{id}/press",
        Abort = "/v1/campaigns/{id}/abort",
        Resume = "/v1/campaigns/{id}/resume",
        Preflight = "/v1/campaigns/{id}/preflight",
        CampaignStatus = "/v1/campaigns/{id}/status",
        Preview = "/v1/campaigns/{id}/preview",
        Report = "/v1/campaigns/{id}/report",
        Late = "/v1/campaigns/{id}/late",
        Receipts = "/v1/campaigns/{id}/receipts/{user}",
        Snapshot = "/v1/campaigns/{id}/snapshot",
        Batch = "/v1/campaigns/{id}/snapshot/shards/{shard}/batches/{batch}",
        Dropped = "/v1/campaigns/{id}/dropped",
        Outcomes = "/v1/campaigns/{id}/outcomes",
        Test = "/v1/campaigns/{id}/test",
        TestReport = "/v1/campaigns/{id}/test/{test}",
        TesterLists = "/v1/testers",
        TesterList = "/v1/testers/{name}",
        Devices = "/v1/devices",
        User = "/v1/devices/{user}",
        Fleet = "/v1/fleet",
        FleetScale = "/v1/fleet/scale",
        Redrive = "/v1/redrive",
        Audit = "/v1/audit",
        Session = "/v1/session",
        FirstSession = "/v1/session/first",
        Tokens = "/v1/tokens",
        Token = "/v1/tokens/{id}",
        Webhooks = "/v1/webhooks",
        Webhook = "/v1/webhooks/{id}",
        WebhookLog = "/v1/webhooks/{id}/deliveries",
        WebhookTest = "/v1/webhooks/{id}/test",
        Console = "/v1/console",
        None = "none",
    }

    /// The class of an HTTP status.
    Status = "status" {
        Informational = "1xx",
        Success = "2xx",
        Redirection = "3xx",
        ClientError = "4xx",
        ServerError = "5xx",
    }
}

impl From<Platform> for Gateway {
    fn from(platform: Platform) -> Self {
        match platform {
            Platform::Apns => Self::Apns,
            Platform::Fcm => Self::Fcm,
        }
    }
}

impl From<Class> for Settled {
    fn from(class: Class) -> Self {
        match class {
            Class::Accepted => Self::Accepted,
            Class::Rejected => Self::Rejected,
            Class::Expired => Self::Expired,
            Class::Ambiguous => Self::Ambiguous,
            Class::Pending | Class::Aborted => Self::Open,
        }
    }
}

impl Answered {
    /// How a gateway's refusal for good is counted: as the outcome that is recorded.
    #[must_use]
    pub fn refused(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Accepted,
            Outcome::Unregistered => Self::Unregistered,
            Outcome::BadDeviceToken => Self::BadDeviceToken,
            Outcome::TokenNotForTopic => Self::TokenNotForTopic,
            Outcome::SenderIdMismatch => Self::SenderIdMismatch,
            Outcome::PayloadTooLarge => Self::PayloadTooLarge,
            Outcome::BadRequest => Self::BadRequest,
            Outcome::TooManyRequests => Self::TooManyRequests,
            Outcome::GatewayUnavailable => Self::Unavailable,
            Outcome::QuotaExceeded => Self::Throttled,
            Outcome::Misconfigured => Self::Misconfigured,
            Outcome::Ambiguous => Self::Ambiguous,
            Outcome::Unknown | Outcome::Unsent | Outcome::Expired | Outcome::Unsendable => Self::Unknown,
        }
    }
}

impl Status {
    /// The class of this status.
    #[must_use]
    pub fn of(status: u16) -> Self {
        match status {
            0..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

impl Route {
    /// The route with this pattern; `None` for what is no route.
    #[must_use]
    pub fn of(pattern: &str) -> Self {
        Self::named(pattern).unwrap_or(Self::None)
    }
}
