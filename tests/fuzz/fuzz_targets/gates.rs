//! A gate that parses prints as the same gate.
#![no_main]

use infer::for_tests::slo::Gate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(gate) = text.parse::<Gate>() {
        let written = gate.to_string();
        assert!(
            written.parse().is_ok_and(|again: Gate| again == gate),
            "{text} → {written}"
        );
    }
});
