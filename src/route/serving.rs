//! Which rpcs are served, and which upstream answers each: the selectors of a configuration.
//!
//! An rpc that is served has exactly one upstream. If two upstreams select it, or none does, the start fails. Neither
//! the order nor the length of selectors decides silently where a payment goes.

use super::absent::nothing_selected;
use crate::format::problem::Problem;
use crate::schema::Schema;

/// Selects rpcs by name: `package.Service.Method`, `package.Service`, `package.*` for everything below, or `*` for all.
#[derive(Debug, Clone)]
pub struct Selector {
    /// The selector as written.
    pub text: String,
    /// The place in the configuration, for problems.
    pub place: String,
}

/// Compares the text only: the same selector twice is a mistake, wherever it stands.
impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Selector {}

/// Which rpcs are served, and by which upstreams.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Serving {
    /// Selectors of the rpcs to serve; if empty, all are served.
    pub exposed: Vec<Selector>,
    /// Selectors of rpcs that are not served although `exposed` covers them.
    pub excepted: Vec<Selector>,
    /// The upstreams, in the order of the configuration. If this is empty, one upstream answers all rpcs.
    pub upstreams: Vec<Answering>,
    /// Whether rpcs can also be called by their own paths, `/package.Service/Method`, as gRPC clients do.
    pub by_path: bool,
}

/// The rpcs that one of several upstreams answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answering {
    pub name: String,
    /// Selectors of its rpcs.
    pub rpcs: Vec<Selector>,
}

impl Selector {
    /// Whether the selector covers `rpc`, a full name.
    #[must_use]
    pub fn covers(&self, rpc: &str) -> bool {
        match self.text.strip_suffix('*') {
            Some(package) => rpc.starts_with(package),
            None => self.text == rpc || rpc.rsplit_once('.').is_some_and(|(service, _)| self.text == service),
        }
    }
}

impl Selector {
    /// Whether the selector may cover an rpc of this service.
    #[must_use]
    pub fn reaches(&self, service: &str) -> bool {
        let rpc_of_it = self.text.strip_prefix(service).is_some_and(|rest| rest.starts_with('.'));
        rpc_of_it || self.covers(&format!("{service}.Any"))
    }
}

impl Serving {
    pub(super) fn exposes(&self, rpc: &str) -> bool {
        let covered = |selectors: &[Selector]| selectors.iter().any(|selector| selector.covers(rpc));
        (self.exposed.is_empty() || covered(&self.exposed)) && !covered(&self.excepted)
    }

    /// Whether clients can call `rpc` by its own path. An rpc without an HTTP rule must be selected by `expose`, so that nothing is
    /// served that nobody asked for.
    pub(super) fn exposes_path(&self, rpc: &str, has_rule: bool) -> bool {
        self.by_path && self.exposes(rpc) && (has_rule || !self.exposed.is_empty())
    }

    /// Whether clients can call `rpc`, by its rules or by its own path.
    pub(super) fn serves(&self, rpc: &str, has_rule: bool) -> bool {
        (has_rule && self.exposes(rpc)) || self.exposes_path(rpc, has_rule)
    }

    /// The index of the upstream that answers `rpc`.
    pub(super) fn upstream_of(&self, rpc: &str) -> Result<usize, Problem> {
        if self.upstreams.is_empty() {
            return Ok(0);
        }
        let covering = |upstream: &'_ Answering| upstream.rpcs.iter().position(|selector| selector.covers(rpc));
        let mut found = self.upstreams.iter().enumerate().filter_map(|(place, upstream)| {
            covering(upstream).map(|selector| (place, &upstream.name, &upstream.rpcs[selector]))
        });
        match (found.next(), found.next()) {
            (Some((place, ..)), None) => Ok(place),
            (Some((_, first, one)), Some((_, second, other))) => {
                let (one_text, one_place, other_text) = (&one.text, &one.place, &other.text);
                let message = format!(
                    "`{other_text}` gives {rpc} to `{second}`, and `{one_text}` at {one_place} gives it to `{first}`: \
                     an rpc has one upstream"
                );
                Err(Problem::at(&other.place, message))
            }
            (None, _) => {
                let names: Vec<&str> = self.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
                let message = format!(
                    "no upstream serves it; add it to the `rpcs` of one of them (`{}`), or exclude it with `expose`",
                    names.join("`, `")
                );
                Err(Problem::at(rpc, message))
            }
        }
    }

