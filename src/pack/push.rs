//! The act of packing: layers first, then the documents that name them, the tag last.

use std::{sync::Arc, time::Instant};

use futures_util::{StreamExt, stream};

use super::{
    Error,
    cache::{Cache, Known},
    documents::store_documents,
    event::{Act, Count, Event, LayerOutcome},
    gauge::{Gauge, Gauges, Hashed, Moved},
    image::{About, Image, Stored},
    layer::LayerSource,
    modelpack::ModelPack,
    plan::Plan,
    result::{Artifacts, Bytes, Packed},
    stream::{HashOnly, stream as send_through},
};
use crate::{
    interrupt::Interrupt,
    model::Model,
    registry::{BlobOutcome, Descriptor, Layout, Location, Store, Transfer, media_type},
};

/// Layers moved at once: four hide one slow stream; each takes 4 MB and three threads.
const LAYERS_AT_ONCE: usize = 4;

/// What is to be packed, and to where.
pub struct Job {
    pub model: Model,
    pub plan: Plan,
    pub to: Location,
    pub target: Target,
    /// A ModelPack manifest over the same blobs.
    pub modelpack: bool,
    /// `SOURCE_DATE_EPOCH` in RFC 3339.
    pub created: Option<String>,
    pub cache: Cache,
}

/// Where the bytes go.
pub enum Target {
    Store(Store),
    /// Nowhere: only looked at, if it exists at all.
    DryRun(Option<Store>),
}

/// Packs, and returns the result.
///
/// # Errors
/// A file that changed, a store that refuses, an interrupt. Whole blobs that were
/// stored before the error stay, for the next run to find; nothing half-written does.
pub async fn pack(
    job: Job,
    interrupt: &Interrupt,
    on_event: &(dyn Fn(Event) + Send + Sync),
) -> Result<Packed, Error> {
    let started = Instant::now();
    job.check_room().await?;
    let knowns = job.put_layers(interrupt, on_event).await?;
    let cache = job.cache.clone();
    drop(tokio::task::spawn_blocking(move || cache.prune()).await);
    let stored: Vec<_> = job
        .plan
        .layers
        .iter()
        .zip(&knowns)
        .map(|(layer, (known, _))| Stored { layer, known })
        .collect();
    let about = About {
        facts: &job.model.facts,
        kind: &job.model.source.kind,
        created: job.created.as_deref(),
    };
    let image = Image::new(&about, &stored);
    let modelpack = job.modelpack.then(|| ModelPack::new(&about, &stored));
    let digest = image.index.descriptor.digest;
    let tag = match job.to.tag() {
        Some(tag) => tag.to_owned(),
        None => format!("sha-{}", digest.short()),
    };
    let mut bytes = count(&knowns);
    if let Target::Store(store) = &job.target {
        store_documents(store, &image, modelpack.as_ref(), &tag, &mut bytes).await?;
    }
    let (mut reused, mut sent) = (Count::default(), Count::default());
    for (known, outcome) in &knowns {
        match outcome {
            LayerOutcome::Skipped | LayerOutcome::Mounted => reused.add(known.bytes),
            LayerOutcome::Written | LayerOutcome::Uploaded { .. } | LayerOutcome::WouldSend => {
                sent.add(known.bytes);
            }
        }
    }
    let place = job.to.clone().without_tag();
    on_event(Event::Stored {
        place: place.to_string(),
        tag,
        dry_run: matches!(job.target, Target::DryRun(_)),
        modelpack: job.modelpack,
        reused,
        sent,
        elapsed: started.elapsed(),
    });
    Ok(Packed {
        image: place.with_digest(digest).to_string(),
        digest: digest.to_string(),
        artifacts: Artifacts {
            modelpack: modelpack.map(|pack| pack.manifest.descriptor.digest.to_string()),
        },
        bytes,
        layers: knowns.into_iter().map(|(known, _)| known.into()).collect(),
        seconds: started.elapsed().as_secs_f64(),
        dry_run: matches!(job.target, Target::DryRun(_)),
    })
}

type Put = (Known, LayerOutcome);

