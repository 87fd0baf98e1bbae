//! What the client does when a registry does wrong.

mod downloads;
mod logins;
mod uploads;

use hyper::Method;
use infer::for_tests::registry::{
    BlobOutcome, Descriptor, Digest, Error, Location, Options, Store, media_type, source,
};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use crate::support::faulty_registry::{FaultyRegistry, Wrong};

const CHUNK_BYTES: usize = 100_000;

struct Bench {
    registry: FaultyRegistry,
    dir: TempDir,
    options: Options,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let options = Options {
            journal: Some(dir.path().join("uploads")),
            logins: Some(dir.path().join("config.json")),
            chunk_bytes: Some(CHUNK_BYTES as u64),
            ..Options::default()
        };
        Self {
            registry: FaultyRegistry::start().await,
            dir,
            options,
        }
    }

    fn next(&self, method: Method, part: &'static str, wrong: Wrong) {
        self.registry.next(method, part, wrong);
    }

    async fn store(&self) -> Store {
        let location: Location = format!("{}/a", self.registry.address)
            .parse()
            .expect("a location");
        Store::open_to_write(&location, &self.options)
            .await
            .expect("a store")
    }

    async fn push(&self, bytes: &[u8]) -> Result<BlobOutcome, Error> {
        let descriptor = Descriptor::of(media_type::IMAGE_LAYER, bytes);
        let source = source::Bytes::new(bytes);
        self.store()
            .await
            .put_blob(&descriptor, &source, &|_| ())
            .await
    }

    /// Pushes and checks that the registry has exactly these bytes.
    async fn push_well(&self, bytes: &[u8]) -> BlobOutcome {
        let outcome = self.push(bytes).await.expect("a push");
        assert!(self.registry.blob(&Digest::of(bytes)).as_deref() == Some(bytes));
        outcome
    }

    async fn pull(&self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let descriptor = Descriptor::of(media_type::IMAGE_LAYER, bytes);
        let store = self.store().await;
        let mut reader = store.read_blob(&descriptor).await.expect("a blob");
        let mut back = Vec::new();
        reader.read_to_end(&mut back).await.map(|_| back)
    }

    fn count(&self, line: &str) -> usize {
        self.registry
            .story()
            .iter()
            .filter(|seen| *seen == line)
            .count()
    }
}

/// Bytes that differ everywhere, so that a byte sent twice or lost is seen.
fn weights(length: usize) -> Vec<u8> {
    let word = |at: usize| at.to_le_bytes();
    (0..length.div_ceil(8))
        .flat_map(word)
        .take(length)
        .collect()
}

const ALL: usize = 3 * CHUNK_BYTES + 12_345;
