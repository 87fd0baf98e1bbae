//! What our client does with a real registry, and what skopeo reads of it.

use std::{
    env, fs,
    io::{self, Cursor, Read},
    path::Path,
    process::Command,
    sync::Mutex,
    thread,
};

use infer::for_tests::explain::Explain;
use infer::for_tests::registry::{
    BlobOutcome, BlobSource, Descriptor, Error, Execution, ImageConfig, Index, Location, Manifest,
    Options, Platform, Reason, RootFs, Store, Transfer, media_type, source,
};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use crate::support::{
    process::{Process, wait_until},
    registry::Registry,
};

const MIB: usize = 1024 * 1024;

fn weights(length: usize, seed: u8) -> Vec<u8> {
    let word = |at: usize| (at * 257 + usize::from(seed)).to_le_bytes();
    (0..length.div_ceil(8))
        .flat_map(word)
        .take(length)
        .collect()
}

fn options(folder: &TempDir) -> Options {
    Options {
        journal: Some(folder.path().join("uploads")),
        logins: Some(folder.path().join("config.json")),
        chunk_bytes: Some(MIB as u64),
        ..Options::default()
    }
}

async fn open(reference: &str, options: &Options) -> Store {
    let location: Location = reference.parse().expect("a reference");
    let store = Store::open_to_write(&location, options).await;
    store.expect("a store")
}

fn layer(bytes: &[u8]) -> Descriptor {
    Descriptor::of(media_type::IMAGE_LAYER, bytes)
}

async fn put(store: &Store, bytes: &[u8]) -> Result<BlobOutcome, Error> {
    let source = source::Bytes::new(bytes);
    store.put_blob(&layer(bytes), &source, &|_| ()).await
}

/// Config, manifest and index over one layer that is there; the tag comes last.
async fn put_image(store: &Store, layer: Descriptor, tag: &str) -> Descriptor {
    let config = ImageConfig {
        created: None,
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        variant: None,
        config: Some(Execution::default()),
        rootfs: RootFs::layers(vec![layer.digest]),
    };
    let config = serde_json::to_vec(&config).expect("JSON");
    put(store, &config).await.expect("a stored config");
    let config = Descriptor::of(media_type::IMAGE_CONFIG, &config);
    let manifest = Manifest::new(config, vec![layer]);
    let manifest = serde_json::to_vec(&manifest).expect("JSON");
    let put = store.put_manifest(media_type::IMAGE_MANIFEST, &manifest, None);
    let mut entry = put.await.expect("a stored manifest");
    entry.platform = Some(Platform::linux("amd64"));
    let index = serde_json::to_vec(&Index::new(vec![entry])).expect("JSON");
    let put = store.put_manifest(media_type::IMAGE_INDEX, &index, Some(tag));
    put.await.expect("a stored index")
}