    /// Reports selectors that select nothing. `has_rule` tells whether an rpc has an HTTP rule and so can be called.
    pub(super) fn idle(&self, schema: &Schema, has_rule: impl Fn(&str) -> bool) -> Vec<Problem> {
        let idle = |selector: &Selector, must_have_rule: bool| {
            let mut covered = schema.rpcs().iter().filter(|rpc| selector.covers(&rpc.name)).peekable();
            let text = &selector.text;
            let message = if covered.peek().is_none() {
                nothing_selected(schema, text)
            } else if must_have_rule && !covered.any(|rpc| has_rule(&rpc.name)) {
                format!("no rpc that `{text}` selects has an HTTP rule, so none can be called")
            } else {
                return None;
            };
            Some(Problem::at(&selector.place, message))
        };
        let exposed = self.exposed.iter().filter_map(|selector| idle(selector, true));
        let answered = self.upstreams.iter().flat_map(|upstream| &upstream.rpcs);
        exposed.chain(self.excepted.iter().chain(answered).filter_map(|selector| idle(selector, false))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(text: &str, place: &str) -> Selector {
        Selector { text: text.to_owned(), place: place.to_owned() }
    }

    #[test]
    fn a_selector_covers_an_rpc_a_service_or_everything_below_a_package() {
        let rpc = "shop.v1.Orders.Get";
        for (text, covers) in [
            ("shop.v1.Orders.Get", true),
            ("shop.v1.Orders", true),
            ("shop.v1.*", true),
            ("shop.*", true),
            ("shop.v1.Orders.*", true),
            ("*", true),
            ("shop.v1", false),
            ("shop.v1.Orders.Ge", false),
            ("shop.v1.Order", false),
            ("shop.v1.Orde.*", false),
            ("hop.v1.*", false),
            ("shop.v1.Orders.Get.*", false),
        ] {
            assert_eq!(selector(text, "").covers(rpc), covers, "{text}");
        }
    }

    #[test]
    fn a_selector_reaches_every_service_in_which_it_covers_an_rpc() {
        for (text, reaches) in [
            ("shop.v1.Orders.Get", true),
            ("shop.v1.Orders", true),
            ("shop.v1.*", true),
            ("*", true),
            ("shop.v1.Orders.*", true),
            ("shop.v1.OrdersOfMine.Get", false),
            ("shop.v1.Order", false),
            ("shop.v2.*", false),
        ] {
            assert_eq!(selector(text, "").reaches("shop.v1.Orders"), reaches, "{text}");
        }
    }

    #[test]
    fn an_rpc_without_exactly_one_upstream_stops_the_start() {
        let answering = |name: &str, rpcs: &[&str]| {
            let rpcs = rpcs.iter().map(|text| selector(text, &format!("t.yaml:{name}"))).collect();
            Answering { name: name.to_owned(), rpcs }
        };
        let upstreams = vec![answering("core", &["a.A", "a.B.Get"]), answering("cards", &["a.B", "b.*"])];
        let serving = Serving { upstreams, ..Serving::default() };
        for (rpc, expected) in [
            ("a.A.Get", Ok(0)),
            ("a.B.Put", Ok(1)),
            ("b.c.D.Get", Ok(1)),
            (
                "a.B.Get",
                Err("t.yaml:cards: `a.B` gives a.B.Get to `cards`, and `a.B.Get` at t.yaml:core gives it to `core`: \
                     an rpc has one upstream"),
            ),
            (
                "c.C.Get",
                Err(
                    "c.C.Get: no upstream serves it; add it to the `rpcs` of one of them (`core`, `cards`), or exclude it \
                     with `expose`",
                ),
            ),
        ] {
            let found = serving.upstream_of(rpc).map_err(|problem| problem.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{rpc}");
        }
        assert_eq!(Serving::default().upstream_of("a.A.Get"), Ok(0));
    }
}
