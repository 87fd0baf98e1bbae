//! A place for blobs and manifests, whichever kind it is.

use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, ReadBuf},
    sync::watch,
};

use super::{
    digest::Digest,
    error::Error,
    layout::{DOCUMENT_BYTES_MAX, Layout},
    location::Location,
    manifest::Descriptor,
    options::Options,
    reference::Reference,
    remote::{Access, Remote},
    source::{BlobOutcome, BlobSource, Transfer},
    verified::Verified,
};

/// Bytes copied at a time: large enough that the progress report costs nothing.
const COPY_BYTES: usize = 256 * 1024;

/// A registry's repository or a layout, opened to read or to write.
#[derive(Debug)]
pub enum Store {
    Registry(Remote),
    Layout(Layout),
}

impl Store {
    /// Opens what is there, to read it.
    pub async fn open(location: &Location, options: &Options) -> Result<Self, Error> {
        match location {
            Location::Registry(reference) => remote(reference, options, Access::Read).await,
            Location::Layout(path) => {
                let dir = path.dir().to_owned();
                Ok(Self::Layout(blocking(move || Layout::open(&dir)).await?))
            }
        }
    }

    /// Opens a place to put things; a layout is made where there is none.
    pub async fn open_to_write(location: &Location, options: &Options) -> Result<Self, Error> {
        match location {
            Location::Registry(reference) => remote(reference, options, Access::Write).await,
            Location::Layout(path) => {
                let dir = path.dir().to_owned();
                Ok(Self::Layout(blocking(move || Layout::create(&dir)).await?))
            }
        }
    }

    /// The layout's folder, where this is one: a blob can then be written in one pass.
    pub fn layout(&self) -> Option<&Layout> {
        match self {
            Self::Layout(layout) => Some(layout),
            Self::Registry(_) => None,
        }
    }

    pub async fn has_blob(&self, digest: &Digest, size: u64) -> Result<bool, Error> {
        match self {
            Self::Registry(remote) => remote.has_blob(digest, size).await,
            Self::Layout(layout) => Ok(layout.has_blob(digest, size)),
        }
    }

    /// Brings a blob here unless it is here already.
    pub async fn put_blob(
        &self,
        descriptor: &Descriptor,
        source: &dyn BlobSource,
        on: &(dyn Fn(Transfer) + Send + Sync),
    ) -> Result<BlobOutcome, Error> {
        match self {
            Self::Registry(remote) => remote.put_blob(descriptor, source, on).await,
            Self::Layout(layout) => copy_in(layout, descriptor, source, on).await,
        }
    }

