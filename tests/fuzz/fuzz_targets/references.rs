//! What parses prints as something that parses to the same.
#![no_main]

use std::{fmt::Display, str::FromStr};

use infer::for_tests::registry::{Digest, Location, Reference};
use libfuzzer_sys::fuzz_target;

fn reads_back<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(parsed) = text.parse::<T>() {
        let written = parsed.to_string();
        assert!(
            written.parse().is_ok_and(|again: T| again == parsed),
            "{text} → {written}"
        );
    }
}

fuzz_target!(|text: &str| {
    reads_back::<Reference>(text);
    reads_back::<Location>(text);
    reads_back::<Digest>(text);
});
