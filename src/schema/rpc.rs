//! The rpcs of the descriptors, each with its HTTP rules.

use std::sync::Arc;

use super::descriptor::{File, Method};
use super::message::Message;
use super::rule::{self, Rule, RuleError};
use super::table::Tables;
use crate::format::problem::Problem;
use crate::format::wire;

/// One rpc: a method of a service.
#[derive(Debug, Clone)]
pub struct RpcDescriptor {
    /// `package.Service.Method`.
    pub name: String,
    /// `/package.Service/Method`, the `:path` of the gRPC call.
    pub path: String,
    /// The `.proto` file that declares it, with the name that imports use.
    pub file: String,
    /// The request message.
    pub input: Message,
    /// The response message.
    pub output: Message,
    /// Whether the caller sends a stream of messages.
    pub client_streams: bool,
    /// Whether the backend sends a stream of messages.
    pub server_streams: bool,
    /// Whether its `idempotency_level` (descriptor.proto) is NO_SIDE_EFFECTS or IDEMPOTENT.
    pub is_idempotent: bool,
    /// Whether its `idempotency_level` is NO_SIDE_EFFECTS.
    pub has_no_side_effects: bool,
    /// Its `google.api.http` rule, followed by the additional bindings in order; empty without an annotation.
    pub rules: Result<Vec<Rule>, RuleError>,
}

/// The option `idempotency_level` in descriptor.proto's MethodOptions, and its values.
const IDEMPOTENCY_LEVEL: u32 = 34;
const IDEMPOTENCY_UNKNOWN: u64 = 0;
const NO_SIDE_EFFECTS: u64 = 1;
const IDEMPOTENT: u64 = 2;

/// All rpcs of the files with their rules.
pub(super) fn rpcs(files: &[File], tables: &Arc<Tables>) -> Result<Vec<RpcDescriptor>, Vec<Problem>> {
    let (mut rpcs, mut problems) = (Vec::new(), Vec::new());
    for (file, service) in files.iter().flat_map(|file| file.services.iter().map(move |service| (file, service))) {
        let dot = if file.package.is_empty() { "" } else { "." };
        let service_name = format!("{}{dot}{}", file.package, service.name);
        for method in &service.methods {
            match rpc(file, &service_name, method, tables) {
                Ok(rpc) => rpcs.push(rpc),
                Err(message) => problems.push(Problem::at(format!("{service_name}.{}", method.name), message)),
            }
        }
    }
    if problems.is_empty() { Ok(rpcs) } else { Err(problems) }
}

fn rpc(file: &File, service: &str, method: &Method, tables: &Arc<Tables>) -> Result<RpcDescriptor, String> {
    let level = idempotency_level(&method.options);
    let message = |name: &str| {
        let found = tables.declared(name.trim_start_matches('.'));
        let id = found.ok_or_else(|| format!("there is no message `{name}`"))?;
        Ok::<_, String>(Message { tables: Arc::clone(tables), id })
    };
    Ok(RpcDescriptor {
        name: format!("{service}.{}", method.name),
        path: format!("/{service}/{}", method.name),
        file: file.name.clone(),
        input: message(&method.input)?,
        output: message(&method.output)?,
        client_streams: method.client_streaming,
        server_streams: method.server_streaming,
        is_idempotent: matches!(level, NO_SIDE_EFFECTS | IDEMPOTENT),
        has_no_side_effects: level == NO_SIDE_EFFECTS,
        rules: rule::rules(&method.options),
    })
}

/// The `idempotency_level` in these options. Options that cannot be decoded declare nothing.
fn idempotency_level(options: &[u8]) -> u64 {
    let mut reader = wire::Reader::new(options);
    let mut level = IDEMPOTENCY_UNKNOWN;
    while !reader.is_empty() {
        let Ok((number, wire_type)) = reader.tag() else { return IDEMPOTENCY_UNKNOWN };
        let read = match (number, wire_type) {
            (IDEMPOTENCY_LEVEL, wire::VARINT) => reader.varint().map(|value| level = value),
            _ => reader.skip(number, wire_type),
        };
        if read.is_err() {
            return IDEMPOTENCY_UNKNOWN;
        }
    }
    level
}
