//! What can go wrong when a model becomes an image, or comes out of one.

use std::{io, path::PathBuf};

use crate::{
    explain::{Explain, Kind},
    model, registry,
};

/// A model that cannot be packed, read or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} must not go into an image: it looks like a secret", paths.join(", "))]
    Secrets { paths: Vec<String> },
    #[error(transparent)]
    Model(#[from] model::Error),
    #[error(transparent)]
    Store(#[from] registry::Error),
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error("{path} changed while it was read")]
    Changed { path: String },
    #[error("{path} is damaged: its cache names it {expected}, but its content is {found}")]
    Damaged {
        path: String,
        expected: String,
        found: String,
    },
    #[error("cannot write layer {label} to {place}")]
    WriteLayer {
        label: String,
        place: String,
        source: io::Error,
    },
    #[error("{} has {free_bytes} bytes free, and {needed_bytes} are needed", place.display())]
    NoRoom {
        place: PathBuf,
        needed_bytes: u64,
        free_bytes: u64,
    },
    #[error("SOURCE_DATE_EPOCH is {text:?}, not a number of seconds since 1970")]
    SourceDate { text: String },
    #[error("{} is not a valid lock file", path.display())]
    Lock {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{} is a lock file of version {found}; this infer reads version {known}", path.display())]
    LockVersion {
        path: PathBuf,
        found: u64,
        known: u64,
    },
    #[error("cannot {act} {}", path.display())]
    File {
        act: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{image} is not an image that infer can read: {why}")]
    NotAnImage { image: String, why: String },
    #[error("{} already exists", path.display())]
    Exists { path: PathBuf },
    #[error("layer {digest} cannot be unpacked: {fault}")]
    Entry { digest: String, fault: EntryFault },
    #[error("cannot read layer {digest}")]
    Layer { digest: String, source: io::Error },
    #[error("{image} has no files below {}/", super::framing::ROOT)]
    NoModel { image: String },
    #[error("interrupted")]
    Interrupted,
}

/// What in a layer must not reach a disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    #[error("{path:?} leads out of the folder")]
    Outside { path: String },
    #[error("{path:?} is a {kind}, and only files and folders are taken")]
    Kind { path: String, kind: &'static str },
    #[error("{path:?} holds a NUL, a backslash or text that is not UTF-8")]
    Name { path: String },
    #[error("{path:?} would delete other files")]
    Whiteout { path: String },
    #[error("{path:?} is a file here and a folder elsewhere")]
    Clash { path: String },
    #[error("its archive has a wrong header at byte {at}")]
    Header { at: u64 },
    #[error("its archive ends in the middle of {path:?}")]
    CutShort { path: String },
    #[error("an extended header of {bytes} bytes is longer than the {limit_bytes} allowed")]
    ExtendedTooLong { bytes: u64, limit_bytes: u64 },
    #[error("it has more than {limit} entries")]
    TooMany { limit: usize },
    #[error("layers of type {media_type} are not supported, only uncompressed ones")]
    MediaType { media_type: String },
}

impl Error {
    pub(super) fn file(
        act: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { act, path, source }
    }
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Model(error) => Some(error),
            Self::Store(error) => Some(error),
            _ => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Model(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Interrupted => Kind::Interrupted,
            Self::SourceDate { .. } | Self::Exists { .. } => Kind::Usage,
            _ => Kind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Secrets { paths } => {
                let flags = paths
                    .iter()
                    .take(3)
                    .map(|path| format!("--exclude '{path}'"));
                vec![
                    format!("leave it out: {}", flags.collect::<Vec<_>>().join(" ")),
                    "anyone who may pull the image could read it".to_owned(),
                ]
            }
            Self::Model(error) => error.hints(),
            Self::Store(error) => error.hints(),
            Self::Changed { .. } => {
                vec!["wait until nothing writes to it, then pack again".to_owned()]
            }
            Self::Damaged { .. } => vec!["download it again".to_owned()],
            Self::NoRoom { .. } => vec!["free some space, or choose another folder".to_owned()],
            Self::Exists { .. } => vec!["name a folder that does not exist yet".to_owned()],
            Self::LockVersion { .. } => vec!["update infer".to_owned()],
            Self::Lock { path, .. } => vec![format!(
                "take it from version control, or remove {} and run `infer pack`",
                path.display()
            )],
            Self::Read { .. }
            | Self::WriteLayer { .. }
            | Self::File { .. }
            | Self::SourceDate { .. }
            | Self::NotAnImage { .. }
            | Self::Entry { .. }
            | Self::Layer { .. }
            | Self::NoModel { .. } => Vec::new(),
            Self::Interrupted => {
                vec!["run it again: what is there already is not sent twice".to_owned()]
            }
        }
    }
}
