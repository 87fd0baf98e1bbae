//! What a load test leaves: its answer, its report, its comparison with another.

use serde_json::Value;

use super::{Sim, load};
use crate::support::{infer::Workplace, process::Process};

#[test]
fn an_interrupt_prints_what_there_is_and_exits_130() {
    let place = Workplace::new();
    let sim = Sim::start(&place, &["--base", "20ms", "--per-token", "1ms"]);
    let args = [
        "--output",
        "json",
        "load",
        &sim.url,
        "-c",
        "2",
        "--duration",
        "10m",
        "--output-tokens",
        "5",
    ];
    let mut process = Process::start(&mut place.command(args));
    process.event("request");
    process.interrupt();
    let result = process.event("result");
    assert_eq!(process.exit_code(), Some(130));
    assert!(
        result["requests"]["ok"].as_u64().is_some_and(|ok| ok > 0),
        "{result}"
    );
    assert_eq!(result["verb"], "load");
}

#[test]
fn the_report_and_the_test_cases_tell_the_gates() {
    let place = Workplace::new();
    let sim = Sim::start(&place, &["--base", "50ms", "--per-token", "2ms"]);
    let options = [
        "-n",
        "20",
        "--rate",
        "50",
        "--output-tokens",
        "5",
        "--slo",
        "e2e.max<1ms",
        "--slo",
        "ttft.p99<9s",
        "--report",
        "out/r.html",
        "--junit",
        "out/j.xml",
    ];
    let ran = load(&place, &sim.url, &options);
    let gates = ran.result()["gates"].clone();
    assert_eq!(
        (&gates[1]["pass"], &gates[1]["n_needed"]),
        (&Value::Null, &299.into())
    );
    let report = place.read("out/r.html");
    for part in [
        "<svg",
        "ttft.p99&lt;9s",
        "prefers-color-scheme:dark",
        "no model is run",
        "&quot;intended_s&quot;",
    ] {
        assert!(report.contains(part), "{part}");
    }
    assert!(!report.contains("<script") && !report.contains("src=\"http"));
    let cases = place.read("out/j.xml");
    assert!(
        cases.contains("tests=\"4\"") && cases.contains("e2e.max&lt;1ms"),
        "{cases}"
    );
    if ran.result()["client"]["valid"] == true {
        assert_eq!(ran.code(), 3);
        assert!(cases.contains("<failure"), "{cases}");
    } else {
        assert_eq!(ran.code(), 4, "a busy machine leaves it undecided");
    }
}

#[test]
fn embeddings_and_whole_answers_have_no_first_token() {
    let place = Workplace::new();
    let sim = Sim::start(&place, &["--base", "5ms", "--per-token", "1ms"]);
    for options in [
        ["--api", "embeddings"],
        ["--api", "chat"],
        ["--api", "completions"],
    ] {
        let mut all = vec!["-n", "6", "--output-tokens", "4", "--no-stream"];
        all.extend(options);
        let result = load(&place, &sim.url, &all).result();
        assert_eq!(result["requests"]["ok"], 6, "{result}");
        assert_eq!(
            (&result["ttft_ms"]["n"], &result["ttft_ms"]["mean"]),
            (&0.into(), &Value::Null)
        );
        assert!(
            result["e2e_ms"]["p50"].as_f64().is_some_and(|ms| ms >= 4.9),
            "{result}"
        );
    }
}

#[test]
fn the_answer_for_people_is_a_table_on_stdout() {
    let place = Workplace::new();
    let sim = Sim::start(&place, &["--base", "5ms", "--per-token", "1ms"]);
    let ran = place.run([
        "load",
        &sim.url,
        "-n",
        "6",
        "--output-tokens",
        "4",
        "--seed",
        "3",
    ]);
    for part in [
        "TTFT  ms",
        "TPOT  ms",
        "6 requests",
        "client adds",
        "simulated: no model is run",
    ] {
        assert!(ran.stdout().contains(part), "{part}: {}", ran.stdout());
    }
    assert!(ran.stderr().contains("seed 3"), "{}", ran.stderr());
}

#[test]
fn two_runs_are_compared_by_their_files() {
    let place = Workplace::new();
    let line = |ttft: u32, at: u32| {
        format!(
            "{{\"event\":\"request\",\"intended_s\":{at},\"ttft_ms\":{ttft},\"tpot_ms\":10,\"e2e_ms\":500,\"error\":null}}\n"
        )
    };
    let run = |add: u32| {
        (0..400)
            .map(|at| line(100 + add + at * 7 % 20, at))
            .collect::<String>()
    };
    place.write("a.ndjson", run(0));
    place.write("same.ndjson", run(0));
    place.write("slow.ndjson", run(40));
    place.write("empty.ndjson", "{\"event\":\"start\"}\n");
    let compare = |b: &str| place.run(["load", "compare", "a.ndjson", b]);
    assert!(
        compare("same.ndjson")
            .expect_code(0)
            .stdout()
            .contains("B is not worse")
    );
    let slow = compare("slow.ndjson").expect_code(3);
    assert!(
        slow.stdout().contains("ttft.p50") && slow.stdout().contains("B is worse"),
        "{}",
        slow.stdout()
    );
    let empty = compare("empty.ndjson").expect_code(2);
    assert!(
        empty.stderr().contains("--output json"),
        "{}",
        empty.stderr()
    );
}
