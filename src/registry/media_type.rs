//! Media types of manifests, configs and layers.

pub use oci_distribution::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE as IMAGE_CONFIG, IMAGE_LAYER_MEDIA_TYPE as IMAGE_LAYER,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE as DOCKER_MANIFEST_LIST,
    IMAGE_MANIFEST_MEDIA_TYPE as DOCKER_MANIFEST, OCI_IMAGE_INDEX_MEDIA_TYPE as IMAGE_INDEX,
    OCI_IMAGE_MEDIA_TYPE as IMAGE_MANIFEST,
};

/// Manifests that `infer` can read, best first; sent as `Accept`.
pub const MANIFESTS: [&str; 4] = [
    IMAGE_INDEX,
    IMAGE_MANIFEST,
    DOCKER_MANIFEST_LIST,
    DOCKER_MANIFEST,
];

/// Whether a manifest of this type lists other manifests.
pub fn is_index(media_type: &str) -> bool {
    [IMAGE_INDEX, DOCKER_MANIFEST_LIST].contains(&media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_those_of_the_image_spec() {
        assert_eq!(IMAGE_INDEX, "application/vnd.oci.image.index.v1+json");
        assert_eq!(IMAGE_MANIFEST, "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(IMAGE_CONFIG, "application/vnd.oci.image.config.v1+json");
        assert_eq!(IMAGE_LAYER, "application/vnd.oci.image.layer.v1.tar");
        assert!(is_index(DOCKER_MANIFEST_LIST) && !is_index(DOCKER_MANIFEST));
    }
}
