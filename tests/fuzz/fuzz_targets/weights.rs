//! Headers of weight files never panic, and never cost more memory than the file is long.
#![no_main]

use infer::for_tests::model::tensors_of;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, u64, &[u8])| {
    let (gguf, claimed, file) = input;
    let name = if gguf { "m.gguf" } else { "m.safetensors" };
    for length in [file.len() as u64, claimed] {
        if let Ok(Some(tensors)) = tensors_of(name, &mut &*file, length) {
            assert!(tensors.len() <= file.len());
        }
    }
});
