//! Model weights as an OCI image, and back.
//!
//! `plan` decides which file goes into which layer, `framing` what a layer's archive
//! looks like, `image` and `modelpack` what names the layers; all pure. `push` acts:
//! files are read once, hashed while they are written, and never copied elsewhere.

mod archive;
mod cache;
mod canonical;
mod contents;
mod documents;
mod error;
mod event;
mod files;
mod framing;
mod gauge;
mod image;
mod inspect;
mod layer;
pub mod lock;
mod modelpack;
mod plan;
mod push;
mod result;
mod rules;
mod stream;
mod unpack;
mod verify;

#[cfg(test)]
pub use self::event::Act;
pub use self::{
    archive::files_in_archive,
    cache::Cache,
    error::Error,
    event::{Count, Event, Progress},
    inspect::{Inspected, InspectedLayer, PackedFacts, inspect},
    modelpack::parameter_size,
    plan::Plan,
    push::{Job, Target, pack},
    result::Packed,
    rules::{Rules, is_pickle},
    unpack::{Unpacked, unpack},
    verify::{Verified, verify},
};
