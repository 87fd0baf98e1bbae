//! What packing comes to; the JSON of DESIGN §8.

use serde::Serialize;

use super::cache::Known;

#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Packed {
    /// `REGISTRY/REPOSITORY@sha256:…` or `oci:DIR@sha256:…`.
    pub image: String,
    pub digest: String,
    pub artifacts: Artifacts,
    pub bytes: Bytes,
    /// How many; their digests are in `infer.lock`.
    #[serde(serialize_with = "number_of")]
    #[schemars(with = "u64")]
    pub layers: Vec<PackedLayer>,
    pub seconds: f64,
    /// Nothing was sent; `bytes.uploaded` is what would have been.
    pub dry_run: bool,
}

/// Other manifests over the same blobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Artifacts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modelpack: Option<String>,
}

/// Bytes of all blobs, by how they came to be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Bytes {
    pub total: u64,
    pub uploaded: u64,
    pub mounted: u64,
    pub skipped: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PackedLayer {
    pub digest: String,
    pub bytes: u64,
}

impl From<Known> for PackedLayer {
    fn from(known: Known) -> Self {
        Self {
            digest: known.digest.to_string(),
            bytes: known.bytes,
        }
    }
}

fn number_of<S: serde::Serializer>(
    layers: &[PackedLayer],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(layers.len() as u64)
}
