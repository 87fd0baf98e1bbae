//! What the local gateway adds to a request: the same engine asked directly and through
//! `infer serve`, in turns, over one kept connection each.
//!
//! `cargo bench --bench gateway`. The target is 0.3 ms at p50.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, reason = "a benchmark ends at the first error")]

mod noise;
#[path = "../support/mod.rs"]
mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use noise::Noise;
use support::serve::{A, B, Served};

/// Pairs of requests; the first tenth warms up.
const PAIRS: usize = 5_000;

/// One connection that is kept.
struct Line(BufReader<TcpStream>);

impl Line {
    fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// The time until the first byte of the answer's body, and until its end.
    fn ask(&mut self, request: &[u8]) -> (Duration, Duration) {
        let sent = Instant::now();
        self.0.get_mut().write_all(request).unwrap();
        let (mut length, mut line) = (None, String::new());
        loop {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = Some(value.trim().parse::<usize>().unwrap());
            }
            if line == "\r\n" {
                break;
            }
        }
        let first = self.0.fill_buf().map(|_| sent.elapsed()).unwrap();
        match length {
            Some(length) => self.0.read_exact(&mut vec![0; length]).unwrap(),
            None => self.read_chunks(),
        }
        (first, sent.elapsed())
    }

    fn read_chunks(&mut self) {
        let mut line = String::new();
        loop {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            self.0.read_exact(&mut vec![0; size + 2]).unwrap();
            if size == 0 {
                return;
            }
        }
    }
}

fn request(path: &str, body: &str) -> Vec<u8> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn quantile(sorted: &[Duration], q: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank"
    )]
    let rank = (q * (sorted.len() - 1) as f64).round() as usize;
    sorted[rank].as_secs_f64() * 1e3
}

fn compare(name: &str, direct: &mut Line, through: &mut Line, request: &[u8]) {
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        let times = (direct.ask(request).0, through.ask(request).0);
        if pair >= PAIRS / 10 {
            one.push(times.0);
            two.push(times.1);
        }
    }
    // Pair by pair, so that what both felt of the machine falls out.
    let mut added: Vec<_> = one
        .iter()
        .zip(&two)
        .map(|(direct, through)| (through.as_secs_f64() - direct.as_secs_f64()) * 1e3)
        .collect();
    added.sort_unstable_by(f64::total_cmp);
    println!(
        "{name:10} a pair differs by {:.3} ms at p50",
        added[added.len() / 2]
    );
    one.sort_unstable();
    two.sort_unstable();
    for q in [0.5, 0.9, 0.99] {
        let (direct, through) = (quantile(&one, q), quantile(&two, q));
        println!(
            "{name:10} p{:<3} direct {direct:.3} ms   through {through:.3} ms   added {:.3} ms",
            q * 100.0,
            through - direct
        );
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("{}", Noise::measure());
    let served = Served::start().await;
    let options = ["--base", "0s", "--per-token", "0s"];
    let engine = served.up(A, &options).await.port.unwrap();
    served.up(B, &options).await;
    served.split(Some(A), None, 0).await;
    let (mut direct, mut through) = (Line::open(engine), Line::open(served.port));
    let body = r#"{"prompt":"hello","max_tokens":1}"#;
    let stream = r#"{"prompt":"hello","max_tokens":4,"stream":true}"#;
    compare(
        "models",
        &mut direct,
        &mut through,
        &request("/v1/models", ""),
    );
    compare(
        "whole",
        &mut direct,
        &mut through,
        &request("/v1/completions", body),
    );
    compare(
        "stream",
        &mut direct,
        &mut through,
        &request("/v1/completions", stream),
    );
    println!("{}", Noise::measure());
}
