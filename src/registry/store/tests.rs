use std::sync::Mutex;

use super::*;
use crate::registry::{media_type, source};

fn place(dir: &std::path::Path) -> Location {
    format!("oci:{}", dir.display()).parse().unwrap()
}

#[tokio::test]
async fn a_blob_comes_back_as_it_went_in_and_is_put_once() {
    let dir = tempfile::tempdir().unwrap();
    let place = place(&dir.path().join("image"));
    let options = Options::default();
    let store = Store::open_to_write(&place, &options).await.unwrap();
    let bytes = vec![7; 3 * COPY_BYTES + 1];
    let descriptor = Descriptor::of(media_type::IMAGE_LAYER, &bytes);
    let source = source::Bytes::new(&bytes);
    let sent = Mutex::new(0);
    let on = |event: Transfer| {
        if let Transfer::Sent { sent: now, .. } = event {
            *sent.lock().unwrap() = now;
        }
    };
    let outcome = store.put_blob(&descriptor, &source, &on).await.unwrap();
    assert_eq!(
        outcome,
        BlobOutcome::Uploaded {
            bytes: descriptor.size
        }
    );
    let outcome = store.put_blob(&descriptor, &source, &on).await.unwrap();
    assert_eq!(outcome, BlobOutcome::Skipped);

    let store = Store::open(&place, &options).await.unwrap();
    let mut reader = store.read_blob(&descriptor).await.unwrap();
    let mut back = Vec::new();
    reader.read_to_end(&mut back).await.unwrap();
    assert_eq!(back, bytes);
    let reader = store.read_blob(&descriptor).await.unwrap();
    let back = tokio::task::spawn_blocking(move || {
        let mut back = Vec::new();
        let mut reader = reader.into_blocking();
        reader.read_to_end(&mut back).map(|_| back)
    });
    assert_eq!(back.await.unwrap().unwrap(), bytes);
}

#[tokio::test]
async fn a_source_that_lies_about_its_bytes_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_to_write(&place(dir.path()), &Options::default())
        .await
        .unwrap();
    let source = source::Bytes::new(b"changed while packing");
    for wrong in [
        Descriptor::of(media_type::IMAGE_LAYER, b"Changed while packing"),
        Descriptor::new(media_type::IMAGE_LAYER, Digest::of(b""), 3),
        Descriptor::new(media_type::IMAGE_LAYER, Digest::of(b""), 300),
    ] {
        assert!(store.put_blob(&wrong, &source, &|_| ()).await.is_err());
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    assert_eq!(
        std::fs::read_dir(dir.path().join("blobs/sha256"))
            .unwrap()
            .count(),
        0
    );
}
