//! Blobs on their way to a registry that does wrong.

use std::sync::{Arc, Mutex};

use hyper::Method;
use infer::for_tests::{
    explain::Explain,
    registry::{BlobOutcome, Descriptor, Error, Reason, Transfer, media_type, source},
};

use super::{ALL, Bench, CHUNK_BYTES, weights};
use crate::support::faulty_registry::Wrong;

#[tokio::test]
async fn a_large_blob_goes_in_chunks_and_a_second_push_sends_nothing() {
    let bench = Bench::new().await;
    let bytes = weights(ALL);
    let outcome = bench.push_well(&bytes).await;
    assert_eq!(outcome, BlobOutcome::Uploaded { bytes: ALL as u64 });
    let ranges: Vec<_> = bench
        .registry
        .seen()
        .into_iter()
        .filter_map(|s| s.content_range)
        .collect();
    assert_eq!(
        ranges,
        ["0-99999", "100000-199999", "200000-299999", "300000-312344"]
    );
    assert_eq!(bench.push_well(&bytes).await, BlobOutcome::Skipped);
    let left = std::fs::read_dir(bench.dir.path().join("uploads"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "a finished upload is forgotten");
}

#[tokio::test]
async fn a_small_blob_is_one_put_and_an_empty_one_too() {
    let bench = Bench::new().await;
    bench.push_well(&weights(CHUNK_BYTES)).await;
    bench.push_well(b"").await;
    assert_eq!(bench.count("PATCH blobs upload"), 0);
    assert_eq!(bench.count("PUT blobs upload"), 2);
}

#[tokio::test]
async fn a_failed_finish_is_looked_into_before_anything_is_sent_again() {
    let bench = Bench::new().await;
    let bytes = weights(ALL);
    bench.next(Method::PUT, "uploads", Wrong::DoneBut(502));
    bench.push_well(&bytes).await;
    assert_eq!(bench.count("PATCH blobs upload"), 4);
    assert_eq!(bench.count("PUT blobs upload"), 1);
    assert_eq!(bench.count("HEAD blobs"), 2);

    bench.next(Method::PUT, "uploads", Wrong::Status(502, "<html>"));
    bench.push_well(&weights(ALL + 1)).await;
    assert_eq!(
        bench.count("PATCH blobs upload"),
        8,
        "the session is still good"
    );
}

#[tokio::test]
async fn a_lost_answer_doubles_no_bytes_even_where_patch_appends() {
    let bench = Bench::new().await;
    bench.registry.append_blindly();
    bench.next(Method::PATCH, "uploads", Wrong::LostAnswer);
    bench.push_well(&weights(ALL)).await;
    assert_eq!(
        bench.count("GET blobs upload"),
        1,
        "the registry is asked first"
    );
    assert_eq!(
        bench.count("PATCH blobs upload"),
        4,
        "and the first chunk was there"
    );
}

#[tokio::test]
async fn a_chunk_cut_in_the_middle_goes_on_where_it_was_cut() {
    let bench = Bench::new().await;
    bench.next(Method::PATCH, "uploads", Wrong::CutAfter(40_000));
    bench.push_well(&weights(ALL)).await;
    let ranges: Vec<_> = bench
        .registry
        .seen()
        .into_iter()
        .filter_map(|s| s.content_range)
        .collect();
    assert_eq!(ranges[0], "0-99999");
    let resumed = ranges[1]
        .split('-')
        .next()
        .unwrap()
        .parse::<usize>()
        .unwrap();
    assert_eq!(resumed, 40_000, "{ranges:?}");
}

#[tokio::test]
async fn a_session_that_the_registry_forgot_begins_again() {
    let bench = Bench::new().await;
    bench.next(Method::PATCH, "uploads", Wrong::Status(500, ""));
    bench.next(
        Method::GET,
        "uploads",
        Wrong::Status(400, r#"{"errors":[{"code":"BLOB_UPLOAD_INVALID"}]}"#),
    );
    bench.push_well(&weights(ALL)).await;
    assert_eq!(bench.count("POST blobs upload"), 2);
}

#[tokio::test]
async fn a_push_that_ended_half_way_is_resumed_by_the_next_process() {
    let bench = Bench::new().await;
    let bytes = weights(ALL);
    let denied = r#"{"errors":[{"code":"DENIED"}]}"#;
    let descriptor = Descriptor::of(media_type::IMAGE_LAYER, &bytes);
    let source = source::Bytes::new(&bytes);
    let store = bench.store().await;
    let registry = &bench.registry;
    registry.after(2, Method::PATCH, "uploads", Wrong::Status(403, denied));
    let put = store.put_blob(&descriptor, &source, &|_| ()).await;
    let error = put.unwrap_err();
    assert!(matches!(&error, Error::Refused { source, .. } if source.reason == Reason::Denied));

    let events = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&events);
    let store = bench.store().await;
    let on = move |event| noted.lock().unwrap().push(event);
    let outcome = store.put_blob(&descriptor, &source, &on).await.unwrap();
    let rest = (ALL - 2 * CHUNK_BYTES) as u64;
    assert_eq!(outcome, BlobOutcome::Uploaded { bytes: rest });
    let resumed = Transfer::Resumed {
        digest: descriptor.digest,
        offset: 2 * CHUNK_BYTES as u64,
    };
    assert_eq!(events.lock().unwrap()[0], resumed);
    assert!(registry.blob(&descriptor.digest).as_deref() == Some(&bytes[..]));
}

#[tokio::test]
async fn bodies_too_large_for_a_proxy_shrink() {
    let bench = Bench::new().await;
    bench.next(
        Method::PUT,
        "uploads",
        Wrong::Status(413, "<html>nginx</html>"),
    );
    bench.push_well(&weights(CHUNK_BYTES)).await;
    // A proxy that takes nothing is an error that says so.
    let bench = Bench::new().await;
    for _ in 0..9 {
        bench.next(Method::PUT, "uploads", Wrong::Status(413, ""));
        bench.next(Method::PATCH, "uploads", Wrong::Status(413, ""));
    }
    let error = bench.push(&weights(ALL)).await.unwrap_err();
    let hints = error.hints();
    assert!(hints[0].contains("client_max_body_size"), "{error:?}");
}

#[tokio::test]
async fn a_registry_without_patch_gets_one_put() {
    let bench = Bench::new().await;
    bench.next(Method::PATCH, "uploads", Wrong::Status(405, ""));
    bench.push_well(&weights(ALL)).await;
    let put = bench.registry.seen().pop().unwrap();
    assert_eq!((put.method.as_str(), put.body_bytes), ("PUT", ALL));
}
