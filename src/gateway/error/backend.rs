//! Converts a backend's status to a refusal: decides which details and which message callers may see.

use http::HeaderMap;
use http::header::RETRY_AFTER;
use prost::Message as _;
use tonic::Code;

use super::context::CallContext;
use super::refusal::Refusal;
use super::statuses::{code_name, http_status};
use super::{defect, detail};
use crate::schema::generated::google::rpc;
use crate::upstream::Fate;

impl Refusal {
    /// The refusal for a status that the backend returned.
    pub(super) fn status(status: &tonic::Status, metadata: HeaderMap, context: CallContext<'_>) -> Self {
        let mut details = rpc::Status::decode(status.details()).map_or(Vec::new(), |status| status.details);
        // gRPC's callers know the names that the backend has.
        if !context.route.is_direct {
            details.iter_mut().for_each(|any| defect::name_for_caller(any, context));
        }
        let retry = details.iter().find_map(detail::retry_delay);
        let shows_unknown = context.exposure.shows_unknown_details;
        let refusal = Self {
            violations: details.iter().flat_map(defect::violations).collect(),
            details: details
                .iter()
                .filter_map(|any| detail::shown(&any.type_url, &any.value, context.schema, shows_unknown))
                .collect(),
            metadata: Box::new(metadata),
            ..Self::of_backend(Fate::Answered, (http_status(status.code()), status.code()), message_of(status, context))
        };
        match retry {
            Some(seconds) => refusal.with_header(RETRY_AFTER, seconds.to_string()),
            None => refusal,
        }
    }
}

/// The backend's message if callers may see it. The message of a 504 also says whose timeout it was.
fn message_of(status: &tonic::Status, context: CallContext<'_>) -> String {
    match (status.code(), status.message()) {
        (code @ (Code::Internal | Code::Unknown | Code::DataLoss), message)
            if context.exposure.hides_internal_messages =>
        {
            let (rpc, name) = (&context.route.rpc.name, code_name(code));
            if !message.is_empty() {
                // The message may hold what callers must not see, and more people read this log than the backend's. So
                // it appears only at level debug.
                tracing::info!(rpc, code = name, "the message of the backend's status is hidden from the caller");
                tracing::debug!(rpc, code = name, message, "the hidden message");
            }
            format!("the backend answered {name}")
        }
        (_, message) if context.route.is_direct => message.to_owned(),
        (Code::DeadlineExceeded, "") => "the backend answered DEADLINE_EXCEEDED".to_owned(),
        (Code::DeadlineExceeded, message) => format!("the backend answered DEADLINE_EXCEEDED: {message}"),
        (_, message) => message.to_owned(),
    }
}
