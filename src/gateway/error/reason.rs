//! Why Towbar refuses a request: one table with all reasons.
//!
//! Each refusal is made with a [`Reason`], which gives its HTTP status and gRPC code. Callers read the name in
//! `google.rpc.ErrorInfo` with the domain `towbar`. The names are a contract: add reasons, never rename or reuse one.
//! `docs/errors.md` has the same table; `tests/core/words.rs` compares them.

use http::StatusCode;
use tonic::Code;

/// The domain of the `google.rpc.ErrorInfo` in Towbar's own errors.
pub const DOMAIN: &str = "towbar";

/// The party that refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// The gateway: nothing was sent, or the reply could not be converted.
    Gateway,
    /// The connection to the backend: no readable response arrived.
    Upstream,
    /// The backend: it returned a status.
    Backend,
}

/// What a caller needs to know about a [`Reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonFacts {
    /// The name in `google.rpc.ErrorInfo`.
    pub name: &'static str,
    pub http: u16,
    pub code: Code,
    pub cause: &'static str,
    /// What the caller or the operator can do about it.
    pub remedy: &'static str,
}

macro_rules! reasons {
    ($($variant:ident, $name:literal, $http:literal $code:ident, $cause:literal, $remedy:literal;)+) => {
        /// Why Towbar refuses a request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $cause] $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the table in `docs/errors.md`.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            #[must_use]
            pub const fn facts(self) -> ReasonFacts {
                match self {
                    $(Self::$variant => ReasonFacts {
                        name: $name,
                        http: $http,
                        code: Code::$code,
                        cause: $cause,
                        remedy: $remedy,
                    },)+
                }
            }
        }
    };
}

