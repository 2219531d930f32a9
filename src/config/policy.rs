//! Policies of rpcs in the file: for all rpcs, and for single ones. [`route::policy`](crate::route::policy) defines the
//! keys and their values; this module gives it access to the file.

use super::input::Input;
use super::reader::{Noted, Read, Section, Value};
use super::value;
use super::yaml::Spot;
use crate::route::RpcOptions;
use crate::route::policy::{Keys, Layer as _, OwnPolicy, Part, Policy, Require, Setting, TokenDemand};

impl Input<'_> {
    /// The policy for all rpcs.
    pub(super) fn policy(&self) -> Policy {
        let mut all = Policy::default();
        if let Ok(top) = self.top {
            all = all.with(&OwnPolicy::read(&top, Part::File, &all));
        }
        // These sections have other keys too. Those are read elsewhere, and unknown ones are refused there.
        for (key, part) in [
            ("requests", Part::Requests),
            ("replies", Part::Replies),
            ("streams", Part::Streams),
            ("callers", Part::Callers),
        ] {
            if let Some(section) = self.value(key) {
                all = all.with(&OwnPolicy::read(&section, part, &all));
            }
        }
        // `callers` makes a token mandatory for all rpcs, unless `require` says otherwise.
        if self.value("callers").is_some_and(|callers| callers.get("require").is_none()) {
            all.require = Require::Token(TokenDemand::default());
        }
        all
    }

    /// The policies of single rpcs, on top of `all`.
    pub(super) fn rpcs(&self, all: &Policy) -> Vec<RpcOptions> {
        let Some(Ok(named)) = self.value("rpcs").map(|value| value.named()) else { return Vec::new() };
        named.filter_map(|(spot, value)| self.rpc(spot, value, all).ok()).collect()
    }

    fn rpc(&self, spot: Spot, value: Value, all: &Policy) -> Read<RpcOptions> {
        let rpc = value::rpc_name(value.name()).map_err(|message| self.problems.at(spot, message));
        let section = value.section(&Policy::keys_of(Part::Rpc))?;
        let policy = OwnPolicy::read(&section, Part::Rpc, all);
        Ok(RpcOptions { rpc: rpc?, place: self.problems.place(spot), policy })
    }
}

/// The valid keys of a section: the `listed` ones, in the order in which messages name them, then the policy keys of
/// `part`.
pub(super) fn known(listed: &[&'static str], part: Part) -> Vec<&'static str> {
    let others = Policy::keys_of(part).into_iter().filter(|key| !listed.contains(key));
    listed.iter().copied().chain(others).collect()
}

impl<'a> Keys for Section<'a> {
    type Setting = Value<'a>;

    fn setting(&self, key: &str) -> Option<Value<'a>> {
        self.value(key)
    }
}

impl<'a> Keys for Value<'a> {
    type Setting = Self;

    fn setting(&self, key: &str) -> Option<Self> {
        self.get(key)
    }
}

impl<'a> Setting for Value<'a> {
    type Map = Section<'a>;

    fn is_map(&self) -> bool {
        Value::is_map(self)
    }

    fn is_text(&self) -> bool {
        Value::is_text(self)
    }

    fn parsed<T>(&self, expected: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        Value::parsed(self, expected, parse).ok()
    }

    fn map(&self, known: &[&str]) -> Option<Section<'a>> {
        self.section(known).ok()
    }

    fn named(&self) -> Vec<(String, Self)> {
        let named = Value::named(*self).into_iter().flatten();
        named.map(|(_, value)| (value.name().to_owned(), value)).collect()
    }

    fn list<T: PartialEq>(&self, what: &str, read: impl Fn(&Self) -> Option<T>) -> Vec<T> {
        self.one_or_more(what, |item| read(&item).ok_or_else(Noted::before))
    }

    fn items<T: PartialEq>(&self, read: impl Fn(&Self) -> Option<T>) -> Vec<T> {
        self.each(|item| read(&item).ok_or_else(Noted::before))
    }

    fn refuse(&self, problem: String) {
        self.wrong(problem);
    }
}
