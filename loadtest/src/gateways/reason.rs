//! Every way in which a request can end, with its status, its reason and what it means for a device.

/// What an answer means for the device in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The gateway took the notification, whether or not anybody heard of it.
    Accepted,
    /// 4xx that says something about this request or token.
    Rejected,
    /// 429 and 5xx.
    Retryable,
    /// Nothing came back, and nothing was taken.
    Unanswered,
    /// Credentials, or a dry run: says nothing about the device.
    Neither,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    ApnsAccepted,
    ApnsBadPath,
    ApnsMethodNotAllowed,
    ApnsMissingDeviceToken,
    ApnsBadDeviceToken,
    ApnsMissingProviderToken,
    ApnsInvalidProviderToken,
    ApnsExpiredProviderToken,
    ApnsTooManyTokenUpdates,
    ApnsMissingTopic,
    ApnsBadTopic,
    ApnsNotForTopic,
    ApnsInvalidPushType,
    ApnsBadPriority,
    ApnsBadExpiration,
    ApnsBadCollapseId,
    ApnsBadMessageId,
    ApnsPayloadTooLarge,
    ApnsPayloadEmpty,
    ApnsPayloadNotJson,
    ApnsUnregistered,
    ApnsExpiredToken,
    ApnsTooManyRequests,
    ApnsInternal,
    ApnsUnavailable,
    ApnsReset,
    ApnsRefusedStream,
    ApnsStalled,
    ApnsClosed,
    ApnsAcceptedUnheard,
    FcmAccepted,
    FcmValidated,
    FcmNotFound,
    FcmUnauthenticated,
    FcmPermissionDenied,
    FcmInvalidArgument,
    FcmBadToken,
    FcmUnregistered,
    FcmSenderMismatch,
    FcmQuota,
    FcmThrottled,
    FcmInternal,
    FcmUnavailable,
    FcmReset,
    FcmStalled,
    FcmClosed,
    FcmAcceptedUnheard,
}

impl Reason {
    /// The number of reasons.
    pub(super) const COUNT: usize = Self::FcmAcceptedUnheard as usize + 1;

