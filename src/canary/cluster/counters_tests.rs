use std::fmt::Write as _;

use super::*;

/// vLLM's edges around 100 ms, as cumulative counts.
fn page(counts: [u32; 4], sum: f64, name: &str) -> String {
    let edges = ["0.08", "0.1", "0.25", "+Inf"];
    let mut page = String::new();
    for (edge, count) in edges.iter().zip(counts) {
        writeln!(
            page,
            "{name}_bucket{{engine=\"0\",le=\"{edge}\",model_name=\"a,b\"}} {count}.0"
        )
        .unwrap();
    }
    writeln!(page, "{name}_sum{{engine=\"0\",model_name=\"a,b\"}} {sum}").unwrap();
    writeln!(
        page,
        "{name}_count{{engine=\"0\",model_name=\"a,b\"}} {}",
        counts[3]
    )
    .unwrap();
    page
}

fn change(before: [u32; 4], sum_before: f64, after: [u32; 4], sum: f64) -> Option<Change> {
    let name = "vllm:time_to_first_token_seconds";
    let before = Counters::parse(&page(before, sum_before, name));
    Counters::parse(&page(after, sum, name)).since(&before)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / float(values.len())
}

#[test]
fn a_change_within_one_bucket_is_seen() {
    let live = change([0; 4], 0.0, [0, 0, 10, 10], 1.2).unwrap().ttft_ms;
    let slower = change([0; 4], 0.0, [0, 0, 10, 10], 1.56).unwrap().ttft_ms;
    assert_eq!((live.len(), slower.len()), (10, 10));
    assert!((mean(&live) - 120.0).abs() < 1e-6);
    assert!((mean(&slower) - 156.0).abs() < 1e-6);
}

#[test]
fn a_reading_with_one_request_gives_its_value() {
    let one = change([3, 4, 9, 9], 1.0, [3, 4, 10, 10], 1.137).unwrap();
    assert!((one.ttft_ms[0] - 137.0).abs() < 1e-6, "{:?}", one.ttft_ms);
}

#[test]
fn requests_stay_within_their_buckets_and_sum_up() {
    let some = change([0; 4], 0.0, [2, 3, 7, 8], 2.0).unwrap().ttft_ms;
    assert_eq!(some.len(), 8);
    assert!((some.iter().sum::<f64>() - 2_000.0).abs() < 1e-3);
    assert!(some[0] <= 80.0 && (80.0..=100.0).contains(&some[2]));
    assert!((100.0..=250.0).contains(&some[3]) && some[7] >= 250.0);
}

#[test]
fn an_engine_that_began_anew_says_nothing_about_the_time_between() {
    assert_eq!(change([3, 4, 9, 9], 1.0, [0, 0, 1, 1], 0.2), None);
    let nothing = change([3, 4, 9, 9], 1.0, [3, 4, 9, 9], 1.0).unwrap();
    assert_eq!(nothing, Change::default());
}

#[test]
fn many_requests_are_thinned_out_evenly() {
    let many = change([0; 4], 0.0, [4_000, 6_000, 9_000, 9_000], 700.0).unwrap();
    assert_eq!(many.ttft_ms.len(), 500);
    let low = many.ttft_ms.iter().filter(|ms| **ms <= 80.0).count();
    assert!((210..=235).contains(&low), "{low}");
}

#[test]
fn gaps_of_one_reading_are_one_sample() {
    let name = "vllm:inter_token_latency_seconds";
    let before = Counters::parse(&page([0; 4], 0.0, name));
    let after = Counters::parse(&page([90, 100, 100, 100], 1.1, name));
    let change = after.since(&before).unwrap();
    assert_eq!(change.tpot_ms.len(), 1);
    assert!((change.tpot_ms[0] - 11.0).abs() < 1e-9);
}

#[test]
fn server_errors_of_inference_are_failures_and_others_are_not() {
    let text = "http_requests_total{handler=\"/v1/chat/completions\",method=\"POST\",status=\"5xx\"} 3\n\
        http_requests_total{handler=\"/v1/chat/completions\",method=\"POST\",status=\"2xx\"} 90\n\
        http_requests_total{handler=\"/metrics\",method=\"GET\",status=\"5xx\"} 7\n\
        vllm:generation_tokens_total{engine=\"0\"} 40\nvllm:generation_tokens_total{engine=\"1\"} 2\n";
    let change = Counters::parse(text).since(&Counters::default()).unwrap();
    assert_eq!(change.failed, 3);
    assert!((change.output_tokens - 42.0).abs() < 1e-9);
}

#[test]
fn what_is_no_metrics_page_is_passed_over() {
    let counters =
        Counters::parse("<html>}\nvllm:time_to_first_token_seconds_bucket{le=\"x\"} 1\n{} NaN\n");
    assert!(!counters.says_latencies());
    assert_eq!(counters, Counters::default());
}

#[test]
fn a_page_that_claims_billions_is_as_quick_as_any() {
    let many = change([0; 4], 0.0, [u32::MAX, u32::MAX, u32::MAX, u32::MAX], 9e7).unwrap();
    assert_eq!(many.ttft_ms.len(), 500);
}
