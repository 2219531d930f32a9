//! Generated code: the messages and services of the bank API, in modules named as their packages.
//!
//! Messages of `io.token` have no `Debug`: their redacted fields cannot be printed by accident.
#![allow(missing_docs, unused_qualifications, unreachable_pub, clippy::all, clippy::use_self, deprecated, rustdoc::all)]

include!(concat!(env!("OUT_DIR"), "/bank.rs"));

/// Every file of `proto/` with its imports as an encoded `google.protobuf.FileDescriptorSet`, options and comments included.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));
