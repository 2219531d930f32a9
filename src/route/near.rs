//! Explains why a request does not reach the other rules: for `towbar explain`, not for live
//! requests.

use std::fmt;

use http::Method;

use super::entry::Route;
use super::found::Miss;
use super::query::Query;
use super::table::Routes;
use super::trie::{Trie, TrieRule};
use crate::format::template::{Segment, Template};

/// Why a rule does not match a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The path does not match.
    Path {
        /// How many segments match, from the first on.
        fitting: usize,
        /// What the template expects where the path first differs.
        expected: Difference,
    },
    /// The rule is for another method.
    Method,
    /// The request has this query key, which the rule's template does not declare and another's does.
    Key(String),
    /// No query key decides between the rules, and the rule whose reply is a list goes first.
    List,
    /// Another rule matches better.
    Better,
}

/// Where a path first differs from a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// At this segment of the path.
    Segment {
        /// The number of the segment, counted from 1.
        number: usize,
        /// The literal that the template has there; `None` if it takes anything that is not empty.
        literal: Option<String>,
    },
    /// In the number of segments.
    Length {
        /// The smallest number of segments that matches.
        least: usize,
        /// Whether more segments may follow, because the template has `**`.
        is_open: bool,
    },
    /// The template ends with this verb behind a colon, and the path does not.
    Verb(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { expected: Difference::Segment { number, literal: Some(literal) }, .. } => {
                write!(f, "segment {number} of the path is not `{literal}`")
            }
            Self::Path { expected: Difference::Segment { number, literal: None }, .. } => {
                write!(f, "segment {number} of the path is empty")
            }
            Self::Path { expected: Difference::Length { least, is_open }, .. } => {
                write!(f, "it has {least} segment{}", if *least == 1 { "" } else { "s" })?;
                f.write_str(if *is_open { " or more" } else { "" })
            }
            Self::Path { expected: Difference::Verb(verb), .. } => write!(f, "the path does not end with `:{verb}`"),
            Self::Method => f.write_str("it is for another method"),
            Self::Key(key) => write!(f, "its template does not declare the query key `{key}`"),
            Self::List => f.write_str("no query key asks for it, and the call whose reply is a list goes first"),
            Self::Better => {
                f.write_str("another rule fits better: a literal goes before `*`, `*` before `**`, a method before any")
            }
        }
    }
}

impl Routes {
    /// Every rule except `chosen`, and why it does not match; the nearest ones come first.
    #[must_use]
    pub fn others(&self, method: &Method, path: &str, query: &Query, chosen: Option<&Route>) -> Vec<(&Route, Why)> {
        let template = |route: &Route| Template::parse(&route.template).expect("a route has a template");
        let shape = |route: &Route| Template { variables: Vec::new(), query: Vec::new(), ..template(route) };
        let is_chosen = |route: &Route| chosen.is_some_and(|chosen| std::ptr::eq(chosen, route));
        let mut others: Vec<(&Route, Why)> = Vec::new();
        for route in self.routes.iter().filter(|route| !is_chosen(route)) {
            let template = template(route);
            let alone = Trie::of(std::iter::once(TrieRule { index: 0, method: &route.method, template: &template }));
            let why = match alone.find(method, path).map(drop) {
                Ok(()) => match chosen {
                    Some(chosen) if chosen.method != route.method || shape(chosen) != shape(route) => Why::Better,
                    _ => self.apart(route, query),
                },
                Err(Miss::Method { .. }) => Why::Method,
                Err(_) => difference(&template, path),
            };
            others.push((route, why));
        }
        let distance = |why: &Why| match why {
            Why::Path { fitting, .. } => usize::MAX - fitting,
            Why::Method => 1,
            Why::Key(_) | Why::List | Why::Better => 0,
        };
        others.sort_by_key(|(_, why)| distance(why));
        others
    }

    /// Why `query` does not choose this rule among those that share method and path.
    fn apart(&self, route: &Route, query: &Query) -> Why {
        let declares = |route: &Route, key: &str| route.resolve_key(key).is_some_and(|path| route.declares(&path));
        let key = query
            .pairs()
            .filter(|(_, value)| !value.is_empty())
            .find(|(key, _)| route.is_others(key) && !declares(route, key));
        key.map_or(Why::List, |(key, _)| Why::Key(key.to_owned()))
    }
}

