//! The forms that the body of an error may have.

/// The form of an error's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// `google.rpc.Status`.
    #[default]
    Status,
    /// `google.rpc.Status` in a member `error`, with the HTTP status as its code and the name of the gRPC code beside it:
    /// what Google's REST clients read (AIP-193).
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

impl Form {
    /// The media type of a body.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Problem => "application/problem+json",
            _ => "application/json",
        }
    }

    /// The form of this name in a configuration.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "status" => Self::Status,
            "google" => Self::Google,
            "problem" => Self::Problem,
            "open_banking_uk" => Self::OpenBankingUk,
            "berlin_group" => Self::BerlinGroup,
            "grpc_gateway_v1" => Self::GrpcGatewayV1,
            "grpc_gateway_v2" => Self::GrpcGatewayV2,
            _ => return None,
        })
    }
}
