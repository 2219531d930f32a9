//! The `towbar` command.

fn main() {}
