//! Properties that hold for every input: one function per fuzz target, which panics if the property is violated.
//!
//! The fuzz targets call them with random bytes. `tests/core/fuzz_faults.rs` of the main package calls them with every
//! file of `corpus/` and every case of `tests/cases/`.

mod certificates;
mod hop;
mod http;
mod mask;
mod series;
mod text;
mod token;
mod unique;
mod wire;

pub use certificates::certificates;
pub use hop::passed_certificate;
pub use http::{frames, head};
pub use mask::update_mask;
pub use series::split;
pub use text::{config, multipart, query, template};
pub use token::{key_set, proof, token};
pub use wire::{byte_of, options_of};
pub use wire::{descriptor_set, json_to_wire, text_to_wire, wire_to_json};

/// The function of a fuzz target.
pub type Check = fn(&[u8]);

/// Every target by its name, which is also the name of its folder in `corpus/`.
pub const TARGETS: [(&str, Check); 17] = [
    ("json_to_wire", json_to_wire),
    ("wire_to_json", wire_to_json),
    ("text_to_wire", text_to_wire),
    ("template", template),
    ("query", query),
    ("split", split),
    ("multipart", multipart),
    ("descriptor_set", descriptor_set),
    ("config", config),
    ("head", head),
    ("frames", frames),
    ("update_mask", update_mask),
    ("certificates", certificates),
    ("token", token),
    ("key_set", key_set),
    ("proof", proof),
    ("passed_certificate", passed_certificate),
];
