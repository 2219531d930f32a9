//! An rpc as it is served: its messages, its upstream and its settings, whichever way it is called.

use std::sync::Arc;

use http::uri::PathAndQuery;

use super::policy::{Policy, UnknownKeys, Validation};
use crate::codec::validate::{Checks, Validator};
use crate::codec::{Ignored, Print};
use crate::codec::{Omission, Omissions};
use crate::observe::seldom::Seldom;
use crate::schema::{Message, Paths, RpcDescriptor};

/// An rpc that is served. A [`Route`](super::Route) is one way to call it.
#[derive(Debug)]
pub struct Rpc {
    /// `package.Service.Method`.
    pub name: String,
    /// `/package.Service/Method`.
    pub path: PathAndQuery,
    /// The type of the request message.
    pub input: Message,
    /// The type of the reply message.
    pub output: Message,
    /// Which side sends several messages.
    pub streaming: Streaming,
    /// The upstream that answers the rpc: its index in [`Serving::upstreams`](super::Serving::upstreams).
    pub upstream: usize,
    /// Whether the backend may receive a call more than once. True only for unary rpcs that the descriptors or the
    /// configuration declare idempotent.
    pub may_repeat: bool,
    /// Whether the descriptors say that a call changes nothing, so that Connect may call it with GET.
    pub has_no_side_effects: bool,
    /// The settings of the rpc.
    pub policy: Policy,
    /// The field names of `input`, resolved.
    pub(super) paths: Paths,
    /// How replies are printed; follows from `policy`.
    pub print: Print,
    /// What is ignored in request bodies; follows from `policy`.
    pub(super) ignored: Ignored,
    /// How request messages are validated; `None` if they are not.
    pub validation: Option<Validated>,
    /// What is left out of messages because of `google.api.field_behavior`.
    pub behavior: Behavior,
}

/// What is left out of the messages of an rpc because of `google.api.field_behavior`.
#[derive(Debug, Default)]
pub struct Behavior {
    /// The fields with OUTPUT_ONLY, which are ignored in requests.
    pub requests: Option<Omission>,
    /// The fields with INPUT_ONLY, which replies do not show.
    pub replies: Option<Omission>,
}

/// What the rules and options about values say of all message types.
pub(super) struct ValueRules {
    pub(super) validator: Arc<Validator>,
    /// Whether violations are also told as `buf.validate.Violations`.
    pub(super) tells_buf: bool,
    pub(super) output_only: Arc<Omissions>,
    pub(super) input_only: Arc<Omissions>,
}

/// How the request messages of an rpc are validated.
#[derive(Debug)]
pub struct Validated {
    pub mode: Validation,
    pub checks: Checks,
    /// Whether violations are also told as `buf.validate.Violations`.
    pub tells_buf: bool,
    /// Limits log lines about violations that are only reported.
    pub reports: Seldom,
}

/// Which sides send several messages in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streaming {
    /// Whether the caller does.
    pub client: bool,
    /// Whether the backend does.
    pub server: bool,
}

impl Streaming {
    /// Whether each side sends one message.
    #[must_use]
    pub fn is_unary(self) -> bool {
        !self.client && !self.server
    }
}

impl RpcDescriptor {
    pub(super) fn streaming(&self) -> Streaming {
        Streaming { client: self.client_streams, server: self.server_streams }
    }
}

impl Rpc {
    /// Makes the rpc of this descriptor, answered by this upstream.
    ///
    /// # Errors
    /// The name of the rpc cannot be part of an HTTP path.
    pub(super) fn new(
        rpc: &RpcDescriptor,
        upstream: usize,
        policy: Policy,
        rules: &ValueRules,
    ) -> Result<Self, String> {
        let path = PathAndQuery::try_from(rpc.path.as_str());
        let streaming = rpc.streaming();
        Ok(Self {
            name: rpc.name.clone(),
            path: path.map_err(|error| format!("{:?} cannot be called: {error}", rpc.path))?,
            input: rpc.input.clone(),
            output: rpc.output.clone(),
            streaming,
            upstream,
            may_repeat: streaming.is_unary() && policy.idempotent.unwrap_or(rpc.is_idempotent),
            has_no_side_effects: rpc.has_no_side_effects,
            paths: Paths::from(&rpc.input),
            print: policy.json.print(),
            ignored: ignored(&policy),
            validation: validated(rpc, &policy, rules),
            behavior: behavior(rpc, &policy, rules),
            policy,
        })
    }

    /// Whether request messages are looked at before they are sent.
    #[must_use]
    pub fn is_examined(&self) -> bool {
        self.validation.is_some() || self.behavior.requests.is_some()
    }

    /// Whether the names of query keys and fields are read in any case.
    pub(super) fn reads_any_case(&self) -> bool {
        self.policy.json.case_insensitive_field_parsing
    }
}

fn validated(rpc: &RpcDescriptor, policy: &Policy, rules: &ValueRules) -> Option<Validated> {
    if policy.validation == Validation::Off {
        return None;
    }
    let checks = rules.validator.of(&rpc.input)?;
    Some(Validated { mode: policy.validation, checks, tells_buf: rules.tells_buf, reports: Seldom::default() })
}

/// Fields are left out only where rules are enforced: otherwise calls are as they would be without rules.
fn behavior(rpc: &RpcDescriptor, policy: &Policy, rules: &ValueRules) -> Behavior {
    if policy.validation != Validation::Enforce {
        return Behavior::default();
    }
    Behavior { requests: rules.output_only.of(&rpc.input), replies: rules.input_only.of(&rpc.output) }
}

fn ignored(policy: &Policy) -> Ignored {
    let ignored = match &policy.ignore_members {
        _ if policy.ignore_unknown => Ignored::all(),
        UnknownKeys::All => Ignored::members(),
        UnknownKeys::Listed(members) => Ignored::new(members),
    };
    ignored.with_breaks(policy.json.base64_line_breaks)
}
