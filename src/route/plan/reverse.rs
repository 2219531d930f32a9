//! A plan run in reverse: from a request message back to the request that makes it.
//!
//! What comes out has been put through [`Routes::find`] and [`Route::encode`] again and was the same message of the same
//! rule. Where a rule cannot carry a message, the reason names the field.

use http::{HeaderValue, Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::EncodeError;
use crate::codec::{self, HttpBody, Print};
use crate::format::json::{self, Scanner};
use crate::format::template::{Segment, Template, Variable};
use crate::route::entry::{BodyRule, Route};
use crate::route::found::Miss;
use crate::route::leaves::{self, Leaf, NoText};
use crate::route::query::{Query, QueryError};
use crate::route::sources::is_within;
use crate::route::table::Routes;
use crate::route::text::{self, Keep};
use crate::schema::{FieldPath, Kind, Message, Shape, WellKnown};

/// RFC 3986, section 2.3: all but the unreserved characters.
const SEGMENT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// In a query these need no escape (section 3.4), and neither curl nor a shell takes them for something else.
const PAIR: AsciiSet = SEGMENT.remove(b':').remove(b'/').remove(b',').remove(b'@');

/// The methods to try where a rule takes any.
const ANY: [&str; 5] = ["POST", "GET", "PUT", "PATCH", "DELETE"];

/// A request without headers, but for the type of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inverse {
    /// The HTTP method.
    pub method: String,
    /// Path and query, percent-encoded.
    pub target: String,
    /// What the body is: JSON, a line of JSON where the rpc takes several messages, or what a `google.api.HttpBody` says. Empty without a type.
    pub content_type: String,
    /// The body, if there is one.
    pub body: Option<Vec<u8>>,
}

/// Why a rule cannot carry a message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsayable {
    /// A field of the message; without a name the message itself.
    #[error("at {}: {problem}", if .field.is_empty() { "the message" } else { .field })]
    Field { field: String, problem: FieldUnsayable },
    /// The request would be another's.
    #[error("the request would reach {rpc}, by {method} {path}")]
    Elsewhere { rpc: String, method: String, path: String },
    /// The request would be nobody's.
    #[error("the request would reach nobody: {0}")]
    Nobody(Miss),
    /// The request would be refused.
    #[error("the request would be refused: {0}")]
    Refused(EncodeError),
    /// The same for its query alone.
    #[error("the request would be refused: {0}")]
    Query(QueryError),
    /// The path and the query.
    #[error("path and query would have {length} bytes, and {} are the most", u16::MAX - 1)]
    TooLong { length: usize },
    /// The message itself.
    #[error(transparent)]
    Message(codec::DecodeError),
}

/// Why a rule cannot carry a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldUnsayable {
    /// It would have to stand in the query.
    #[error("{0}, which no query key can say")]
    NoText(NoText),
    /// The path must name it.
    #[error("is not set, and the path says it")]
    Unset,
    /// The path has no room for nothing.
    #[error("is empty, and a segment of the path cannot be")]
    Empty,
    /// An empty value of this key means that it did not come.
    #[error("is set and empty, and the query key `{key}` without a value is as good as none")]
    EmptyKey { key: String },
    /// The pattern of a variable.
    #[error("does not fit `{pattern}`, which the path has for it")]
    Pattern { pattern: String },
    /// RFC 3986, section 6.2.2.3
    #[error("would be a dot segment of the path, which boxes on the way take out")]
    Dots,
    /// It is refused in path and query.
    #[error("has a NUL character, which neither path nor query may have")]
    Nul,
    /// It is the type of the body.
    #[error("is no text that a header can have")]
    Header,
    /// Found when the request was read again.
    #[error("would be lost")]
    Lost,
    /// Likewise.
    #[error("is not set, and would be")]
    Added,
}

