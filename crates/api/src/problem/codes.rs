//! Every stable type that a problem can have, with its status and its meaning. There is no other way to make a problem, so
//! no type is missing in the document of the API.

use axum::http::StatusCode;
use common::campaign::RefusalCode;
use std::fmt;

macro_rules! codes {
    ($($name:ident = $status:ident, $label:literal, $about:literal;)*) => {
        /// The stable types of problems.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            /// What the domain refuses.
            Refused(RefusalCode),
            $(#[doc = $about] $name,)*
        }

        /// Those that are the API's own.
        const OWN: &[Code] = &[$(Code::$name,)*];

        impl Code {
            /// Its name: the end of the problem's `type`.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { Self::Refused(code) => code.label(), $(Self::$name => $label,)* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { Self::Refused(code) => code.about(), $(Self::$name => $about,)* }
            }

            /// The status that goes with it.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { Self::Refused(code) => refused(code), $(Self::$name => StatusCode::$status,)* }
            }
        }
    };
}

codes! {
    BadHeader = BAD_REQUEST, "bad_header", "A header is malformed, or stands there twice.";
    BadJson = BAD_REQUEST, "bad_json", "The body is not JSON.";
    BadPath = BAD_REQUEST, "bad_path", "A part of the path is not what it should be.";
    BadQuery = BAD_REQUEST, "bad_query", "A parameter is unknown, or not what it should be.";
    CutOff = BAD_REQUEST, "cut_off", "The connection broke off within the body.";
    Invalid = BAD_REQUEST, "invalid", "The backend takes no such thing.";
    ListDamaged = BAD_REQUEST, "list_damaged", "The list can't be decompressed.";
    ListEmpty = BAD_REQUEST, "list_empty", "The list has no entry.";
    ListHeader = BAD_REQUEST, "list_header", "The list's header lacks a column, or has one twice.";
    ListLineTooLong = BAD_REQUEST, "list_line_too_long", "A line of the list is too long.";
    ListMostlyBad = BAD_REQUEST, "list_mostly_bad", "More than half of the first lines are bad.";
    ListNotText = BAD_REQUEST, "list_not_text", "The list is not text.";
    ListOpenQuote = BAD_REQUEST, "list_open_quote", "A quote in the list has no end.";
    ListTruncated = BAD_REQUEST, "list_truncated", "The compressed list has no end.";
    NothingToChange = BAD_REQUEST, "nothing_to_change", "The body changes nothing.";
    BadCode = UNAUTHORIZED, "bad_code", "The one-time code was used, is too old, or was never given.";
    BadToken = UNAUTHORIZED, "bad_token", "The token is not known, or its secret is wrong.";
    NoToken = UNAUTHORIZED, "no_token", "This takes a token.";
    OriginNotAllowed = FORBIDDEN, "origin_not_allowed", "The request comes from a page of another place.";
    NoSuchRoute = NOT_FOUND, "no_such_route", "There is nothing at this path.";
    NotFound = NOT_FOUND, "not_found", "There is no such thing.";
    WrongMethod = METHOD_NOT_ALLOWED, "wrong_method", "The path has other methods; `Allow` lists them.";
    BodyTooSlow = REQUEST_TIMEOUT, "body_too_slow", "The body did not arrive in time.";
    Configured = CONFLICT, "configured", "The token stands in the configuration: change it there.";
    NotReady = CONFLICT, "not_ready", "Checks are red: `preflight` has them all.";
    TooManyWebhooks = CONFLICT, "too_many_webhooks", "There are as many webhooks as allowed: remove one first.";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large.";
    ListTooLarge = PAYLOAD_TOO_LARGE, "list_too_large", "The list is too large.";
    NotJson = UNSUPPORTED_MEDIA_TYPE, "not_json", "The body must be said to be JSON.";
    NotNdjson = UNSUPPORTED_MEDIA_TYPE, "not_ndjson", "The body must be said to be NDJSON.";
    UnsupportedEncoding = UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "The list is compressed in an unknown way.";
    UnsupportedType = UNSUPPORTED_MEDIA_TYPE, "unsupported_type", "The list is of an unknown media type.";
    HostNotAllowed = MISDIRECTED_REQUEST, "host_not_allowed", "`Host` is no name of this server.";
    BadField = UNPROCESSABLE_ENTITY, "bad_field", "A field can't be; `field` names it.";
    TooManyTests = TOO_MANY_REQUESTS, "too_many_tests", "This webhook was tried out as often as allowed in the last hour.";
    TooManyAttempts = TOO_MANY_REQUESTS, "too_many_attempts", "Too many wrong tokens came from this address.";
    Corrupt = INTERNAL_SERVER_ERROR, "corrupt", "What is stored can't be read.";
    Internal = INTERNAL_SERVER_ERROR, "internal", "Something broke off here.";
    BackendUnavailable = SERVICE_UNAVAILABLE, "backend_unavailable", "The backend can't be reached just now.";
    Busy = SERVICE_UNAVAILABLE, "busy", "Others are changing the same thing: try again.";
    Overloaded = SERVICE_UNAVAILABLE, "overloaded", "As many requests of this kind as allowed are under way.";
    TimedOut = SERVICE_UNAVAILABLE, "timed_out", "There was no answer in time.";
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "The backend is throttled or out of reach: try again.";
}

impl Code {
    /// Every one there is.
    pub fn all() -> impl Iterator<Item = Self> {
        OWN.iter().copied().chain(RefusalCode::ALL.iter().copied().map(Self::Refused))
    }

    /// `/problems/<code>`, as it stands in a problem.
    #[must_use]
    pub fn kind(self) -> String {
        format!("/problems/{self}")
    }
}

/// Most refusals are about the campaign's state; some about who asks.
fn refused(code: RefusalCode) -> StatusCode {
    match code {
        RefusalCode::NotPermitted => StatusCode::FORBIDDEN,
        RefusalCode::TokenExpired | RefusalCode::TokenRevoked => StatusCode::UNAUTHORIZED,
        RefusalCode::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::CONFLICT,
    }
}

impl From<RefusalCode> for Code {
    fn from(code: RefusalCode) -> Self {
        Self::Refused(code)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_codes_have_one_name() {
        let names: BTreeSet<_> = Code::all().map(Code::label).collect();
        assert_eq!(names.len(), Code::all().count());
        assert!(Code::all().all(|code| code.status().is_client_error() || code.status().is_server_error()));
    }
}
