//! Writes a tiny language model with random weights, to try `infer` on a real llama.cpp:
//! `cargo run --example tiny-gguf -- FILE.gguf [BLOCKS]`. More blocks are slower.

#[path = "../support/gguf.rs"]
#[expect(unreachable_pub, reason = "the tests' own, used here alone")]
mod gguf;

use std::{env, fs, process::ExitCode};

/// Blocks where nothing says how many: the first token comes in a few milliseconds.
const BLOCKS_DEFAULT: u32 = 2;

#[expect(clippy::print_stderr, reason = "a tool of its own, not `infer`")]
fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let blocks = |text: String| text.parse().ok();
    let (Some(path), Some(blocks)) = (
        args.next(),
        args.next().map_or(Some(BLOCKS_DEFAULT), blocks),
    ) else {
        eprintln!("usage: tiny-gguf FILE.gguf [BLOCKS]");
        return ExitCode::from(2);
    };
    match fs::write(&path, gguf::tiny_llama(blocks, 1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}
