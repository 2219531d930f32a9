//! Parses path templates of `google.api.http` into [`Template`].
//!
//! The grammar is "Path template syntax" in http.proto, followed by the query part that the bank API uses:
//!
//! ```text
//! Template  = "/" [ Segments [ ":" LITERAL ] ] [ "?" QueryKey { "&" QueryKey } ] ;
//! Segments  = Segment { "/" Segment } ;
//! Segment   = "*" | "**" | LITERAL | "{" FieldPath [ "=" Segments ] "}" ;
//! FieldPath = IDENT { "." IDENT } ;
//! QueryKey  = KEY "=" "{" FieldPath "}" ;
//! ```
//!
//! http.proto has no template `/`; here it is the root, as in other gateways. http.proto wants `**` last; here segments
//! may follow it. Only one `**` is allowed, so what it captures is never ambiguous.
//!
//! A `Template` is valid by construction. Knows nothing of HTTP or protobuf: a variable is a dotted name until
//! `route::binding` resolves it.

use std::fmt;
use std::ops::Range;

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The segments that a path must match; at most one is `**`.
    pub segments: Vec<Segment>,
    /// The fields filled from segments, in the order of the text.
    pub variables: Vec<Variable>,
    /// The custom verb after `:`, without the colon.
    pub verb: Option<String>,
    /// The query parameters declared after `?`.
    pub query: Vec<QueryKey>,
}

/// One segment of the template, compared with the raw (still percent-encoded) segment of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Exactly this text.
    Literal(String),
    /// `*`: one segment, not empty.
    Single,
    /// `**`: any number of segments, none of them empty.
    Multi,
}

/// A field filled from the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Dotted field path as written.
    pub field: String,
    /// Position of the field path in the template, in characters from 1.
    pub column: usize,
    /// Indices of the segments that the variable captures.
    pub segments: Range<usize>,
    /// http.proto: "a variable that matches multiple segments" keeps `%2F` as it came.
    pub keeps_slash: bool,
}

/// A query parameter declared by the template, bound to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryKey {
    /// The decoded key of the query parameter.
    pub key: String,
    /// Dotted field path as written.
    pub field: String,
    /// Position of the field path in the template, in characters from 1.
    pub column: usize,
}

/// Why a path template is rejected. Columns count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The text does not fit the grammar.
    #[error("column {column}: expected {expected}, found {found}")]
    Unexpected { column: usize, expected: &'static str, found: Found },
    #[error("column {column}: a template can have only one `**`")]
    SecondWildcard { column: usize },
    /// A literal `.` or `..`.
    #[error("column {column}: a path never contains the segment `{segment}` (RFC 3986, section 6.2.2.3)")]
    Dots { column: usize, segment: String },
    #[error("column {column}: a variable cannot contain another variable")]
    Nested { column: usize },
    /// A field is bound twice, in the path or the query.
    #[error("column {column}: `{field}` is bound twice")]
    Twice { column: usize, field: String },
}

/// What was found instead of what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Char(char),
    /// The end of the template.
    End,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Char(c) => write!(f, "`{c}`"),
            Self::End => f.write_str("the end"),
        }
    }
}

impl Template {
    /// Parses `text`.
    ///
    /// # Errors
    /// The first place where `text` does not follow the grammar.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parser = Parser { chars: text.chars().collect(), at: 0, template: Self::empty() };
        parser.expect('/', "`/`")?;
        if !matches!(parser.peek(), None | Some('?')) {
            parser.segments(false)?;
            if parser.eat(':') {
                parser.template.verb = Some(parser.literal("a verb")?);
            }
        }
        if parser.eat('?') {
            parser.query()?;
        }
        match parser.peek() {
            None => Ok(parser.template),
            Some(_) => Err(parser.unexpected("`/`, `:`, `?` or the end")),
        }
    }

    /// The index of the `**` segment, if there is one.
    #[must_use]
    pub fn wildcard(&self) -> Option<usize> {
        self.segments.iter().position(|segment| *segment == Segment::Multi)
    }

    fn empty() -> Self {
        Self { segments: Vec::new(), variables: Vec::new(), verb: None, query: Vec::new() }
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    template: Template,
}

impl Parser {
    fn segments(&mut self, in_variable: bool) -> Result<(), TemplateError> {
        loop {
            self.segment(in_variable)?;
            if !self.eat('/') {
                return Ok(());
            }
        }
    }

