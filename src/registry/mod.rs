//! Where packed models lie: registries and OCI image layouts.
//!
//! A [`Location`] names the place, a [`Store`] opens it. Everything is named by [`Digest`] and
//! checked against it when read.

mod blob_writer;
mod digest;
mod error;
mod layout;
mod location;
mod manifest;
pub mod media_type;
mod options;
mod reference;
mod refusal;
mod remote;
pub mod source;
mod store;
mod verified;

pub use self::{
    digest::Digest,
    error::Error,
    layout::Layout,
    location::{LayoutPath, Location},
    manifest::{
        Annotations, Descriptor, Execution, ImageConfig, Index, Manifest, Platform, RootFs,
    },
    options::Options,
    reference::Reference,
    refusal::Reason,
    source::{BlobOutcome, BlobSource, Transfer},
    store::Store,
};
