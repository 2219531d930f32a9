//! Values to try expressions with at start.

use std::collections::HashMap;

use cel::common::types::{CelList, CelMap, CelNull};

use super::values::Boxed;

pub(crate) fn null() -> Boxed {
    Box::new(CelNull)
}

pub(crate) fn list_with(item: Boxed) -> Boxed {
    Box::new(CelList::from(vec![item]))
}

pub(crate) fn empty_map() -> Boxed {
    Box::new(CelMap::from(HashMap::new()))
}
