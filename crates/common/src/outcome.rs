//! What became of one device: one byte in the ledger, a name in every report.
//!
//! A gateway's answer is not an error but an outcome. The high bit of the byte says which gateway, so that books can be
//! made from the ledger alone.

use crate::device::Platform;
use serde::{Deserialize, Serialize};

/// The class of an outcome: the terms of the sum in every report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Not sent yet, or sent by a worker that died before it could say so.
    Pending,
    /// The gateway said 200. It does not mean delivered.
    Accepted,
    /// The gateway refused it for good.
    Rejected,
    /// The deadline passed before it could be sent.
    Expired,
    /// Not sent, because the campaign was stopped.
    Aborted,
    /// Written to the gateway and never answered.
    Ambiguous,
}

macro_rules! outcomes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $class:ident, $label:literal;)*) => {
        /// What became of one device.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum Outcome { $($(#[$doc])* $name = $code,)* }

        impl Outcome {
            /// Every outcome there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The outcome with this code, below 128.
            #[must_use]
            pub fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// Which term of the sum it counts in.
            #[must_use]
            pub fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)* }
            }

            /// Its name in metrics and reports.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

outcomes! {
    /// Nobody has sent it, as far as the ledger knows.
    Unsent = 0, Pending, "unsent";
    /// The gateway said 200.
    Accepted = 1, Accepted, "accepted";
    /// Written and never answered, or held at the deadline by a worker that said nothing.
    Ambiguous = 2, Ambiguous, "ambiguous";
    /// The deadline passed first.
    Expired = 3, Expired, "expired";
    /// APNs 410 Unregistered or ExpiredToken, FCM 404 UNREGISTERED: the token is dead.
    Unregistered = 10, Rejected, "unregistered";
    /// APNs 400 BadDeviceToken, FCM INVALID_ARGUMENT naming the token: usually the wrong environment.
    BadDeviceToken = 11, Rejected, "bad_device_token";
    /// APNs 400 DeviceTokenNotForTopic.
    TokenNotForTopic = 12, Rejected, "device_token_not_for_topic";
    /// FCM 403 SENDER_ID_MISMATCH: the token belongs to another project.
    SenderIdMismatch = 13, Rejected, "sender_id_mismatch";
    /// APNs 413, FCM's size check: preflight should have caught it.
    PayloadTooLarge = 14, Rejected, "payload_too_large";
    /// Another 400 about this one request.
    BadRequest = 15, Rejected, "bad_request";
    /// APNs 429 TooManyRequests: too many to this device.
    TooManyRequests = 16, Rejected, "too_many_requests";
    /// 500 or 503 until no attempt was left.
    GatewayUnavailable = 17, Rejected, "gateway_unavailable";
    /// 429 about our rate until no attempt was left.
    QuotaExceeded = 18, Rejected, "quota_exceeded";
    /// 401 or 403 about our credentials: our configuration is wrong for everybody.
    Misconfigured = 19, Rejected, "misconfigured";
    /// An answer that neither vendor documents.
    Unknown = 20, Rejected, "unknown_answer";
    /// The record in the snapshot could not be sent at all (for instance a gateway that is not configured).
    Unsendable = 21, Rejected, "unsendable";
}

impl Outcome {
    /// Whether the device's token should be taken out of the device table.
    #[must_use]
    pub fn token_is_dead(self) -> bool {
        matches!(self, Self::Unregistered)
    }

    /// How much it says when two holders report on the same device: the higher one is kept, accepted above all.
    #[must_use]
    pub fn weight(self) -> u8 {
        match self.class() {
            Class::Pending | Class::Aborted => 0,
            Class::Expired => 1,
            Class::Ambiguous => 2,
            Class::Rejected => 3,
            Class::Accepted => 4,
        }
    }

    /// The ledger's byte: this outcome at that gateway.
    #[must_use]
    pub fn to_byte(self, platform: Platform) -> u8 {
        self as u8 | if platform == Platform::Fcm { 0x80 } else { 0 }
    }

    /// Reads the ledger's byte; a code that this version doesn't know counts as [`Outcome::Unknown`].
    #[must_use]
    pub fn from_byte(byte: u8) -> (Self, Platform) {
        let platform = if byte & 0x80 == 0 { Platform::Apns } else { Platform::Fcm };
        (Self::from_code(byte & 0x7f).unwrap_or(Self::Unknown), platform)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_survives_its_byte_and_labels_differ() {
        let mut labels = std::collections::BTreeSet::new();
        for &outcome in Outcome::ALL {
            assert!(labels.insert(outcome.label()));
            for platform in [Platform::Apns, Platform::Fcm] {
                assert_eq!(Outcome::from_byte(outcome.to_byte(platform)), (outcome, platform));
            }
        }
        assert_eq!(Outcome::from_byte(0x7f), (Outcome::Unknown, Platform::Apns));
    }
}
