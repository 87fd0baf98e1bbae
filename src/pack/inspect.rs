//! What is inside a packed model, from its documents alone: no layer is fetched.

use serde::Serialize;

use super::{Error, contents::Contents, files::FileEntry, image::label};
use crate::registry::{Annotations, ImageConfig, Store};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Inspected {
    /// The image with its digest.
    pub image: String,
    pub digest: String,
    pub media_type: String,
    pub platforms: Vec<String>,
    /// `None` where another tool packed the image.
    pub model: Option<PackedFacts>,
    /// Repository and revision on the Hugging Face hub.
    pub source: Option<String>,
    pub revision: Option<String>,
    pub layers: Vec<InspectedLayer>,
    /// Of all layers.
    pub bytes: u64,
}

/// Facts read from the weights when they were packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PackedFacts {
    pub format: String,
    pub architecture: Option<String>,
    pub parameters: Option<u64>,
    pub precisions: Vec<String>,
    pub quantization: Option<String>,
    pub context_length: Option<u64>,
    pub shards: Option<u64>,
    pub tensors: Option<u64>,
    pub weight_bytes: Option<u64>,
    pub kv_bytes_per_token: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct InspectedLayer {
    pub digest: String,
    pub media_type: String,
    pub bytes: u64,
    /// `None` where the image does not list them.
    pub files: Option<Vec<InspectedFile>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct InspectedFile {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

/// Describes the image that `wanted` names; `name` is the image's, without tag.
pub async fn inspect(store: &Store, name: &str, wanted: Option<&str>) -> Result<Inspected, Error> {
    let contents = Contents::read(store, name, wanted).await?;
    let config = contents.config(store).await?;
    let manifest = contents.manifest();
    let layers: Vec<_> = manifest
        .layers
        .iter()
        .map(|layer| InspectedLayer {
            digest: layer.digest.to_string(),
            media_type: layer.media_type.clone(),
            bytes: layer.size,
            files: FileEntry::listed(layer).map(|files| files.into_iter().map(file).collect()),
        })
        .collect();
    let annotation = |key: &str| manifest.annotations.get(key).cloned();
    Ok(Inspected {
        image: format!("{name}@{}", contents.top.digest),
        digest: contents.top.digest.to_string(),
        media_type: contents.top.media_type.clone(),
        platforms: contents.platforms(),
        model: config.as_ref().and_then(labels).and_then(facts),
        source: annotation(label::SOURCE),
        revision: annotation(label::REVISION),
        bytes: layers.iter().map(|layer| layer.bytes).sum(),
        layers,
    })
}

fn file(entry: FileEntry) -> InspectedFile {
    InspectedFile {
        path: entry.path,
        bytes: entry.bytes,
        sha256: entry.sha256.hex(),
    }
}

fn labels(config: &ImageConfig) -> Option<&Annotations> {
    config.config.as_ref()?.labels.as_ref()
}

fn facts(labels: &Annotations) -> Option<PackedFacts> {
    let text = |key: &str| labels.get(key).cloned();
    let number = |key: &str| labels.get(key).and_then(|text| text.parse().ok());
    Some(PackedFacts {
        format: text(label::FORMAT)?,
        architecture: text(label::ARCHITECTURE),
        parameters: number(label::PARAMETERS),
        precisions: text(label::PRECISION)
            .map(|text| text.split(',').map(str::to_owned).collect())
            .unwrap_or_default(),
        quantization: text(label::QUANTIZATION),
        context_length: number(label::CONTEXT_LENGTH),
        shards: number(label::SHARDS),
        tensors: number(label::TENSORS),
        weight_bytes: number(label::WEIGHT_BYTES),
        kv_bytes_per_token: number(label::KV_BYTES_PER_TOKEN),
    })
}
