//! Converts the path template of a rule to an OpenAPI path, in which a variable is one segment.

use crate::format::template::{Segment, Template, Variable};
use crate::schema::{FieldPath, Message};

/// A path, and the fields of its variable segments.
pub(super) struct Path {
    /// Literals unchanged, each variable segment as `{}`. OpenAPI treats paths with the same shape as one path.
    pub(super) shape: String,
    pub(super) parts: Vec<Part>,
}

/// A variable segment of a path.
#[derive(Clone)]
pub(super) struct Part {
    /// The name of the variable, if no other route shares the path.
    pub(super) name: String,
    /// The field that the segment fills; `None` if it is not bound.
    pub(super) field: Option<FieldPath>,
    /// Whether the segment is the field's whole value.
    pub(super) is_whole: bool,
    /// Whether the segment is `**`, which matches any number of segments.
    pub(super) is_open: bool,
}

impl Path {
    /// Converts a parsed template.
    pub(super) fn of(template: &Template, input: &Message) -> Self {
        let mut path = Self { shape: String::new(), parts: Vec::new() };
        for (index, segment) in template.segments.iter().enumerate() {
            path.shape.push('/');
            match segment {
                Segment::Literal(text) => path.shape.push_str(text),
                Segment::Single | Segment::Multi => {
                    path.shape.push_str("{}");
                    let variable = template.variables.iter().find(|variable| variable.segments.contains(&index));
                    let part = path.part(template, (index, variable), input);
                    path.parts.push(part);
                }
            }
        }
        if path.shape.is_empty() {
            path.shape.push('/');
        }
        if let Some(verb) = &template.verb {
            path.shape.push(':');
            path.shape.push_str(verb);
        }
        path
    }

    fn part(&self, template: &Template, (index, variable): (usize, Option<&Variable>), input: &Message) -> Part {
        let is_open = template.segments[index] == Segment::Multi;
        let Some(variable) = variable else {
            let name = format!("segment_{}", self.parts.len() + 1);
            return Part { name, field: None, is_whole: false, is_open };
        };
        let is_variable = |at: &usize| !matches!(template.segments[*at], Segment::Literal(_));
        let (before, all) = (
            (variable.segments.start..index).filter(is_variable).count(),
            variable.segments.clone().filter(is_variable).count(),
        );
        let name = if all == 1 { variable.field.clone() } else { format!("{}_{}", variable.field, before + 1) };
        let field = FieldPath::resolve_exactly(input, &variable.field).ok();
        Part { name, field, is_whole: variable.segments.len() == 1, is_open }
    }

    /// The path with these names of its variables.
    pub(super) fn named(&self, names: &[String]) -> String {
        let mut pieces = self.shape.split("{}");
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for (piece, name) in pieces.zip(names) {
            text.push_str(&format!("{{{name}}}{piece}"));
        }
        text
    }
}
