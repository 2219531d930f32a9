//! Generated code: the messages and services of the bank API, in modules named after their packages.
//!
//! Messages of `io.token` have no `Debug`, so that their redacted fields cannot be printed by accident.
#![allow(missing_docs, unused_qualifications, unreachable_pub, clippy::all, clippy::use_self, deprecated, rustdoc::all)]

include!(concat!(env!("OUT_DIR"), "/bank.rs"));

/// Every file of `proto/` with its imports, as an encoded `google.protobuf.FileDescriptorSet` with options and
/// comments.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));
