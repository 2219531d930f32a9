//! Parses strict JSON into a tree, for the parts of a token and for key sets: RFC 8259, no duplicate members, bounded
//! depth.

use std::collections::HashSet;

use crate::format::json::{JsonError, JsonKind, JsonProblem, Scanner, put_string};

/// How many levels deep the JSON may be nested.
const DEPTH: usize = 16;

/// A JSON value. Numbers keep the text in which they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Box<str>),
    Text(Box<str>),
    Array(Vec<Self>),
    Object(Object),
}

/// The members of an object, in order. No name occurs twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object(Vec<Member>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    name: Box<str>,
    value: Json,
}

impl Object {
    /// Parses a text that is one object.
    ///
    /// # Errors
    /// The text is another value, or not strict JSON.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        let mut scanner = Scanner::new(text, DEPTH)?;
        scanner.peek()?;
        let object = object(&mut scanner)?;
        scanner.end()?;
        Ok(object)
    }

    /// The value of the member with this name, if there is one.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|member| &*member.name == name).map(|member| &member.value)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|member| &*member.name)
    }
}

impl Json {
    /// The text, if the value is a string.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The members, if the value is an object.
    #[must_use]
    pub fn object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// The elements, if the value is an array.
    #[must_use]
    pub fn array(&self) -> Option<&[Self]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }

    /// The strings of an array of strings; a single string counts as an array of one.
    #[must_use]
    pub fn texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::Text(text) => Some(vec![text]),
            Self::Array(elements) => elements.iter().map(Self::text).collect(),
            _ => None,
        }
    }

    /// A string as it is; a number, a boolean or `null` as JSON writes it; anything else as compact JSON.
    #[must_use]
    pub fn to_plain_text(&self) -> String {
        if let Self::Text(text) = self {
            return text.to_string();
        }
        let mut out = Vec::new();
        self.write(&mut out);
        String::from_utf8(out).expect("JSON that was read is text")
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Number(text) => out.extend_from_slice(text.as_bytes()),
            Self::Text(text) => put_string(out, text),
            Self::Array(elements) => {
                out.push(b'[');
                for (place, element) in elements.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    element.write(out);
                }
                out.push(b']');
            }
            Self::Object(object) => {
                out.push(b'{');
                for (place, member) in object.0.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    put_string(out, &member.name);
                    out.push(b':');
                    member.value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

fn object(scanner: &mut Scanner<'_>) -> Result<Object, JsonError> {
    let (mut first, mut names, mut members) = (true, HashSet::new(), Vec::new());
    scanner.begin_object()?;
    while let Some(name) = scanner.member(&mut first)? {
        if !names.insert(name.clone()) {
            return Err(JsonError { place: scanner.place(), problem: JsonProblem::twice(&name) });
        }
        members.push(Member { name: name.into(), value: value(scanner)? });
    }
    Ok(Object(members))
}

fn value(scanner: &mut Scanner<'_>) -> Result<Json, JsonError> {
    Ok(match scanner.peek()? {
        JsonKind::Object => Json::Object(object(scanner)?),
        JsonKind::Array => {
            let (mut first, mut elements) = (true, Vec::new());
            scanner.begin_array()?;
            while scanner.element(&mut first)? {
                elements.push(value(scanner)?);
            }
            Json::Array(elements)
        }
        JsonKind::String => Json::Text(scanner.string()?.into()),
        JsonKind::Number => Json::Number(scanner.number()?.into()),
        JsonKind::Bool => Json::Bool(scanner.boolean()?),
        JsonKind::Null => {
            scanner.null()?;
            Json::Null
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_or_invalid_json_is_refused() {
        let deep = format!("{}{}{}", "{\"a\":".repeat(17), "1", "}".repeat(17));
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":1}{}"#,
            r#"{"a":1,}"#,
            r#"{"a":01}"#,
            r#"{"a":"\ud800"}"#,
            "\u{feff}{}",
            "[]",
            "\"a\"",
            "",
            &deep,
        ] {
            assert!(Object::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Object::parse(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn a_value_is_converted_to_plain_text_or_compact_json() {
        let object = Object::parse(r#"{"t":"a \"b\"","n": 1.50, "b": true, "l":[ "a" , {"b" : null} ]}"#.as_bytes());
        let object = object.unwrap();
        let texts: Vec<_> = object.names().map(|name| object.member(name).unwrap().to_plain_text()).collect();
        assert_eq!(texts, [r#"a "b""#, "1.50", "true", r#"["a",{"b":null}]"#]);
    }
}
