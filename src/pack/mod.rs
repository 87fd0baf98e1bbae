//! Model weights as an OCI image, and back.
//!
//! `plan` decides which file goes into which layer, `framing` what a layer's archive
//! looks like, `image` and `modelpack` what names the layers; all pure. `push` acts:
//! files are read once, hashed while they are written, and never copied elsewhere.

mod cache;
mod canonical;
mod error;
mod event;
mod files;
mod framing;
mod gauge;
mod image;
mod layer;
pub mod lock;
mod modelpack;
mod plan;
mod push;
mod result;
mod rules;
mod stream;

pub use self::{
    cache::Cache,
    error::{EntryFault, Error},
    event::{Act, Count, Event, LayerOutcome, Progress},
    files::FileEntry,
    framing::ROOT,
    lock::Lock,
    modelpack::parameter_size,
    plan::Plan,
    push::{Job, Target, pack},
    result::{Artifacts, Bytes, Packed, PackedLayer},
    rules::{Rules, is_pickle},
};
