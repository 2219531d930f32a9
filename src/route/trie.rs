//! The trie of path segments: tries a literal first, then `*`, then `**`. Verb and method are compared at the leaf.

use std::ops::Range;

use http::Method;
use memchr::{memchr, memrchr};

use super::entry::Route;
use super::found::Miss;
use crate::format::names::Names;
use crate::format::quote;
use crate::format::suggestion::nearest;
use crate::format::template::{Segment, Template, Variable, is_dot_segment};

#[derive(Debug)]
pub(super) struct Trie {
    /// The first node is the root.
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    literals: Names<usize>,
    single: Option<usize>,
    multi: Option<usize>,
    /// The rules whose path ends at this node.
    leaves: Vec<Leaf>,
}

#[derive(Debug)]
struct Leaf {
    verb: Option<String>,
    /// The HTTP method; `*` stands for any.
    method: String,
    routes: Vec<usize>,
}

impl Leaf {
    /// Whether it serves requests with this method.
    fn takes(&self, method: &Method) -> bool {
        self.method == "*" || self.method == method.as_str() || (method == Method::HEAD && self.method == "GET")
    }
}

/// The routes that share the method and path of a request.
#[derive(Debug)]
pub(super) struct Hit<'a> {
    /// The indices of the routes, at least one.
    pub(super) routes: &'a [usize],
    path: &'a str,
    segments: Vec<Range<usize>>,
}

impl<'a> Hit<'a> {
    /// The raw text that a variable of the route captures.
    pub(super) fn capture(&self, route: &Route, variable: &Variable) -> &'a str {
        // `**` matches any number of segments, so the segments behind it shift.
        let place = |index: usize| match route.wildcard {
            Some(wildcard) if wildcard < index => index + self.segments.len() - route.length,
            _ => index,
        };
        let captured = &self.segments[place(variable.segments.start)..place(variable.segments.end)];
        match (captured.first(), captured.last()) {
            (Some(first), Some(last)) => &self.path[first.start..last.end],
            _ => "",
        }
    }
}

/// A rule as the trie stores it.
pub(super) struct TrieRule<'a> {
    /// The index of its route.
    pub(super) index: usize,
    /// The HTTP method; `*` stands for any.
    pub(super) method: &'a str,
    pub(super) template: &'a Template,
}

impl Trie {
    pub(super) fn of<'a>(rules: impl Iterator<Item = TrieRule<'a>>) -> Self {
        let mut trie = Self { nodes: vec![Node::default()] };
        for TrieRule { index, method, template } in rules {
            let node = template.segments.iter().fold(0, |node, segment| trie.child(node, segment));
            let leaves = &mut trie.nodes[node].leaves;
            match leaves.iter_mut().find(|leaf| leaf.verb == template.verb && leaf.method == method) {
                Some(leaf) => leaf.routes.push(index),
                None => {
                    let (verb, method) = (template.verb.clone(), method.to_owned());
                    leaves.push(Leaf { verb, method, routes: vec![index] });
                }
            }
        }
        // Most nodes have one leaf. The capacity for four that `Vec` allocates would make up most of the trie.
        trie.nodes.iter_mut().for_each(|node| node.leaves.shrink_to_fit());
        trie
    }

    /// The groups of routes that share method and path.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[usize]> {
        self.nodes.iter().flat_map(|node| &node.leaves).map(|leaf| leaf.routes.as_slice())
    }

    pub(super) fn find<'a>(&'a self, method: &Method, path: &'a str) -> Result<Hit<'a>, Miss> {
        let mut search = Search { trie: self, method, path, verb: None, allowed: Vec::new() };
        if method == Method::OPTIONS && path == "*" {
            // RFC 9110, section 9.3.7: the server as a whole.
            search.allowed.extend(self.nodes.iter().flat_map(|node| &node.leaves).map(|leaf| leaf.method.as_str()));
            return Err(search.miss());
        }
        let mut segments = split(path)?;
        if let Some(colon) = colon(path, &segments) {
            let end = std::mem::replace(&mut segments.last_mut().expect("it has a colon").end, colon);
            search.verb = Some(&path[colon + 1..end]);
            if let Some(routes) = search.below(0, &segments) {
                let last = segments.last().expect("it had a colon").clone();
                return if is_dot_segment(&path[last]) { Err(Miss::Dots) } else { Ok(Hit { routes, path, segments }) };
            }
            search.verb = None;
            segments.last_mut().expect("it has a colon").end = end;
        }
        match search.below(0, &segments) {
            Some(routes) => Ok(Hit { routes, path, segments }),
            None if search.allowed.is_empty() => Err(Miss::Path { near: search.near(&segments) }),
            None => Err(search.miss()),
        }
    }

    /// Whether a template matches this path, for any method.
    pub(super) fn has_path(&self, path: &str) -> bool {
        !matches!(self.find(&Method::POST, path), Err(Miss::Path { .. }))
    }

    fn child(&mut self, node: usize, segment: &Segment) -> usize {
        let new = self.nodes.len();
        let parent = &mut self.nodes[node];
        let child = match segment {
            Segment::Literal(text) => *parent.literals.entry(text.as_str().into()).or_insert(new),
            Segment::Single => *parent.single.get_or_insert(new),
            Segment::Multi => *parent.multi.get_or_insert(new),
        };
        if child == new {
            self.nodes.push(Node::default());
        }
        child
    }
}

/// How many segments of a path a suggestion may correct. Each costs a comparison with the literals of one node.
const CORRECTIONS: usize = 2;

