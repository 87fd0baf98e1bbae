//! The CNCF ModelPack manifest over the image's own layers: same blobs, second name.
//!
//! A media type lives in the descriptor, not in the blob, so a layer of the image is a
//! ModelPack `weight.v1.tar` as well. Facts: model-spec v0.0.7.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    canonical,
    framing::ROOT,
    image::{About, Document, Stored, hub_url},
};
use crate::{
    model::Kind,
    registry::{Annotations, Digest, Manifest, media_type},
};

const ARTIFACT_TYPE: &str = "application/vnd.cncf.model.manifest.v1+json";
const CONFIG: &str = "application/vnd.cncf.model.config.v1+json";
const WEIGHT: &str = "application/vnd.cncf.model.weight.v1.tar";
const WEIGHT_CONFIG: &str = "application/vnd.cncf.model.weight.config.v1.tar";

const FILE_PATH: &str = "org.cncf.model.filepath";
const FILE_METADATA: &str = "org.cncf.model.file.metadata+json";
const UNTESTED: &str = "org.cncf.model.file.mediatype.untested";

/// The artifact: its config and its manifest.
#[derive(Debug, Clone)]
pub(super) struct ModelPack {
    pub config: Document,
    pub manifest: Document,
}

/// The schema allows no field beyond these; what is not known is left out.
#[derive(Serialize)]
struct ModelConfig {
    descriptor: Value,
    #[serde(rename = "config")]
    facts: Value,
    modelfs: ModelFs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ModelFs {
    r#type: &'static str,
    diff_ids: Vec<Digest>,
}

impl ModelPack {
    pub(super) fn new(about: &About<'_>, layers: &[Stored<'_>]) -> Self {
        let config = Document::new(
            CONFIG,
            &ModelConfig {
                descriptor: descriptor(about),
                facts: facts(about),
                modelfs: ModelFs {
                    r#type: "layers",
                    diff_ids: layers.iter().map(|stored| stored.known.digest).collect(),
                },
            },
        );
        let described = layers
            .iter()
            .map(|stored| {
                let weights = stored.layer.has_weights();
                let mut layer = stored.descriptor(if weights { WEIGHT } else { WEIGHT_CONFIG });
                layer.annotations = annotations(stored);
                layer
            })
            .collect();
        let mut manifest = Manifest::new(config.descriptor.clone(), described);
        manifest.artifact_type = Some(ARTIFACT_TYPE.to_owned());
        manifest.annotations = about.annotations();
        let mut manifest = Document::new(media_type::IMAGE_MANIFEST, &manifest);
        manifest.descriptor.artifact_type = Some(ARTIFACT_TYPE.to_owned());
        Self { config, manifest }
    }
}

fn descriptor(about: &About<'_>) -> Value {
    let mut value = json!({});
    if let Kind::HuggingFace { repo, revision } = about.kind {
        value["name"] = repo.as_str().into();
        value["sourceURL"] = hub_url(repo).into();
        value["revision"] = revision.as_str().into();
    }
    if let Some(created) = about.created {
        value["createdAt"] = created.into();
    }
    value
}

fn facts(about: &About<'_>) -> Value {
    let facts = about.facts;
    let mut value = json!({"format": facts.format.name()});
    if let Some(architecture) = &facts.architecture {
        value["architecture"] = architecture.as_str().into();
    }
    if let Some(parameters) = facts.parameters {
        value["paramSize"] = parameter_size(parameters).into();
    }
    if !facts.precisions.is_empty() {
        let names: Vec<_> = facts
            .precisions
            .iter()
            .map(|name| precision(name))
            .collect();
        value["precision"] = names.join(",").into();
    }
    if let Some(quantization) = &facts.quantization {
        value["quantization"] = quantization.as_str().into();
    }
    value
}

/// The spec's spelling of an element type.
fn precision(dtype: &str) -> String {
    match dtype {
        "bf16" => "bfloat16".to_owned(),
        "f64" => "float64".to_owned(),
        "f32" => "float32".to_owned(),
        "f16" => "float16".to_owned(),
        other => match (other.strip_prefix("f8_"), other.strip_prefix('i')) {
            (Some(kind), _) => format!("float8_{kind}"),
            (None, Some(bits)) if bits.parse::<u8>().is_ok() => format!("int{bits}"),
            _ => other.to_owned(),
        },
    }
}

/// `8.2B`, `22.7M`: one digit behind the point, as model names have it.
#[expect(clippy::cast_precision_loss, reason = "two digits are kept")]
pub fn parameter_size(parameters: u64) -> String {
    let value = parameters as f64;
    for (unit, size) in [("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3)] {
        if value >= size * 0.99995 {
            let text = format!("{:.1}", value / size);
            return format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text));
        }
    }
    parameters.to_string()
}

fn annotations(stored: &Stored<'_>) -> Annotations {
    let mut annotations = Annotations::new();
    annotations.insert(UNTESTED.to_owned(), "true".to_owned());
    let path = match stored.layer.files.as_slice() {
        [only] => {
            let metadata = json!({
                "name": only.path.rsplit('/').next().unwrap_or(&only.path),
                "mode": 0o644,
                "uid": 0,
                "gid": 0,
                "size": only.bytes(),
                "mtime": "1970-01-01T00:00:00Z",
                "typeflag": 0,
            });
            let text = canonical::text(&metadata);
            annotations.insert(FILE_METADATA.to_owned(), text);
            format!("{ROOT}/{}", only.path)
        }
        _ => ROOT.to_owned(),
    };
    annotations.insert(FILE_PATH.to_owned(), path);
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::image;

    #[test]
    fn it_names_the_images_own_blobs_and_keeps_to_the_schema() {
        let (facts, (layer, known)) = (image::tests::facts(), image::tests::layer());
        let about = About {
            facts: &facts,
            kind: &Kind::Directory,
            created: None,
        };
        let stored = Stored {
            layer: &layer,
            known: &known,
        };
        let pack = ModelPack::new(&about, &[stored]);
        let manifest: Manifest = serde_json::from_slice(&pack.manifest.bytes).unwrap();
        assert_eq!(manifest.artifact_type.as_deref(), Some(ARTIFACT_TYPE));
        assert_eq!(manifest.layers[0].digest, known.digest);
        assert_eq!(manifest.layers[0].media_type, WEIGHT);
        assert_eq!(manifest.layers[0].annotations[FILE_PATH], "models");
        let config = String::from_utf8(pack.config.bytes).unwrap();
        assert_eq!(
            config,
            format!(
                r#"{{"config":{{"architecture":"TinyForCausalLM","format":"safetensors","paramSize":"8.2B","precision":"bfloat16,float32"}},"descriptor":{{}},"modelfs":{{"diffIds":["{}"],"type":"layers"}}}}"#,
                known.digest
            )
        );
    }

    #[test]
    fn sizes_are_written_as_model_names_write_them() {
        let sizes =
            [999, 22_713_216, 999_960_000, 8_200_000_000, 70_000_000_000].map(parameter_size);
        assert_eq!(sizes, ["999", "22.7M", "1B", "8.2B", "70B"]);
    }
}
