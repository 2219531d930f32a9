//! Maps gRPC codes to HTTP statuses: by google/rpc/code.proto, unless the configuration sets another one.

use http::StatusCode;
use tonic::Code;

use crate::format::grpc_code::CODES;
use crate::route::policy::Statuses;

/// Every code except OK.
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

impl Statuses {
    /// The HTTP status for this code.
    #[must_use]
    pub fn of(&self, code: Code) -> StatusCode {
        self.of_code(code as usize).unwrap_or_else(|| http_status(code))
    }
}

/// The HTTP status for this code in google/rpc/code.proto, "HTTP Mapping".
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

/// The name of the code in google/rpc/code.proto.
#[must_use]
pub fn code_name(code: Code) -> &'static str {
    CODES[code as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_code_has_its_default_http_status_unless_one_is_configured() {
        let codes: Vec<_> = ERRORS.iter().map(|code| *code as usize).collect();
        assert_eq!(codes, (1..=16).collect::<Vec<_>>());
        let gone = Statuses::default().with_code(Code::NotFound as usize, StatusCode::GONE);
        for other in ERRORS {
            let expected = if other == Code::NotFound { StatusCode::GONE } else { http_status(other) };
            assert_eq!(gone.of(other), expected, "{other:?}");
        }
        let both = gone.but_for(&Statuses::default().with_code(Code::Aborted as usize, StatusCode::LOCKED));
        assert_eq!((both.of(Code::NotFound), both.of(Code::Aborted)), (StatusCode::GONE, StatusCode::LOCKED));
        let again = both.but_for(&Statuses::default().with_code(Code::NotFound as usize, StatusCode::NOT_FOUND));
        assert_eq!((again.of(Code::NotFound), again.of(Code::Aborted)), (StatusCode::NOT_FOUND, StatusCode::LOCKED));
    }
}
