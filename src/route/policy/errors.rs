//! The form of error responses, the HTTP status of each gRPC code, and which parts of a backend's status callers see.

use std::str::FromStr;

use http::StatusCode;

use super::layer::{Layer, Part, keys, whole};
use super::read::{truth, word};
use super::setting::{Keys as _, Setting};
use crate::format::grpc_code::CODES;

keys! {
    /// The keys of `errors`, for all rpcs or for one.
    #[derive(Copy)]
    pub struct Errors;
    /// The keys of `errors` that one layer of the configuration sets.
    pub struct OwnErrors;

    /// The form of the body of an error response.
    form: Form = Form::Status, { Group: form };
    /// HTTP statuses that replace those of google/rpc/code.proto, by gRPC code.
    statuses: Statuses = Statuses::default(), { Group: statuses };
    /// Whether a neutral text replaces the messages of INTERNAL, UNKNOWN and DATA_LOSS.
    hide_internal_messages: bool = false, { Group: truth };
    /// Whether error details of an unknown type are shown, as bytes.
    show_unknown_details: bool = false, { Group: truth };
}

/// The form of the body of an error response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `google.rpc.Status`.
    #[default]
    Status,
    /// `google.rpc.Status` in a member `error`, with the HTTP status as its code and the name of the gRPC code next to
    /// it: the form that Google's REST clients read (AIP-193).
    Google,
    /// RFC 9457.
    Problem,
    /// `OBErrorResponse1` of the UK's Open Banking Read/Write API, version 3.1.
    OpenBankingUk,
    /// `tppMessages` of the Berlin Group's NextGenPSD2, version 1.3.
    BerlinGroup,
    /// What version 1 of grpc-gateway writes: the message twice, and the gRPC code.
    GrpcGatewayV1,
    /// What version 2 of grpc-gateway writes: `google.rpc.Status` with all its fields.
    GrpcGatewayV2,
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "status" => Self::Status,
            "google" => Self::Google,
            "problem" => Self::Problem,
            "open_banking_uk" => Self::OpenBankingUk,
            "berlin_group" => Self::BerlinGroup,
            "grpc_gateway_v1" => Self::GrpcGatewayV1,
            "grpc_gateway_v2" => Self::GrpcGatewayV2,
            _ => {
                let forms = "`status`, `google`, `problem`, `open_banking_uk`, `berlin_group`, `grpc_gateway_v1` or \
                             `grpc_gateway_v2`";
                return Err(format!("expected {forms}, found `{name}`"));
            }
        })
    }
}

/// HTTP statuses that replace those of google/rpc/code.proto, by gRPC code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statuses([Option<StatusCode>; CODES.len()]);

impl Statuses {
    /// Sets the HTTP status of the gRPC code with this number.
    #[must_use]
    pub fn with_code(mut self, code: usize, status: StatusCode) -> Self {
        self.0[code] = Some(status);
        self
    }

    /// These statuses, overridden by those that `others` sets.
    #[must_use]
    pub fn but_for(self, others: &Self) -> Self {
        Self(std::array::from_fn(|code| others.0[code].or(self.0[code])))
    }

    /// The HTTP status that replaces the usual one for this gRPC code, if one is set.
    #[must_use]
    pub fn of_code(&self, code: usize) -> Option<StatusCode> {
        self.0[code]
    }
}

whole!(Form);

impl Layer for Statuses {
    type Own = Self;

    fn with(&self, own: &Self) -> Self {
        self.but_for(own)
    }
}

/// Reads the whole group: the name of a form alone, or a map of keys.
pub(super) fn errors<S: Setting>(setting: &S, all: &Errors) -> OwnErrors {
    if !setting.is_map() {
        return OwnErrors { form: form(setting, &all.form), ..OwnErrors::default() };
    }
    let keys = setting.map(&Errors::keys_of(Part::Group));
    keys.map_or_else(OwnErrors::default, |keys| OwnErrors::read(&keys, Part::Group, all))
}

fn form<S: Setting>(setting: &S, all: &Form) -> Option<Form> {
    word("the form of errors")(setting, all)
}

fn statuses<S: Setting, A>(setting: &S, _: &A) -> Statuses {
    let Some(keys) = setting.map(&CODES[1..]) else { return Statuses::default() };
    let codes = CODES.iter().enumerate().skip(1);
    codes.fold(Statuses::default(), |statuses, (code, name)| {
        match keys.setting(name).and_then(|setting| setting.parsed("an HTTP status", error_status)) {
            Some(status) => statuses.with_code(code, status),
            None => statuses,
        }
    })
}

/// Parses the HTTP status of an error: 400 to 599.
fn error_status(text: &str) -> Result<StatusCode, String> {
    let status = text.parse().ok().filter(|status: &StatusCode| status.is_client_error() || status.is_server_error());
    status.ok_or_else(|| format!("expected an HTTP status from 400 to 599, found `{text}`"))
}
