//! Two readings of an engine's metrics: a bounded number of sound samples, whatever they say.
#![no_main]

use infer::for_tests::canary::cluster::counters::Counters;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (before, after) = input;
    let before = Counters::parse(before);
    if let Some(change) = Counters::parse(after).since(&before) {
        assert!(change.ttft_ms.len() <= 500 && change.tpot_ms.len() <= 500);
        assert!(change.ttft_ms.iter().all(|ms| *ms >= 0.0));
    }
});
