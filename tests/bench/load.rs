//! What `infer load` itself costs, against a server that costs next to nothing.
//!
//! `cargo bench --bench load [-- SECONDS]`, on a quiet machine. Prints, for closed loops
//! against a server that answers at once and for paced open loops: tokens a second, CPU
//! seconds per million tokens, peak memory, how much of the offered load was delivered,
//! and TTFT beyond the server's own 50 ms. The server is in this process; the client is
//! the release binary in its own.

mod noise;

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use noise::Noise;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const TOKENS: usize = 128;
const FIRST: Duration = Duration::from_millis(50);
const EVENT: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"finish_reason\":null}]}\n\n";

/// How the server answers.
#[derive(Clone, Copy)]
enum Pace {
    /// Eight tokens a write, without a pause.
    AtOnce,
    /// The first token after 50 ms, then one every 10 ms.
    Paced,
}

fn main() {
    // `cargo bench` adds `--bench`; `cargo test --benches` only wants to see it start.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let seconds = std::env::args()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(10u64);
    let mut out = std::io::stdout();
    let noise = |out: &mut std::io::Stdout| {
        writeln!(out, "{}", Noise::measure()).expect("a terminal");
    };
    noise(&mut out);
    let head = format!(
        "{:28}{:>10}{:>12}{:>10}{:>10}{:>12}{:>12}{:>12}\n",
        "", "tok/s", "CPU-s/1M", "MB", "delivered", "TTFT+ p50", "TTFT+ p99", "lag p99 ms"
    );
    out.write_all(head.as_bytes()).expect("a terminal");
    for (pace, name, load) in [
        (Pace::AtOnce, "at once, 64 users", ["-c", "64"]),
        (Pace::AtOnce, "at once, 512 users", ["-c", "512"]),
        (Pace::Paced, "paced, about 64 streams", ["--rate", "48"]),
        (Pace::Paced, "paced, about 512 streams", ["--rate", "388"]),
    ] {
        let url = serve(pace);
        let row = measure(name, pace, &url, &load, seconds);
        out.write_all(row.as_bytes()).expect("a terminal");
    }
    noise(&mut out);
}

fn measure(name: &str, pace: Pace, url: &str, load: &[&str], seconds: u64) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_infer"))
        .args([
            "--output",
            "json",
            "load",
            url,
            "--input-tokens",
            "16",
            "--duration",
        ])
        .arg(format!("{seconds}s"))
        .args(load)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("infer starts");
    let id = child.id();
    let watching = thread::spawn(move || watch(id));
    let mut output = String::new();
    let stdout = child.stdout.as_mut().expect("it is piped");
    std::io::Read::read_to_string(stdout, &mut output).expect("text");
    let (cpu_s, memory_mb) = watching.join().expect("no panic");
    child.wait().expect("a child of ours");
    let last = output.lines().last().unwrap_or_default();
    let result: Value = serde_json::from_str(last).expect("a result");
    let figure = |pointer: &str| {
        result
            .pointer(pointer)
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN)
    };
    let million = figure("/tokens/output") / 1e6;
    let own = match pace {
        Pace::AtOnce => 0.0,
        Pace::Paced => FIRST.as_secs_f64() * 1e3,
    };
    format!(
        "{name:28}{:>10.0}{:>12.2}{memory_mb:>10.0}{:>10.3}{:>12.2}{:>12.2}{:>12.2}\n",
        figure("/output_tokens_per_s"),
        cpu_s / million,
        figure("/delivered"),
        figure("/ttft_ms/p50") - own,
        figure("/ttft_ms/p99") - own,
        figure("/client/added_ms/p99"),
    )
}

/// CPU seconds and peak memory of a process, looked up until it is gone.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own, between two looks"
)]
fn watch(id: u32) -> (f64, f64) {
    let (mut cpu_s, mut memory_mb) = (0.0, 0.0);
    while let Some((cpu, memory)) = look(id) {
        (cpu_s, memory_mb) = (cpu, memory);
        thread::sleep(Duration::from_millis(50));
    }
    (cpu_s, memory_mb)
}

fn look(id: u32) -> Option<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = peak.trim().trim_end_matches(" kB").parse().ok()?;
    // USER_HZ is 100 on every Linux that we build for.
    Some((ticks / 100.0, kilobytes / 1e3))
}

/// Starts a server on a thread of its own; it lives as long as this process.
fn serve(pace: Pace) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            sender
                .send(listener.local_addr().expect("an address"))
                .expect("it waits");
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    stream.set_nodelay(true).expect("a socket option");
                    tokio::spawn(async move { drop(connection(stream, pace).await) });
                }
            }
        });
    });
    format!("http://{}", receiver.recv().expect("a server"))
}

async fn connection(mut stream: TcpStream, pace: Pace) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    let mut request = Vec::new();
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
        let Some(length) = whole(&request) else {
            continue;
        };
        let is_list = request.starts_with(b"GET /v1/models");
        let is_other = request.starts_with(b"GET ");
        request.drain(..length);
        if is_list {
            let body = "{\"data\":[{\"id\":\"m\",\"owned_by\":\"bench\"}]}";
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(head.as_bytes()).await?;
        } else if is_other {
            stream
                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                .await?;
        } else {
            answer(&mut stream, pace).await?;
        }
    }
}

/// Bytes of the first request in `bytes`, once all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let total = head + length.map_or(0, |length| length.trim().parse().unwrap_or(0));
    (bytes.len() >= total).then_some(total)
}

async fn answer(stream: &mut TcpStream, pace: Pace) -> std::io::Result<()> {
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head).await?;
    let chunk = |body: &str| format!("{:x}\r\n{body}\r\n", body.len());
    let one = chunk(EVENT);
    match pace {
        Pace::AtOnce => {
            let eight = one.repeat(8);
            for _ in 0..TOKENS / 8 {
                stream.write_all(eight.as_bytes()).await?;
            }
        }
        Pace::Paced => {
            let mut due = tokio::time::Instant::now() + FIRST;
            for _ in 0..TOKENS {
                tokio::time::sleep_until(due).await;
                stream.write_all(one.as_bytes()).await?;
                due += Duration::from_millis(10);
            }
        }
    }
    let end = format!(
        "data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"length\"}}]}}\n\ndata: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":16,\"completion_tokens\":{TOKENS}}}}}\n\ndata: [DONE]\n\n"
    );
    stream
        .write_all((chunk(&end) + "0\r\n\r\n").as_bytes())
        .await
}
