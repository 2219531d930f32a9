//! Fills a missing or empty `update_mask` of a PATCH with the fields that its body gives.

use super::entry::{BodyRule, Route};
use super::plan::error::{EncodeError, QueryProblem};
use crate::codec::{self, Body, Mask, MaskTooLong, Request};
use crate::schema::{Field, FieldPath, WellKnown};

/// A mask may always have this many bytes, however short the body: four hundred paths of forty bytes.
const MASK_FREE: usize = 16 << 10;

/// A longer mask may have at most this many times the bytes of the body. The message made of the body has at most ten
/// times its bytes, so body and mask together stay below the documented limit of sixteen times.
const MASK_TIMES: usize = 4;

/// The longest mask, in bytes, that is made of a body with this many bytes.
pub(super) fn longest_mask(body: usize) -> usize {
    MASK_FREE.max(MASK_TIMES.saturating_mul(body))
}

impl Route {
    /// Fills the mask with the members of a JSON body. Fields that the path binds are left out, because they identify
    /// the resource.
    pub(super) fn fill_mask(
        &self,
        request: &mut Request<'_>,
        mask: &FieldPath,
        body: Body<'_>,
    ) -> Result<(), EncodeError> {
        let Some((resource, message)) = body.field.and_then(|field| Some((field, field.leaf().message()?))) else {
            return Ok(());
        };
        fill(request, mask, body.text.len(), |paths| {
            let bound: Vec<String> = self.captured.iter().filter_map(|path| within(path, resource)).collect();
            codec::add_members(paths, &message, (body.text, self.rpc.policy.json_depth), &bound)
        })
    }

    /// Fills the mask for a form of `form` bytes that has set the fields in `given`.
    pub(super) fn fill_mask_by_form(
        &self,
        request: &mut Request<'_>,
        given: &[FieldPath],
        form: usize,
    ) -> Result<(), EncodeError> {
        let (Some(mask), BodyRule::Field(resource)) = (&self.mask, &self.body) else { return Ok(()) };
        fill(request, mask, form, |paths| {
            let mut told: Vec<&[Field]> = Vec::new();
            for path in given.iter().filter(|path| !self.captured.contains(path)) {
                let path = whole(path, resource.fields().len());
                if !told.contains(&path) {
                    told.push(path);
                    paths.push(&path.iter().map(Field::name).collect::<Vec<_>>().join("."))?;
                }
            }
            Ok(())
        })
    }
}

/// Fills the mask with what `put` adds, unless the caller has already set it. `body` is the length of the body in
/// bytes.
fn fill(
    request: &mut Request<'_>,
    mask: &FieldPath,
    body: usize,
    put: impl FnOnce(&mut Mask) -> Result<(), MaskTooLong>,
) -> Result<(), EncodeError> {
    let wrong = |problem| EncodeError::Query { key: mask.to_string(), problem: QueryProblem::Field(problem) };
    if !request.lacks_message(mask).map_err(wrong)? {
        return Ok(());
    }
    let limit = longest_mask(body);
    let mut paths = Mask::of_at_most(limit);
    put(&mut paths).map_err(|MaskTooLong| EncodeError::MaskTooLong { mask: mask.to_string(), limit })?;
    let paths = paths.into_wire();
    if paths.is_empty() { Ok(()) } else { request.set_message(mask, paths).map_err(wrong) }
}

/// The dotted path of a field, relative to the resource; `None` if it lies outside.
fn within(path: &FieldPath, resource: &FieldPath) -> Option<String> {
    path.to_string().strip_prefix(&format!("{resource}.")).map(str::to_owned)
}

/// The path behind the first `from` fields, as far as a mask can go: up to a list, a map or a well-known type.
fn whole(path: &FieldPath, from: usize) -> &[Field] {
    let fields = &path.fields()[from..];
    let is_last = |field: &Field| {
        field.is_repeated() || field.message().is_some_and(|message| message.table().known != WellKnown::No)
    };
    let end = fields.iter().position(is_last).map_or(fields.len(), |last| last + 1);
    &fields[..end]
}
