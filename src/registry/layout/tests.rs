use std::io::Write;

use super::*;
use crate::explain::Explain;

fn layout() -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::create(&dir.path().join("image")).unwrap();
    (dir, layout)
}

fn manifest(text: &str) -> Vec<u8> {
    let config = Descriptor::of(media_type::IMAGE_CONFIG, text.as_bytes());
    serde_json::to_vec(&super::super::manifest::Manifest::new(config, Vec::new())).unwrap()
}

#[test]
fn a_blob_is_written_in_one_pass_and_read_back_checked() {
    let (_dir, layout) = layout();
    let mut writer = layout.blob_writer().unwrap();
    writer.write_all(b"weights").unwrap();
    let (digest, size) = writer.finish().unwrap();
    assert_eq!((digest, size), (Digest::of(b"weights"), 7));
    assert!(layout.has_blob(&digest, 7) && !layout.has_blob(&digest, 8));

    let descriptor = Descriptor::new(media_type::IMAGE_LAYER, digest, 7);
    let mut text = String::new();
    layout
        .read_blob(&descriptor)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "weights");

    fs::write(layout.blob_path(&digest), b"Weights").unwrap();
    let mut reader = layout.read_blob(&descriptor).unwrap();
    assert!(reader.read_to_string(&mut text).is_err());
    assert!(matches!(
        layout.read_document(&descriptor),
        Err(Error::WrongDigest { .. })
    ));
    fs::write(layout.blob_path(&digest), b"W").unwrap();
    assert!(matches!(
        layout.read_blob(&descriptor),
        Err(Error::WrongSize { .. })
    ));
}

#[test]
fn a_dropped_writer_leaves_nothing_and_a_killed_ones_file_is_removed_later() {
    let (_dir, layout) = layout();
    let count = || fs::read_dir(layout.dir()).unwrap().count();
    let before = count();
    let mut writer = layout.blob_writer().unwrap();
    writer.write_all(b"half").unwrap();
    let abandoned = layout.dir().join(".infer-blob-killed");
    fs::write(&abandoned, b"half").unwrap();
    assert_eq!(count(), before + 2);
    Layout::create(layout.dir()).unwrap();
    assert!(!abandoned.exists(), "nobody holds it");
    assert_eq!(count(), before + 1, "the living writer's file stays");
    drop(writer);
    assert_eq!(count(), before);
}

#[test]
fn a_tag_moves_to_the_newest_manifest_and_others_stay() {
    let (_dir, layout) = layout();
    let (one, two) = (manifest("1"), manifest("2"));
    let put = |bytes: &[u8], tag| layout.put_manifest(media_type::IMAGE_MANIFEST, bytes, tag);
    let first = put(&one, Some("v1")).unwrap();
    put(&one, Some("stable")).unwrap();
    let second = put(&two, Some("v1")).unwrap();
    assert_eq!(layout.resolve(Some("v1")).unwrap().digest, second.digest);
    assert_eq!(layout.resolve(Some("stable")).unwrap().digest, first.digest);
    assert_eq!(layout.index().unwrap().manifests.len(), 2);
    let error = layout.resolve(Some("v2")).unwrap_err();
    assert_eq!(error.hints(), ["it has stable, v1"]);
    assert!(layout.resolve(None).is_err(), "two images: which?");
}

#[test]
fn an_untagged_manifest_is_found_by_its_digest() {
    let (_dir, layout) = layout();
    let index = serde_json::to_vec(&Index::new(Vec::new())).unwrap();
    let put = layout
        .put_manifest(media_type::IMAGE_INDEX, &index, None)
        .unwrap();
    let found = layout.resolve(Some(&put.digest.to_string())).unwrap();
    assert_eq!(found, put);
    let absent = Digest::of(b"absent").to_string();
    assert!(matches!(
        layout.resolve(Some(&absent)),
        Err(Error::Missing { .. })
    ));
}

#[test]
fn writers_at_the_same_time_lose_no_tag() {
    let (_dir, layout) = layout();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let layout = Layout::create(layout.dir()).unwrap();
            scope.spawn(move || {
                for number in 0..5 {
                    let (tag, bytes) = (format!("t{writer}-{number}"), manifest("x"));
                    layout
                        .put_manifest(media_type::IMAGE_MANIFEST, &bytes, Some(&tag))
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(layout.index().unwrap().manifests.len(), 20);
}

#[test]
fn folders_that_are_no_layout_are_neither_read_nor_filled() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        Layout::open(dir.path()),
        Err(Error::NotALayout { .. })
    ));
    fs::write(dir.path().join("thesis.tex"), b"").unwrap();
    let error = Layout::create(dir.path()).unwrap_err();
    assert!(matches!(error, Error::NotALayout { .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    fs::write(
        dir.path().join(MARKER),
        br#"{"imageLayoutVersion":"2.0.0"}"#,
    )
    .unwrap();
    assert!(Layout::open(dir.path()).is_err());
}

#[test]
fn a_pipe_or_a_huge_index_is_refused_before_it_is_read() {
    let (_dir, layout) = layout();
    let file = File::create(layout.dir().join(INDEX)).unwrap();
    file.set_len(DOCUMENT_BYTES_MAX + 1).unwrap();
    assert!(layout.index().is_err());
    let digest = Digest::of(b"pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        layout.blob_path(&digest),
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    let descriptor = Descriptor::new(media_type::IMAGE_LAYER, digest, 0);
    assert!(layout.open_blob(&descriptor).is_err());
}

#[test]
fn a_read_only_folder_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, b"").unwrap();
    let error = Layout::create(&path.join("image")).unwrap_err();
    assert!(error.to_string().contains("file/image"), "{error}");
}
