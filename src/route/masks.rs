//! The `update_mask` of a PATCH that has none: what its body gives.

use super::plan::QueryProblem;
use super::{BodyRule, EncodeError, Route};
use crate::codec::{self, Body, Request};
use crate::schema::{FieldPath, Known};

impl Route {
    /// Fills the mask with the members of the body, but for those that the path binds: they say which resource it is.
    pub(super) fn fill_mask(
        &self,
        request: &mut Request<'_>,
        mask: &FieldPath,
        body: Body<'_>,
    ) -> Result<(), EncodeError> {
        let Some((resource, message)) = body.field.and_then(|field| Some((field, field.leaf().message()?))) else {
            return Ok(());
        };
        let bound: Vec<String> = self.captured.iter().filter_map(|path| within(path, resource)).collect();
        fill(request, mask, &codec::field_mask(&message, body.text, self.limits.json_depth, &bound))
    }

    /// The same for a form that has given these fields.
    pub(super) fn fill_mask_by_form(&self, request: &mut Request<'_>, given: &[FieldPath]) -> Result<(), EncodeError> {
        let (Some(mask), BodyRule::Field(resource)) = (&self.mask, &self.body) else { return Ok(()) };
        let mut paths: Vec<String> = Vec::new();
        for path in given.iter().filter(|path| !self.captured.contains(path)) {
            let path = whole(path, resource.fields().len());
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        fill(request, mask, &codec::mask_of(paths.iter()))
    }
}

fn fill(request: &mut Request<'_>, mask: &FieldPath, paths: &[u8]) -> Result<(), EncodeError> {
    if paths.is_empty() {
        return Ok(());
    }
    let filled = request.fill_message(mask, paths);
    filled.map_err(|problem| EncodeError::Query { key: mask.to_string(), problem: QueryProblem::Field(problem) })
}

/// The way to a field in the resource.
fn within(path: &FieldPath, resource: &FieldPath) -> Option<String> {
    path.to_string().strip_prefix(&format!("{resource}.")).map(str::to_owned)
}

/// The names behind the first so many, as far as a mask goes: up to a list, a map or a well-known type.
fn whole(path: &FieldPath, from: usize) -> String {
    let mut names = Vec::new();
    for field in path.fields().iter().skip(from) {
        names.push(field.name());
        if field.is_repeated() || field.message().is_some_and(|message| message.table().known != Known::No) {
            break;
        }
    }
    names.join(".")
}
