//! Runs made by hand, and what they must amount to.

use super::*;

fn good(index: u64, ttft_ms: f64) -> Record {
    let at = f64::from(u32::try_from(index).unwrap()) / 10.0;
    Record {
        index,
        intended_s: at,
        sent_s: at,
        ended_s: at + 1.0,
        result: Ok(Good {
            latencies: Latencies {
                ttft_ms: Some(ttft_ms),
                ttfo_ms: Some(ttft_ms),
                tpot_ms: Some(10.0),
                e2e_ms: ttft_ms + 500.0,
            },
            output_tokens: 51,
            counted: true,
            prompt_tokens: Some(7),
        }),
    }
}

fn failed(index: u64, fault: Fault) -> Record {
    Record {
        result: Err(Failed::new(fault, "as told")),
        ..good(index, 0.0)
    }
}

fn measured(records: Vec<Record>) -> Measured {
    Measured {
        records,
        chunk_gaps: Counted::default(),
        client_added: Counted::default(),
        cancelled: 0,
        offered: None,
        simulated: None,
    }
}

fn gates(texts: &[&str]) -> Vec<Gate> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn hundred() -> Vec<Record> {
    (0..100).map(|index| good(index, 100.0)).collect()
}

#[test]
fn failed_requests_enter_only_errors() {
    let mut records = hundred();
    records.push(failed(100, Fault::Truncated));
    records.push(failed(101, Fault::Truncated));
    let summary = measured(records).summarize(&[]);
    assert_eq!((summary.requests.sent, summary.requests.ok), (102, 100));
    assert_eq!(summary.requests.errors["truncated"], 2);
    assert_eq!(summary.latencies.ttft.n, 100);
    assert_eq!(summary.tokens.output, 5100);
    assert_eq!(summary.tokens.prompt, Some(700));
}

#[test]
fn a_broken_gate_beats_everything_undecided() {
    let all = gates(&["ttft.p50<50ms", "ttft.p99<500ms"]);
    let summary = measured(hundred()).summarize(&all);
    assert_eq!(summary.gates[0].pass, Some(false));
    assert_eq!(summary.gates[0].value, Some(100.0));
    assert_eq!(summary.gates[1].pass, None);
    assert_eq!(summary.gates[1].n_needed, Some(299));
    assert_eq!(summary.verdict(), Verdict::Missed);
}

#[test]
fn too_few_values_leave_a_gate_undecided() {
    let summary = measured(hundred()).summarize(&gates(&["ttft.p99<500ms"]));
    assert_eq!(summary.verdict(), Verdict::Undecided);
    assert_eq!(
        summary.undecided(),
        ["ttft.p99<500ms needs 299 values and has 100"]
    );
}

#[test]
fn a_slow_client_leaves_latencies_undecided_but_not_errors() {
    let mut run = measured(hundred());
    (0..1000).for_each(|_| run.client_added.add_ms(5.0));
    let summary = run.summarize(&gates(&["ttft.p50<500ms", "error_rate<1%"]));
    assert!(!summary.client.valid);
    assert_eq!(summary.gates[0].pass, None);
    assert_eq!(summary.gates[1].pass, Some(true));
    assert_eq!(summary.verdict(), Verdict::Undecided);
    assert_eq!(
        run.summarize(&gates(&["error_rate<0%"])).verdict(),
        Verdict::Missed
    );
}

#[test]
fn the_client_may_add_a_millisecond_or_a_hundredth_of_ttft() {
    for (added_ms, valid) in [(0.9, true), (1.1, false)] {
        assert_eq!(is_valid(Some(added_ms), Some(100.0)), valid);
    }
    assert!(is_valid(Some(2.0), Some(201.0)));
    assert!(is_valid(None, None));
}

#[test]
fn load_that_was_not_delivered_is_undecided() {
    let mut run = measured(hundred());
    run.offered = Some(Offered {
        rps: 10.0,
        due: 1000,
        sent_in_time: 994,
    });
    let summary = run.summarize(&gates(&["ttft.p50<500ms"]));
    assert_eq!(summary.verdict(), Verdict::Undecided);
    assert!((summary.delivered - 0.994).abs() < 1e-9);
    assert!(summary.undecided()[0].contains("99.4%"));
}

#[test]
fn cancelled_requests_are_counted_but_do_not_break_gates() {
    let mut run = measured(hundred());
    run.cancelled = 50;
    let summary = run.summarize(&gates(&["error_rate<1%"]));
    assert_eq!(summary.requests.errors["cancelled"], 50);
    assert_eq!(summary.gates[0].pass, Some(true));
}

#[test]
fn rates_are_over_the_time_until_the_last_answer() {
    let summary = measured(hundred()).summarize(&gates(&["requests_per_s>9"]));
    assert!((summary.duration_s - 10.9).abs() < 1e-9);
    assert_eq!(summary.requests_per_s, Some(9.174));
    assert_eq!(summary.gates[0].pass, Some(true));
}

#[test]
fn an_empty_run_measures_nothing() {
    let summary = measured(Vec::new()).summarize(&gates(&["ttft.p50<1ms", "error_rate<1%"]));
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["requests_per_s"], serde_json::Value::Null);
    assert_eq!(json["ttft_ms"]["mean"], serde_json::Value::Null);
    assert!(summary.gates.iter().all(|gate| gate.pass.is_none()));
}
