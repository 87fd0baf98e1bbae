//! What tests have from elsewhere, by the scripts in `tests/setup`; each prints a path,
//! keeps what it fetched outside the checkout, and says in one line what is missing.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Runs `tests/setup/<name>` and returns the path it prints.
pub fn path_of(name: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/setup")
        .join(name);
    let output = Command::new(&script).output().expect("a script of ours");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let path = String::from_utf8(output.stdout).expect("a path");
    PathBuf::from(path.trim_end())
}

/// A llama.cpp server that runs on this machine.
pub fn llama_server() -> PathBuf {
    path_of("llama-server")
}

/// A distribution registry.
pub fn registry() -> PathBuf {
    path_of("registry")
}

/// A folder with real trained weights in the layout of Hugging Face.
pub fn minilm() -> PathBuf {
    path_of("minilm")
}
