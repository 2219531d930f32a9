//! The trie of path segments: literal first, then `*`, then `**`; verb and method at the leaf.

use std::collections::HashMap;
use std::ops::Range;

use http::Method;

use super::{Miss, Route};
use crate::template::{Segment, Template, Variable};

#[derive(Debug)]
pub(super) struct Trie {
    /// The root is the first.
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, usize>,
    single: Option<usize>,
    multi: Option<usize>,
    /// What ends here.
    leaves: Vec<Leaf>,
}

#[derive(Debug)]
struct Leaf {
    verb: Option<String>,
    /// `*` for any.
    method: String,
    routes: Vec<usize>,
}

/// The routes that share the method and path of a request.
#[derive(Debug)]
pub(super) struct Hit<'a> {
    /// Their indices, at least one.
    pub(super) routes: &'a [usize],
    path: &'a str,
    segments: Vec<Range<usize>>,
}

impl<'a> Hit<'a> {
    /// The raw text that a variable captures.
    pub(super) fn capture(&self, variable: &Variable) -> &'a str {
        let end = if variable.open_ended { self.segments.len() } else { variable.segments.end };
        let (first, last) = (&self.segments[variable.segments.start], &self.segments[end - 1]);
        &self.path[first.start..last.end]
    }
}

impl Trie {
    /// Routes are known by their index from here on.
    pub(super) fn new<'a>(routes: impl Iterator<Item = (&'a Route, &'a Template)>) -> Self {
        let mut trie = Self { nodes: vec![Node::default()] };
        for (index, (route, template)) in routes.enumerate() {
            let node = template.segments.iter().fold(0, |node, segment| trie.child(node, segment));
            let leaves = &mut trie.nodes[node].leaves;
            match leaves.iter_mut().find(|leaf| leaf.verb == template.verb && leaf.method == route.method) {
                Some(leaf) => leaf.routes.push(index),
                None => {
                    leaves.push(Leaf { verb: template.verb.clone(), method: route.method.clone(), routes: vec![index] })
                }
            }
        }
        trie
    }

    /// The routes that share method and path, group by group.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[usize]> {
        self.nodes.iter().flat_map(|node| &node.leaves).map(|leaf| leaf.routes.as_slice())
    }

    pub(super) fn find<'a>(&'a self, method: &Method, path: &'a str) -> Result<Hit<'a>, Miss> {
        let mut search = Search { trie: self, method, path, verb: None, allowed: Vec::new() };
        let Some(mut segments) = split(path) else { return Err(Miss::Path) };
        if let Some((verb, without)) = split_verb(path, &segments) {
            search.verb = Some(verb);
            let whole = std::mem::replace(&mut segments, without);
            if let Some(routes) = search.below(0, &segments) {
                return Ok(Hit { routes, path, segments });
            }
            search.verb = None;
            segments = whole;
        }
        match search.below(0, &segments) {
            Some(routes) => Ok(Hit { routes, path, segments }),
            None if search.allowed.is_empty() => Err(Miss::Path),
            None => {
                search.allowed.sort_unstable();
                search.allowed.dedup();
                Err(Miss::Method { allowed: search.allowed })
            }
        }
    }

    fn child(&mut self, node: usize, segment: &Segment) -> usize {
        let new = self.nodes.len();
        let parent = &mut self.nodes[node];
        let child = match segment {
            Segment::Literal(text) => *parent.literals.entry(text.clone()).or_insert(new),
            Segment::Single => *parent.single.get_or_insert(new),
            Segment::Multi => *parent.multi.get_or_insert(new),
        };
        if child == new {
            self.nodes.push(Node::default());
        }
        child
    }
}

struct Search<'a, 'm> {
    trie: &'a Trie,
    method: &'m Method,
    path: &'a str,
    verb: Option<&'a str>,
    /// The methods of leaves that had the path but not the method.
    allowed: Vec<String>,
}

impl<'a> Search<'a, '_> {
    /// A template that has the method is looked for before one that fits the path better.
    fn below(&mut self, node: usize, segments: &[Range<usize>]) -> Option<&'a [usize]> {
        let node = &self.trie.nodes[node];
        let Some((first, rest)) = segments.split_first() else { return self.leaf(node) };
        let text = &self.path[first.clone()];
        let literal = node.literals.get(text).and_then(|&child| self.below(child, rest));
        let found = literal.or_else(|| {
            // RFC 3986 allows empty segments; a variable cannot be empty, or `/a/` and `/a/{b}` would be one.
            let child = node.single.filter(|_| !text.is_empty())?;
            self.below(child, rest)
        });
        found.or_else(|| {
            let child = node.multi.filter(|_| segments.iter().all(|segment| !segment.is_empty()))?;
            self.leaf(&self.trie.nodes[child])
        })
    }

    fn leaf(&mut self, node: &'a Node) -> Option<&'a [usize]> {
        let with_verb = || node.leaves.iter().filter(|leaf| leaf.verb.as_deref() == self.verb);
        let exact = with_verb().find(|leaf| leaf.method == self.method.as_str());
        match exact.or_else(|| with_verb().find(|leaf| leaf.method == "*")) {
            Some(leaf) => Some(&leaf.routes),
            None => {
                self.allowed.extend(with_verb().map(|leaf| leaf.method.clone()));
                None
            }
        }
    }
}

/// The segments of an absolute path, as ranges in it.
fn split(path: &str) -> Option<Vec<Range<usize>>> {
    let mut start = 1;
    let rest = path.strip_prefix('/')?;
    let segments = rest.split('/').map(|segment| {
        let range = start..start + segment.len();
        start = range.end + 1;
        range
    });
    Some(segments.collect())
}

/// The verb after the last `:` of the last segment, and the segments without it.
fn split_verb<'a>(path: &'a str, segments: &[Range<usize>]) -> Option<(&'a str, Vec<Range<usize>>)> {
    let last = segments.last()?;
    let colon = last.start + path[last.clone()].rfind(':')?;
    let mut without = segments.to_vec();
    without.last_mut()?.end = colon;
    Some((&path[colon + 1..], without))
}