reasons! {
    // The request line and the headers.
    RouteNotFound, "ROUTE_NOT_FOUND", 404 NotFound,
        "No route has this path.", "Check the path and the base URL.";
    MethodNotAllowed, "METHOD_NOT_ALLOWED", 405 Unimplemented,
        "The path exists, but not for this method.", "Use a method that the `Allow` header lists.";
    InvalidPath, "INVALID_PATH", 400 InvalidArgument,
        "The path contains `.` or `..` as a segment.", "Send the normalized path.";
    InvalidPathVariable, "INVALID_PATH_VARIABLE", 400 InvalidArgument,
        "A part of the path is not a value of its field.", "Correct the value, or its percent-encoding.";
    UriTooLong, "URI_TOO_LONG", 414 ResourceExhausted,
        "The request target or the query string is longer than its limit.", "Shorten it, or send a body.";
    HeadersTooLarge, "HEADERS_TOO_LARGE", 431 ResourceExhausted,
        "There are too many headers, or too many bytes of them.", "Send fewer or shorter headers.";
    InvalidHeader, "INVALID_HEADER", 400 InvalidArgument,
        "A header has a wrong value, or is repeated.", "Correct the header that the message names.";
    MalformedRequest, "MALFORMED_REQUEST", 400 InvalidArgument,
        "The request breaks a rule of HTTP.", "Repair the client or the proxy that writes it.";
    HttpVersionNotSupported, "HTTP_VERSION_NOT_SUPPORTED", 505 Unimplemented,
        "The HTTP version is not available on this connection.", "Use HTTP/1.1, or HTTP/2 over TLS.";
    TransferCodingNotSupported, "TRANSFER_CODING_NOT_SUPPORTED", 501 Unimplemented,
        "`Transfer-Encoding` has a coding other than `chunked`.", "Use `Content-Encoding` to compress a body.";
    ExpectationNotSupported, "EXPECTATION_NOT_SUPPORTED", 417 InvalidArgument,
        "`Expect` has a value other than `100-continue`.", "Leave the header out.";
    ClientCertificateExpired, "CLIENT_CERTIFICATE_NO_LONGER_ACCEPTED", 421 Unauthenticated,
        "The client certificate of this connection is no longer accepted.",
        "Connect again with a certificate that is accepted.";
    NotAcceptable, "NOT_ACCEPTABLE", 406 InvalidArgument,
        "`Accept` allows none of the formats of this stream.", "Accept one of the types that the message lists.";
    RangeNotSatisfiable, "RANGE_NOT_SATISFIABLE", 416 OutOfRange,
        "`Range` starts after the last byte of the reply.", "Ask for bytes within the length in `Content-Range`.";
    OriginNotAllowed, "ORIGIN_NOT_ALLOWED", 403 PermissionDenied,
        "Web pages of this origin may not open a WebSocket here.",
        "The operator can add the origin to `websocket.origins`.";
    WebSocketVersionNotSupported, "WEBSOCKET_VERSION_NOT_SUPPORTED", 426 InvalidArgument,
        "`Sec-WebSocket-Version` is not 13.", "Use a client that follows RFC 6455.";

    // The caller.
    AddressNotAllowed, "ADDRESS_NOT_ALLOWED", 403 PermissionDenied,
        "The address of the caller may not call this API.",
        "Call from another address. The operator can change `listen.addresses`.";
    AccessTokenMissing, "ACCESS_TOKEN_MISSING", 401 Unauthenticated,
        "This call needs an access token.", "Send `Authorization: Bearer TOKEN`.";
    AccessTokenMisplaced, "ACCESS_TOKEN_MISPLACED", 400 InvalidArgument,
        "The access token is in the query, or was sent more than once.", "Send it once, in `Authorization`.";
    AccessTokenInvalid, "ACCESS_TOKEN_INVALID", 401 Unauthenticated,
        "The access token is not valid for this call.", "Get a token for this API.";
    AccessTokenExpired, "ACCESS_TOKEN_EXPIRED", 401 Unauthenticated,
        "The access token has expired.", "Get a new one.";
    AccessTokenNotYetValid, "ACCESS_TOKEN_NOT_YET_VALID", 401 Unauthenticated,
        "The access token is not valid yet.", "Wait, or check the clocks.";
    DpopNonceRequired, "DPOP_NONCE_REQUIRED", 401 Unauthenticated,
        "The DPoP proof has no nonce of this gateway, or an expired one.", "Make a new proof with the nonce in the header `DPoP-Nonce`.";
    DpopProofInvalid, "DPOP_PROOF_INVALID", 401 Unauthenticated,
        "The DPoP proof is missing, or is not valid for this request.", "Make a new proof for each request, with the public URL and the current time.";
    AccessTokenInsufficient, "ACCESS_TOKEN_INSUFFICIENT", 403 PermissionDenied,
        "The access token does not permit this call.", "Get a token with the scopes that the message lists.";
    ClientCertificateMissing, "CLIENT_CERTIFICATE_MISSING", 403 PermissionDenied,
        "The proxy in front passed on no client certificate.", "Connect to the proxy with a client certificate.";
    ClientCertificateInvalid, "CLIENT_CERTIFICATE_INVALID", 403 PermissionDenied,
        "The client certificate that the proxy passed on is unreadable, repeated, expired or not accepted.",
        "Use a certificate that is valid for this API. The operator finds the reason in the log.";
    ProxyNotTrusted, "PROXY_NOT_TRUSTED", 403 PermissionDenied,
        "The request did not come through the proxy that passes client certificates on.",
        "Use the public address of this API.";
    AccessTokenNotVerifiable, "ACCESS_TOKEN_NOT_VERIFIABLE", 503 Unavailable,
        "Access tokens cannot be verified at the moment. The call was not sent.", "Send the request again after `Retry-After`.";

    // The idempotency key.
    IdempotencyKeyMissing, "IDEMPOTENCY_KEY_MISSING", 400 InvalidArgument,
        "This call needs an idempotency key. The call was not sent.",
        "Send a new unique key with each new request, in the header that the message names.";
    IdempotencyKeyReused, "IDEMPOTENCY_KEY_REUSED", 422 InvalidArgument,
        "The idempotency key was already used with another request. The call was not sent.",
        "Send a new key with each new request.";
    IdempotencyKeyInUse, "IDEMPOTENCY_KEY_IN_USE", 409 Aborted,
        "The first request with this idempotency key is still in progress.",
        "Repeat the request after `Retry-After`, with the same key.";
    IdempotentOutcomeUnknown, "IDEMPOTENT_OUTCOME_UNKNOWN", 409 Unknown,
        "The outcome of the first request with this idempotency key is unknown. It is not executed again.",
        "Find out what the backend did before you send it with a new key.";
    IdempotentAnswerNotKept, "IDEMPOTENT_ANSWER_NOT_KEPT", 409 AlreadyExists,
        "The first request with this idempotency key was answered, but the answer was not stored. It is not executed again.",
        "Read the result with another request.";
    IdempotencyStoreFull, "IDEMPOTENCY_STORE_FULL", 503 Unavailable,
        "The gateway or its store has no memory for another idempotency key. The call was not sent.",
        "Send the request again after `Retry-After`.";
    IdempotencyStoreUnavailable, "IDEMPOTENCY_STORE_UNAVAILABLE", 503 Unavailable,
        "The store of idempotency keys does not answer. The call was not sent.",
        "Send the request again after `Retry-After`, with the same key.";

    // The query.
    UnknownQueryParameter, "UNKNOWN_QUERY_PARAMETER", 400 InvalidArgument,
        "The request message has no field of this name.", "Correct the name; the message may suggest one.";
    InvalidQueryParameter, "INVALID_QUERY_PARAMETER", 400 InvalidArgument,
        "The value is wrong, is repeated, or contradicts the path.", "Correct the query parameter.";
    QueryParametersConflict, "QUERY_PARAMETERS_CONFLICT", 400 InvalidArgument,
        "The query parameters belong to different rpcs that share this path.", "Send the parameters of one rpc only.";
    TooManyQueryParameters, "TOO_MANY_QUERY_PARAMETERS", 400 InvalidArgument,
        "The query has more parameters than its limit.", "Send fewer, or send a body.";

    // The body.
    BodyMissing, "BODY_MISSING", 400 InvalidArgument,
        "This request needs a JSON body.", "Send a body; `{}` leaves every field unset.";
    BodyNotAllowed, "BODY_NOT_ALLOWED", 400 InvalidArgument,
        "This request takes no body.", "Send the values as query parameters.";
    UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", 415 InvalidArgument,
        "`Content-Type` is missing, or is not one that this request takes.", "Send `Content-Type: application/json`.";
    UnsupportedContentEncoding, "UNSUPPORTED_CONTENT_ENCODING", 415 InvalidArgument,
        "The body has a `Content-Encoding` that is not supported.", "Send it with gzip, or not compressed.";
    InvalidContentType, "INVALID_CONTENT_TYPE", 400 InvalidArgument,
        "`Content-Type: multipart/form-data` has no usable boundary.", "Let the HTTP library write the header.";
    BodyTooLarge, "BODY_TOO_LARGE", 413 ResourceExhausted,
        "The body, also after decompression, is larger than its limit.", "Send less at once.";
    BodyTimeout, "BODY_TIMEOUT", 408 DeadlineExceeded,
        "The body, or the message on a WebSocket, did not arrive in time.", "Send it again, faster.";
    BodyTooSlow, "BODY_TOO_SLOW", 408 DeadlineExceeded,
        "The body arrived slower than the minimum rate.", "Send it again, faster.";
    BodyIncomplete, "BODY_INCOMPLETE", 400 InvalidArgument,
        "The connection or stream ended before the body did.", "Send the whole body.";
    MalformedGzip, "MALFORMED_GZIP", 400 InvalidArgument,
        "The body is not valid gzip.", "Compress it again, or send it not compressed.";
    MalformedJson, "MALFORMED_JSON", 400 InvalidArgument,
        "The body is not valid JSON.", "Correct it at the line and column that the message names.";
    MalformedForm, "MALFORMED_FORM", 400 InvalidArgument,
        "The body is not a valid form.", "Correct the form, or send JSON.";
    UnknownField, "UNKNOWN_FIELD", 400 InvalidArgument,
        "The body has a field that the request message does not have.", "Correct the name; the message may suggest one.";
    InvalidField, "INVALID_FIELD", 400 InvalidArgument,
        "A field of the body has a wrong value, or is repeated.", "Correct the field that the message names.";
    MissingField, "MISSING_FIELD", 400 InvalidArgument,
        "A required field is not set.", "Send the field.";
    InvalidBody, "INVALID_BODY", 400 InvalidArgument,
        "The body is valid JSON, but not of the expected type.", "Send what the message says was expected.";
    FieldConflict, "FIELD_CONFLICT", 400 InvalidArgument,
        "Path and body have different values for one field.", "Send the same value, or leave it out of the body.";
    ValidationFailed, "VALIDATION_FAILED", 400 InvalidArgument,
        "The request violates validation rules.", "Correct the fields that the details list.";
    ValidationNotPossible, "VALIDATION_NOT_POSSIBLE", 500 Internal,
        "A validation rule has no result for this request. The call was not sent.",
        "The operator finds the rule in the log, and can correct it.";
    UpdateMaskTooLong, "UPDATE_MASK_TOO_LONG", 400 InvalidArgument,
        "The update mask made from the body would be too long.", "Send the update mask as a query parameter.";
    MessageTooLarge, "MESSAGE_TOO_LARGE", 400 InvalidArgument,
        "One message of a stream is larger than the limit.", "Send smaller messages.";
    InvalidWebSocketMessage, "INVALID_WEBSOCKET_MESSAGE", 400 InvalidArgument,
        "A WebSocket frame or message is not one that this call takes.", "Send what the message says was expected.";

    // Calls by the path of the rpc: gRPC, gRPC-Web and Connect.
    RpcNotFound, "RPC_NOT_FOUND", 404 Unimplemented,
        "No rpc with this path is served.", "Check the path; the operator can add the rpc to `expose`.";
    MalformedMessageFrame, "MALFORMED_MESSAGE_FRAME", 400 Internal,
        "A message is not framed as the protocol says, or it is compressed and no header says how.",
        "Repair the client or the proxy that writes it.";
    WrongMessageCount, "WRONG_MESSAGE_COUNT", 400 Unimplemented,
        "The call takes one request message, and got none or several.", "Send exactly one message.";
    MessageEncodingNotSupported, "MESSAGE_ENCODING_NOT_SUPPORTED", 415 Unimplemented,
        "A message is compressed in a way that is not supported.", "Use a compression that the message lists.";

    // How often a caller calls.
    RateLimited, "RATE_LIMITED", 429 ResourceExhausted,
        "A rate limit is exceeded. The call was not sent.", "Send the request again after `Retry-After`.";
    ConcurrencyLimited, "CONCURRENCY_LIMITED", 429 ResourceExhausted,
        "As many requests as a limit allows are in progress. The call was not sent.",
        "Wait for answers, then send the request again.";

    RateLimitUnavailable, "RATE_LIMIT_UNAVAILABLE", 503 Unavailable,
        "A shared rate limit cannot be checked, because its store is away. The call was not sent.",
        "Send the request again after `Retry-After`.";

    // The gateway has no room. The call was not sent, unless the cause says otherwise.
    OutOfMemory, "OUT_OF_MEMORY", 503 Unavailable,
        "The gateway's memory budget is used up. The call was not sent.", "Send the request again later.";
    UnreadResponses, "UNREAD_RESPONSES", 503 Unavailable,
        "This connection holds too many answers that were not read. The call was not sent.",
        "Read the answers, then send the request again.";
    OutOfMemoryInStream, "OUT_OF_MEMORY_IN_STREAM", 503 ResourceExhausted,
        "The gateway has no memory for a message of the request. The outcome of the call is unknown.",
        "Find out what the backend did before you send it again.";
    TooManyCalls, "TOO_MANY_CALLS", 503 Unavailable,
        "The backend has as many calls in flight as it may have. The call was not sent.",
        "Send the request again after `Retry-After`.";
    BackendOverloaded, "BACKEND_OVERLOADED", 503 Unavailable,
        "The backend is slow, and has as many calls in flight as it answers in time. The call was not sent.",
        "Send the request again after `Retry-After`.";
    TooManyCallsOnConnection, "TOO_MANY_CALLS_ON_CONNECTION", 503 Unavailable,
        "This connection has as many calls in flight as it may have. The call was not sent.",
        "Wait for answers, then send the request again.";
    TooManyCallsOfCaller, "TOO_MANY_CALLS_OF_CALLER", 503 Unavailable,
        "The backend is busy, and this caller uses its share of it. The call was not sent.",
        "Wait for answers, then send the request again.";

    // The call.
    BackendUnreachable, "BACKEND_UNREACHABLE", 503 Unavailable,
        "There is no connection to the backend. The call was not sent.", "Send the request again later.";
    CallNotAccepted, "CALL_NOT_ACCEPTED", 503 Unavailable,
        "The backend refused the call before it processed any of it.", "Send the request again later.";
    DeadlineExceededNotSent, "DEADLINE_EXCEEDED_NOT_SENT", 504 DeadlineExceeded,
        "The time was over before the call could be sent.", "It is safe to send the request again.";
    DeadlineExceeded, "DEADLINE_EXCEEDED", 504 DeadlineExceeded,
        "The backend did not answer in time. The outcome of the call is unknown.",
        "Find out what the backend did before you send it again.";
    ConnectionLost, "CONNECTION_LOST", 502 Unknown,
        "The connection to the backend broke during the call. The outcome of the call is unknown.",
        "Find out what the backend did before you send it again.";
    GatewayStopped, "GATEWAY_STOPPED", 502 Unavailable,
        "The gateway shut down during the call. The outcome of the call is unknown.",
        "Find out what the backend did before you send it again.";
    InvalidBackendResponse, "INVALID_BACKEND_RESPONSE", 502 Internal,
        "The backend's answer is not gRPC. The outcome of the call is unknown.",
        "The operator finds the cause in the log.";
    NoGrpcStatus, "NO_GRPC_STATUS", 502 Unknown,
        "The backend, or a proxy in front of it, answered without a gRPC status. The outcome of the call is unknown.",
        "The operator finds the cause in the log.";
    OutOfMemoryOutcomeUnknown, "OUT_OF_MEMORY_OUTCOME_UNKNOWN", 502 ResourceExhausted,
        "The gateway has no memory for the backend's reply. The outcome of the call is unknown.",
        "Find out what the backend did before you send it again.";
    OutOfMemoryCallSucceeded, "OUT_OF_MEMORY_CALL_SUCCEEDED", 502 ResourceExhausted,
        "The call succeeded, but the gateway has no memory for its reply.", "Read the result with another request.";
    ResponseTooLarge, "RESPONSE_TOO_LARGE", 502 ResourceExhausted,
        "The call succeeded, but its reply is larger than the limit.", "Ask for less, for example a smaller page.";
    InvalidResponseMessage, "INVALID_RESPONSE_MESSAGE", 502 Internal,
        "The call succeeded, but its reply is not a message of its type.",
        "The operator finds the cause in the log.";
    InvalidStreamMessage, "INVALID_STREAM_MESSAGE", 502 Internal,
        "A message of the backend's stream is not of its type. The outcome of the call is unknown.",
        "The operator finds the cause in the log.";
    InternalError, "INTERNAL_ERROR", 500 Internal,
        "A fault of the gateway. The outcome of the call is unknown.", "Report it; the log has the details.";
}

impl Reason {
    /// The name that callers read.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    #[must_use]
    pub fn http_status(self) -> StatusCode {
        StatusCode::from_u16(self.facts().http).expect("the table has status codes only")
    }

    #[must_use]
    pub const fn code(self) -> Code {
        self.facts().code
    }
}
