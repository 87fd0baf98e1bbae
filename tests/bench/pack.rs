//! How fast `infer pack` is, how much memory it takes, what a second pack costs.
//!
//! `cargo bench --bench pack` on a quiet machine; `INFER_BENCH_MIB` (2048) sets the
//! model's size. One line a figure, for the notes; nothing is asserted.

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench prints its figures, rounded"
)]

mod noise;
#[path = "../support/mod.rs"]
mod support;

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use noise::Noise;
use support::{
    infer::Workplace,
    weights::{safetensors, tiny_model},
};

const SHARDS: u64 = 4;
const MIB: u64 = 1 << 20;

fn main() {
    let size_mib = std::env::var("INFER_BENCH_MIB").ok();
    let size_mib: u64 = size_mib.map_or(2048, |text| text.parse().expect("a number of MiB"));
    let place = Workplace::new();
    let bytes = model(&place.join("m"), size_mib * MIB);
    // Files younger than a second are read again, so that no write is ever missed.
    let settled = Instant::now() + Duration::from_millis(1100);
    while Instant::now() < settled {
        std::thread::yield_now();
    }
    println!("{}", Noise::measure());
    println!("model: {SHARDS} shards, {:.2} GB", bytes as f64 / 1e9);
    figure(
        &place,
        "pack, nothing there",
        bytes,
        &["pack", "m", "--to", "oci:a:v1"],
    );
    figure(
        &place,
        "pack, nothing changed",
        bytes,
        &["pack", "m", "--to", "oci:a:v1"],
    );
    place.write("m/config.json", r#"{"architectures":["Other"]}"#);
    figure(
        &place,
        "pack, config changed",
        bytes,
        &["pack", "m", "--to", "oci:a:v1"],
    );
    figure(
        &place,
        "pack, digests known",
        bytes,
        &["pack", "m", "--to", "oci:b:v1"],
    );
    figure(
        &place,
        "dry run, digests known",
        bytes,
        &["pack", "m", "--to", "oci:c", "--dry-run"],
    );
    figure(&place, "verify", bytes, &["verify", "oci:a:v1"]);
    figure(
        &place,
        "unpack",
        bytes,
        &["unpack", "oci:a:v1", "--into", "out"],
    );
    println!("{}", Noise::measure());
}

/// Shards of bytes that no file system can compress away.
fn model(folder: &Path, bytes: u64) -> u64 {
    tiny_model(folder);
    fs::remove_file(folder.join("model.safetensors")).expect("a file");
    let shard_bytes = bytes / SHARDS;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for shard in 1..=SHARDS {
        let path = folder.join(format!("model-{shard:05}-of-{SHARDS:05}.safetensors"));
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
        let name = format!("tensor-{shard}");
        file.write_all(&safetensors(&[(&name, 0, shard_bytes)], 0))
            .expect("a header");
        for _ in 0..shard_bytes / 8 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            file.write_all(&state.to_le_bytes()).expect("data");
        }
        file.flush().expect("data");
    }
    shard_bytes * SHARDS
}

/// Runs `infer`, prints wall time, rate and peak memory.
fn figure(place: &Workplace, name: &str, bytes: u64, args: &[&str]) {
    let started = Instant::now();
    let mut command = place.command(args);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("infer starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    let ended = loop {
        if let Ok(text) = fs::read_to_string(&status) {
            peak_kib = peak_kib.max(high_water_kib(&text));
        }
        if let Some(ended) = child.try_wait().expect("a child") {
            break ended;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    };
    assert!(ended.success(), "{name} failed");
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{name:<24} {seconds:7.2} s   {:7.0} MB/s   peak {:5.1} MB",
        bytes as f64 / 1e6 / seconds,
        peak_kib as f64 * 1024.0 / 1e6,
    );
}

fn high_water_kib(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = line.and_then(|rest| rest.split_whitespace().next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
