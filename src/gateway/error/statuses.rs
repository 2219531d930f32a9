//! Which HTTP status each gRPC code has: that of google/rpc/code.proto, unless the configuration has another.

use http::StatusCode;
use tonic::Code;

/// Every code of a call that did not end well.
pub const ERRORS: [Code; 16] = [
    Code::Cancelled,
    Code::Unknown,
    Code::InvalidArgument,
    Code::DeadlineExceeded,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
    Code::Unauthenticated,
];

/// The codes that have another HTTP status than that of google/rpc/code.proto.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statuses([Option<StatusCode>; ERRORS.len() + 1]);

impl Statuses {
    /// The same where this code has that status.
    #[must_use]
    pub fn with(mut self, code: Code, status: StatusCode) -> Self {
        self.0[code as usize] = Some(status);
        self
    }

    /// The same, but for the codes for which others say something else.
    #[must_use]
    pub fn but_for(self, others: &Self) -> Self {
        Self(std::array::from_fn(|code| others.0[code].or(self.0[code])))
    }

    /// The status of this code.
    #[must_use]
    pub fn of(&self, code: Code) -> StatusCode {
        self.0[code as usize].unwrap_or_else(|| http_status(code))
    }
}

/// google/rpc/code.proto, "HTTP Mapping".
#[must_use]
pub fn http_status(code: Code) -> StatusCode {
    let status = match code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
    };
    StatusCode::from_u16(status).expect("each of them is a status code")
}

/// The name in google/rpc/code.proto.
#[must_use]
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_but_ok_is_an_error_and_has_its_own_status_where_that_is_said() {
        let codes: Vec<_> = ERRORS.iter().map(|code| *code as usize).collect();
        assert_eq!(codes, (1..=16).collect::<Vec<_>>());
        let gone = Statuses::default().with(Code::NotFound, StatusCode::GONE);
        for other in ERRORS {
            let expected = if other == Code::NotFound { StatusCode::GONE } else { http_status(other) };
            assert_eq!(gone.of(other), expected, "{other:?}");
        }
        let both = gone.but_for(&Statuses::default().with(Code::Aborted, StatusCode::LOCKED));
        assert_eq!((both.of(Code::NotFound), both.of(Code::Aborted)), (StatusCode::GONE, StatusCode::LOCKED));
        let again = both.but_for(&Statuses::default().with(Code::NotFound, StatusCode::NOT_FOUND));
        assert_eq!((again.of(Code::NotFound), again.of(Code::Aborted)), (StatusCode::NOT_FOUND, StatusCode::LOCKED));
    }
}
