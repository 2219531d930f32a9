//! A path of the listener that belongs to the gateway, with everything below it: no route may have it.

use super::template::{Segment, Template};

/// A path of plain segments, such as `/docs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservedPath(String);

/// A text that is no such path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a path such as `{example}`, of letters, digits, `-`, `_` and `.`, found `{found}`")]
pub struct ReservedPathError {
    example: &'static str,
    found: String,
}

impl ReservedPath {
    /// Reads a path; `example` is one that the error shows.
    ///
    /// # Errors
    /// It has other characters, or a segment that is empty, `.` or `..`.
    pub fn parse(text: &str, example: &'static str) -> Result<Self, ReservedPathError> {
        let is_segment = |segment: &str| {
            let plain = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            plain && !matches!(segment, "" | "." | "..")
        };
        let segments = text.strip_prefix('/').map(|rest| rest.split('/').all(is_segment));
        if segments != Some(true) {
            return Err(ReservedPathError { example, found: text.to_owned() });
        }
        Ok(Self(text.to_owned()))
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows it in a path that is this one (nothing) or is below it (`/` and more).
    #[must_use]
    pub fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.0.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether a path of `template` may be this one or one below it.
    #[must_use]
    pub fn clashes(&self, template: &Template) -> bool {
        let mut own = self.0.split('/').skip(1);
        for segment in &template.segments {
            match segment {
                Segment::Multi => return true,
                Segment::Literal(literal) => match own.next() {
                    Some(own) if own == literal => {}
                    Some(_) => return false,
                    None => return true,
                },
                Segment::Single => {
                    if own.next().is_none() {
                        return true;
                    }
                }
            }
        }
        own.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ReservedPath, ReservedPathError> {
        ReservedPath::parse(text, "/docs")
    }

    #[test]
    fn a_reserved_path_has_plain_segments_and_covers_everything_below_it() {
        let reserved = parse("/towbar-probe").unwrap();
        for (path, below) in [
            ("/towbar-probe", Some("")),
            ("/towbar-probe/", Some("/")),
            ("/towbar-probe/a%2Fb", Some("/a%2Fb")),
            ("/towbar-probes", None),
            ("/towbar-probe%2Fa", None),
            ("//towbar-probe", None),
            ("/x/towbar-probe", None),
            ("/", None),
        ] {
            assert_eq!(reserved.below(path), below, "{path}");
        }
        for text in ["", "/", "towbar", "/a/", "/a//b", "/..", "/a/./b", "/a b", "/a%2Fb", "/{a}", "/a?b", "/a:b"] {
            let expected =
                format!("expected a path such as `/docs`, of letters, digits, `-`, `_` and `.`, found `{text}`");
            assert_eq!(parse(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_reserved_path_clashes_with_templates_that_match_a_path_at_or_below_it() {
        let reserved = parse("/v1/probe").unwrap();
        for (template, clashes) in [
            ("/v1/probe", true),
            ("/v1/probe/orders", true),
            ("/v1/{name}", true),
            ("/v1/*/orders/{id}", true),
            ("/{name=**}", true),
            ("/v1/{name=**}", true),
            ("/v1", false),
            ("/v1/orders", false),
            ("/v1/orders/{id}", false),
            ("/{a}/{b=orders/*}", false),
            ("/v1/probes/**", false),
        ] {
            assert_eq!(reserved.clashes(&Template::parse(template).unwrap()), clashes, "{template}");
        }
    }
}
