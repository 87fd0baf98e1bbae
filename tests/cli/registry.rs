//! What the client does when a registry does wrong.

use std::sync::{Arc, Mutex};

use hyper::Method;
use infer::registry::{
    BlobOutcome, BlobSource, Descriptor, Digest, Error, Location, Manifest, Options, Reason, Store,
    Transfer, media_type, source,
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

#[tokio::test]
async fn a_token_that_ends_in_the_middle_is_renewed_and_the_upload_goes_on() {
    let bench = Bench::new().await;
    bench.registry.want_token();
    bench.next(Method::PATCH, "uploads", Wrong::TokensExpire);
    bench.push_well(&weights(ALL)).await;
    let tokens = bench
        .registry
        .seen()
        .into_iter()
        .filter(|seen| seen.target.starts_with("/token"));
    let tokens: Vec<_> = tokens.collect();
    assert_eq!(tokens.len(), 2);
    assert!(
        tokens[0]
            .target
            .contains("scope=repository%3Aa%3Apull%2Cpush"),
        "{tokens:?}"
    );
    assert_eq!(bench.count("HEAD blobs"), 2, "refused, then with a token");
    assert_eq!(bench.count("PATCH blobs upload"), 5, "one was refused");
}

#[tokio::test]
async fn many_uploads_at_once_fetch_one_token() {
    let bench = Bench::new().await;
    bench.registry.want_token();
    let store = bench.store().await;
    let push = async |number: usize| {
        let bytes = weights(1000 + number);
        let descriptor = Descriptor::of(media_type::IMAGE_LAYER, &bytes);
        let source = source::Bytes::new(&bytes);
        store.put_blob(&descriptor, &source, &|_| ()).await.unwrap();
    };
    tokio::join!(push(1), push(2), push(3), push(4), push(5), push(6));
    let fetched = bench.registry.seen();
    let fetched = fetched
        .iter()
        .filter(|seen| seen.target.starts_with("/token"));
    assert_eq!(fetched.count(), 1);
}

#[tokio::test]
async fn a_login_is_used_and_a_refused_one_is_said() {
    let bench = Bench::new().await;
    let address = bench.registry.address;
    // base64 of infer:secret
    bench.registry.want_basic("Basic aW5mZXI6c2VjcmV0");
    let error = bench.push(b"weights").await.unwrap_err();
    assert_eq!(
        error.hints(),
        [format!("log in with `docker login {address}`")]
    );
    let login = format!(r#"{{"auths":{{"{address}":{{"auth":"aW5mZXI6c2VjcmV0"}}}}}}"#);
    std::fs::write(bench.dir.path().join("config.json"), login).unwrap();
    bench.push_well(b"weights").await;
    bench.registry.want_basic("Basic bmV3");
    let error = bench.push(b"other").await.unwrap_err();
    assert!(
        matches!(&error, Error::Refused { source, .. } if source.status == 401),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_post() {
    let bench = Bench::new().await;
    bench.registry.want_token();
    let address = bench.registry.address;
    let login = format!(r#"{{"auths":{{"{address}":{{"identitytoken":"refresh"}}}}}}"#);
    std::fs::write(bench.dir.path().join("config.json"), login).unwrap();
    bench.push_well(b"weights").await;
    let seen = bench.registry.seen();
    let token = seen.iter().find(|seen| seen.target == "/token").unwrap();
    assert_eq!(token.method, "POST");
    assert!(token.body_bytes > 50);
}

#[tokio::test]
async fn credentials_never_leave_the_registry() {
    let bench = Bench::new().await;
    let other = FaultyRegistry::start().await;
    bench.registry.want_token();
    let bytes = weights(CHUNK_BYTES);
    // Warm up, so that a token is at hand from the first request.
    bench.push_well(b"first").await;
    bench.next(Method::POST, "uploads", Wrong::SessionAt(other.address));
    other.next(Method::POST, "uploads", Wrong::SessionAt(other.address));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = client.post(format!("http://{}/v2/a/blobs/uploads/", other.address));
    post.send().await.unwrap();
    bench.push(&bytes).await.unwrap();
    assert!(other.blob(&Digest::of(&bytes)).is_some());

    other.put(b"elsewhere");
    bench.next(Method::GET, "blobs", Wrong::RedirectTo(other.address));
    assert_eq!(bench.pull(b"elsewhere").await.unwrap(), b"elsewhere");
    assert!(other.seen().len() >= 3);
    assert!(other.seen().iter().all(|seen| seen.authorization.is_none()));
}

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