impl Routes {
    /// The request that `route`, which is one of these, makes into the message `wire`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn invert(&self, route: &Route, wire: &[u8]) -> Result<Inverse, Unsayable> {
        let leaves = leaves::of(&route.rpc.input, wire).map_err(Unsayable::Message)?;
        let inverse = route.invert(&leaves, wire)?;
        if route.method != "*" {
            return self.checked(route, &leaves, inverse);
        }
        // Some methods may be another rule's.
        let mut last = Err(Unsayable::Nobody(Miss::Path));
        for method in ANY.into_iter().filter(|method| inverse.body.is_none() || *method != "GET") {
            last = self.checked(route, &leaves, Inverse { method: method.to_owned(), ..inverse.clone() });
            if last.is_ok() {
                break;
            }
        }
        last
    }

    /// The request, if it is read as it is meant.
    fn checked(&self, route: &Route, leaves: &[Leaf], inverse: Inverse) -> Result<Inverse, Unsayable> {
        let length = inverse.target.len();
        let uri = Uri::try_from(inverse.target.as_str()).map_err(|_| Unsayable::TooLong { length })?;
        let query = Query::parse(uri.query().unwrap_or_default()).map_err(Unsayable::Query)?;
        let method = Method::from_bytes(inverse.method.as_bytes()).map_err(|_| Unsayable::Nobody(Miss::Path))?;
        let found = self.find(&method, uri.path(), &query).map_err(Unsayable::Nobody)?;
        if !std::ptr::eq(&**found.route, route) {
            let Route { rpc, method, .. } = &**found.route;
            let (rpc, method, path) = (rpc.name.clone(), method.clone(), found.route.path().to_owned());
            return Err(Unsayable::Elsewhere { rpc, method, path });
        }
        let made = route.read_again(&found.captures, &query, &inverse).map_err(Unsayable::Refused)?;
        let made = leaves::of(&route.rpc.input, &made).map_err(Unsayable::Message)?;
        let missing = |from: &[Leaf], leaf: &&Leaf| !from.iter().any(|other| other == *leaf);
        if let Some(lost) = leaves.iter().find(|leaf| missing(&made, leaf)) {
            return Err(at(&lost.name, FieldUnsayable::Lost));
        }
        match made.iter().find(|leaf| missing(leaves, leaf)) {
            Some(added) => Err(at(&added.name, FieldUnsayable::Added)),
            None => Ok(inverse),
        }
    }
}

impl Route {
    fn invert(&self, leaves: &[Leaf], wire: &[u8]) -> Result<Inverse, Unsayable> {
        let mut target = self.path_for(leaves)?;
        let left = || leaves.iter().filter(|leaf| !self.captured.iter().any(|path| path.to_string() == leaf.name));
        let (whole, owned) = match &self.body {
            BodyRule::Whole => (true, None),
            BodyRule::None => (self.rpc.policy.accept_body && left().next().is_some(), None),
            BodyRule::Field(path) => (false, Some(path)),
        };
        if !whole {
            let owned = owned.map(ToString::to_string);
            let is_bodys = |leaf: &Leaf| owned.as_ref().is_some_and(|owned| is_within(&leaf.field, owned));
            for (index, leaf) in left().filter(|leaf| !is_bodys(leaf)).enumerate() {
                let (key, value) = self.pair(leaf)?;
                let mark = if index == 0 { '?' } else { '&' };
                target.push_str(&format!("{mark}{key}={value}"));
            }
        }
        let print = Print { limit: usize::MAX, ..Print::default() };
        if self.is_raw_request {
            let (content_type, data) = self.raw_body(owned, wire)?;
            return Ok(Inverse { method: self.method.clone(), target, content_type, body: Some(data) });
        }
        let body = match owned {
            Some(path) => {
                let json = codec::reply_field(path, wire, &print).map_err(Unsayable::Message)?;
                let message = path.leaf().message().filter(|_| !path.leaf().is_repeated());
                Some(self.without_captured(message.as_ref(), json, &path.to_string()))
            }
            None if whole => {
                let json = codec::reply(&self.rpc.input, wire, &print).map_err(Unsayable::Message)?;
                Some(self.without_captured(Some(&self.rpc.input), json, ""))
            }
            None => None,
        };
        // One message in JSON may be an array, which as `application/json` would be several.
        let content_type = if self.rpc.streaming.client { "application/x-ndjson" } else { "application/json" };
        Ok(Inverse { method: self.method.clone(), target, content_type: content_type.to_owned(), body })
    }

