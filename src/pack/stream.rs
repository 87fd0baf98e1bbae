//! Sends a layer through one pass: read, hash each file, hand on.
//!
//! Three threads a layer, so that the disk, the file hash and the sink (which hashes
//! the whole and writes) work at the same time. Blocking.

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use sha2::{Digest as _, Sha256};

use super::{
    Error,
    layer::{Changed, LayerSource, Piece},
};
use crate::registry::Digest;

/// Large enough that a system call costs nothing, small enough to stay in a core's cache.
const BUFFER_BYTES: usize = 1 << 20;

/// Buffers a layer: one in each thread and one on its way.
const BUFFERS: usize = 4;

/// How a stream reports its progress and is stopped.
pub(super) trait Watch: Sync {
    fn passed(&self, bytes: u64);

    /// Asked before each buffer; a stream told to stop ends with [`Error::Interrupted`].
    fn is_stopped(&self) -> bool;
}

/// Writes the layer to `sink`; returns the SHA-256 of each of its files.
///
/// # Errors
/// A file that changed or does not match its cached digest, or a failing sink.
pub(super) fn stream(
    source: &LayerSource,
    sink: &mut dyn Write,
    place: &str,
    watch: &dyn Watch,
) -> Result<Vec<Digest>, Error> {
    let (to_hash, from_disk) = sync_channel(BUFFERS);
    let (to_sink, hashed) = sync_channel(BUFFERS);
    let (give_back, free) = sync_channel(BUFFERS);
    for _ in 0..BUFFERS {
        give_back
            .send(vec![0; BUFFER_BYTES])
            .expect("the channel holds them all");
    }
    thread::scope(|scope| {
        scope.spawn(move || read(source, &free, &to_hash, watch));
        let hashing = scope.spawn(move || hash_files(source, from_disk, &to_sink));
        let result = drain(hashed, &give_back, sink, watch);
        // Only now may a full channel of free buffers be dropped: the reader waits on it.
        drop(give_back);
        let digests = hashing.join().expect("hashing does not panic");
        match result {
            Err(Stop::Read(error)) => Err(read_error(source, error)),
            Err(Stop::Sink(source_error)) => Err(Error::WriteLayer {
                label: source.layer().label(),
                place: place.to_owned(),
                source: source_error,
            }),
            Err(Stop::Interrupted) => Err(Error::Interrupted),
            Ok(()) => named_as_found(source, digests),
        }
    })
}

enum Stop {
    Read(io::Error),
    Sink(io::Error),
    Interrupted,
}

type Filled = Result<(Vec<u8>, Piece), Stop>;

fn read(
    source: &LayerSource,
    free: &Receiver<Vec<u8>>,
    out: &SyncSender<Filled>,
    watch: &dyn Watch,
) {
    let mut reader = source.read_from(0);
    // The receiver is gone once the sink has failed; its error is the one reported.
    while let Ok(mut buffer) = free.recv() {
        if watch.is_stopped() {
            drop(out.send(Err(Stop::Interrupted)));
            return;
        }
        match reader.read_piece(&mut buffer) {
            Ok(piece) if piece.bytes == 0 => return,
            Ok(piece) => {
                if out.send(Ok((buffer, piece))).is_err() {
                    return;
                }
            }
            Err(error) => {
                drop(out.send(Err(Stop::Read(error))));
                return;
            }
        }
    }
}

fn hash_files(
    source: &LayerSource,
    filled: Receiver<Filled>,
    out: &SyncSender<Filled>,
) -> Vec<Digest> {
    // An empty file is not a segment: it keeps the digest of no bytes.
    let mut digests = vec![Digest::of(b""); source.layer().files.len()];
    let mut hasher = Sha256::new();
    for item in filled {
        if let Ok((buffer, piece)) = &item
            && let Some(number) = piece.file
        {
            hasher.update(&buffer[..piece.bytes]);
            if piece.ends {
                digests[number] = Digest::finish(std::mem::take(&mut hasher));
            }
        }
        if out.send(item).is_err() {
            break;
        }
    }
    digests
}

