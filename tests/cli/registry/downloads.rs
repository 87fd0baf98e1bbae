//! Refusals, waits, and what comes back from a registry.

use hyper::Method;
use infer::for_tests::registry::{
    BlobSource, Descriptor, Digest, Error, Manifest, Reason, media_type,
};

use super::{ALL, Bench, CHUNK_BYTES, weights};
use crate::support::faulty_registry::Wrong;

#[tokio::test]
async fn a_refusal_is_final_and_typed() {
    let bench = Bench::new().await;
    let denied = r#"{"errors":[{"code":"DENIED","message":"quota"}]}"#;
    bench.next(Method::POST, "uploads", Wrong::Status(403, denied));
    let error = bench.push(b"weights").await.unwrap_err();
    assert!(matches!(&error, Error::Refused { source, .. } if source.reason == Reason::Denied));
    assert_eq!(bench.count("POST blobs upload"), 1);
}

#[tokio::test]
async fn a_busy_registry_is_waited_for_as_it_asks() {
    let bench = Bench::new().await;
    bench.next(Method::HEAD, "blobs", Wrong::Slow("1"));
    let start = std::time::Instant::now();
    bench.push_well(b"weights").await;
    assert!(start.elapsed().as_millis() >= 1000);
    bench.next(Method::HEAD, "blobs", Wrong::Slow("86400"));
    let error = bench.push(b"other").await.unwrap_err();
    assert!(
        matches!(&error, Error::Refused { source, .. } if source.reason == Reason::TooManyRequests)
    );
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke() {
    let bytes = weights(ALL);
    for ignores_range in [false, true] {
        let bench = Bench::new().await;
        bench.registry.put(&bytes);
        if ignores_range {
            bench.registry.ignore_range();
        }
        bench.next(Method::GET, "blobs", Wrong::ShortBody(150_000));
        assert!(bench.pull(&bytes).await.unwrap() == bytes);
        let asked = bench.registry.seen().pop().unwrap().range.unwrap();
        let from: usize = asked["bytes=".len()..asked.len() - 1].parse().unwrap();
        assert!(from > 0 && from <= 150_000, "{asked}");
    }
}

#[tokio::test]
async fn changed_bytes_are_never_taken_for_the_blob() {
    let bench = Bench::new().await;
    bench.registry.put(b"weights");
    bench.next(Method::GET, "blobs", Wrong::ChangedBody);
    let error = bench.pull(b"weights").await.unwrap_err();
    assert!(error.to_string().contains("digest"), "{error}");
}

#[tokio::test]
async fn a_manifest_must_be_what_was_promised() {
    let bench = Bench::new().await;
    let manifest = Manifest::new(Descriptor::of(media_type::IMAGE_CONFIG, b"{}"), Vec::new());
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let store = bench.store().await;
    let put = store
        .put_manifest(media_type::IMAGE_MANIFEST, &bytes, Some("v1"))
        .await
        .unwrap();
    let (got, back) = store.get_manifest(Some("v1")).await.unwrap();
    assert_eq!((&got, &back[..]), (&put, &bytes[..]));

    bench.next(Method::GET, "manifests", Wrong::OtherDigest);
    let error = store.get_manifest(Some("v1")).await.unwrap_err();
    assert!(matches!(error, Error::WrongDigest { .. }), "{error}");
    bench.next(Method::PUT, "manifests", Wrong::OtherDigest);
    let again = store
        .put_manifest(media_type::IMAGE_MANIFEST, &bytes, None)
        .await;
    assert!(matches!(again, Err(Error::WrongDigest { .. })));

    bench
        .registry
        .put_manifest("v2", media_type::IMAGE_INDEX, &bytes);
    let error = store.get_manifest(Some("v2")).await.unwrap_err();
    assert!(error.to_string().contains("calls itself"), "{error}");
    bench
        .registry
        .put_manifest("v3", media_type::IMAGE_MANIFEST, &vec![b' '; 5 << 20]);
    assert!(matches!(
        store.get_manifest(Some("v3")).await,
        Err(Error::TooLong { .. })
    ));
    let error = store.get_manifest(Some("v4")).await.unwrap_err();
    assert!(
        matches!(&error, Error::Refused { source, .. } if source.reason == Reason::ManifestUnknown)
    );
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_said_at_once() {
    let bench = Bench::new().await;
    let store = bench.store().await;
    drop(bench);
    let start = std::time::Instant::now();
    let error = store.has_blob(&Digest::of(b""), 0).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(start.elapsed().as_secs() < 5);
}

#[tokio::test]
async fn a_source_that_breaks_is_not_blamed_on_the_registry() {
    struct Broken;

    impl BlobSource for Broken {
        fn size(&self) -> u64 {
            ALL as u64
        }

        fn open(&self, offset: u64) -> std::io::Result<Box<dyn std::io::Read + Send>> {
            let length = if offset == 0 { CHUNK_BYTES } else { 10 };
            Ok(Box::new(std::io::Cursor::new(weights(length))))
        }
    }

    let bench = Bench::new().await;
    let descriptor = Descriptor::of(media_type::IMAGE_LAYER, &weights(ALL));
    let store = bench.store().await;
    let error = store
        .put_blob(&descriptor, &Broken, &|_| ())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Source { .. }), "{error:?}");
    assert!(bench.registry.blob(&descriptor.digest).is_none());
}