/// A node below another one, as a suggestion reaches it.
struct Below<'a> {
    /// The segment that leads to it.
    name: &'a str,
    child: usize,
    /// How many more segments may be corrected.
    left: usize,
}

struct Search<'a, 'm> {
    trie: &'a Trie,
    method: &'m Method,
    path: &'a str,
    verb: Option<&'a str>,
    /// The methods of the leaves that match the path but not the method.
    allowed: Vec<&'a str>,
}

impl<'a> Search<'a, '_> {
    /// Finds the routes below a node. A template for the method is preferred to one that matches the path better but
    /// not the method.
    fn below(&mut self, node: usize, segments: &[Range<usize>]) -> Option<&'a [usize]> {
        let node = &self.trie.nodes[node];
        let Some((first, rest)) = segments.split_first() else {
            return self.leaf(node).or_else(|| self.behind_multi(node, segments));
        };
        let text = &self.path[first.clone()];
        let literal = node.literals.get(text).and_then(|&child| self.below(child, rest));
        let found = literal.or_else(|| {
            // RFC 3986 allows empty segments, but a variable cannot be empty. Otherwise `/a/` and `/a/{b}` would be the
            // same.
            let child = node.single.filter(|_| !text.is_empty())?;
            self.below(child, rest)
        });
        found.or_else(|| self.behind_multi(node, segments))
    }

    /// `**` takes as few segments as possible, so the template with the most segments behind it wins.
    fn behind_multi(&mut self, node: &Node, segments: &[Range<usize>]) -> Option<&'a [usize]> {
        let child = node.multi?;
        let most = segments.iter().take_while(|segment| !segment.is_empty()).count();
        (0..=most).find_map(|taken| self.below(child, &segments[taken..]))
    }

    fn leaf(&mut self, node: &'a Node) -> Option<&'a [usize]> {
        let with_verb = || node.leaves.iter().filter(|leaf| leaf.verb.as_deref() == self.verb);
        let of = |method: &str| with_verb().find(|leaf| leaf.method == method);
        let get = || if self.method == Method::HEAD { of("GET") } else { None };
        match of(self.method.as_str()).or_else(get).or_else(|| of("*")) {
            Some(leaf) => Some(&leaf.routes),
            None => {
                self.allowed.extend(with_verb().map(|leaf| leaf.method.as_str()));
                None
            }
        }
    }

    /// A path that a route for this method matches, if at most [`CORRECTIONS`] of its segments are misspelled.
    #[cold]
    fn near(&self, segments: &[Range<usize>]) -> Option<String> {
        let mut corrected = Vec::new();
        let is_found = self.path.len() <= quote::MOST && self.corrected(0, segments, CORRECTIONS, &mut corrected);
        is_found.then(|| format!("/{}", corrected.join("/")))
    }

    /// Appends the segments of a path below this node, with at most `left` corrections; false if there is none.
    fn corrected(&self, node: usize, segments: &[Range<usize>], left: usize, path: &mut Vec<&'a str>) -> bool {
        let node = &self.trie.nodes[node];
        let is_end = || node.leaves.iter().any(|leaf| leaf.verb.is_none() && leaf.takes(self.method));
        let Some((first, rest)) = segments.split_first() else { return is_end() };
        let text = &self.path[first.clone()];
        if text.is_empty() && rest.is_empty() && left > 0 && is_end() {
            return true;
        }
        let exact = node.literals.get_key_value(text).map(|(name, &child)| Below { name, child, left });
        let near = || {
            let name = nearest(text, node.literals.keys().map(|name| &**name)).filter(|_| left > 0)?;
            Some(Below { name, child: node.literals[name], left: left - 1 })
        };
        let single = node.single.filter(|_| !text.is_empty()).map(|child| Below { name: text, child, left });
        [exact, near(), single].into_iter().flatten().any(|Below { name, child, left }| {
            path.push(name);
            let is_found = self.corrected(child, rest, left, path);
            if !is_found {
                path.pop();
            }
            is_found
        })
    }

    fn miss(self) -> Miss {
        let mut allowed = self.allowed;
        allowed.retain(|method| *method != "*");
        if allowed.is_empty() {
            return Miss::Path { near: None };
        }
        if allowed.contains(&"GET") {
            allowed.push("HEAD");
        }
        allowed.push("OPTIONS");
        allowed.sort_unstable();
        allowed.dedup();
        Miss::Method { allowed: allowed.into_iter().map(str::to_owned).collect() }
    }
}

/// Splits an absolute path into segments, as ranges of bytes. `/` has no segments.
fn split(path: &str) -> Result<Vec<Range<usize>>, Miss> {
    let rest = path.strip_prefix('/').ok_or(Miss::Path { near: None })?;
    let mut segments = Vec::with_capacity(8);
    let mut start = 1;
    while !rest.is_empty() {
        let end = memchr(b'/', &path.as_bytes()[start..]).map_or(path.len(), |length| start + length);
        if is_dot_segment(&path[start..end]) {
            return Err(Miss::Dots);
        }
        segments.push(start..end);
        start = end + 1;
        if end == path.len() {
            break;
        }
    }
    Ok(segments)
}

/// The position of the last `:` in the last segment, behind which the verb stands.
fn colon(path: &str, segments: &[Range<usize>]) -> Option<usize> {
    let last = segments.last()?;
    Some(last.start + memrchr(b':', path[last.clone()].as_bytes())?)
}
