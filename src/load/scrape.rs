//! What the server says about itself while it is under load.

use std::time::Duration;

use reqwest::Url;
use serde::Serialize;

use super::client::Client;

/// How often `/metrics` is read.
const INTERVAL: Duration = Duration::from_secs(1);

/// Longest wait for one reading.
const READING_MAX: Duration = Duration::from_secs(2);

/// Largest metrics page read; busy engines with many labels give some 100 kB.
const METRICS_BYTES_MAX: usize = 4 << 20;

/// A server's own figures; null where its engine does not export one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct ServerFigures {
    pub running: Option<f64>,
    pub waiting: Option<f64>,
    /// Used share of the KV cache, 0 to 1.
    pub kv_cache: Option<f64>,
}

const RUNNING: [&str; 3] = [
    "vllm:num_requests_running",
    "llamacpp:requests_processing",
    "sglang:num_running_reqs",
];
const WAITING: [&str; 3] = [
    "vllm:num_requests_waiting",
    "llamacpp:requests_deferred",
    "sglang:num_queue_reqs",
];
const KV_CACHE: [&str; 4] = [
    "vllm:kv_cache_usage_perc",
    "vllm:gpu_cache_usage_perc",
    "llamacpp:kv_cache_usage_ratio",
    "sglang:token_usage",
];

impl ServerFigures {
    /// From Prometheus text; counts are summed over labels, shares take the highest.
    pub fn parse(text: &str) -> Self {
        let mut figures = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = sample(line) else {
                continue;
            };
            let (slot, highest) = if RUNNING.contains(&name) {
                (&mut figures.running, false)
            } else if WAITING.contains(&name) {
                (&mut figures.waiting, false)
            } else if KV_CACHE.contains(&name) {
                (&mut figures.kv_cache, true)
            } else {
                continue;
            };
            *slot = Some(match *slot {
                None => value,
                Some(before) if highest => before.max(value),
                Some(before) => before + value,
            });
        }
        figures
    }

    /// With those of another server: counts add up, shares take the highest.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let both = |a: Option<f64>, b: Option<f64>, of: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(of(a, b)),
            (a, b) => a.or(b),
        };
        Self {
            running: both(self.running, other.running, |a, b| a + b),
            waiting: both(self.waiting, other.waiting, |a, b| a + b),
            kv_cache: both(self.kv_cache, other.kv_cache, f64::max),
        }
    }

    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// Name and value of one line, its labels and timestamp left out.
fn sample(line: &str) -> Option<(&str, f64)> {
    let name_ends = line.find(['{', ' '])?;
    let rest = match line[name_ends..].strip_prefix('{') {
        // A label's value may hold a brace, but none of the metrics above has such a one.
        Some(labels) => labels.split_once('}')?.1,
        None => &line[name_ends..],
    };
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    value.is_finite().then_some((&line[..name_ends], value))
}

/// Reads `/metrics` each second for as long as it is polled; ends when there is none.
pub(super) async fn watch(client: &Client, base: &Url, on_figures: impl Fn(ServerFigures)) {
    let Ok(url) = base.join("metrics") else {
        return;
    };
    loop {
        let reading = tokio::time::timeout(READING_MAX, read(client.http(), &url)).await;
        match reading {
            Ok(Some(text)) => {
                let figures = ServerFigures::parse(&text);
                if figures.is_empty() {
                    return;
                }
                on_figures(figures);
            }
            Ok(None) => return,
            // Too busy to answer: that may pass.
            Err(_) => {}
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Reads `/metrics` of a server on this machine each second for as long as it is polled; while
/// there is no answer, the figures stay.
pub async fn poll_figures(port: u16, on_figures: impl Fn(ServerFigures)) {
    let url = format!("http://127.0.0.1:{port}/metrics").parse();
    let (Ok(url), Ok(http)) = (url, reqwest::Client::builder().no_proxy().build()) else {
        return;
    };
    loop {
        let reading = tokio::time::timeout(READING_MAX, read(&http, &url)).await;
        if let Ok(Some(text)) = reading {
            on_figures(ServerFigures::parse(&text));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn read(http: &reqwest::Client, url: &Url) -> Option<String> {
    let mut response = http.get(url.clone()).send().await.ok()?;
    if response.status() != http::StatusCode::OK {
        return None;
    }
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.ok()? {
        body.extend_from_slice(&bytes);
        if body.len() > METRICS_BYTES_MAX {
            return None;
        }
    }
    String::from_utf8(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vllm_counts_add_up_over_labels_and_shares_do_not() {
        let text = "# HELP vllm:num_requests_running x\n\
            vllm:num_requests_running{model_name=\"m\",engine=\"0\"} 3.0\n\
            vllm:num_requests_running{model_name=\"m\",engine=\"1\"} 4.0\n\
            vllm:num_requests_waiting{model_name=\"m\"} 0 1700000000\n\
            vllm:num_requests_waiting_by_reason{reason=\"x\"} 9\n\
            vllm:kv_cache_usage_perc{engine=\"0\"} 0.25\n\
            vllm:kv_cache_usage_perc{engine=\"1\"} 0.5\n";
        assert_eq!(
            ServerFigures::parse(text),
            ServerFigures {
                running: Some(7.0),
                waiting: Some(0.0),
                kv_cache: Some(0.5)
            }
        );
    }

    #[test]
    fn llama_cpp_is_understood_and_strange_lines_are_passed_over() {
        let text = "llamacpp:requests_processing 2\nllamacpp:requests_deferred NaN\n{} x\n\nx\nvllm:num_requests_running{";
        let figures = ServerFigures::parse(text);
        assert_eq!((figures.running, figures.waiting), (Some(2.0), None));
        assert!(ServerFigures::parse("up 1\n").is_empty());
    }
}
