//! Generated code: the messages of `google.api` and `google.rpc`, in modules named as their packages.
//!
//! Those of `google.rpc` have serde's traits, which keep ProtoJSON.
#![allow(missing_docs, unused_qualifications, unreachable_pub, clippy::all, clippy::use_self, deprecated, rustdoc::all)]

include!(concat!(env!("OUT_DIR"), "/google.rs"));

mod json {
    use crate::schema::generated::google::rpc::*;
    include!(concat!(env!("OUT_DIR"), "/google.rpc.serde.rs"));
}
