//! Values to try expressions with at start.

use std::collections::HashMap;

use cel::common::types::{CelList, CelMap, CelNull};

use super::values::Boxed;

pub(in crate::codec::validate) fn null() -> Boxed {
    Box::new(CelNull)
}

pub(in crate::codec::validate) fn list_with(item: Boxed) -> Boxed {
    Box::new(CelList::from(vec![item]))
}

pub(in crate::codec::validate) fn empty_map() -> Boxed {
    Box::new(CelMap::from(HashMap::new()))
}
