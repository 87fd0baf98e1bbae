//! Headers built by hand, sound and wrong.

use proptest::prelude::*;

use super::*;

fn text(value: &str) -> Vec<u8> {
    let mut bytes = (value.len() as u64).to_le_bytes().to_vec();
    bytes.extend(value.as_bytes());
    bytes
}

fn start(tensors: u64, pairs: u64) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(tensors.to_le_bytes());
    bytes.extend(pairs.to_le_bytes());
    bytes
}

/// Two pairs, one array, one f32 tensor of 4×2 at offset 0.
fn sound() -> Vec<u8> {
    let mut bytes = start(1, 3);
    bytes.extend(text("general.architecture"));
    bytes.extend(TEXT.to_le_bytes());
    bytes.extend(text("llama"));
    bytes.extend(text("llama.context_length"));
    bytes.extend(4_u32.to_le_bytes());
    bytes.extend(8192_u32.to_le_bytes());
    bytes.extend(text("tokenizer.ggml.tokens"));
    bytes.extend(ARRAY.to_le_bytes());
    bytes.extend(TEXT.to_le_bytes());
    bytes.extend(2_u64.to_le_bytes());
    bytes.extend(text("<s>"));
    bytes.extend(text("hello"));
    bytes.extend(text("w"));
    bytes.extend(2_u32.to_le_bytes());
    bytes.extend(4_u64.to_le_bytes());
    bytes.extend(2_u64.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    let padded = bytes.len().div_ceil(32) * 32;
    bytes.resize(padded + 32, 0);
    bytes
}

fn parse(bytes: &[u8]) -> Result<Header, Fault> {
    read(&mut &*bytes, bytes.len() as u64)
}

#[test]
fn a_sound_header_gives_architecture_context_and_tensors() {
    let header = parse(&sound()).unwrap();
    assert_eq!(header.architecture(), Some("llama"));
    assert_eq!(header.of_architecture("context_length"), Some(8192));
    assert_eq!(header.tensors[0].dtype, "f32");
    assert_eq!(header.tensors[0].bytes, 32);
}

#[test]
fn data_cut_anywhere_is_refused() {
    let whole = sound();
    for length in 0..whole.len() {
        assert!(parse(&whole[..length]).is_err(), "cut at {length}");
    }
}

#[test]
fn counts_and_lengths_of_2_to_the_63_are_refused_at_once() {
    assert!(matches!(
        parse(&start(1 << 63, 0)),
        Err(Fault::TooMany { .. })
    ));
    assert!(matches!(
        parse(&start(0, 1 << 63)),
        Err(Fault::TooMany { .. })
    ));
    let mut long_text = start(0, 1);
    long_text.extend(text("general.name"));
    long_text.extend(TEXT.to_le_bytes());
    long_text.extend((1_u64 << 63).to_le_bytes());
    assert!(matches!(parse(&long_text), Err(Fault::Truncated { .. })));
    let mut long_array = start(0, 1);
    long_array.extend(text("a"));
    long_array.extend(ARRAY.to_le_bytes());
    long_array.extend(4_u32.to_le_bytes());
    long_array.extend((1_u64 << 63).to_le_bytes());
    assert!(matches!(parse(&long_array), Err(Fault::TooMany { .. })));
}

#[test]
fn nested_arrays_end_at_a_depth() {
    let mut bytes = start(0, 1);
    bytes.extend(text("a"));
    bytes.extend(ARRAY.to_le_bytes());
    for _ in 0..20 {
        bytes.extend(ARRAY.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
    }
    assert!(matches!(parse(&bytes), Err(Fault::NestedTooDeep)));
}

#[test]
fn other_files_and_old_versions_are_named() {
    assert!(matches!(
        parse(b"PK\x03\x04 and more bytes"),
        Err(Fault::Magic { .. })
    ));
    let mut old = sound();
    old[4] = 1;
    assert!(matches!(parse(&old), Err(Fault::Version(1))));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut with_magic = b"GGUF\x03\0\0\0".to_vec();
        with_magic.extend(&bytes);
        drop(parse(&bytes));
        drop(parse(&with_magic));
    }

    #[test]
    fn no_changed_byte_makes_it_panic(at in 0_usize..200, to in any::<u8>()) {
        let mut bytes = sound();
        let at = at % bytes.len();
        bytes[at] = to;
        drop(parse(&bytes));
    }
}