impl Job {
    async fn put_layers(
        &self,
        interrupt: &Interrupt,
        on_event: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<Vec<Put>, Error> {
        let act = match self.to {
            Location::Layout(_) => Act::Write,
            Location::Registry(_) => Act::Upload,
        };
        let labels = self
            .plan
            .layers
            .iter()
            .map(|layer| (layer.label(), layer.bytes()));
        let gauges = Arc::new(Gauges::new(act, labels));
        // Not `try_collect`: threads of other layers must end before the process may, or
        // their temporary files stay.
        let work = stream::iter(0..self.plan.layers.len())
            .map(|number| self.put_layer(number, Arc::clone(&gauges), on_event))
            .buffered(LAYERS_AT_ONCE)
            .collect::<Vec<_>>();
        first_cause(gauges.watch(work, interrupt, on_event).await)
    }

    async fn put_layer(
        &self,
        number: usize,
        gauges: Arc<Gauges>,
        on_event: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<Put, Error> {
        if gauges.is_stopped() {
            return Err(Error::Interrupted);
        }
        let source = LayerSource::new(self.plan.layers[number].clone());
        let put = match &self.target {
            Target::Store(store) => match store.layout() {
                Some(layout) => self.write(layout.clone(), source, number, &gauges).await,
                None => self.upload(store, source, number, &gauges, on_event).await,
            },
            Target::DryRun(store) => self.look(store.as_ref(), source, number, &gauges).await,
        };
        match &put {
            Ok((known, outcome)) => on_event(Event::Layer {
                label: gauges.layer(number).label().to_owned(),
                digest: known.digest,
                bytes: known.bytes,
                outcome: *outcome,
            }),
            Err(_) => gauges.stop(),
        }
        put
    }

    /// One pass into a layout, unless it is known to be there.
    async fn write(
        &self,
        layout: Layout,
        source: LayerSource,
        number: usize,
        gauges: &Arc<Gauges>,
    ) -> Result<Put, Error> {
        let (cache, gauges) = (self.cache.clone(), Arc::clone(gauges));
        blocking(move || {
            let gauge = gauges.layer(number);
            if let Some(known) = cache.get(source.layer())
                && layout.has_blob(&known.digest, known.bytes)
            {
                gauge.is_there();
                return Ok((known, LayerOutcome::Skipped));
            }
            let mut writer = layout.blob_writer()?;
            let place = layout.dir().display().to_string();
            let files = send_through(&source, &mut writer, &place, &Moved(&gauges, number))?;
            let (digest, bytes) = (writer.digest(), source.layer().bytes());
            let was_there = layout.has_blob(&digest, bytes);
            writer.finish()?;
            let known = Known {
                digest,
                bytes,
                files,
            };
            cache.put(source.layer(), &known);
            let outcome = if was_there {
                LayerOutcome::Skipped
            } else {
                LayerOutcome::Written
            };
            Ok((known, outcome))
        })
        .await
    }

    /// Hashed first: every registry takes a blob whose digest is known.
    async fn upload(
        &self,
        store: &Store,
        source: LayerSource,
        number: usize,
        gauges: &Arc<Gauges>,
        on_event: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<Put, Error> {
        let known = self.digest(source.clone(), number, gauges).await?;
        let gauge = gauges.layer(number);
        let descriptor = Descriptor::new(media_type::IMAGE_LAYER, known.digest, known.bytes);
        let on = |transfer| report(transfer, gauge, on_event);
        let outcome = tokio::select! {
            outcome = store.put_blob(&descriptor, &source, &on) => outcome?,
            () = gauges.stopped() => return Err(Error::Interrupted),
        };
        let outcome = match outcome {
            BlobOutcome::Uploaded { bytes } => LayerOutcome::Uploaded { bytes },
            BlobOutcome::Mounted => LayerOutcome::Mounted,
            BlobOutcome::Skipped => LayerOutcome::Skipped,
        };
        match outcome {
            LayerOutcome::Mounted | LayerOutcome::Skipped => gauge.is_there(),
            _ => gauge.set_moved(known.bytes),
        }
        Ok((known, outcome))
    }

    async fn look(
        &self,
        store: Option<&Store>,
        source: LayerSource,
        number: usize,
        gauges: &Arc<Gauges>,
    ) -> Result<Put, Error> {
        let known = self.digest(source, number, gauges).await?;
        let there = match store {
            Some(store) => store.has_blob(&known.digest, known.bytes).await?,
            None => false,
        };
        let outcome = if there {
            LayerOutcome::Skipped
        } else {
            LayerOutcome::WouldSend
        };
        Ok((known, outcome))
    }

    /// The layer's digest, from the cache or by reading it.
    async fn digest(
        &self,
        source: LayerSource,
        number: usize,
        gauges: &Arc<Gauges>,
    ) -> Result<Known, Error> {
        let (cache, gauges) = (self.cache.clone(), Arc::clone(gauges));
        blocking(move || {
            if let Some(known) = cache.get(source.layer()) {
                return Ok(known);
            }
            let mut sink = HashOnly::default();
            let files = send_through(&source, &mut sink, "memory", &Hashed(&gauges, number))?;
            let known = Known {
                digest: sink.finish(),
                bytes: source.layer().bytes(),
                files,
            };
            cache.put(source.layer(), &known);
            Ok(known)
        })
        .await
    }

    /// A disk that will be full is better reported before than after an hour.
    async fn check_room(&self) -> Result<(), Error> {
        let Target::Store(store) = &self.target else {
            return Ok(());
        };
        let Some(layout) = store.layout().cloned() else {
            return Ok(());
        };
        let (cache, plan) = (self.cache.clone(), self.plan.clone());
        blocking(move || {
            let missing = plan.layers.iter().filter(|layer| {
                let known = cache.get(layer);
                known.is_none_or(|known| !layout.has_blob(&known.digest, known.bytes))
            });
            let needed_bytes: u64 = missing.map(super::plan::Layer::bytes).sum();
            let free_bytes = free_bytes(&layout);
            if free_bytes.is_some_and(|free| free < needed_bytes) {
                return Err(Error::NoRoom {
                    place: layout.dir().to_owned(),
                    needed_bytes,
                    free_bytes: free_bytes.unwrap_or_default(),
                });
            }
            Ok(())
        })
        .await
    }
}

/// What an unprivileged user may still write; `None` where the file system does not report it.
fn free_bytes(layout: &Layout) -> Option<u64> {
    let found = rustix::fs::statvfs(layout.dir()).ok()?;
    // Some network and test file systems report nothing at all.
    (found.f_blocks > 0).then(|| found.f_bavail.saturating_mul(found.f_frsize))
}

fn report(transfer: Transfer, gauge: &Gauge, on_event: &(dyn Fn(Event) + Send + Sync)) {
    let label = gauge.label().to_owned();
    match transfer {
        Transfer::Sent { sent, .. } => gauge.set_moved(sent),
        Transfer::Resumed { offset, .. } => on_event(Event::Resumed { label, offset }),
        Transfer::Retrying {
            reason, wait_ms, ..
        } => on_event(Event::Retrying {
            label,
            reason,
            wait_ms,
        }),
    }
}

/// All results, or the error that stopped the others.
fn first_cause(results: Vec<Result<Put, Error>>) -> Result<Vec<Put>, Error> {
    let mut puts = Vec::with_capacity(results.len());
    let mut stopped = None;
    for result in results {
        match result {
            Ok(put) => puts.push(put),
            Err(Error::Interrupted) => stopped = Some(Error::Interrupted),
            Err(cause) => return Err(cause),
        }
    }
    stopped.map_or(Ok(puts), Err)
}

fn count(puts: &[Put]) -> Bytes {
    let mut bytes = Bytes::default();
    for (known, outcome) in puts {
        bytes.total += known.bytes;
        match outcome {
            LayerOutcome::Written | LayerOutcome::WouldSend => bytes.uploaded += known.bytes,
            LayerOutcome::Uploaded { bytes: sent } => {
                bytes.uploaded += sent;
                bytes.skipped += known.bytes - sent;
            }
            LayerOutcome::Mounted => bytes.mounted += known.bytes,
            LayerOutcome::Skipped => bytes.skipped += known.bytes,
        }
    }
    bytes
}

/// Runs file work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}
