//! An rpc as it is served: its messages, who answers it and how it may be called, whatever the way in.

use http::uri::PathAndQuery;

use super::policy::{Policy, UnknownKeys};
use crate::codec::{Ignored, Print};
use crate::schema::{Message, Paths, RpcDescriptor};

/// An rpc that is served. A [`Route`](super::Route) is one way in to it.
#[derive(Debug)]
pub struct Rpc {
    /// `package.Service.Method`.
    pub name: String,
    /// `/package.Service/Method`.
    pub path: PathAndQuery,
    /// What the request becomes.
    pub input: Message,
    /// What the reply is.
    pub output: Message,
    /// Which side sends several messages.
    pub streaming: Streaming,
    /// Who answers it: a place among the upstreams of [`Serving`](super::Serving).
    pub upstream: usize,
    /// Whether the backend may have a call more than once: it is of one message each way, and the descriptors or the
    /// configuration say so.
    pub may_repeat: bool,
    /// What holds for it.
    pub policy: Policy,
    /// From `input`.
    pub(super) paths: Paths,
    /// How its replies look, from `policy`.
    pub print: Print,
    /// What is passed over in its bodies, from `policy`.
    pub(super) ignored: Ignored,
}

/// Who sends several messages in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streaming {
    /// The caller.
    pub client: bool,
    /// The backend.
    pub server: bool,
}

impl Streaming {
    /// One message each way.
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
    /// The rpc of this descriptor, answered by this upstream.
    ///
    /// # Errors
    /// Its name is none that HTTP could carry.
    pub(super) fn new(rpc: &RpcDescriptor, upstream: usize, policy: Policy) -> Result<Self, String> {
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
            paths: Paths::from(&rpc.input),
            print: policy.json.print(),
            ignored: ignored(&policy),
            policy,
        })
    }
    /// Whether the names of query keys and fields are read in any case.
    pub(super) fn reads_any_case(&self) -> bool {
        self.policy.json.case_insensitive_field_parsing
    }
}

fn ignored(policy: &Policy) -> Ignored {
    let ignored = match &policy.ignore_members {
        _ if policy.ignore_unknown => Ignored::all(),
        UnknownKeys::All => Ignored::members(),
        UnknownKeys::Listed(members) => Ignored::new(members),
    };
    ignored.with_breaks(policy.json.base64_line_breaks)
}
