//! `infer.yaml` is read or refused, never more.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (text, set) = input;
    let path = Path::new("infer.yaml");
    drop(infer::for_tests::spec::parse(path, text, None, &[]));
    drop(infer::for_tests::spec::parse(path, text, None, &[set.to_owned()]));
});