    /// The type and the bytes of a body that passes as it is.
    fn raw_body(&self, field: Option<&FieldPath>, wire: &[u8]) -> Result<(String, Vec<u8>), Unsayable> {
        let owned = |body: HttpBody<'_>| (body.content_type.to_owned(), body.data.to_vec());
        let (content_type, data) = codec::http_body(&self.rpc.input, field, wire, owned).map_err(Unsayable::Message)?;
        let header = HeaderValue::from_str(&content_type).ok().filter(|value| value.to_str().is_ok());
        if header.is_none() || content_type.trim() != content_type {
            let within = field.map(|field| format!("{field}.")).unwrap_or_default();
            return Err(at(&format!("{within}content_type"), FieldUnsayable::Header));
        }
        Ok((content_type, data))
    }

    /// The message that the gateway makes of the request.
    fn read_again(&self, captures: &[&str], query: &Query, inverse: &Inverse) -> Result<Vec<u8>, EncodeError> {
        let body = inverse.body.as_deref();
        match body {
            // Without a byte there is no body, and nothing that has a type; a stream has one message all the same.
            Some(b"") if self.is_raw_request && !self.rpc.streaming.client => {
                self.encode_raw(captures, query, &HttpBody::default())
            }
            Some(data) if self.is_raw_request => {
                self.encode_raw(captures, query, &HttpBody { content_type: &inverse.content_type, data })
            }
            _ if self.rpc.streaming.client => self.encode_one(&self.prepare(captures, query)?, body),
            _ => self.encode(captures, query, body),
        }
    }

    /// A query key and its value, both encoded.
    fn pair(&self, leaf: &Leaf) -> Result<(String, String), Unsayable> {
        let wrong = |problem| Err(at(&leaf.name, problem));
        let (key, value) = match &leaf.text {
            Ok((key, value)) => (key, value),
            Err(problem) => return wrong(FieldUnsayable::NoText(problem.clone())),
        };
        let declared = self.declared.iter().find(|(_, path)| path.to_string() == *key);
        let key = declared.map_or(key, |(declared, _)| declared);
        if value.is_empty() && self.may_be_empty(key) {
            return wrong(FieldUnsayable::EmptyKey { key: key.clone() });
        }
        if key.contains('\0') || value.contains('\0') {
            return wrong(FieldUnsayable::Nul);
        }
        Ok((utf8_percent_encode(key, &PAIR).to_string(), utf8_percent_encode(value, &PAIR).to_string()))
    }

    /// The path with the texts of its variables.
    fn path_for(&self, leaves: &[Leaf]) -> Result<String, Unsayable> {
        let template = Template::parse(&self.template).expect("a route has a template");
        let mut path = String::new();
        let mut index = 0;
        while index < template.segments.len() {
            let bound = self.variables.iter().zip(&self.captured);
            let bound = bound.into_iter().find(|(variable, _)| variable.segments.start == index);
            let Some((variable, field)) = bound else {
                match &template.segments[index] {
                    Segment::Literal(text) => path.extend(["/", text]),
                    // No field has it: any text will do, and none where that is enough.
                    Segment::Single => path.push_str("/-"),
                    Segment::Multi => {}
                }
                index += 1;
                continue;
            };
            let pattern = &template.segments[variable.segments.clone()];
            let text = captured_text(field, leaves).map_err(|problem| at(&field.to_string(), problem))?;
            let segments = filled(pattern, &text, variable).map_err(|problem| at(&field.to_string(), problem))?;
            segments.iter().for_each(|segment| path.extend(["/", segment]));
            index = variable.segments.end;
        }
        if path.is_empty() {
            path.push('/');
        }
        if let Some(verb) = &template.verb {
            path.extend([":", verb]);
        }
        Ok(path)
    }

    /// JSON of a message, or of the value of the field `here`, without what the path says of it.
    fn without_captured(&self, message: Option<&Message>, json: Vec<u8>, here: &str) -> Vec<u8> {
        let captured: Vec<String> = self.captured.iter().map(ToString::to_string).collect();
        let text = String::from_utf8_lossy(&json);
        match message.and_then(|message| without(message, &text, here, &captured)) {
            Some(less) => less.into_bytes(),
            None => json,
        }
    }
}

fn at(field: &str, problem: FieldUnsayable) -> Unsayable {
    Unsayable::Field { field: field.to_owned(), problem }
}