    /// All of them, in order.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        ALL.iter().copied()
    }

    /// HTTP status (0: none was sent), reason as the gateway names it, and class.
    pub(super) fn row(self) -> (u16, &'static str, Class) {
        use Class::{Accepted, Neither, Rejected, Retryable, Unanswered};
        match self {
            Self::ApnsAccepted => (200, "", Accepted),
            Self::ApnsBadPath => (404, "BadPath", Rejected),
            Self::ApnsMethodNotAllowed => (405, "MethodNotAllowed", Rejected),
            Self::ApnsMissingDeviceToken => (400, "MissingDeviceToken", Rejected),
            Self::ApnsBadDeviceToken => (400, "BadDeviceToken", Rejected),
            Self::ApnsMissingProviderToken => (403, "MissingProviderToken", Neither),
            Self::ApnsInvalidProviderToken => (403, "InvalidProviderToken", Neither),
            Self::ApnsExpiredProviderToken => (403, "ExpiredProviderToken", Neither),
            Self::ApnsTooManyTokenUpdates => (429, "TooManyProviderTokenUpdates", Retryable),
            Self::ApnsMissingTopic => (400, "MissingTopic", Rejected),
            Self::ApnsBadTopic => (400, "BadTopic", Rejected),
            Self::ApnsNotForTopic => (400, "DeviceTokenNotForTopic", Rejected),
            Self::ApnsInvalidPushType => (400, "InvalidPushType", Rejected),
            Self::ApnsBadPriority => (400, "BadPriority", Rejected),
            Self::ApnsBadExpiration => (400, "BadExpirationDate", Rejected),
            Self::ApnsBadCollapseId => (400, "BadCollapseId", Rejected),
            Self::ApnsBadMessageId => (400, "BadMessageId", Rejected),
            Self::ApnsPayloadTooLarge => (413, "PayloadTooLarge", Rejected),
            // Apple names no reason for a payload that is not JSON.
            Self::ApnsPayloadEmpty | Self::ApnsPayloadNotJson => (400, "PayloadEmpty", Rejected),
            Self::ApnsUnregistered => (410, "Unregistered", Rejected),
            Self::ApnsExpiredToken => (410, "ExpiredToken", Rejected),
            Self::ApnsTooManyRequests => (429, "TooManyRequests", Retryable),
            Self::ApnsInternal => (500, "InternalServerError", Retryable),
            Self::ApnsUnavailable => (503, "ServiceUnavailable", Retryable),
            Self::FcmAccepted => (200, "", Accepted),
            Self::FcmValidated => (200, "validate_only", Neither),
            Self::FcmNotFound => (404, "NOT_FOUND", Neither),
            Self::FcmUnauthenticated => (401, "UNAUTHENTICATED", Neither),
            Self::FcmPermissionDenied => (403, "PERMISSION_DENIED", Neither),
            Self::FcmInvalidArgument => (400, "INVALID_ARGUMENT", Rejected),
            Self::FcmBadToken => (400, "INVALID_ARGUMENT token", Rejected),
            Self::FcmUnregistered => (404, "UNREGISTERED", Rejected),
            Self::FcmSenderMismatch => (403, "SENDER_ID_MISMATCH", Rejected),
            Self::FcmQuota => (429, "QUOTA_EXCEEDED", Retryable),
            Self::FcmThrottled => (429, "RESOURCE_EXHAUSTED", Retryable),
            Self::FcmInternal => (500, "INTERNAL", Retryable),
            Self::FcmUnavailable => (503, "UNAVAILABLE", Retryable),
            Self::ApnsReset | Self::FcmReset => (0, "reset", Unanswered),
            Self::ApnsRefusedStream => (0, "refused stream", Neither),
            Self::ApnsStalled | Self::FcmStalled => (0, "stalled", Unanswered),
            Self::ApnsClosed | Self::FcmClosed => (0, "closed", Unanswered),
            // Nothing came back, and the device got it.
            Self::ApnsAcceptedUnheard | Self::FcmAcceptedUnheard => (0, "accepted, answer lost", Accepted),
        }
    }

    pub(super) fn status(self) -> u16 {
        self.row().0
    }

    pub(super) fn class(self) -> Class {
        self.row().2
    }

    /// The key in the journal's summary, such as `apns/410 Unregistered`.
    pub(super) fn label(self) -> String {
        let platform = if self < Self::FcmAccepted { "apns" } else { "fcm" };
        match (self, self.row()) {
            (Self::ApnsPayloadNotJson, _) => "apns/400 PayloadEmpty (not JSON)".to_owned(),
            (_, (0, reason, _)) => format!("{platform}/{reason}"),
            (_, (status, "", _)) => format!("{platform}/{status}"),
            (_, (status, reason, _)) => format!("{platform}/{status} {reason}"),
        }
    }
}

const ALL: [Reason; Reason::COUNT] = {
    use Reason::*;
    [
        ApnsAccepted,
        ApnsBadPath,
        ApnsMethodNotAllowed,
        ApnsMissingDeviceToken,
        ApnsBadDeviceToken,
        ApnsMissingProviderToken,
        ApnsInvalidProviderToken,
        ApnsExpiredProviderToken,
        ApnsTooManyTokenUpdates,
        ApnsMissingTopic,
        ApnsBadTopic,
        ApnsNotForTopic,
        ApnsInvalidPushType,
        ApnsBadPriority,
        ApnsBadExpiration,
        ApnsBadCollapseId,
        ApnsBadMessageId,
        ApnsPayloadTooLarge,
        ApnsPayloadEmpty,
        ApnsPayloadNotJson,
        ApnsUnregistered,
        ApnsExpiredToken,
        ApnsTooManyRequests,
        ApnsInternal,
        ApnsUnavailable,
        ApnsReset,
        ApnsRefusedStream,
        ApnsStalled,
        ApnsClosed,
        ApnsAcceptedUnheard,
        FcmAccepted,
        FcmValidated,
        FcmNotFound,
        FcmUnauthenticated,
        FcmPermissionDenied,
        FcmInvalidArgument,
        FcmBadToken,
        FcmUnregistered,
        FcmSenderMismatch,
        FcmQuota,
        FcmThrottled,
        FcmInternal,
        FcmUnavailable,
        FcmReset,
        FcmStalled,
        FcmClosed,
        FcmAcceptedUnheard,
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_own_place_and_has_a_label_of_its_own() {
        let labels: std::collections::BTreeSet<String> = Reason::all().map(Reason::label).collect();
        assert_eq!(labels.len(), Reason::COUNT);
        assert!(Reason::all().enumerate().all(|(place, reason)| reason as usize == place));
    }
}
