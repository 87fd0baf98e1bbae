//! `/metrics` with vLLM's names, types, labels and bucket edges (`vllm/v1/metrics`, 0.33).

use std::{sync::Mutex, time::Duration};

use serde::Serialize;

use super::exposition::{Histogram, Page, one_two_five, whole};

/// Edges of the time to first token, in seconds.
const FIRST_TOKEN: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];
/// Edges of the times between tokens, in seconds.
const BETWEEN_TOKENS: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0,
];
/// Edges of whole requests and their phases, in seconds.
const REQUEST: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
    480.0, 960.0, 1920.0, 7680.0,
];
/// vLLM's reasons for the end of a request, all exported from the start.
const REASONS: [&str; 5] = ["stop", "length", "abort", "error", "repetition"];

/// What has been counted since the start.
#[derive(Debug)]
pub(super) struct Metrics {
    model: String,
    counted: Mutex<Counted>,
}

#[derive(Debug)]
struct Counted {
    totals: Totals,
    finished: [u64; REASONS.len()],
    first_token: Histogram,
    between_tokens: Histogram,
    per_output_token: Histogram,
    whole: Histogram,
    queue: Histogram,
    inference: Histogram,
    prefill: Histogram,
    decode: Histogram,
    prompt_tokens: Histogram,
    generation_tokens: Histogram,
}

/// What a simulated server has done in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
pub struct Totals {
    /// Requests for chat, completions or embeddings.
    pub requests: u64,
    /// Of these, answered in full.
    pub answered: u64,
    /// Of these, left by the client before the end.
    pub aborted: u64,
    pub prompt_tokens: u64,
    pub output_tokens: u64,
}

/// How a request ended, with the times that vLLM takes of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    pub(super) end: End,
    pub(super) prompt_tokens: u32,
    pub(super) output_tokens: u32,
    pub(super) queue: Duration,
    /// From the slot to the first token.
    pub(super) prefill: Duration,
    /// From the first token to the last.
    pub(super) decode: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Stop,
    Length,
    Abort,
    Error,
}

impl End {
    /// The word on the wire and in the label.
    pub(super) fn name(self) -> &'static str {
        REASONS[self as usize]
    }
}

/// Gauges at the time of the scrape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gauges {
    pub(super) running: u32,
    pub(super) waiting: u32,
    pub(super) kv_usage: f64,
}

impl Metrics {
    pub(super) fn new(model: &str, context_tokens: u32) -> Self {
        let tokens = one_two_five(context_tokens);
        Self {
            model: model.to_owned(),
            counted: Mutex::new(Counted {
                totals: Totals::default(),
                finished: [0; REASONS.len()],
                first_token: Histogram::new(FIRST_TOKEN),
                between_tokens: Histogram::new(BETWEEN_TOKENS),
                per_output_token: Histogram::new(BETWEEN_TOKENS),
                whole: Histogram::new(REQUEST),
                queue: Histogram::new(REQUEST),
                inference: Histogram::new(REQUEST),
                prefill: Histogram::new(REQUEST),
                decode: Histogram::new(REQUEST),
                prompt_tokens: Histogram::new(&tokens),
                generation_tokens: Histogram::new(&tokens),
            }),
        }
    }

    pub(super) fn received(&self) {
        self.with(|counted| counted.totals.requests += 1);
    }

    /// The first token, `since_arrival` after the request.
    pub(super) fn first_token(&self, since_arrival: Duration, prompt_tokens: u32) {
        self.with(|counted| {
            counted.first_token.observe(since_arrival.as_secs_f64());
            counted.totals.prompt_tokens += u64::from(prompt_tokens);
            counted.totals.output_tokens += 1;
        });
    }

    /// Another token, `gap` after the one before.
    pub(super) fn next_token(&self, gap: Duration) {
        self.with(|counted| {
            counted.between_tokens.observe(gap.as_secs_f64());
            counted.totals.output_tokens += 1;
        });
    }

    /// Prompt tokens of a request that makes no output.
    pub(super) fn embedded(&self, prompt_tokens: u32) {
        self.with(|counted| counted.totals.prompt_tokens += u64::from(prompt_tokens));
    }

    pub(super) fn finished(&self, done: &Finished) {
        self.with(|counted| {
            counted.finished[done.end as usize] += 1;
            match done.end {
                End::Stop | End::Length => counted.totals.answered += 1,
                End::Abort => counted.totals.aborted += 1,
                End::Error => {}
            }
            let inference = done.prefill + done.decode;
            counted
                .whole
                .observe((done.queue + inference).as_secs_f64());
            counted.queue.observe(done.queue.as_secs_f64());
            counted.inference.observe(inference.as_secs_f64());
            counted.prefill.observe(done.prefill.as_secs_f64());
            counted.decode.observe(done.decode.as_secs_f64());
            counted.prompt_tokens.observe(f64::from(done.prompt_tokens));
            let output = f64::from(done.output_tokens);
            counted.generation_tokens.observe(output);
            if done.output_tokens > 1 {
                let mean = done.decode.as_secs_f64() / (output - 1.0);
                counted.per_output_token.observe(mean);
            }
        });
    }

    pub(super) fn totals(&self) -> Totals {
        self.with(|counted| counted.totals)
    }

    /// The text of `/metrics`.
    pub(super) fn render(&self, gauges: Gauges) -> String {
        self.with(|counted| counted.render(&self.model, gauges))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Counted) -> T) -> T {
        let mut counted = self
            .counted
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        act(&mut counted)
    }
}