#[tokio::test]
async fn what_is_pushed_is_read_back_here_and_by_skopeo() {
    let registry = Registry::start();
    let folder = tempfile::tempdir().unwrap();
    let store = open(&registry.reference("models/chat"), &options(&folder)).await;
    let bytes = weights(5 * MIB + 7, 0);
    let uploaded = BlobOutcome::Uploaded {
        bytes: bytes.len() as u64,
    };
    assert_eq!(put(&store, &bytes).await.unwrap(), uploaded);
    assert_eq!(put(&store, &bytes).await.unwrap(), BlobOutcome::Skipped);
    let error = store.get_manifest(Some("v1")).await.unwrap_err();
    assert!(
        matches!(&error, Error::Refused { source, .. } if source.reason == Reason::ManifestUnknown),
        "nothing is visible before the tag: {error:?}"
    );
    let image = put_image(&store, layer(&bytes), "v1").await;

    let (found, index) = store.get_manifest(Some("v1")).await.unwrap();
    assert_eq!(
        (found.digest, found.media_type),
        (image.digest, image.media_type)
    );
    let index: Index = serde_json::from_slice(&index).unwrap();
    let digest = index.manifests[0].digest.to_string();
    let (_, manifest) = store.get_manifest(Some(&digest)).await.unwrap();
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    let mut back = Vec::new();
    let mut reader = store.read_blob(&manifest.layers[0]).await.unwrap();
    reader.read_to_end(&mut back).await.unwrap();
    assert!(back == bytes);

    let to = folder.path().join("copy");
    let output = Command::new("skopeo")
        .args([
            "copy",
            "--quiet",
            "--all",
            "--preserve-digests",
            "--src-tls-verify=false",
        ])
        .arg(format!("docker://{}:v1", registry.reference("models/chat")))
        .arg(format!("oci:{}:v1", to.display()))
        .output()
        .expect("skopeo is there: apt install skopeo");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let copy: Location = format!("oci:{}:v1", to.display()).parse().unwrap();
    let copy = Store::open(&copy, &Options::default()).await.unwrap();
    let (copied, _) = copy.get_manifest(Some("v1")).await.unwrap();
    assert_eq!(copied.digest, image.digest);
    assert!(
        copy.has_blob(&layer(&bytes).digest, bytes.len() as u64)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_blob_of_another_repository_is_mounted() {
    let registry = Registry::start();
    let folder = tempfile::tempdir().unwrap();
    let bytes = weights(2 * MIB, 1);
    let base = registry.reference("base");
    put(&open(&base, &options(&folder)).await, &bytes)
        .await
        .unwrap();
    let options = Options {
        mount_from: vec![base.parse().unwrap()],
        ..options(&folder)
    };
    let tuned = open(&registry.reference("tuned"), &options).await;
    assert_eq!(put(&tuned, &bytes).await.unwrap(), BlobOutcome::Mounted);
    // What the base lacks is uploaded in the session that the mount left.
    let more = weights(MIB, 2);
    let uploaded = BlobOutcome::Uploaded {
        bytes: more.len() as u64,
    };
    assert_eq!(put(&tuned, &more).await.unwrap(), uploaded);
}

#[tokio::test]
async fn a_guarded_registry_wants_our_trust_and_our_login() {
    let registry = Registry::start_guarded();
    let folder = tempfile::tempdir().unwrap();
    let reference = registry.reference("chat");
    let plain = options(&folder);
    let trusting = Options {
        ca_file: Some(registry.ca_file()),
        ..plain.clone()
    };
    let logged_in = Options {
        logins: Some(registry.docker_config().join("config.json")),
        ..trusting.clone()
    };
    let push = async |options: &Options| {
        let store = open(&reference, options).await;
        put(&store, b"weights").await
    };
    let error = push(&trusting).await.unwrap_err();
    let hint = format!("log in with `docker login {}`", registry.host);
    assert_eq!(error.hints(), [hint], "{error:?}");
    // Somebody else's authority; --ca makes TLS the rule on loopback, too.
    let other = Registry::start_guarded();
    let wrong = Options {
        ca_file: Some(other.ca_file()),
        ..logged_in.clone()
    };
    let error = push(&wrong).await.unwrap_err();
    assert!(error.hints()[0].contains("--ca FILE"), "{error:?}");
    assert!(matches!(
        push(&logged_in).await,
        Ok(BlobOutcome::Uploaded { .. })
    ));
    let insecure = Options {
        ca_file: None,
        insecure: true,
        ..logged_in
    };
    assert_eq!(push(&insecure).await.unwrap(), BlobOutcome::Skipped);
}

/// Reads up to a byte and then never again.
struct Stalling {
    bytes: Vec<u8>,
    at: usize,
}

impl BlobSource for Stalling {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let given = self.bytes[start..self.at.max(start)].to_vec();
        Ok(Box::new(Read::chain(Cursor::new(given), Never)))
    }
}

struct Never;

impl Read for Never {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        println!("\nstalled");
        loop {
            thread::park();
        }
    }
}

const REFERENCE: &str = "INFER_TEST_PUSH_TO";
const FOLDER: &str = "INFER_TEST_PUSH_FOLDER";
const STALL: &str = "INFER_TEST_PUSH_STALL";
const SMALL: usize = 3000;
const LARGE: usize = 5 * MIB;

