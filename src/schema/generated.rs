//! Generated code: the messages of `google.api` and `google.rpc`, in modules named like their packages.
//!
//! The messages of `google.rpc` implement serde's traits as ProtoJSON requires.
#![allow(missing_docs, unused_qualifications, unreachable_pub, clippy::all, clippy::use_self, deprecated, rustdoc::all)]

include!(concat!(env!("OUT_DIR"), "/google.rs"));

mod json {
    use crate::schema::generated::google::rpc::*;
    include!(concat!(env!("OUT_DIR"), "/google.rpc.serde.rs"));
}
