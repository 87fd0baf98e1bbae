//! Which image is wanted: what `infer.yaml` names, pinned by `infer.lock` (pure).

use super::Error;
use crate::{
    pack::lock::Lock,
    registry::{Digest, Location},
    spec::Spec,
};

/// The image a release is to serve, by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Where it lies, with its digest.
    pub place: Location,
    pub digest: Digest,
    /// Why `infer.lock` was not asked, for people.
    pub note: Option<String>,
}

/// Pins the image: `over` (`--image`) before `model.image`, a digest in either before the lock.
pub fn image(spec: &Spec, over: Option<&Location>, lock: &Lock) -> Result<Image, Error> {
    let place = match over {
        Some(over) => over.clone(),
        None => spec.image_place().ok_or(Error::NoImage)?,
    };
    if let Some(digest) = place.digest() {
        let note = format!("{place} names its digest, so infer.lock is not asked");
        return Ok(Image {
            place,
            digest,
            note: Some(note),
        });
    }
    let written = over.or(spec.model.image.as_ref()).ok_or(Error::NoImage)?;
    let entry = lock.get(written).ok_or_else(|| Error::NotPacked {
        image: written.to_string(),
    })?;
    Ok(Image {
        place: place.without_tag().with_digest(entry.digest),
        digest: entry.digest,
        note: None,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::explain::Explain;
    use crate::{
        pack::lock::{Entry, LockedSource},
        spec::parse,
    };

    fn spec(image: &str) -> Spec {
        let text = format!("name: chat\nmodel: {{image: \"{image}\"}}\nengine: {{kind: sim}}\n");
        parse(Path::new("deep/infer.yaml"), &text, None, &[]).unwrap()
    }

    fn locked(image: &str) -> Lock {
        let mut lock = Lock::default();
        let entry = Entry {
            digest: Digest::of(b"packed"),
            modelpack: None,
            layers: Vec::new(),
            source: LockedSource::from(&crate::model::Kind::Directory),
        };
        lock.set(&image.parse().unwrap(), entry);
        lock
    }

    #[test]
    fn the_lock_pins_what_the_file_names_whatever_its_tag() {
        let image = image(&spec("oci:image:v2"), None, &locked("oci:image")).unwrap();
        assert_eq!(image.digest, Digest::of(b"packed"));
        assert_eq!(
            image.place.to_string(),
            format!("oci:deep/image@{}", image.digest)
        );
        assert_eq!(image.note, None);
    }

    #[test]
    fn a_digest_overrides_the_lock_and_says_so() {
        let digest = Digest::of(b"other");
        let over = format!("oci:image@{digest}").parse().unwrap();
        let image = image(&spec("oci:image"), Some(&over), &locked("oci:image")).unwrap();
        assert_eq!(image.digest, digest);
        assert!(image.note.unwrap().contains("infer.lock is not asked"));
    }

    #[test]
    fn what_was_not_packed_is_refused() {
        let error = image(&spec("oci:image"), None, &Lock::default()).unwrap_err();
        assert!(matches!(error, Error::NotPacked { .. }), "{error}");
        assert_eq!(error.hints(), ["run `infer pack`"]);
    }
}
