//! `admin`: where those who run the gateway look.

use super::input::Input;
use super::listen::listen_address;
use super::reader::{Read, Value};

impl Input<'_> {
    /// `host:port`; without it there is no such port.
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