/// An object without the fields `captured`; `None` if it is no object of fields, or has none of them.
fn without(message: &Message, text: &str, here: &str, captured: &[String]) -> Option<String> {
    if message.table().known != WellKnown::No || !captured.iter().any(|field| here.is_empty() || is_within(field, here))
    {
        return None;
    }
    let mut scanner = Scanner::new(text.as_bytes(), usize::MAX).ok()?;
    scanner.begin_object().ok()?;
    let (mut members, mut first) = (Vec::new(), true);
    while let Some(name) = scanner.member(&mut first).ok()? {
        let value = scanner.skip().ok()?;
        let field = message.field(&name)?;
        let inner = if here.is_empty() { field.name().to_owned() } else { format!("{here}.{}", field.name()) };
        if captured.contains(&inner) {
            continue;
        }
        let inside = field.message().filter(|_| !field.is_repeated());
        let value =
            inside.and_then(|inside| without(&inside, value, &inner, captured)).unwrap_or_else(|| value.to_owned());
        let mut member = Vec::new();
        json::put_string(&mut member, &name);
        members.push(format!("{}:{value}", String::from_utf8_lossy(&member)));
    }
    Some(format!("{{{}}}", members.join(",")))
}

/// What the path has to say for a field.
fn captured_text(field: &FieldPath, leaves: &[Leaf]) -> Result<String, FieldUnsayable> {
    let name = field.to_string();
    if let Some(leaf) = leaves.iter().find(|leaf| leaf.name == name) {
        let (_, text) = leaf.text.clone().map_err(FieldUnsayable::NoText)?;
        return Ok(text);
    }
    let table = field.leaf().table();
    match table.kind {
        // Its default is as good as none.
        _ if table.shape != Shape::Implicit => Err(FieldUnsayable::Unset),
        Kind::String | Kind::Bytes => Ok(String::new()),
        Kind::Bool => Ok("false".to_owned()),
        _ => Ok("0".to_owned()),
    }
}

/// The segments that capture `text`, encoded.
fn filled(pattern: &[Segment], text: &str, variable: &Variable) -> Result<Vec<String>, FieldUnsayable> {
    if text.contains('\0') {
        return Err(FieldUnsayable::Nul);
    }
    let is_one = matches!(pattern, [Segment::Single]);
    let parts: Vec<&str> = match text {
        "" => Vec::new(),
        _ if is_one => vec![text],
        _ => text.split('/').collect(),
    };
    let fits = || FieldUnsayable::Pattern { pattern: written(pattern) };
    let open = pattern.iter().position(|segment| *segment == Segment::Multi);
    let fixed = pattern.len() - usize::from(open.is_some());
    if parts.is_empty() && fixed > 0 {
        return Err(FieldUnsayable::Empty);
    }
    // What `**` takes; the pattern behind it moves along.
    let taken = parts.len().checked_sub(fixed).filter(|taken| open.is_some() || *taken == 0).ok_or_else(fits)?;
    let wanted = |index: usize| match open {
        Some(open) if index >= open + taken => &pattern[index + 1 - taken],
        Some(open) if index >= open => &pattern[open],
        _ => &pattern[index],
    };
    let segment = |(index, part): (usize, &&str)| match wanted(index) {
        Segment::Literal(literal) if text::decode(literal, Keep::Slash).as_deref() == Ok(*part) => Ok(literal.clone()),
        Segment::Literal(_) => Err(fits()),
        Segment::Single | Segment::Multi => match *part {
            "" => Err(FieldUnsayable::Empty),
            "." | ".." => Err(FieldUnsayable::Dots),
            part => Ok(encoded(part, variable.keeps_slash)),
        },
    };
    parts.iter().enumerate().map(segment).collect()
}

fn encoded(part: &str, keeps_slash: bool) -> String {
    let encoded = utf8_percent_encode(part, &SEGMENT).to_string();
    // http.proto: in a variable of several segments `%2F` is what the text itself has.
    if keeps_slash { encoded.replace("%252F", "%2F").replace("%252f", "%2f") } else { encoded }
}

fn written(pattern: &[Segment]) -> String {
    let text = |segment: &Segment| match segment {
        Segment::Literal(text) => text.clone(),
        Segment::Single => "*".to_owned(),
        Segment::Multi => "**".to_owned(),
    };
    pattern.iter().map(text).collect::<Vec<_>>().join("/")
}
