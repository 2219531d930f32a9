//! An error that collects the path to its value while it propagates out of a body, and loses content that must not be
//! shown.

use super::error::RequestError;
use crate::codec::problem::{BodyError, FieldProblem};
use crate::format::json::{JsonError, JsonProblem, Position};
use crate::format::quote::{self, MOST_TWICE, beginning, ending};
use crate::schema::FieldTable;

pub(super) type Outcome<T> = Result<T, LocatedError>;

/// An error with the path collected so far. Boxed, because errors are rare and results are everywhere.
#[derive(Debug)]
pub(super) struct LocatedError(Box<Located>);

#[derive(Debug)]
struct Located {
    /// The innermost step comes first.
    steps: Vec<Step>,
    error: RequestError,
}

#[derive(Debug)]
enum Step {
    Member(String),
    Key(String),
    Index(usize),
}

impl LocatedError {
    pub(super) fn new(error: RequestError) -> Self {
        Self(Box::new(Located { steps: Vec::new(), error }))
    }

    pub(super) fn at(place: Position, problem: FieldProblem) -> Self {
        Self::new(RequestError::Body(BodyError { field: String::new(), place, problem }))
    }

    /// Adds the member `name`, which holds this field, to the path.
    pub(super) fn within(self, field: &FieldTable, name: &str) -> Self {
        self.through(field).member(name)
    }

    /// Passes a field whose name is not in the body; hides content if the field is redacted.
    pub(super) fn through(mut self, field: &FieldTable) -> Self {
        if field.redacted {
            self.hide();
        }
        self
    }

    pub(super) fn member(mut self, name: &str) -> Self {
        self.0.steps.push(Step::Member(beginning(name, MOST_TWICE).into_owned()));
        self
    }

    pub(super) fn key(mut self, name: &str) -> Self {
        self.0.steps.push(Step::Key(beginning(name, MOST_TWICE).into_owned()));
        self
    }

    pub(super) fn element(mut self, index: usize) -> Self {
        self.0.steps.push(Step::Index(index));
        self
    }

    /// Hides values, and keys of maps, which are values too.
    fn hide(&mut self) {
        const HIDDEN: &str = "...";
        for step in &mut self.0.steps {
            if let Step::Key(name) = step {
                HIDDEN.clone_into(name);
            }
        }
        let RequestError::Body(error) = &mut self.0.error else { return };
        match &mut error.problem {
            FieldProblem::Unexpected { found, .. } => found.hidden = true,
            FieldProblem::Json(JsonProblem::Twice { name }) => HIDDEN.clone_into(name),
            _ => {}
        }
    }

    pub(super) fn into_error(self) -> RequestError {
        let Located { steps, mut error } = *self.0;
        if let RequestError::Body(error) = &mut error {
            error.field = ending(&written(&steps), quote::MOST).into_owned();
        }
        error
    }
}

impl From<JsonError> for LocatedError {
    fn from(error: JsonError) -> Self {
        Self::at(error.place, FieldProblem::Json(error.problem))
    }
}

fn written(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps.iter().rev() {
        match step {
            Step::Member(name) | Step::Key(name) if path.is_empty() => path.push_str(name),
            Step::Member(name) | Step::Key(name) => path.extend([".", name]),
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}
