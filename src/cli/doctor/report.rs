//! The results of a test, step by step.

use std::fmt;

/// The longest text of a step, in characters. A peer's text could be of any length.
const LONGEST: usize = 1000;

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As required.
    Passed,
    /// Worth knowing, but calls through the gateway work.
    Noted,
    /// Calls will not work.
    Failed,
    /// Not tried, because an earlier step failed or it does not apply.
    Skipped,
}

/// The result of one step, printed on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub verdict: Verdict,
    /// The step's name, without spaces.
    pub name: &'static str,
    /// What was found. For a failed step, also what to change.
    pub text: String,
}

/// Prints steps and remembers their verdicts.
pub struct Report<'a> {
    tell: &'a mut dyn FnMut(&Step),
    told: Vec<(&'static str, Verdict)>,
}

/// A step failed that later steps depend on. It has been reported already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop;

impl<'a> Report<'a> {
    /// Creates an empty report that passes each step to `tell`.
    pub fn new(tell: &'a mut dyn FnMut(&Step)) -> Self {
        Self { tell, told: Vec::new() }
    }

    /// Whether no step has failed.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.told.iter().all(|(_, verdict)| *verdict != Verdict::Failed)
    }

    pub(super) fn passed(&mut self, name: &'static str, found: impl fmt::Display) {
        self.step(Verdict::Passed, name, &found);
    }

    pub(super) fn noted(&mut self, name: &'static str, found: impl fmt::Display) {
        self.step(Verdict::Noted, name, &found);
    }

    pub(super) fn failed(&mut self, name: &'static str, reason: impl fmt::Display, advice: impl fmt::Display) -> Stop {
        self.step(Verdict::Failed, name, &format_args!("{reason}; {advice}"));
        Stop
    }

    pub(super) fn skipped(&mut self, name: &'static str, why: impl fmt::Display) {
        self.step(Verdict::Skipped, name, &why);
    }

    /// Reports those of `names` that have not run as skipped, because of the last failed step.
    pub(super) fn skip_rest(&mut self, names: &[&'static str]) {
        let failed = self.told.iter().rev().find(|(_, verdict)| *verdict == Verdict::Failed).map(|(name, _)| *name);
        let why = failed.map_or_else(|| "nothing to try".to_owned(), |name| format!("`{name}` failed"));
        let left = names.iter().filter(|name| self.told.iter().all(|(told, _)| told != *name));
        for name in left.copied().collect::<Vec<_>>() {
            self.skipped(name, &why);
        }
    }

    fn step(&mut self, verdict: Verdict, name: &'static str, text: &dyn fmt::Display) {
        let step = Step { verdict, name, text: one_line(&text.to_string()) };
        self.told.push((name, verdict));
        (self.tell)(&step);
    }
}

/// A peer's text may contain line breaks and terminal control characters.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).take(LONGEST).collect()
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Passed => "passed",
            Verdict::Noted => "noted",
            Verdict::Failed => "FAILED",
            Verdict::Skipped => "skipped",
        };
        write!(f, "{verdict:<7} {}: {}", self.name, self.text)
    }
}

/// Joins the items as `one, another`, or gives `none` if there are none.
pub(super) fn listed<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_step_is_one_line_whatever_the_peer_sends() {
        let mut lines = Vec::new();
        let mut tell = |step: &Step| lines.push(step.to_string());
        let mut report = Report::new(&mut tell);
        report.passed("resolve", "127.0.0.1");
        report.failed("tls", "a\r\nb \x1b[31m", "ask its owner");
        report.skip_rest(&["resolve", "tls", "grpc"]);
        assert!(!report.is_well());
        let expected =
            ["passed  resolve: 127.0.0.1", "FAILED  tls: a??b ?[31m; ask its owner", "skipped grpc: `tls` failed"];
        assert_eq!(lines, expected);
    }
}
