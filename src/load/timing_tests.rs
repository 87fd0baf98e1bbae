//! The conformance scenarios of real servers, each as the bytes it sends.

use proptest::prelude::*;

use super::*;

/// Bytes and the millisecond they arrive at.
type Part<'a> = (u64, &'a str);

const ROLE: &str =
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const FINISH: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn token(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

struct Measured {
    start: Instant,
    result: Result<Timing, Failed>,
    gaps_us: Vec<u32>,
}

impl Measured {
    fn ms(&self) -> Latencies {
        self.result.as_ref().unwrap().latencies(self.start)
    }

    fn fault(&self) -> Fault {
        self.result.as_ref().unwrap_err().fault
    }
}

fn measure_with(parts: &[Part<'_>], end: End, expected: Expected) -> Measured {
    let start = Instant::now();
    let mut stream = Stream::keeping_gaps();
    for (at, bytes) in parts {
        stream.read(bytes.as_bytes(), start + Duration::from_millis(*at));
    }
    let result = stream.finish(end, expected);
    Measured {
        start,
        result,
        gaps_us: stream.into_gaps_us(),
    }
}

fn measure(parts: &[Part<'_>]) -> Measured {
    measure_with(parts, End::Closed, Expected::default())
}

fn near(found: Option<f64>, wanted: f64) -> bool {
    found.is_some_and(|found| (found - wanted).abs() < 1e-6)
}

/// Three tokens at 200, 210 and 230 ms between `before` and `after`.
fn three(before: &str, after: &[Part<'_>]) -> Measured {
    let (a, b, c) = (token("a"), token("b"), token("c"));
    let mut parts = vec![(20, before), (200, &*a), (210, &*b), (230, &*c)];
    parts.extend_from_slice(after);
    measure(&parts)
}

#[test]
fn s01_an_early_role_chunk_is_not_the_first_token() {
    let found = three(ROLE, &[(231, FINISH), (231, USAGE), (231, DONE)]);
    assert!(near(found.ms().ttft_ms, 200.0));
    assert!(near(found.ms().tpot_ms, 15.0));
    assert!((found.ms().e2e_ms - 230.0).abs() < 1e-6);
    assert_eq!(found.gaps_us, [10_000, 20_000]);
}

#[test]
fn s02_crlf_streams_lose_nothing() {
    let text = [&*token("a"), FINISH, USAGE, DONE]
        .concat()
        .replace('\n', "\r\n");
    let found = measure(&[(50, &text)]);
    assert_eq!(found.result.unwrap().usage.unwrap().prompt_tokens, 7);
}

#[test]
fn s03_no_space_after_data_is_fine() {
    let text = [&*token("a"), FINISH, DONE]
        .concat()
        .replace("data: ", "data:");
    assert!(near(measure(&[(50, &text)]).ms().ttft_ms, 50.0));
}

#[test]
fn s04_ping_comments_are_not_timed() {
    let found = three(
        ":\n\n: ping\n\n",
        &[(900, ": ping\n\n"), (950, FINISH), (950, DONE)],
    );
    assert!(near(found.ms().ttft_ms, 200.0));
    assert!((found.ms().e2e_ms - 230.0).abs() < 1e-6);
}

#[test]
fn s05_a_character_cut_in_two_is_whole_again() {
    let text = token("漢");
    let cut = text.find('漢').unwrap() + 1;
    let (start, mut stream) = (Instant::now(), Stream::default());
    assert_eq!(stream.read(&text.as_bytes()[..cut], start), 0);
    assert_eq!(stream.read(&text.as_bytes()[cut..], start), 1);
    stream.read(DONE.as_bytes(), start);
    assert!(stream.finish(End::Closed, Expected::default()).is_ok());
}

#[test]
fn s06_a_cut_just_after_a_space_corrupts_nothing() {
    let text = token(" the");
    let cut = text.find(" the").unwrap() + 1;
    let found = measure(&[(10, &text[..cut]), (30, &text[cut..]), (30, FINISH)]);
    assert!(near(found.ms().ttft_ms, 30.0));
}

#[test]
fn s07_an_error_object_mid_stream_fails_even_before_done() {
    let found = three(
        "",
        &[
            (240, "data: {\"error\":{\"message\":\"cuda\"}}\n\n"),
            (240, DONE),
        ],
    );
    assert_eq!(
        found.result.unwrap_err(),
        Failed::new(Fault::StreamError, "cuda")
    );
}

#[test]
fn s08_a_clean_close_without_an_end_is_truncated() {
    assert_eq!(three(ROLE, &[]).fault(), Fault::Truncated);
}

#[test]
fn s09_a_broken_body_keeps_its_cause_unless_done_was_seen() {
    let broken = || End::Broken(Failed::new(Fault::Reset, "connection reset"));
    let text = token("a");
    let cut = measure_with(&[(9, &text)], broken(), Expected::default());
    assert_eq!(cut.fault(), Fault::Reset);
    let finished = measure_with(&[(9, &text), (9, FINISH)], broken(), Expected::default());
    assert_eq!(finished.fault(), Fault::Reset);
    let done = measure_with(&[(9, &text), (9, DONE)], broken(), Expected::default());
    assert!(done.result.is_ok());
}

#[test]
fn s10_reasoning_counts_as_token_but_not_as_output() {
    for field in ["reasoning", "reasoning_content"] {
        let think = format!("data: {{\"choices\":[{{\"delta\":{{\"{field}\":\"hm\"}}}}]}}\n\n");
        let answer = token("a");
        let found = measure(&[(72, &think), (335, &answer), (340, FINISH), (340, DONE)]);
        assert!(near(found.ms().ttft_ms, 72.0), "{field}");
        assert!(near(found.ms().ttfo_ms, 335.0), "{field}");
    }
}

#[test]
fn s11_an_empty_stream_fails() {
    assert_eq!(measure(&[]).fault(), Fault::Empty);
    assert_eq!(
        measure(&[(5, ROLE), (6, FINISH), (6, DONE)]).fault(),
        Fault::Empty
    );
}

#[test]
fn s12_tool_calls_alone_are_an_answer() {
    let call = "data: {\"choices\":[{\"delta\":{\"content\":null,\"tool_calls\":[{\"index\":0,\
                \"function\":{\"arguments\":\"{\"}}]}}]}\n\n";
    let end = FINISH.replace("stop", "tool_calls");
    let found = measure(&[(10, ROLE), (40, call), (60, call), (60, &end)]);
    assert!(near(found.ms().ttft_ms, 40.0) && near(found.ms().ttfo_ms, 40.0));
    assert!(near(found.ms().tpot_ms, 20.0));
}

#[test]
fn s13_abort_then_done_is_no_success() {
    let abort = FINISH.replace("stop", "abort");
    assert_eq!(
        three(ROLE, &[(240, &abort), (240, DONE)]).fault(),
        Fault::Aborted
    );
}

#[test]
fn s14_a_late_usage_chunk_counts_tokens_but_extends_nothing() {
    let usage = USAGE.replace(":3}", ":31}");
    let found = three(ROLE, &[(231, FINISH), (900, &usage), (900, DONE)]);
    assert!((found.ms().e2e_ms - 230.0).abs() < 1e-6);
    // 31 tokens in three chunks: speculative decoding.
    assert!(near(found.ms().tpot_ms, 1.0));
    assert_eq!(found.result.unwrap().output_tokens(), 31);
}

#[test]
fn s15_zero_usage_on_every_chunk_falls_back_to_events() {
    let zero = token("a").replace(
        "}]}",
        "}],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}",
    );
    let found = measure(&[(10, &zero), (20, &zero), (20, FINISH)]);
    assert_eq!(found.result.unwrap().output_tokens(), 2);
}

#[test]
fn s16_finish_without_done_and_done_without_finish_are_ends() {
    assert!(three("", &[(231, FINISH)]).result.is_ok());
    assert!(three("", &[(231, DONE)]).result.is_ok());
    assert!(three("", &[(231, "data: [DONE]")]).result.is_ok());
}

#[test]
fn s17_an_end_inside_an_event_is_truncated_not_malformed() {
    assert_eq!(
        three("", &[(231, "data: {\"choi")]).fault(),
        Fault::Truncated
    );
    assert_eq!(
        three("", &[(231, "data: {\"choi\n\n")]).fault(),
        Fault::Malformed
    );
}

#[test]
fn s18_too_few_tokens_are_short_only_by_the_servers_count() {
    let least = Expected {
        output_tokens_min: Some(4),
    };
    let text = token("a");
    let counted = measure_with(&[(9, &text), (9, FINISH), (9, USAGE)], End::Closed, least);
    assert_eq!(counted.fault(), Fault::ShortOutput);
    assert!(
        measure_with(&[(9, &text), (9, FINISH)], End::Closed, least)
            .result
            .is_ok()
    );
}

#[test]
fn s19_foreign_events_are_passed_over_and_error_events_fail() {
    let foreign = "event: sglext_ids\ndata: 1 2 3\n\n";
    assert!(three(foreign, &[(231, FINISH)]).result.is_ok());
    for error in [
        "event: error\ndata: overloaded\n\n",
        "error: {\"message\":\"overloaded\"}\n\n",
    ] {
        assert_eq!(
            three("", &[(231, error), (231, DONE)]).fault(),
            Fault::StreamError
        );
    }
}

#[test]
fn s20_completions_time_their_text() {
    let text = "data: {\"choices\":[{\"text\":\" a\"}]}\n\n";
    let end = "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\n";
    assert!(near(measure(&[(5, text), (7, end)]).ms().ttft_ms, 5.0));
}

#[test]
fn one_token_has_no_time_per_token() {
    let text = token("a");
    assert_eq!(measure(&[(5, &text), (7, FINISH)]).ms().tpot_ms, None);
}

proptest! {
    #[test]
    fn no_cut_of_a_stream_changes_what_it_is_worth(
        cuts in proptest::collection::vec(0usize..900, 0..24),
        crlf in any::<bool>(),
    ) {
        let mut text = [ROLE, ": ping\n\n", &token("é"), &token("漢"), &token("🦀"), FINISH, USAGE, DONE].concat();
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        let bytes = text.as_bytes();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let (at, mut stream) = (Instant::now(), Stream::default());
        let events: u64 = cuts.windows(2).map(|pair| stream.read(&bytes[pair[0]..pair[1]], at)).sum();
        let timing = stream.finish(End::Closed, Expected::default()).unwrap();
        prop_assert_eq!((events, timing.events, timing.output_tokens()), (3, 3, 3));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut stream = Stream::keeping_gaps();
        stream.read(&bytes, Instant::now());
        drop(stream.finish(End::Closed, Expected::default()));
    }
}