/// Where a path first differs from a template that does not match it.
fn difference(template: &Template, path: &str) -> Why {
    let verb =
        template.verb.as_deref().map(|verb| (verb, path.strip_suffix(verb).and_then(|path| path.strip_suffix(':'))));
    let path = verb.and_then(|(_, path)| path).unwrap_or(path).trim_start_matches('/');
    let segments: Vec<&str> = path.split('/').filter(|_| !path.is_empty()).collect();
    let (count, open) = (template.segments.len(), template.wildcard());
    // How many segments stand before `**`, and how many behind it.
    let before = open.unwrap_or(count);
    let behind = open.map_or(0, |open| count - open - 1);
    let fits = |wanted: &Segment, text: &str, is_last: bool| match wanted {
        Segment::Literal(literal) => {
            // A path that lacks the verb of the template may end with another verb.
            let bare = text.rsplit_once(':').filter(|_| is_last && verb.is_some()).map_or(text, |(bare, _)| bare);
            literal == text || literal == bare
        }
        Segment::Single | Segment::Multi => !text.is_empty(),
    };
    let wanted = |index: usize| match open {
        Some(_) if index + behind >= segments.len() => &template.segments[count + index - segments.len()],
        Some(open) if index >= open => &Segment::Multi,
        _ => &template.segments[index],
    };
    let last = segments.len().saturating_sub(1);
    let fitting = segments.iter().zip(&template.segments).take(before);
    let fitting = fitting.enumerate().take_while(|(index, (text, wanted))| fits(wanted, text, *index == last)).count();
    let at = |index: usize, wanted: &Segment| {
        let literal = if let Segment::Literal(literal) = wanted { Some(literal.clone()) } else { None };
        Difference::Segment { number: index + 1, literal }
    };
    let is_short = segments.len() < before + behind;
    let expected = if fitting < before && fitting < segments.len() {
        at(fitting, &template.segments[fitting])
    } else if is_short || open.is_none() && segments.len() > count {
        Difference::Length { least: before + behind, is_open: open.is_some() }
    } else {
        let rest = segments.iter().enumerate().skip(before);
        let wrong = rest.into_iter().find(|(index, text)| !fits(wanted(*index), text, *index == last));
        match (wrong, verb) {
            (Some((index, _)), _) => at(index, wanted(index)),
            (None, verb) => Difference::Verb(verb.map_or("", |(verb, _)| verb).to_owned()),
        }
    };
    Why::Path { fitting, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_between_a_path_and_a_template_is_described() {
        for (template, path, fitting, expected) in [
            ("/a/{b}/c", "/a/x/d", 2, "segment 3 of the path is not `c`"),
            ("/a/{b}/c", "/x/y/c", 0, "segment 1 of the path is not `a`"),
            ("/a/{b}/c", "/a//c", 1, "segment 2 of the path is empty"),
            ("/a/{b}/c", "/a/x", 2, "it has 3 segments"),
            ("/a/{b}/c", "/a/x/c/d", 3, "it has 3 segments"),
            ("/a", "/", 0, "it has 1 segment"),
            ("/a:v", "/a", 1, "the path does not end with `:v`"),
            ("/a:v", "/a:w", 1, "the path does not end with `:v`"),
            ("/a/{b}:v", "/a/x:w", 2, "the path does not end with `:v`"),
            ("/a/{b}:v", "/c/x:v", 0, "segment 1 of the path is not `a`"),
            ("/a", "/a:w", 0, "segment 1 of the path is not `a`"),
            ("/a/{b=**}/c", "/a/x/d", 1, "segment 3 of the path is not `c`"),
            ("/a/{b=**}/c", "/a", 1, "it has 2 segments or more"),
            ("/a/{b=**}/c", "/a/x//c", 1, "segment 3 of the path is empty"),
            ("/a/{b=**}/c/*", "/a/x/y/c/", 1, "segment 5 of the path is empty"),
        ] {
            let why = difference(&Template::parse(template).unwrap(), path);
            assert_eq!(why.to_string(), expected, "{template} {path}");
            assert!(matches!(why, Why::Path { fitting: found, .. } if found == fitting), "{template} {path}: {why:?}");
        }
    }
}
