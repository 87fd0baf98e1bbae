//! Why nothing could be rendered.

use std::{io, path::PathBuf};

use crate::{
    engine::{ArgumentError, Kind},
    explain::{self, Explain, write_hint},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the target is `local`, which has no manifests")]
    NotKubernetes,
    #[error("no image with the model is named")]
    NoModel,
    #[error("{image} is not pinned to a digest")]
    NoDigest { image: String },
    #[error("no container image for {kind} is named")]
    NoEngineImage { kind: Kind },
    #[error("`secrets.{name}` names no Secret of the cluster")]
    NoSecret { name: String },
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    #[error("cannot read templates in {}", folder.display())]
    Templates { folder: PathBuf, source: io::Error },
    #[error("template {} cannot be used: {reason}", file.display())]
    Override { file: PathBuf, reason: String },
    /// The engine's message has the template's line and what surrounds it.
    #[error("template {file} failed: {message}")]
    Template { file: String, message: String },
    #[error("template {file} does not give a valid object: {reason}")]
    Object { file: String, reason: String },
    #[error("patch {number} ({kind}) {reason}")]
    Patch {
        /// From 1, in the order of the file.
        number: usize,
        kind: String,
        reason: String,
    },
    /// Valid objects that do not fit together.
    #[error("the manifests contradict themselves: {}", findings.join("; "))]
    Contradiction { findings: Vec<String> },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write YAML")]
    Yaml(#[from] crate::yaml::Error),
}

impl Explain for Error {
    fn kind(&self) -> explain::Kind {
        match self {
            Self::Write { .. } | Self::Yaml(_) => explain::Kind::Failed,
            _ => explain::Kind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NotKubernetes => "render for a cluster with `--set target=kubernetes`",
            Self::NoModel => "add `model: {image: REGISTRY/REPOSITORY}` and run `infer pack`",
            Self::NoDigest { .. } => "run `infer pack`, which writes infer.lock",
            Self::NoEngineImage { kind } if kind.is_simulated() => {
                "add `engine: {image: …}`, an image with infer in it"
            }
            Self::NoEngineImage { .. } => {
                "add `engine: {version: …}` for the upstream image, or `engine: {image: …}`"
            }
            Self::NoSecret { .. } => "as in `{secret: SECRET, key: KEY}`",
            Self::Argument(ArgumentError::NoFile) => {
                "add `model: {file: NAME.gguf}`, the file below the packed folder"
            }
            Self::Template { .. } | Self::Object { .. } | Self::Override { .. } => {
                "compare it with the built-in: `infer template diff`"
            }
            Self::Templates { .. } => {
                "make the folder with `infer template eject`, or take `templates` out of infer.yaml"
            }
            Self::Write { source, .. } => return write_hint(source).into_iter().collect(),
            Self::Argument(_) | Self::Patch { .. } | Self::Contradiction { .. } | Self::Yaml(_) => {
                return Vec::new();
            }
        };
        vec![hint.to_owned()]
    }
}
