//! What `infer render` answers.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{Answer, Paint};
use crate::{
    error::Failure,
    name::ReleaseName,
    render::{self, folder::Written},
};

/// Manifests as one YAML stream.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Manifests {
    release: String,
    version: String,
    /// In the order they are to be applied in.
    objects: Vec<Value>,
    #[serde(skip)]
    yaml: String,
}

impl Manifests {
    pub fn new(release: &ReleaseName, manifests: &render::Manifests) -> Result<Self, Failure> {
        Ok(Self {
            release: release.to_string(),
            version: manifests.version.to_string(),
            objects: manifests
                .objects
                .iter()
                .map(|one| one.object.clone().into_value())
                .collect(),
            yaml: manifests.to_yaml()?,
        })
    }
}

impl Answer for Manifests {
    fn human(&self, _: &Paint) -> String {
        self.yaml.trim_end().to_owned()
    }
}

/// Manifests in a folder: the files, one a line.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WrittenFolder {
    release: String,
    version: String,
    files: Vec<String>,
    /// Files of infer's that belong to nothing any more.
    removed: Vec<String>,
}

impl WrittenFolder {
    pub fn new(release: &ReleaseName, manifests: &render::Manifests, written: &Written) -> Self {
        let shown = |paths: &[PathBuf]| {
            let names = paths.iter().map(|path| path.display().to_string());
            names.collect()
        };
        Self {
            release: release.to_string(),
            version: manifests.version.to_string(),
            files: shown(&written.files),
            removed: shown(&written.removed),
        }
    }
}

impl Answer for WrittenFolder {
    fn human(&self, paint: &Paint) -> String {
        let removed = self.removed.iter();
        let lines: Vec<String> = self
            .files
            .iter()
            .cloned()
            .chain(removed.map(|path| paint.dim(format!("removed {path}"))))
            .collect();
        lines.join("\n")
    }
}
