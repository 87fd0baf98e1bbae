//! Tokens and logins, and who must never see them.

use hyper::Method;
use infer::for_tests::{
    explain::Explain,
    registry::{Descriptor, Digest, Error, media_type, source},
};

use super::{ALL, Bench, CHUNK_BYTES, weights};
use crate::support::faulty_registry::{FaultyRegistry, Wrong};

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
