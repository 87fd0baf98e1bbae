//! What `infer render` answers.

use serde_json::{Value, json};

use super::{Answer, Paint};
use crate::{
    error::Failure,
    name::{ReleaseName, VersionId},
    render::{self, folder::Written},
};

/// Manifests as one YAML stream.
pub struct Manifests {
    release: ReleaseName,
    version: VersionId,
    objects: Vec<Value>,
    yaml: String,
}

impl Manifests {
    pub fn new(release: &ReleaseName, manifests: &render::Manifests) -> Result<Self, Failure> {
        Ok(Self {
            release: release.clone(),
            version: manifests.version.clone(),
            objects: manifests
                .objects
                .iter()
                .map(|object| object.value.clone())
                .collect(),
            yaml: manifests.to_yaml()?,
        })
    }
}

impl Answer for Manifests {
    fn json(&self) -> Value {
        json!({
            "event": "result", "verb": "render", "release": self.release,
            "version": self.version, "objects": self.objects,
        })
    }

    fn human(&self, _: &Paint) -> String {
        self.yaml.trim_end().to_owned()
    }
}

/// Manifests in a folder: the files, one a line.
pub struct WrittenFolder {
    release: ReleaseName,
    version: VersionId,
    written: Written,
}

impl WrittenFolder {
    pub fn new(release: &ReleaseName, manifests: &render::Manifests, written: Written) -> Self {
        Self {
            release: release.clone(),
            version: manifests.version.clone(),
            written,
        }
    }
}

impl Answer for WrittenFolder {
    fn json(&self) -> Value {
        json!({
            "event": "result", "verb": "render", "release": self.release,
            "version": self.version, "files": self.written.files,
            "removed": self.written.removed,
        })
    }

    fn human(&self, paint: &Paint) -> String {
        let written = self.written.files.iter();
        let removed = self.written.removed.iter();
        let lines: Vec<String> = written
            .map(|path| path.display().to_string())
            .chain(removed.map(|path| paint.dim(format!("removed {}", path.display()))))
            .collect();
        lines.join("\n")
    }
}
