//! `admin`: the listener for operators (metrics, health, current configuration).

use super::input::Input;
use super::listen::listen_address;
use super::reader::{Read, Value};

impl Input<'_> {
    /// `host:port`; `None` if no admin listener is configured.
    pub(super) fn admin(&self) -> Option<String> {
        let value = self.value("admin")?;
        let address = if value.is_map() { address(&value) } else { listen_address(value) };
        address.ok()
    }
}

fn address(value: &Value) -> Read<String> {
    let section = value.section(&["address"])?;
    listen_address(section.value("address").ok_or_else(|| value.wrong("`address` is missing"))?)
}
