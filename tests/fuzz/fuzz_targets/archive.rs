//! No path of a layer's archive leads out of the folder it is unpacked into.
#![no_main]

use std::path::{Component, Path};

use infer::for_tests::pack::files_in_archive;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|archive: &[u8]| {
    for (path, _) in files_in_archive(archive).unwrap_or_default() {
        let mut parts = Path::new(&path).components();
        assert!(
            parts.all(|part| matches!(part, Component::Normal(_))),
            "{path}"
        );
    }
});
