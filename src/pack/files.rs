//! The list of files that a layer's descriptor carries, so that no reader has to fetch a
//! layer to know what is in it.

use serde::{Deserialize, Serialize};

use super::canonical;
use crate::registry::{Annotations, Descriptor, Digest};

/// Annotation of a layer: its files as a JSON array.
pub(super) const ANNOTATION: &str = "dev.infer.files+json";

/// A longer list is left out: registries take manifests of 4 MB, and there are two lists.
const ANNOTATION_BYTES_MAX: usize = 1 << 20;

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct FileEntry {
    pub path: String,
    pub bytes: u64,
    pub sha256: Digest,
}

impl FileEntry {
    pub(super) fn annotation(files: &[Self]) -> Annotations {
        let text = canonical::text(&files);
        let fits = text.len() <= ANNOTATION_BYTES_MAX;
        fits.then(|| (ANNOTATION.to_owned(), text))
            .into_iter()
            .collect()
    }

    /// The files of a layer that `infer` packed; `None` where they are not listed.
    pub(super) fn listed(layer: &Descriptor) -> Option<Vec<Self>> {
        serde_json::from_str(layer.annotations.get(ANNOTATION)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_back_unless_it_is_too_long() {
        let entry = |number: usize| FileEntry {
            path: format!("file-{number}"),
            bytes: 7,
            sha256: Digest::of(b"x"),
        };
        let mut layer = Descriptor::of("a/b", b"layer");
        let few = vec![entry(1), entry(2)];
        layer.annotations = FileEntry::annotation(&few);
        assert_eq!(FileEntry::listed(&layer), Some(few));
        layer.annotations = FileEntry::annotation(&(0..20_000).map(entry).collect::<Vec<_>>());
        assert_eq!(FileEntry::listed(&layer), None);
    }
}
