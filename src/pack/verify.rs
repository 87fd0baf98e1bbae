//! Every byte of a packed model read again and held against its digest.

use std::{
    io::{self, Read},
    sync::Arc,
    time::Instant,
};

use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::{
    Error,
    contents::{Contents, open_layer},
    event::{Act, Event},
    gauge::Gauges,
    push::blocking,
};
use crate::{
    interrupt::Interrupt,
    registry::{Descriptor, ImageConfig, Manifest, Store},
};

const BLOBS_AT_ONCE: usize = 4;
const BUFFER_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Verified {
    pub image: String,
    pub digest: String,
    /// Manifests, configs and layers that were read.
    pub documents: u64,
    pub layers: u64,
    pub bytes: u64,
    /// Empty where everything is as it should be.
    pub damaged: Vec<Damage>,
    pub seconds: f64,
}

/// One blob that does not match its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Damage {
    pub digest: String,
    pub reason: String,
}

/// Reads all blobs of the image that `wanted` names.
///
/// # Errors
/// Documents that cannot be read at all; damaged blobs are no error but an answer.
pub async fn verify(
    store: &Store,
    name: &str,
    wanted: Option<&str>,
    interrupt: &Interrupt,
    on_event: &(dyn Fn(Event) + Send + Sync),
) -> Result<Verified, Error> {
    let started = Instant::now();
    let contents = Contents::read(store, name, wanted).await?;
    let blobs = contents.blobs();
    let mut damaged = read_all(store, &blobs, interrupt, on_event).await?;
    let mut layers = 0;
    for (_, manifest) in &contents.manifests {
        layers = layers.max(manifest.layers.len() as u64);
        damaged.extend(check_config(store, manifest).await?);
    }
    let documents = contents.manifests.len() + 1;
    Ok(Verified {
        image: format!("{name}@{}", contents.top.digest),
        digest: contents.top.digest.to_string(),
        documents: documents as u64,
        layers,
        bytes: blobs.iter().map(|blob| blob.size).sum(),
        damaged,
        seconds: started.elapsed().as_secs_f64(),
    })
}

async fn read_all(
    store: &Store,
    blobs: &[Descriptor],
    interrupt: &Interrupt,
    on_event: &(dyn Fn(Event) + Send + Sync),
) -> Result<Vec<Damage>, Error> {
    let labels = blobs.iter().map(|blob| (blob.digest.short(), blob.size));
    let gauges = Arc::new(Gauges::new(Act::Verify, labels));
    let work = stream::iter(blobs.iter().enumerate())
        .map(|(number, blob)| read_blob(store, blob, Arc::clone(&gauges), number))
        .buffered(BLOBS_AT_ONCE)
        .collect::<Vec<_>>();
    let results = gauges.watch(work, interrupt, on_event).await;
    if gauges.is_stopped() {
        return Err(Error::Interrupted);
    }
    Ok(results.into_iter().flatten().collect())
}

async fn read_blob(
    store: &Store,
    blob: &Descriptor,
    gauges: Arc<Gauges>,
    number: usize,
) -> Option<Damage> {
    let damage = |error: &dyn std::error::Error| Damage {
        digest: blob.digest.to_string(),
        reason: with_causes(error),
    };
    let mut reader = match open_layer(store, blob).await {
        Ok(reader) => reader,
        Err(error) => return Some(damage(&error)),
    };
    let read = blocking(move || {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            if gauges.is_stopped() {
                return Ok(Err(io::Error::from(io::ErrorKind::Interrupted)));
            }
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(Ok(())),
                Ok(read) => gauges.layer(number).add_moved(read as u64),
                Err(error) => return Ok(Err(error)),
            }
        }
    });
    match read.await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(damage(&error)),
        Err(error) => Some(damage(&error)),
    }
}

/// A runtime compares each unpacked layer with the config's list; so do we.
async fn check_config(store: &Store, manifest: &Manifest) -> Result<Option<Damage>, Error> {
    // A damaged config was found above.
    let Ok(bytes) = store.read_document(&manifest.config).await else {
        return Ok(None);
    };
    let Ok(config) = serde_json::from_slice::<ImageConfig>(&bytes) else {
        return Ok(None);
    };
    let plain = manifest
        .layers
        .iter()
        .all(|layer| layer.media_type.rsplit('.').next() == Some("tar"));
    let layers = manifest.layers.iter().map(|layer| layer.digest);
    if plain && !layers.eq(config.rootfs.diff_ids.iter().copied()) {
        return Ok(Some(Damage {
            digest: manifest.config.digest.to_string(),
            reason: "its diff_ids are not the manifest's layers".to_owned(),
        }));
    }
    Ok(None)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
