//! The documents of an image: configs, manifests, index; pure, the same bytes for the same model.

use std::collections::BTreeMap;

use super::{cache::Known, canonical, files::FileEntry, plan::Layer};
use crate::{
    model::{Facts, Kind},
    registry::{
        Annotations, Descriptor, Digest, Execution, ImageConfig, Index, Manifest, Platform, RootFs,
        media_type,
    },
};

/// GPU servers are one or the other (GB200 and GH200 are arm64); a runtime unpacks
/// only what names its own.
pub(super) const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// Labels of the config: facts read from the weights when they were packed.
pub(super) mod label {
    pub(crate) const FORMAT: &str = "dev.infer.model.format";
    pub(crate) const ARCHITECTURE: &str = "dev.infer.model.architecture";
    pub(crate) const PARAMETERS: &str = "dev.infer.model.parameters";
    pub(crate) const PRECISION: &str = "dev.infer.model.precision";
    pub(crate) const QUANTIZATION: &str = "dev.infer.model.quantization";
    pub(crate) const CONTEXT_LENGTH: &str = "dev.infer.model.context-length";
    pub(crate) const SHARDS: &str = "dev.infer.model.shards";
    pub(crate) const TENSORS: &str = "dev.infer.model.tensors";
    pub(crate) const WEIGHT_BYTES: &str = "dev.infer.model.weight-bytes";
    pub(crate) const KV_BYTES_PER_TOKEN: &str = "dev.infer.model.kv-bytes-per-token";
    pub(crate) const TITLE: &str = "org.opencontainers.image.title";
    pub(crate) const SOURCE: &str = "org.opencontainers.image.source";
    pub(crate) const REVISION: &str = "org.opencontainers.image.revision";
    pub(crate) const CREATED: &str = "org.opencontainers.image.created";
}

/// A document to be stored: its descriptor and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    pub descriptor: Descriptor,
    pub bytes: Vec<u8>,
}

impl Document {
    pub(super) fn new<T: serde::Serialize>(media_type: &str, value: &T) -> Self {
        let bytes = canonical::text(value).into_bytes();
        Self {
            descriptor: Descriptor::of(media_type, &bytes),
            bytes,
        }
    }
}

/// What goes into the documents beside the layers.
#[derive(Debug, Clone)]
pub(super) struct About<'a> {
    pub facts: &'a Facts,
    pub kind: &'a Kind,
    /// `SOURCE_DATE_EPOCH` in RFC 3339, if set; without it no time is written at all.
    pub created: Option<&'a str>,
}

/// A layer as stored.
#[derive(Debug, Clone)]
pub(super) struct Stored<'a> {
    pub layer: &'a Layer,
    pub known: &'a Known,
}

impl Stored<'_> {
    pub(super) fn descriptor(&self, media_type: &str) -> Descriptor {
        Descriptor::new(media_type, self.known.digest, self.known.bytes)
    }

    pub(super) fn files(&self) -> Vec<FileEntry> {
        let files = self.layer.files.iter().zip(&self.known.files);
        files
            .map(|(file, sha256)| FileEntry {
                path: file.path.clone(),
                bytes: file.bytes(),
                sha256: *sha256,
            })
            .collect()
    }
}

/// The image: one config and one manifest an architecture, over the same layers.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub configs: Vec<Document>,
    pub manifests: Vec<Document>,
    pub index: Document,
}

impl Image {
    pub(super) fn new(about: &About<'_>, layers: &[Stored<'_>]) -> Self {
        let annotations = about.annotations();
        let described: Vec<_> = layers
            .iter()
            .map(|stored| {
                let mut descriptor = stored.descriptor(media_type::IMAGE_LAYER);
                descriptor
                    .annotations
                    .extend(FileEntry::annotation(&stored.files()));
                descriptor
            })
            .collect();
        let diff_ids: Vec<Digest> = layers.iter().map(|stored| stored.known.digest).collect();
        let (mut configs, mut manifests, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for architecture in ARCHITECTURES {
            let config = Document::new(
                media_type::IMAGE_CONFIG,
                &ImageConfig {
                    created: about.created.map(str::to_owned),
                    architecture: architecture.to_owned(),
                    os: "linux".to_owned(),
                    variant: None,
                    config: Some(Execution {
                        labels: Some(about.labels()),
                        ..Execution::default()
                    }),
                    rootfs: RootFs::layers(diff_ids.clone()),
                },
            );
            let mut manifest = Manifest::new(config.descriptor.clone(), described.clone());
            manifest.annotations.clone_from(&annotations);
            let manifest = Document::new(media_type::IMAGE_MANIFEST, &manifest);
            entries.push(Descriptor {
                platform: Some(Platform::linux(architecture)),
                ..manifest.descriptor.clone()
            });
            configs.push(config);
            manifests.push(manifest);
        }
        let mut index = Index::new(entries);
        index.annotations = annotations;
        Self {
            configs,
            manifests,
            index: Document::new(media_type::IMAGE_INDEX, &index),
        }
    }
}