impl Counted {
    fn render(&self, model: &str, gauges: Gauges) -> String {
        let mut page = Page::new(model);
        page.gauge(
            "infer_simulated",
            "No model is run: infer sim answers.",
            1.0,
        );
        write_gauges(&mut page, gauges);
        self.counters(&mut page);
        self.histograms(&mut page);
        page.finish()
    }

    fn counters(&self, page: &mut Page) {
        for (name, help, value) in [
            (
                "vllm:prefix_cache_queries_total",
                "Prefix cache queries, in terms of number of queried tokens.",
                self.totals.prompt_tokens,
            ),
            (
                "vllm:prefix_cache_hits_total",
                "Prefix cache hits, in terms of number of cached tokens.",
                0,
            ),
            (
                "vllm:num_preemptions_total",
                "Cumulative number of preemption from the engine.",
                0,
            ),
            (
                "vllm:prompt_tokens_total",
                "Number of prefill tokens processed.",
                self.totals.prompt_tokens,
            ),
            (
                "vllm:generation_tokens_total",
                "Number of generation tokens processed.",
                self.totals.output_tokens,
            ),
        ] {
            page.counter(name, help, value);
        }
        let name = "vllm:request_success_total";
        page.head(name, "counter", "Count of successfully processed requests.");
        for (reason, count) in REASONS.iter().zip(self.finished) {
            page.sample_before(name, "finished_reason", reason, whole(count));
        }
    }

    fn histograms(&self, page: &mut Page) {
        for (name, help, histogram) in [
            (
                "time_to_first_token_seconds",
                "Histogram of time to first token in seconds.",
                &self.first_token,
            ),
            (
                "inter_token_latency_seconds",
                "Histogram of inter-token latency in seconds.",
                &self.between_tokens,
            ),
            (
                "request_time_per_output_token_seconds",
                "Histogram of time_per_output_token_seconds per request.",
                &self.per_output_token,
            ),
            (
                "e2e_request_latency_seconds",
                "Histogram of e2e request latency in seconds.",
                &self.whole,
            ),
            (
                "request_queue_time_seconds",
                "Histogram of time spent in WAITING phase for request.",
                &self.queue,
            ),
            (
                "request_inference_time_seconds",
                "Histogram of time spent in RUNNING phase for request.",
                &self.inference,
            ),
            (
                "request_prefill_time_seconds",
                "Histogram of time spent in PREFILL phase for request.",
                &self.prefill,
            ),
            (
                "request_decode_time_seconds",
                "Histogram of time spent in DECODE phase for request.",
                &self.decode,
            ),
            (
                "request_prompt_tokens",
                "Number of prefill tokens processed.",
                &self.prompt_tokens,
            ),
            (
                "request_generation_tokens",
                "Number of generation tokens processed.",
                &self.generation_tokens,
            ),
        ] {
            page.histogram(&format!("vllm:{name}"), help, histogram);
        }
    }
}

fn write_gauges(page: &mut Page, gauges: Gauges) {
    let Gauges {
        running,
        waiting,
        kv_usage,
    } = gauges;
    page.gauge(
        "vllm:num_requests_running",
        "Number of requests in model execution batches.",
        running.into(),
    );
    page.gauge(
        "vllm:num_requests_waiting",
        "Number of requests waiting to be processed.",
        waiting.into(),
    );
    let name = "vllm:num_requests_waiting_by_reason";
    page.head(name, "gauge", "Number of requests waiting, by reason.");
    page.sample_after(name, "reason", "capacity", waiting.into());
    page.sample_after(name, "reason", "deferred", 0.0);
    page.gauge(
        "vllm:kv_cache_usage_perc",
        "KV-cache usage. 1 means 100 percent usage.",
        kv_usage,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAUGES: Gauges = Gauges {
        running: 2,
        waiting: 1,
        kv_usage: 0.25,
    };

    #[test]
    fn a_value_falls_into_the_first_bucket_whose_edge_it_does_not_exceed() {
        let metrics = Metrics::new("m", 100);
        metrics.first_token(Duration::from_millis(40), 3);
        metrics.first_token(Duration::from_millis(41), 3);
        let page = metrics.render(GAUGES);
        for line in [
            r#"vllm:time_to_first_token_seconds_bucket{engine="0",le="0.02",model_name="m"} 0.0"#,
            r#"vllm:time_to_first_token_seconds_bucket{engine="0",le="0.04",model_name="m"} 1.0"#,
            r#"vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} 2.0"#,
            r#"vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 2.0"#,
            r#"vllm:prompt_tokens_total{engine="0",model_name="m"} 6.0"#,
            r#"vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 1.0"#,
            r#"vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25"#,
            "# TYPE vllm:inter_token_latency_seconds histogram",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }

    #[test]
    fn a_finished_request_is_counted_by_its_reason_and_its_mean_gap() {
        let metrics = Metrics::new("m", 100);
        let mut done = Finished {
            end: End::Length,
            prompt_tokens: 10,
            output_tokens: 5,
            queue: Duration::from_millis(100),
            prefill: Duration::from_millis(200),
            decode: Duration::from_millis(40),
        };
        metrics.finished(&done);
        done.end = End::Abort;
        metrics.finished(&done);
        let page = metrics.render(GAUGES);
        for line in [
            r#"vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 1.0"#,
            r#"vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 0.0"#,
            r#"vllm:request_time_per_output_token_seconds_bucket{engine="0",le="0.01",model_name="m"} 2.0"#,
            r#"vllm:e2e_request_latency_seconds_bucket{engine="0",le="0.5",model_name="m"} 2.0"#,
            r#"vllm:request_generation_tokens_bucket{engine="0",le="5.0",model_name="m"} 2.0"#,
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        assert_eq!(
            (metrics.totals().answered, metrics.totals().aborted),
            (1, 1)
        );
    }
}
