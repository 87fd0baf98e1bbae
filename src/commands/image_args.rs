//! The image that a verb reads: named, or the one of `infer.yaml` as it was packed.

use super::{registry_args::RegistryArgs, release_args::home, release_file::ReleaseFile};
use crate::{
    error::Failure,
    pack::lock::{self, Lock},
    registry::{Location, Store},
};

#[derive(Debug, Clone, clap::Args)]
pub struct ImageArgs {
    /// REGISTRY/REPOSITORY[:TAG][@DIGEST] or oci:DIR[:TAG]; that of infer.yaml if left out
    #[arg(value_name = "IMAGE")]
    image: Option<Location>,
    #[command(flatten)]
    file: ReleaseFile,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// An image that can be read.
pub struct Opened {
    pub store: Store,
    /// Without tag and digest.
    pub name: String,
    /// Tag or digest; `None` is a layout's only image.
    pub wanted: Option<String>,
}

impl ImageArgs {
    pub async fn open(&self) -> Result<Opened, Failure> {
        let image = match &self.image {
            Some(image) => image.clone(),
            None => self.packed()?,
        };
        self.open_location(&image).await
    }

    pub async fn open_location(&self, image: &Location) -> Result<Opened, Failure> {
        let options = self.registry.options(&home()?);
        let store = Store::open(image, &options).await?;
        Ok(Opened {
            store,
            name: image.clone().without_tag().to_string(),
            wanted: image.wanted(),
        })
    }

    /// `model.image` at the digest of `infer.lock`.
    fn packed(&self) -> Result<Location, Failure> {
        if !self.file.file.exists() {
            return Err(Failure::usage("no image is named")
                .hint("name one: oci:./image or ghcr.io/acme/chat:v3"));
        }
        let spec = self.file.load()?;
        let (Some(written), Some(place)) = (&spec.model.image, spec.image_place()) else {
            return Err(Failure::usage("infer.yaml names no model.image")
                .hint("name one: oci:./image or ghcr.io/acme/chat:v3"));
        };
        if place.digest().is_some() {
            return Ok(place);
        }
        let lock = Lock::read(&self.file.file.with_file_name(lock::FILE_NAME))?;
        let entry = lock.get(written).ok_or_else(|| {
            Failure::usage(format!("infer.lock does not know {written}")).hint("run `infer pack`")
        })?;
        Ok(place.with_digest(entry.digest))
    }
}
