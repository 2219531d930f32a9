//! Makes the path of a request from a message: the rule's template, filled with the values of the fields that it binds.

use percent_encoding::utf8_percent_encode;

use super::characters::SEGMENT;
use super::unfit::{MOST_VALUE, ReverseError, ReverseProblem};
use crate::codec::{self, FieldText};
use crate::format::template::{Segment, Template, Variable};
use crate::route::entry::Route;
use crate::route::text::{self, Keep};
use crate::schema::{Field, FieldPath};

impl Route {
    /// The path, with the values of its variables percent-encoded.
    pub(super) fn path_of(&self, wire: &[u8]) -> Result<String, ReverseError> {
        let template = Template::parse(&self.template).expect("a route has a template");
        let mut path = String::new();
        let mut index = 0;
        while index < template.segments.len() {
            let bound = self.variables.iter().zip(&self.captured);
            let bound = bound.into_iter().find(|(variable, _)| variable.segments.start == index);
            let Some((variable, field)) = bound else {
                match &template.segments[index] {
                    Segment::Literal(text) => path.extend(["/", text]),
                    // A wildcard without a variable: any text matches `*`, and `**` also matches no segment at all.
                    Segment::Single => path.push_str("/-"),
                    Segment::Multi => {}
                }
                index += 1;
                continue;
            };
            let pattern = &template.segments[variable.segments.clone()];
            let text = captured_text(field, wire)?;
            let segments = filled(pattern, &text, variable).map_err(|problem| problem.at(&field.to_string()))?;
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
}

/// The text of a path variable: the value of its field in the message.
fn captured_text(field: &FieldPath, wire: &[u8]) -> Result<String, ReverseError> {
    match codec::field_text(field, wire, MOST_VALUE).map_err(ReverseError::of_value)? {
        FieldText::Text(text) => Ok(text),
        FieldText::Unset => Err(ReverseProblem::Unset.at(&field.to_string())),
        FieldText::OuterUnset(length) => {
            let outer: Vec<&str> = field.fields()[..length].iter().map(Field::name).collect();
            Err(ReverseProblem::Added.at(&outer.join(".")))
        }
        FieldText::InForm(message) => Err(ReverseProblem::Form { message }.at(&field.to_string())),
    }
}

/// The percent-encoded segments that a variable captures as `text`.
fn filled(pattern: &[Segment], text: &str, variable: &Variable) -> Result<Vec<String>, ReverseProblem> {
    if text.contains('\0') {
        return Err(ReverseProblem::Nul);
    }
    let is_one = matches!(pattern, [Segment::Single]);
    let parts: Vec<&str> = match text {
        "" => Vec::new(),
        _ if is_one => vec![text],
        _ => text.split('/').collect(),
    };
    let fits = || ReverseProblem::Pattern { pattern: written(pattern) };
    let open = pattern.iter().position(|segment| *segment == Segment::Multi);
    let fixed = pattern.len() - usize::from(open.is_some());
    if parts.is_empty() && fixed > 0 {
        return Err(ReverseProblem::Empty);
    }
    // How many segments `**` takes; the segments of the pattern behind it shift by that.
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
            "" => Err(ReverseProblem::Empty),
            "." | ".." => Err(ReverseProblem::Dots),
            part => Ok(encoded(part, variable.keeps_slash)),
        },
    };
    parts.iter().enumerate().map(segment).collect()
}

fn encoded(part: &str, keeps_slash: bool) -> String {
    let encoded = utf8_percent_encode(part, &SEGMENT).to_string();
    // http.proto: a variable of several segments keeps `%2F` undecoded, so `%2F` in its text is written as it is.
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
