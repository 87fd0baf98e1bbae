//! `infer unpack`: the same files, and never one outside the folder.

use std::{fs, io::Write, path::Path};

use infer::for_tests::registry::{Descriptor, Layout, Manifest, media_type};

use crate::support::{infer::Workplace, weights::tiny_model};

#[test]
fn what_was_packed_comes_back() {
    let place = Workplace::new();
    tiny_model(&place.join("m"));
    place.write("m/sub/deep/a file é.txt", "text");
    place
        .run(["pack", "m", "--to", "oci:image:v1"])
        .expect_code(0);
    let ran = place
        .run(["unpack", "oci:image:v1", "--into", "out/model"])
        .expect_code(0);
    assert_eq!(ran.stdout(), "out/model\n");
    for name in ["model.safetensors", "config.json", "sub/deep/a file é.txt"] {
        let (one, two) = (
            place.join("m").join(name),
            place.join("out/model").join(name),
        );
        assert!(fs::read(one).unwrap() == fs::read(two).unwrap(), "{name}");
    }
    let again = place
        .run(["unpack", "oci:image:v1", "--into", "out/model"])
        .expect_code(2);
    assert!(again.stderr().contains("already exists"));
    assert_eq!(fs::read_dir(place.join("out")).unwrap().count(), 1);
}

#[test]
fn a_damaged_layer_leaves_no_folder_behind() {
    let place = Workplace::new();
    tiny_model(&place.join("m"));
    place
        .run(["pack", "m", "--to", "oci:image:v1"])
        .expect_code(0);
    let lock: serde_json::Value = serde_json::from_str(&place.read("infer.lock")).unwrap();
    let layer = lock["models"]["oci:image"]["layers"][0]["digest"]
        .as_str()
        .unwrap();
    let path = place.join("image/blobs/sha256").join(&layer[7..]);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 1;
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let ran = place
        .run(["unpack", "oci:image:v1", "--into", "out/model"])
        .expect_code(1);
    assert!(ran.stderr().contains(layer), "{}", ran.stderr());
    assert_eq!(fs::read_dir(place.join("out")).unwrap().count(), 0);
}

/// An image with one layer of these entries: raw name, type, content or link target.
fn hostile(dir: &Path, entries: &[(&str, tar::EntryType, &str)]) {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        let data: &[u8] = if kind.is_file() {
            header.set_size(content.len() as u64);
            content.as_bytes()
        } else {
            header.as_mut_bytes()[157..157 + content.len()].copy_from_slice(content.as_bytes());
            b""
        };
        header.set_cksum();
        builder.append(&header, data).expect("a hostile image");
    }
    let layout = Layout::create(dir).expect("a hostile image");
    let mut writer = layout.blob_writer().expect("a hostile image");
    writer
        .write_all(&builder.into_inner().expect("a hostile image"))
        .expect("a hostile image");
    let (digest, size) = writer.finish().expect("a hostile image");
    let layer = Descriptor::new(media_type::IMAGE_LAYER, digest, size);
    let mut config = layout.blob_writer().expect("a hostile image");
    config.write_all(b"{}").expect("a hostile image");
    let (digest, size) = config.finish().expect("a hostile image");
    let config = Descriptor::new(media_type::IMAGE_CONFIG, digest, size);
    let manifest =
        serde_json::to_vec(&Manifest::new(config, vec![layer])).expect("a hostile image");
    layout
        .put_manifest(media_type::IMAGE_MANIFEST, &manifest, Some("x"))
        .expect("a hostile image");
}

#[test]
fn nothing_is_ever_written_outside() {
    use tar::EntryType as T;
    for (entries, word) in [
        (vec![("models/../../escaped", T::Regular, "x")], "leads out"),
        (vec![("/models/escaped", T::Regular, "x")], "leads out"),
        (
            vec![
                ("models/a", T::Symlink, ".."),
                ("models/a/escaped", T::Regular, "x"),
            ],
            "symbolic link",
        ),
        (vec![("models/a", T::Link, "/etc/passwd")], "hard link"),
        (vec![("models/null", T::Char, "")], "device"),
        (
            vec![("models/.wh.config.json", T::Regular, "")],
            "delete other files",
        ),
        (
            vec![
                ("models/a", T::Regular, "x"),
                ("models/a/b", T::Regular, "x"),
            ],
            "a file here and a folder elsewhere",
        ),
        (
            vec![("etc/passwd", T::Regular, "x")],
            "no files below models/",
        ),
    ] {
        let place = Workplace::new();
        hostile(&place.join("image"), &entries);
        let ran = place
            .run(["unpack", "oci:image:x", "--into", "out/model"])
            .expect_code(1);
        assert!(ran.stderr().contains(word), "{word}: {}", ran.stderr());
        assert!(!place.join("escaped").exists() && !place.join("out/escaped").exists());
        assert_eq!(
            fs::read_dir(place.join("out")).unwrap().count(),
            0,
            "{word}"
        );
    }
}
