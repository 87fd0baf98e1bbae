//! Bytes on their way into a store.

use std::{
    io::{self, Cursor, Read},
    sync::Arc,
};

use super::digest::Digest;

/// A blob that can be read again from any offset, as retries and resumes need.
///
/// Reads block, so the store calls them on a blocking thread.
pub trait BlobSource: Send + Sync {
    /// In bytes, exact.
    fn size(&self) -> u64;

    /// Reads from `offset` to the end; `offset` is at most `size`.
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>>;
}

/// A small blob in memory: a config, a manifest's empty blob.
#[derive(Debug, Clone)]
pub struct Bytes(Arc<[u8]>);

impl Bytes {
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl BlobSource for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut cursor = Cursor::new(Arc::clone(&self.0));
        cursor.set_position(offset);
        Ok(Box::new(cursor))
    }
}

/// How a blob came to be in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobOutcome {
    /// Sent now; `bytes` is less than the blob's size where an upload was resumed.
    Uploaded { bytes: u64 },
    /// Taken from another repository of the same registry.
    Mounted,
    /// Was there already.
    Skipped,
}

/// What happens while a blob is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transfer {
    /// The store holds, or has been sent, the first `sent` bytes. Can fall back when a
    /// broken upload starts again.
    Sent { digest: Digest, sent: u64 },
    /// An upload that an earlier run began goes on at `offset`.
    Resumed { digest: Digest, offset: u64 },
    /// An attempt failed and is made again after `wait_ms`.
    Retrying {
        digest: Digest,
        attempt: u32,
        wait_ms: u64,
        reason: String,
    },
}
