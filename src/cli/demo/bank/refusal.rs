//! Why the bank refuses a call. Converts a [`Refusal`] to a gRPC status with `google.rpc` details.
//!
//! A refusal names fields and kinds of things, never a value of the request: values may be account numbers and tokens.

use prost::Message;
use tonic::{Code, Status};

use crate::schema::generated::google::rpc;

/// The `domain` of `google.rpc.ErrorInfo`.
const DOMAIN: &str = "bank.sample";

#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{field}: expected {expected}")]
    Invalid { field: String, expected: &'static str },
    #[error("no such {}", .0.noun())]
    Unknown(Thing),
    #[error("the access token is not known")]
    AccessToken,
    #[error("{field}: used before for another request")]
    Reused { field: &'static str },
    #[error("the account has no {currency}")]
    Currency { currency: String },
    #[error("the amount is more than the account has available")]
    Funds,
}

/// The kinds of things that may not exist.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Thing {
    Account,
    Bank,
    Key,
    StandingOrder,
    Transaction,
    Transfer,
}

impl Refusal {
    pub(super) fn invalid(field: impl Into<String>, expected: &'static str) -> Self {
        let field = field.into();
        Self::Invalid { field, expected }
    }

    fn code(&self) -> Code {
        match self {
            Self::Invalid { .. } => Code::InvalidArgument,
            Self::Unknown(_) => Code::NotFound,
            Self::AccessToken => Code::Unauthenticated,
            Self::Reused { .. } => Code::AlreadyExists,
            Self::Currency { .. } | Self::Funds => Code::FailedPrecondition,
        }
    }

    fn detail(&self) -> pbjson_types::Any {
        match self {
            Self::Invalid { field, expected } => bad_request(field, expected),
            Self::Unknown(thing) => error_info(thing.reason()),
            Self::AccessToken => error_info("ACCESS_TOKEN_UNKNOWN"),
            Self::Reused { .. } => error_info("ID_REUSED"),
            Self::Currency { .. } => precondition_failure("CURRENCY", self.to_string()),
            Self::Funds => precondition_failure("INSUFFICIENT_FUNDS", self.to_string()),
        }
    }
}

impl Thing {
    fn noun(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Bank => "bank",
            Self::Key => "key",
            Self::StandingOrder => "standing order",
            Self::Transaction => "transaction",
            Self::Transfer => "transfer",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Account => "ACCOUNT_NOT_FOUND",
            Self::Bank => "BANK_NOT_FOUND",
            Self::Key => "KEY_NOT_FOUND",
            Self::StandingOrder => "STANDING_ORDER_NOT_FOUND",
            Self::Transaction => "TRANSACTION_NOT_FOUND",
            Self::Transfer => "TRANSFER_NOT_FOUND",
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let (code, message) = (refusal.code(), refusal.to_string());
        let status = rpc::Status { code: code.into(), message: message.clone(), details: vec![refusal.detail()] };
        // tonic sends these bytes as `grpc-status-details-bin`, which holds the whole google.rpc.Status.
        Self::with_details(code, message, status.encode_to_vec().into())
    }
}

fn bad_request(field: &str, expected: &str) -> pbjson_types::Any {
    let violation = rpc::bad_request::FieldViolation {
        field: field.to_owned(),
        description: format!("expected {expected}"),
        ..Default::default()
    };
    any("google.rpc.BadRequest", &rpc::BadRequest { field_violations: vec![violation] })
}

fn error_info(reason: &str) -> pbjson_types::Any {
    any(
        "google.rpc.ErrorInfo",
        &rpc::ErrorInfo { reason: reason.to_owned(), domain: DOMAIN.to_owned(), ..Default::default() },
    )
}

fn precondition_failure(kind: &str, description: String) -> pbjson_types::Any {
    let violation =
        rpc::precondition_failure::Violation { r#type: kind.to_owned(), subject: "account".to_owned(), description };
    any("google.rpc.PreconditionFailure", &rpc::PreconditionFailure { violations: vec![violation] })
}

fn any(name: &str, message: &impl Message) -> pbjson_types::Any {
    pbjson_types::Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec().into() }
}
