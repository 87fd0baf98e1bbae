//! llama.cpp's real server, running a model on a free port; killed on drop.

use std::{path::Path, process::Command};

use super::{
    process::{Process, Reads, wait_until},
    setup,
};

pub struct LlamaServer {
    pub process: Process,
    pub url: String,
}

impl LlamaServer {
    /// Starts it on the GGUF file `model` and waits until it is healthy.
    pub fn start(model: &Path) -> Self {
        let mut command = Command::new(setup::llama_server());
        command
            .arg("--model")
            .arg(model)
            .args(["--host", "127.0.0.1", "--port", "0", "--metrics"])
            .args(["--threads", "1", "--parallel", "4", "--alias", "tiny"]);
        let mut process = Process::start_reading(&mut command, Reads::Stderr);
        let url = wait_until("llama-server listens", || {
            let line = process.line();
            let (_, url) = line.split_once("listening on ")?;
            Some(url.trim().trim_end_matches(['.', '/']).to_owned())
        });
        Self { process, url }
    }
}