impl About<'_> {
    /// Where the bytes are known to come from: a folder's name is no part of them.
    pub(super) fn annotations(&self) -> Annotations {
        let mut annotations = Annotations::new();
        if let Kind::HuggingFace { repo, revision } = self.kind {
            annotations.insert(label::TITLE.to_owned(), repo.clone());
            annotations.insert(label::SOURCE.to_owned(), hub_url(repo));
            annotations.insert(label::REVISION.to_owned(), revision.clone());
        }
        if let Some(created) = self.created {
            annotations.insert(label::CREATED.to_owned(), created.to_owned());
        }
        annotations
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let facts = self.facts;
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        let values = [
            (label::FORMAT, Some(facts.format.name().to_owned())),
            (label::ARCHITECTURE, facts.architecture.clone()),
            (label::PARAMETERS, number(facts.parameters)),
            (
                label::PRECISION,
                Some(facts.precisions.join(",")).filter(|text| !text.is_empty()),
            ),
            (label::QUANTIZATION, facts.quantization.clone()),
            (label::CONTEXT_LENGTH, number(facts.context_length)),
            (label::SHARDS, number(Some(facts.shards))),
            (label::TENSORS, number(Some(facts.tensors))),
            (label::WEIGHT_BYTES, number(Some(facts.weight_bytes))),
            (label::KV_BYTES_PER_TOKEN, number(facts.kv_bytes_per_token)),
        ];
        let mut labels = self.annotations();
        for (key, value) in values {
            if let Some(value) = value {
                labels.insert(key.to_owned(), value);
            }
        }
        labels
    }
}

pub(super) fn hub_url(repo: &str) -> String {
    format!("https://huggingface.co/{repo}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        model::{File, Format},
        pack::plan::Plan,
    };

    pub(in crate::pack) fn facts() -> Facts {
        Facts {
            name: "tiny".to_owned(),
            format: Format::Safetensors,
            architecture: Some("TinyForCausalLM".to_owned()),
            parameters: Some(8_200_000_000),
            precisions: vec!["bf16".to_owned(), "f32".to_owned()],
            quantization: None,
            context_length: Some(4096),
            shards: 1,
            tensors: 2,
            weight_bytes: 16_400_000_000,
            kv_bytes_per_token: None,
        }
    }

    pub(in crate::pack) fn layer() -> (Layer, Known) {
        let files = vec![
            File::named("config.json", 2),
            File::named("model.safetensors", 9),
        ];
        let layer = Plan::new(files).unwrap().layers.remove(0);
        let known = Known {
            digest: Digest::of(b"layer"),
            bytes: layer.bytes(),
            files: vec![Digest::of(b"{}"), Digest::of(b"x")],
        };
        (layer, known)
    }

    fn image(created: Option<&str>, kind: &Kind) -> Image {
        let (facts, (layer, known)) = (facts(), layer());
        let about = About {
            facts: &facts,
            kind,
            created,
        };
        Image::new(
            &about,
            &[Stored {
                layer: &layer,
                known: &known,
            }],
        )
    }

    #[test]
    fn both_architectures_share_their_layers_and_nothing_is_an_artifact() {
        let image = image(None, &Kind::Directory);
        let manifests: Vec<Manifest> = image
            .manifests
            .iter()
            .map(|document| serde_json::from_slice(&document.bytes).unwrap())
            .collect();
        assert_eq!(manifests[0].layers, manifests[1].layers);
        assert_ne!(manifests[0].config, manifests[1].config);
        assert!(
            manifests
                .iter()
                .all(|manifest| manifest.artifact_type.is_none())
        );
        let config: ImageConfig = serde_json::from_slice(&image.configs[1].bytes).unwrap();
        assert_eq!(config.architecture, "arm64");
        assert_eq!(config.rootfs.diff_ids, [Digest::of(b"layer")]);
        assert_eq!(config.created, None);
        let index: Index = serde_json::from_slice(&image.index.bytes).unwrap();
        let platforms = index
            .manifests
            .iter()
            .map(|entry| entry.platform.clone().unwrap());
        assert!(platforms.map(|p| p.architecture).eq(ARCHITECTURES));
    }

    #[test]
    fn a_time_is_written_only_when_one_is_given() {
        let plain = image(None, &Kind::Directory);
        let dated = image(Some("1970-01-01T00:00:01Z"), &Kind::Directory);
        assert!(
            !String::from_utf8(plain.index.bytes)
                .unwrap()
                .contains("created")
        );
        assert!(
            String::from_utf8(dated.index.bytes)
                .unwrap()
                .contains("1970-01-01T00:00:01Z")
        );
    }

    #[test]
    fn the_hub_is_named_as_source() {
        let kind = Kind::HuggingFace {
            repo: "acme/chat".to_owned(),
            revision: "abc".to_owned(),
        };
        let index: Index = serde_json::from_slice(&image(None, &kind).index.bytes).unwrap();
        assert_eq!(
            index.annotations[label::SOURCE],
            "https://huggingface.co/acme/chat"
        );
        assert_eq!(index.annotations[label::REVISION], "abc");
    }
}