    fn segment(&mut self, in_variable: bool) -> Result<(), TemplateError> {
        match self.peek() {
            Some('*') => {
                self.at += 1;
                let column = self.at;
                let segment = if self.eat('*') { Segment::Multi } else { Segment::Single };
                if segment == Segment::Multi && self.template.wildcard().is_some() {
                    return Err(TemplateError::SecondWildcard { column });
                }
                self.template.segments.push(segment);
                Ok(())
            }
            Some('{') if in_variable => Err(TemplateError::Nested { column: self.at + 1 }),
            Some('{') => self.variable(),
            _ => {
                let column = self.at + 1;
                let literal = self.literal("a segment")?;
                if is_dot_segment(&literal) {
                    return Err(TemplateError::Dots { column, segment: literal });
                }
                self.template.segments.push(Segment::Literal(literal));
                Ok(())
            }
        }
    }

    fn variable(&mut self) -> Result<(), TemplateError> {
        self.expect('{', "`{`")?;
        let column = self.at + 1;
        let field = self.new_field()?;
        let start = self.template.segments.len();
        if self.eat('=') {
            self.segments(true)?;
        } else {
            self.template.segments.push(Segment::Single);
        }
        self.expect('}', "`}`")?;
        let captured = &self.template.segments[start..];
        let keeps_slash = captured.len() > 1 || captured.contains(&Segment::Multi);
        let segments = start..self.template.segments.len();
        self.template.variables.push(Variable { field, column, segments, keeps_slash });
        Ok(())
    }

    fn query(&mut self) -> Result<(), TemplateError> {
        loop {
            let column = self.at + 1;
            let key = self.take(|c| is_literal(c) && c != '&' && c != '=', "a query key")?;
            if self.template.query.iter().any(|known| known.key == key) {
                return Err(TemplateError::Twice { column, field: key });
            }
            self.expect('=', "`=`")?;
            self.expect('{', "`{`")?;
            let column = self.at + 1;
            let field = self.new_field()?;
            self.expect('}', "`}`")?;
            self.template.query.push(QueryKey { key, field, column });
            if !self.eat('&') {
                return Ok(());
            }
        }
    }

    fn new_field(&mut self) -> Result<String, TemplateError> {
        let column = self.at + 1;
        let mut field = self.identifier()?;
        while self.eat('.') {
            field.push('.');
            field.push_str(&self.identifier()?);
        }
        let in_path = self.template.variables.iter().any(|variable| variable.field == field);
        if in_path || self.template.query.iter().any(|known| known.field == field) {
            return Err(TemplateError::Twice { column, field });
        }
        Ok(field)
    }

    fn identifier(&mut self) -> Result<String, TemplateError> {
        if self.peek().is_some_and(|c| c.is_ascii_digit()) {
            return Err(self.unexpected("a field name"));
        }
        self.take(|c| c.is_ascii_alphanumeric() || c == '_', "a field name")
    }

    fn literal(&mut self, expected: &'static str) -> Result<String, TemplateError> {
        self.take(is_literal, expected)
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool, expected: &'static str) -> Result<String, TemplateError> {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
        if start == self.at { Err(self.unexpected(expected)) } else { Ok(self.chars[start..self.at].iter().collect()) }
    }