    /// Puts a manifest, whose blobs must be here; with a tag, others can now find it.
    pub async fn put_manifest(
        &self,
        media_type: &str,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Result<Descriptor, Error> {
        match self {
            Self::Registry(remote) => remote.put_manifest(media_type, bytes, tag).await,
            Self::Layout(layout) => {
                let (layout, media_type) = (layout.clone(), media_type.to_owned());
                let (bytes, tag) = (bytes.to_owned(), tag.map(str::to_owned));
                blocking(move || layout.put_manifest(&media_type, &bytes, tag.as_deref())).await
            }
        }
    }

    /// The manifest of a tag or digest, checked; `None` asks a layout for its only image.
    pub async fn get_manifest(&self, what: Option<&str>) -> Result<(Descriptor, Bytes), Error> {
        match self {
            Self::Registry(remote) => remote.get_manifest(what).await,
            Self::Layout(layout) => {
                let (layout, what) = (layout.clone(), what.map(str::to_owned));
                blocking(move || {
                    let descriptor = layout.resolve(what.as_deref())?;
                    let bytes = layout.read_document(&descriptor)?;
                    Ok((descriptor, bytes.into()))
                })
                .await
            }
        }
    }

    /// A small blob (a config) whole, checked.
    pub async fn read_document(&self, descriptor: &Descriptor) -> Result<Bytes, Error> {
        match self {
            Self::Registry(_) => self.download_document(descriptor).await,
            Self::Layout(layout) => {
                let (layout, descriptor) = (layout.clone(), descriptor.clone());
                blocking(move || layout.read_document(&descriptor).map(Bytes::from)).await
            }
        }
    }

    /// A blob as a stream whose end is an error unless digest and size are right.
    pub async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobReader, Error> {
        let bytes: Box<dyn AsyncRead + Send + Unpin> = match self {
            Self::Registry(remote) => Box::new(remote.read_blob(descriptor).await?),
            Self::Layout(layout) => {
                let (layout, wanted) = (layout.clone(), descriptor.clone());
                let file = blocking(move || layout.open_blob(&wanted)).await?;
                Box::new(tokio::fs::File::from_std(file))
            }
        };
        let checked = Verified::new(bytes, descriptor.digest, descriptor.size);
        Ok(BlobReader(checked))
    }

    /// Refuses, before the first byte is sent, an image that cannot be stored or run.
    pub fn preflight(&self, layers: &[Descriptor]) -> Result<(), Error> {
        match self {
            Self::Registry(remote) => remote.preflight(layers),
            Self::Layout(_) => Ok(()),
        }
    }

    async fn download_document(&self, descriptor: &Descriptor) -> Result<Bytes, Error> {
        let what = || descriptor.digest.to_string();
        if descriptor.size > DOCUMENT_BYTES_MAX {
            return Err(Error::TooLong {
                what: what(),
                limit: DOCUMENT_BYTES_MAX,
            });
        }
        let mut bytes = Vec::new();
        let mut reader = self.read_blob(descriptor).await?;
        let read = reader.read_to_end(&mut bytes).await;
        read.map_err(|source| Error::Broken {
            what: what(),
            source,
        })?;
        Ok(bytes.into())
    }
}

/// Reads certificates, the user's and the system's: file work.
async fn remote(reference: &Reference, options: &Options, access: Access) -> Result<Store, Error> {
    let (reference, options) = (reference.clone(), options.clone());
    let made = blocking(move || Remote::new(&reference, &options, access));
    Ok(Store::Registry(made.await?))
}

/// A blob being read; see [`Store::read_blob`].
pub struct BlobReader(Verified<Box<dyn AsyncRead + Send + Unpin>>);

impl BlobReader {
    /// The same for code that blocks; must be called in a runtime and read outside its
    /// worker threads (in `spawn_blocking`).
    pub fn into_blocking(self) -> impl Read + Send {
        BlockingReader {
            reader: self,
            runtime: tokio::runtime::Handle::current(),
        }
    }
}

impl AsyncRead for BlobReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

struct BlockingReader {
    reader: BlobReader,
    runtime: tokio::runtime::Handle,
}

impl Read for BlockingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.runtime.block_on(self.reader.read(buffer))
    }
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

async fn copy_in(
    layout: &Layout,
    descriptor: &Descriptor,
    source: &dyn BlobSource,
    on: &(dyn Fn(Transfer) + Send + Sync),
) -> Result<BlobOutcome, Error> {
    let digest = descriptor.digest;
    if layout.has_blob(&digest, descriptor.size) {
        return Ok(BlobOutcome::Skipped);
    }
    let reader = source
        .open(0)
        .map_err(|source| Error::Source { digest, source })?;
    let (progress, mut seen) = watch::channel(0);
    let (layout, wanted) = (layout.clone(), descriptor.clone());
    let copying = blocking(move || copy(&layout, &wanted, reader, &progress));
    tokio::pin!(copying);
    loop {
        tokio::select! {
            done = &mut copying => {
                return done.map(|()| BlobOutcome::Uploaded { bytes: descriptor.size });
            }
            Ok(()) = seen.changed() => {
                let sent = *seen.borrow_and_update();
                on(Transfer::Sent { digest, sent });
            }
        }
    }
}

fn copy(
    layout: &Layout,
    descriptor: &Descriptor,
    mut reader: Box<dyn Read + Send>,
    progress: &watch::Sender<u64>,
) -> Result<(), Error> {
    let digest = descriptor.digest;
    let mut writer = layout.blob_writer()?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut sent = 0;
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(source) => return Err(Error::Source { digest, source }),
        };
        writer
            .write_all(&buffer[..read])
            .map_err(Error::file("write to", layout.dir()))?;
        sent += read as u64;
        // The receiver is gone: the copy was given up, and the writer cleans up.
        if progress.send(sent).is_err() || sent > descriptor.size {
            break;
        }
    }
    if sent != descriptor.size {
        return Err(Error::WrongSize {
            what: digest.to_string(),
            expected: descriptor.size,
            found: sent,
        });
    }
    writer.finish_as(&digest)
}

#[cfg(test)]
mod tests;
