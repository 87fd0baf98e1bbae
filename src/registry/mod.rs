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
    blob_writer::BlobWriter,
    digest::{Digest, DigestError},
    error::Error,
    layout::{DOCUMENT_BYTES_MAX, Layout},
    location::{LayoutPath, Location, LocationError},
    manifest::{
        Annotations, Descriptor, Execution, ImageConfig, Index, Manifest, Platform, REF_NAME,
        RootFs, SchemaVersion,
    },
    options::Options,
    reference::{Reference, ReferenceError, is_tag},
    refusal::{Reason, Refusal},
    remote::Remote,
    source::{BlobOutcome, BlobSource, Transfer},
    store::{BlobReader, Store},
    verified::Verified,
};
