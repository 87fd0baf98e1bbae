//! Stores what names the layers, in the order that never shows a half image.

use super::{
    Error,
    image::{Document, Image},
    modelpack::ModelPack,
    result::Bytes,
};
use crate::registry::{BlobOutcome, Store, source::Bytes as InMemory};

/// Blobs, then manifests, then the index with its tag: at every moment what can be
/// found by a tag is whole.
pub(super) async fn store_documents(
    store: &Store,
    image: &Image,
    modelpack: Option<&ModelPack>,
    tag: &str,
    bytes: &mut Bytes,
) -> Result<(), Error> {
    let configs = image
        .configs
        .iter()
        .chain(modelpack.map(|pack| &pack.config));
    for config in configs {
        put_config(store, config, bytes).await?;
    }
    for manifest in &image.manifests {
        put_manifest(store, manifest, None).await?;
    }
    if let Some(pack) = modelpack {
        put_manifest(store, &pack.manifest, Some(&modelpack_tag(tag))).await?;
    }
    put_manifest(store, &image.index, Some(tag)).await
}

/// Beside the image's tag, so that registries that remove untagged manifests keep it.
fn modelpack_tag(tag: &str) -> String {
    const SUFFIX: &str = "-modelpack";
    const TAG_BYTES_MAX: usize = 128;
    let kept = &tag[..tag.len().min(TAG_BYTES_MAX - SUFFIX.len())];
    format!("{kept}{SUFFIX}")
}

async fn put_config(store: &Store, config: &Document, bytes: &mut Bytes) -> Result<(), Error> {
    let source = InMemory::new(&config.bytes);
    let size = config.descriptor.size;
    bytes.total += size;
    match store.put_blob(&config.descriptor, &source, &|_| ()).await? {
        BlobOutcome::Uploaded { .. } => bytes.uploaded += size,
        BlobOutcome::Mounted => bytes.mounted += size,
        BlobOutcome::Skipped => bytes.skipped += size,
    }
    Ok(())
}

async fn put_manifest(store: &Store, document: &Document, tag: Option<&str>) -> Result<(), Error> {
    let media_type = &document.descriptor.media_type;
    store.put_manifest(media_type, &document.bytes, tag).await?;
    Ok(())
}
