//! Request and reply bodies: their media types, and the schema of each.

use serde_json::{Map, Value, json};

use super::errors;
use super::parameters::form;
use super::scalars::{nullable, with};
use super::schemas::{Beside, Schemas, behind};
use super::style::{Reading, Style, Writing, passed_over};
use crate::gateway::Config;
use crate::gateway::stream::Format;
use crate::route::policy::EmptyBody;
use crate::route::{BodyRule, Route};
use crate::schema::FieldPath;

/// The request body of a route whose path fills the `captured` fields; `None` if the route takes no body.
pub(super) fn request(
    schemas: &mut Schemas<'_>,
    config: &Config,
    route: &Route,
    captured: &[FieldPath],
) -> Option<Value> {
    if !route.takes_body() {
        return None;
    }
    let policy = &route.rpc.policy;
    let style = Style::Read(Reading::of(&route.rpc));
    if route.is_raw_request {
        let content = json!({ "*/*": { "schema": {} } });
        return Some(json!({ "description": "Bytes of any type, which pass as they are.", "content": content }));
    }
    let path = match &route.body {
        BodyRule::Field(path) => Some(path),
        BodyRule::None | BodyRule::Whole => None,
    };
    let passed_over = passed_over(policy).unwrap_or_default();
    let beside = Beside { bound: behind(captured, path), passed_over };
    let one = match path {
        None => schemas.message_beside(&route.rpc.input, style, &beside),
        Some(path) => match path.leaf().message().filter(|_| !path.leaf().is_repeated()) {
            Some(message) => nullable(schemas.message_beside(&message, style, &beside)),
            None => nullable(schemas.field(path.leaf(), style)),
        },
    };
    let mut content = Map::new();
    let mut put = |media_type: &str, schema: Value| {
        content.insert(media_type.to_owned(), json!({ "schema": schema }));
    };
    let mut description = String::new();
    if route.rpc.streaming.client {
        let many = json!({ "anyOf": [{ "type": "array", "items": one }, one] });
        put("application/json", with(many, [("description", json!("One message, or an array of them."))]));
        put("application/x-ndjson", lines(&one));
        description.push_str("Messages, each of which is sent to the backend as soon as it has come.");
    } else {
        put("application/json", one.clone());
        for media_type in config.json_types.iter().filter(|media_type| !media_type.contains("form")) {
            put(media_type, one.clone());
        }
    }
    let message = match path {
        None => Some(route.rpc.input.clone()),
        Some(path) => path.leaf().message(),
    };
    if let Some(message) = message.filter(|_| config.forms && route.takes_form() && !route.rpc.streaming.client) {
        let form = form(schemas, &message, style);
        put("application/x-www-form-urlencoded", form.clone());
        put("multipart/form-data", form);
    }
    let is_required = route.body != BodyRule::None && policy.empty_body == EmptyBody::Refuse;
    let body = json!({ "required": is_required, "content": content });
    Some(if description.is_empty() { body } else { with(body, [("description", json!(description))]) })
}

/// The response to a successful call.
pub(super) fn reply(schemas: &mut Schemas<'_>, config: &Config, route: &Route) -> Value {
    let policy = &route.rpc.policy;
    if route.is_raw_reply {
        let content = json!({ "*/*": { "schema": {} } });
        return json!({ "description": "Bytes as the backend gives them, of its own type.", "content": content });
    }
    let style = Style::Written(Writing::of(policy));
    let one = match &route.response_body {
        None => schemas.message(&route.rpc.output, style),
        Some(path) => match path.leaf().table().shape {
            // An unset field with presence is written as `null`.
            crate::schema::Shape::Explicit => nullable(schemas.field(path.leaf(), style)),
            _ => schemas.field(path.leaf(), style),
        },
    };
    if !route.rpc.streaming.server {
        return json!({ "description": "The reply.", "content": { "application/json": { "schema": one } } });
    }
    let error = errors::of_stream(policy.errors.form);
    let line = |error: Value| json!({ "type": "object", "properties": { "error": error }, "required": ["error"] });
    let result = json!({ "type": "object", "properties": { "result": one }, "required": ["result"] });
    let content = match config.streams.format {
        Format::GrpcGateway => {
            json!({ "application/json": { "schema": lines(&json!({ "anyOf": [result, line(error)] })) } })
        }
        Format::Ndjson | Format::Sse | Format::Array => {
            let status = errors::schema(crate::route::policy::Form::Status);
            let end = json!({ "type": "object", "properties": { "status": status }, "required": ["status"] });
            let choices = match policy.closing_line {
                true => json!([result, end, line(errors::schema(crate::route::policy::Form::Status))]),
                false => json!([result, line(errors::schema(crate::route::policy::Form::Status))]),
            };
            json!({
                "application/x-ndjson": { "schema": lines(&json!({ "anyOf": choices })) },
                "text/event-stream": { "schema": events(&one) },
                "application/json": { "schema": { "type": "array", "items": one } },
            })
        }
    };
    json!({ "description": "The messages of a stream, as they come.", "content": content })
}

/// A text of lines; each is JSON that fits the schema.
fn lines(line: &Value) -> Value {
    json!({
        "type": "string",
        "description": "Lines, each of them JSON that fits `x-itemSchema`.",
        "x-itemSchema": line,
    })
}

/// A text of server-sent events whose data is JSON that fits the schema.
fn events(data: &Value) -> Value {
    json!({
        "type": "string",
        "description": "Numbered events; the data of each is JSON that fits `x-itemSchema`. The last one is called `end`, or \
                        `error` with a google.rpc.Status.",
        "x-itemSchema": data,
    })
}