fn drain(
    hashed: Receiver<Filled>,
    give_back: &SyncSender<Vec<u8>>,
    sink: &mut dyn Write,
    watch: &dyn Watch,
) -> Result<(), Stop> {
    for item in hashed {
        let (buffer, piece) = item?;
        sink.write_all(&buffer[..piece.bytes]).map_err(Stop::Sink)?;
        watch.passed(piece.bytes as u64);
        // The reader is gone once it has read everything.
        drop(give_back.send(buffer));
    }
    Ok(())
}

fn read_error(source: &LayerSource, error: io::Error) -> Error {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Changed>())
    {
        Some(changed) => Error::Changed {
            path: changed.path.clone(),
        },
        None => Error::Read {
            path: source.layer().label(),
            source: error,
        },
    }
}

/// A Hugging Face cache names blobs by their SHA-256: the cheapest proof of a whole download.
fn named_as_found(source: &LayerSource, digests: Vec<Digest>) -> Result<Vec<Digest>, Error> {
    for (file, digest) in source.layer().files.iter().zip(&digests) {
        if let Some(named) = file
            .named_sha256
            .as_ref()
            .filter(|named| **named != digest.hex())
        {
            return Err(Error::Damaged {
                path: file.path.clone(),
                expected: named.clone(),
                found: digest.hex(),
            });
        }
    }
    Ok(digests)
}

/// A sink that only hashes.
#[derive(Default)]
pub(super) struct HashOnly(Sha256);

impl HashOnly {
    pub(super) fn finish(self) -> Digest {
        Digest::finish(self.0)
    }
}

impl Write for HashOnly {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::Read,
        sync::atomic::{AtomicU64, Ordering},
    };

    use super::*;
    use crate::{model::Source, pack::plan::Plan};

    fn layer(content: &[(&str, &[u8])]) -> (tempfile::TempDir, LayerSource) {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in content {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        let source = Source::open(dir.path(), &|_| false).unwrap();
        let layer = Plan::new(source.files).unwrap().layers.remove(0);
        (dir, LayerSource::new(layer))
    }

    #[derive(Default)]
    struct Meter {
        passed: AtomicU64,
        stopped: bool,
    }

    impl Watch for Meter {
        fn passed(&self, bytes: u64) {
            self.passed.fetch_add(bytes, Ordering::Relaxed);
        }

        fn is_stopped(&self) -> bool {
            self.stopped
        }
    }

    #[test]
    fn the_sink_gets_the_layer_and_each_file_its_digest() {
        let big = vec![9; 3 * BUFFER_BYTES + 5];
        let (_dir, source) = layer(&[("a", b"hello"), ("b", &big), ("c", b"")]);
        let (mut sink, meter) = (Vec::new(), Meter::default());
        let digests = stream(&source, &mut sink, "x", &meter).unwrap();
        let mut expected = Vec::new();
        source.read_from(0).read_to_end(&mut expected).unwrap();
        assert!(sink == expected);
        assert_eq!(
            digests,
            [Digest::of(b"hello"), Digest::of(&big), Digest::of(b"")]
        );
        assert_eq!(meter.passed.into_inner(), expected.len() as u64);
    }

    struct Full(u64);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_ends_the_stream_wherever_it_happens() {
        let big = vec![9; 12 * BUFFER_BYTES];
        let (_dir, source) = layer(&[("b", &big)]);
        for writes in [0, 1, 5, 11] {
            let error = stream(&source, &mut Full(writes), "/full", &Meter::default()).unwrap_err();
            assert!(matches!(error, Error::WriteLayer { .. }), "{error}");
        }
    }

    #[test]
    fn a_stopped_stream_ends_as_interrupted() {
        let (_dir, source) = layer(&[("a", b"hello")]);
        let stopped = Meter {
            stopped: true,
            ..Meter::default()
        };
        let ended = stream(&source, &mut io::sink(), "x", &stopped);
        assert!(matches!(ended, Err(Error::Interrupted)));
    }
}
