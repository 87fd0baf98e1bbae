//! An image as its documents describe it: index, manifests, config.

use std::{collections::BTreeSet, io::Read};

use super::{Error, error::EntryFault, files::FileEntry, push::blocking};
use crate::registry::{Descriptor, Digest, ImageConfig, Index, Manifest, Store, media_type};

/// No image has more platforms; each costs a request.
const MANIFESTS_MAX: usize = 64;

/// Beyond this an image is not for a runtime: containers stop at 127.
const LAYERS_MAX: usize = 1024;

/// The documents of one image, read and checked against their digests.
#[derive(Debug, Clone)]
pub(super) struct Contents {
    /// What the tag or digest named: an index, or a manifest alone.
    pub top: Descriptor,
    /// Every manifest with its descriptor, in the index's order.
    pub manifests: Vec<(Descriptor, Manifest)>,
}

impl Contents {
    /// Reads what `wanted` (a tag, a digest, or a layout's only image) names.
    ///
    /// # Errors
    /// Nothing there, a wrong digest, or documents that are no image.
    pub(super) async fn read(
        store: &Store,
        name: &str,
        wanted: Option<&str>,
    ) -> Result<Self, Error> {
        let no_image = |why: String| Error::NotAnImage {
            image: name.to_owned(),
            why,
        };
        let (top, bytes) = store.get_manifest(wanted).await?;
        let listed = if media_type::is_index(&top.media_type) {
            let index: Index =
                serde_json::from_slice(&bytes).map_err(|error| no_image(error.to_string()))?;
            if index.manifests.len() > MANIFESTS_MAX {
                return Err(no_image(format!("it lists over {MANIFESTS_MAX} manifests")));
            }
            index.manifests
        } else {
            vec![top.clone()]
        };
        let mut manifests = Vec::new();
        for descriptor in listed {
            // An index within an index is allowed and never used.
            if media_type::is_index(&descriptor.media_type) {
                continue;
            }
            let digest = descriptor.digest.to_string();
            let (_, bytes) = store.get_manifest(Some(&digest)).await?;
            let manifest: Manifest =
                serde_json::from_slice(&bytes).map_err(|error| no_image(error.to_string()))?;
            if manifest.layers.len() > LAYERS_MAX {
                return Err(no_image(format!("it has over {LAYERS_MAX} layers")));
            }
            manifests.push((descriptor, manifest));
        }
        if manifests.is_empty() {
            return Err(no_image("its index lists no manifest".to_owned()));
        }
        Ok(Self { top, manifests })
    }

    /// The manifest for this machine, else the first.
    pub(super) fn manifest(&self) -> &Manifest {
        let here = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let found = self.manifests.iter().find(|(descriptor, _)| {
            let platform = descriptor.platform.as_ref();
            platform.is_some_and(|platform| platform.architecture == here)
        });
        let (_, manifest) = found.unwrap_or(&self.manifests[0]);
        manifest
    }

    /// `linux/amd64` and so on; `artifact` where no platform is named.
    pub(super) fn platforms(&self) -> Vec<String> {
        let names = self.manifests.iter().map(|(descriptor, _)| {
            descriptor.platform.as_ref().map_or_else(
                || "any".to_owned(),
                |platform| format!("{}/{}", platform.os, platform.architecture),
            )
        });
        names.collect()
    }

    /// All blobs of all manifests, each once, configs first.
    pub(super) fn blobs(&self) -> Vec<Descriptor> {
        let mut seen = BTreeSet::<Digest>::new();
        let configs = self.manifests.iter().map(|(_, manifest)| &manifest.config);
        let layers = self
            .manifests
            .iter()
            .flat_map(|(_, manifest)| &manifest.layers);
        configs
            .chain(layers)
            .filter(|blob| seen.insert(blob.digest))
            .cloned()
            .collect()
    }

    /// The config of [`Self::manifest`]; `None` where it is not an image's.
    pub(super) async fn config(&self, store: &Store) -> Result<Option<ImageConfig>, Error> {
        let bytes = store.read_document(&self.manifest().config).await?;
        Ok(serde_json::from_slice(&bytes).ok())
    }
}

/// A layer as a blocking reader whose end proves its bytes.
pub(super) async fn open_layer(
    store: &Store,
    layer: &Descriptor,
) -> Result<Box<dyn Read + Send>, Error> {
    if let Some(layout) = store.layout() {
        let (layout, layer) = (layout.clone(), layer.clone());
        return blocking(move || {
            let reader = layout.read_blob(&layer)?;
            let reader: Box<dyn Read + Send> = Box::new(reader);
            Ok(reader)
        })
        .await;
    }
    Ok(Box::new(store.read_blob(layer).await?.into_blocking()))
}

/// Compressed layers are other tools' work; ours are plain.
pub(super) fn check_media_type(layer: &Descriptor) -> Result<(), Error> {
    if layer.media_type.rsplit('.').next() == Some("tar") {
        return Ok(());
    }
    Err(Error::Entry {
        digest: layer.digest.to_string(),
        fault: EntryFault::MediaType {
            media_type: layer.media_type.clone(),
        },
    })
}

/// Whether no two layers write the same file, so that their order does not matter.
pub(super) fn are_disjoint(layers: &[Descriptor]) -> bool {
    let mut paths = BTreeSet::new();
    layers.iter().all(|layer| {
        FileEntry::listed(layer)
            .is_some_and(|files| files.into_iter().all(|file| paths.insert(file.path)))
    })
}