    fn expect(&mut self, wanted: char, expected: &'static str) -> Result<(), TemplateError> {
        if self.eat(wanted) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn eat(&mut self, wanted: char) -> bool {
        let here = self.peek() == Some(wanted);
        self.at += usize::from(here);
        here
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn unexpected(&self, expected: &'static str) -> TemplateError {
        let found = self.peek().map_or(Found::End, Found::Char);
        TemplateError::Unexpected { column: self.at + 1, expected, found }
    }
}

/// Whether a segment is `.` or `..`, percent-encoded or not. Proxies remove such segments from a path in different
/// ways, so none is ever matched.
#[must_use]
pub fn is_dot_segment(segment: &str) -> bool {
    let (mut rest, mut dots) = (segment, 0);
    while dots < 3 {
        let plain = rest.strip_prefix('.');
        let escaped = || rest.strip_prefix("%2e").or_else(|| rest.strip_prefix("%2E"));
        let Some(after) = plain.or_else(escaped) else { break };
        (rest, dots) = (after, dots + 1);
    }
    rest.is_empty() && (dots == 1 || dots == 2)
}

/// Whether `c` is an RFC 3986 `pchar` other than `:` and `*`, which have a meaning in templates.
fn is_literal(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~%!$&'()+,;=@".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_template_is_reported_with_its_column() {
        for (template, message) in [
            ("", "column 1: expected `/`, found the end"),
            ("v1/orders", "column 1: expected `/`, found `v`"),
            ("/:list", "column 2: expected a segment, found `:`"),
            ("//", "column 2: expected a segment, found `/`"),
            ("/v1/", "column 5: expected a segment, found the end"),
            ("/v1//orders", "column 5: expected a segment, found `/`"),
            ("/v1/{name", "column 10: expected `}`, found the end"),
            ("/v1/{name=orders/*:cancel", "column 19: expected `}`, found `:`"),
            ("/v1/{}", "column 6: expected a field name, found `}`"),
            ("/v1/{1a}", "column 6: expected a field name, found `1`"),
            ("/v1/{a.}", "column 8: expected a field name, found `}`"),
            ("/v1/{a={b}}", "column 8: a variable cannot contain another variable"),
            ("/v1/**/**", "column 8: a template can have only one `**`"),
            ("/v1/{a=**}/x/{b=y/**}", "column 19: a template can have only one `**`"),
            ("/v1/../a", "column 5: a path never contains the segment `..` (RFC 3986, section 6.2.2.3)"),
            ("/v1/{a=%2E/*}", "column 8: a path never contains the segment `%2E` (RFC 3986, section 6.2.2.3)"),
            ("/v1/{a}/{a}", "column 10: `a` is bound twice"),
            ("/v1/{a}?b={a}", "column 12: `a` is bound twice"),
            ("/v1?b={a}&b={c}", "column 11: `b` is bound twice"),
            ("/v1:", "column 5: expected a verb, found the end"),
            ("/v1?", "column 5: expected a query key, found the end"),
            ("/v1?a", "column 6: expected `=`, found the end"),
            ("/v1?a=b", "column 7: expected `{`, found `b`"),
            ("/v1?a={b}&", "column 11: expected a query key, found the end"),
            ("/v1 orders", "column 4: expected `/`, `:`, `?` or the end, found ` `"),
        ] {
            assert_eq!(Template::parse(template).unwrap_err().to_string(), message, "{template}");
        }
    }

    #[test]
    fn a_template_is_parsed_into_segments_variables_verb_and_query_keys() {
        let template = Template::parse("/v1/{order.name=orders/*}/items/{item}:cancel?as={why}&a.b={a.b}").unwrap();
        assert_eq!(
            template.segments,
            [literal("v1"), literal("orders"), Segment::Single, literal("items"), Segment::Single]
        );
        let variables: Vec<_> =
            template.variables.iter().map(|v| (v.field.as_str(), v.segments.clone(), v.keeps_slash)).collect();
        assert_eq!(variables, [("order.name", 1..3, true), ("item", 4..5, false)]);
        assert_eq!(template.verb.as_deref(), Some("cancel"));
        let keys: Vec<_> = template.query.iter().map(|q| (q.key.as_str(), q.field.as_str())).collect();
        assert_eq!(keys, [("as", "why"), ("a.b", "a.b")]);
    }

    #[test]
    fn a_single_slash_is_the_root_template() {
        for (template, keys) in [("/", 0), ("/?id={id}", 1)] {
            let root = Template::parse(template).unwrap();
            assert_eq!((root.segments.as_slice(), root.query.len(), root.verb), (&[][..], keys, None), "{template}");
        }
    }

    #[test]
    fn a_double_wildcard_may_be_anywhere_in_a_template() {
        for (template, segments, wildcard) in [
            ("/v1/**", vec![literal("v1"), Segment::Multi], 1),
            ("/v1/{rest=a/**}:read", vec![literal("v1"), literal("a"), Segment::Multi], 2),
            ("/**/x/*", vec![Segment::Multi, literal("x"), Segment::Single], 0),
            ("/{a=**/b}/{c}", vec![Segment::Multi, literal("b"), Segment::Single], 0),
        ] {
            let parsed = Template::parse(template).unwrap();
            assert_eq!((&parsed.segments, parsed.wildcard()), (&segments, Some(wildcard)), "{template}");
            assert!(parsed.variables.first().is_none_or(|variable| variable.keeps_slash), "{template}");
        }
    }

    #[test]
    fn variables_and_query_keys_keep_their_column() {
        let template = Template::parse("/v1/{order.name=orders/*}/{item}:cancel?as={why}").unwrap();
        let columns: Vec<_> = template.variables.iter().map(|variable| variable.column).collect();
        assert_eq!((columns, template.query[0].column), (vec![6, 28], 45));
    }

    #[test]
    fn dot_segments_are_recognised_in_every_percent_encoding() {
        for segment in [".", "..", "%2e", "%2E.", ".%2e", "%2e%2E"] {
            assert!(is_dot_segment(segment), "{segment}");
        }
        for segment in ["", "...", ".a", "a.", "%2e%2e%2e", "%2f", "%252e", "..:x"] {
            assert!(!is_dot_segment(segment), "{segment}");
        }
    }

    fn literal(text: &str) -> Segment {
        Segment::Literal(text.to_owned())
    }
}
