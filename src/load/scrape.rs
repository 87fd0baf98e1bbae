//! A server's own figures while it is under load, from its `/metrics`.

use std::{ops::ControlFlow, time::Duration};

use reqwest::Url;
use serde::Serialize;

use super::prometheus::{Sample, samples};
use crate::engine::{Figure, names};

/// How often `/metrics` is read.
const INTERVAL: Duration = Duration::from_secs(1);

/// Longest wait for one reading.
const READING_MAX: Duration = Duration::from_secs(2);

/// Largest metrics page read; busy engines with many labels give some 100 kB.
const METRICS_BYTES_MAX: usize = 4 << 20;

/// A server's own figures; null where its engine does not export one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, schemars::JsonSchema)]
pub struct ServerFigures {
    pub running: Option<f64>,
    pub waiting: Option<f64>,
    /// Used share of the KV cache, 0 to 1.
    pub kv_cache: Option<f64>,
}

impl ServerFigures {
    /// From Prometheus text; counts are summed over labels, shares take the highest.
    pub fn parse(text: &str) -> Self {
        let mut figures = Self::default();
        for Sample { name, value, .. } in samples(text) {
            let is = |figure: Figure| names(figure).any(|known| known == name);
            let (slot, highest) = if is(|engine| engine.running) {
                (&mut figures.running, false)
            } else if is(|engine| engine.waiting) {
                (&mut figures.waiting, false)
            } else if is(|engine| engine.kv_cache_usage) {
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

/// One reading of a server's `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading {
    Figures(ServerFigures),
    /// No answer in time: the server may be busy.
    Late,
    /// There is no such page, or it has none of the figures.
    Absent,
}

/// Reads `/metrics` each second for as long as it is polled, until `on_reading` breaks.
pub async fn watch(
    client: &reqwest::Client,
    url: &Url,
    on_reading: impl Fn(Reading) -> ControlFlow<()>,
) {
    loop {
        let page = tokio::time::timeout(READING_MAX, read(client, url)).await;
        let reading = match page.map(|page| page.as_deref().map(ServerFigures::parse)) {
            Ok(Some(figures)) if !figures.is_empty() => Reading::Figures(figures),
            Ok(_) => Reading::Absent,
            Err(_) => Reading::Late,
        };
        if on_reading(reading).is_break() {
            return;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn read(client: &reqwest::Client, url: &Url) -> Option<String> {
    let mut response = client.get(url.clone()).send().await.ok()?;
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
