//! Problems with names in the configuration that the schema does not have.

use crate::format::suggestion::{nearest_dotted, or_meant};
use crate::schema::Schema;

/// The schema has no rpc of this name.
pub(super) fn no_rpc(schema: &Schema, name: &str) -> String {
    let known: Vec<&str> = schema.rpcs().iter().map(|rpc| &*rpc.name).collect();
    format!("the schema has no rpc `{name}`{}", or_meant(nearest_dotted(name, &known)))
}

/// A selector of this text covers no rpc of the schema.
pub(super) fn nothing_selected(schema: &Schema, text: &str) -> String {
    let rpcs = || schema.rpcs().iter().map(|rpc| &*rpc.name);
    let advice = match rpcs().any(|rpc| rpc.starts_with(&format!("{text}."))) {
        true => format!("; to select the whole package, write `{text}.*`").into(),
        false => {
            let services = rpcs().filter_map(|rpc| Some(rpc.rsplit_once('.')?.0));
            let known: Vec<&str> = services.chain(rpcs()).collect();
            or_meant(nearest_dotted(text, &known))
        }
    };
    format!("the schema has no service, rpc or package `{text}`{advice}")
}