/// Not a test of its own: the process that the next two kill.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_will_be_killed() {
    let Ok(reference) = env::var(REFERENCE) else {
        return;
    };
    let options = Options {
        journal: Some(env::var_os(FOLDER).expect("a folder").into()),
        chunk_bytes: Some(MIB as u64),
        ..Options::default()
    };
    let store = open(&reference, &options).await;
    put(&store, &weights(SMALL, 1)).await.unwrap();
    let stall = env::var(STALL).expect("a number");
    let source = Stalling {
        bytes: weights(LARGE, 2),
        at: stall.parse().expect("a number"),
    };
    let descriptor = layer(&source.bytes);
    drop(store.put_blob(&descriptor, &source, &|_| ()).await);
}

/// Bytes in the largest unfinished upload of a registry.
pub(super) fn largest_upload(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| {
        let path = entry.path();
        let is_upload = path.ends_with("data") && path.to_string_lossy().contains("/_uploads/");
        if path.is_dir() {
            largest_upload(&path)
        } else if is_upload {
            entry.metadata().map_or(0, |found| found.len())
        } else {
            0
        }
    });
    sizes.max().unwrap_or(0)
}

/// Kills a push that has sent `stall` bytes of the large blob, and pushes again.
async fn after_a_kill(stall: usize) -> (BlobOutcome, BlobOutcome, Vec<Transfer>) {
    let registry = Registry::start();
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let name = "registry::client::a_push_that_will_be_killed";
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture"])
        .env(REFERENCE, registry.reference("chat"))
        .env(FOLDER, options.journal.as_ref().unwrap())
        .env(STALL, stall.to_string());
    let mut push = Process::start(&mut command);
    while push.line() != "stalled" {}
    // Half a chunk is on its way: it must have arrived to make a difference.
    let whole_chunks = stall / MIB * MIB;
    if stall > whole_chunks {
        wait_until("the registry has part of a chunk", || {
            (largest_upload(&registry.storage()) > whole_chunks as u64).then_some(())
        });
    }
    push.kill();

    let store = open(&registry.reference("chat"), &options).await;
    let small = put(&store, &weights(SMALL, 1)).await.unwrap();
    let bytes = weights(LARGE, 2);
    let events = Mutex::new(Vec::new());
    let on = |event| events.lock().unwrap().push(event);
    let source = source::Bytes::new(&bytes);
    let large = store.put_blob(&layer(&bytes), &source, &on).await.unwrap();
    let image = put_image(&store, layer(&bytes), "v1").await;
    assert_eq!(
        store.get_manifest(Some("v1")).await.unwrap().0.digest,
        image.digest
    );
    let mut back = Vec::new();
    let mut reader = store.read_blob(&layer(&bytes)).await.unwrap();
    reader.read_to_end(&mut back).await.unwrap();
    assert!(back == bytes);
    (small, large, events.into_inner().unwrap())
}

#[tokio::test]
async fn a_push_killed_between_chunks_sends_only_the_rest() {
    let (small, large, events) = after_a_kill(3 * MIB).await;
    assert_eq!(small, BlobOutcome::Skipped);
    assert_eq!(
        large,
        BlobOutcome::Uploaded {
            bytes: 2 * MIB as u64
        }
    );
    assert!(matches!(
        events[0],
        Transfer::Resumed {
            offset: 3_145_728,
            ..
        }
    ));
}

/// distribution 2.8 refuses a session that holds more than its signed state says, so
/// this blob starts again; 3.x would go on.
#[tokio::test]
async fn a_push_killed_inside_a_chunk_loses_at_most_that_blob() {
    let (small, large, _) = after_a_kill(3 * MIB + MIB / 2).await;
    assert_eq!(small, BlobOutcome::Skipped);
    assert_eq!(
        large,
        BlobOutcome::Uploaded {
            bytes: LARGE as u64
        }
    );
}
