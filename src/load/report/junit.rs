//! The gates as `JUnit` test cases, for CI systems that draw those (pure).

use super::{Run, gate_value};
use crate::load::{GateResult, summary::DELIVERED_MIN};

enum Case {
    Passed,
    Failed(String),
    /// It could not be judged: neither green nor a missed promise.
    Undecided(String),
}

pub fn junit(run: &Run<'_>) -> String {
    let summary = run.summary;
    let mut cases: Vec<(String, Case)> = Vec::new();
    cases.extend(
        summary
            .gates
            .iter()
            .map(|gate| (gate.gate.clone(), of_gate(gate))),
    );
    cases.push((
        "the client was fast enough to measure".to_owned(),
        if summary.client.valid {
            Case::Passed
        } else {
            Case::Undecided("the client itself added too much latency".to_owned())
        },
    ));
    if summary.offered_rps.is_some() {
        let share = summary.delivered * 100.0;
        let delivered = if summary.delivered < DELIVERED_MIN {
            Case::Undecided(format!("only {share:.1}% was sent"))
        } else {
            Case::Passed
        };
        cases.push(("the offered load was delivered".to_owned(), delivered));
    }
    let failures = cases
        .iter()
        .filter(|(_, case)| matches!(case, Case::Failed(_)))
        .count();
    let errors = cases
        .iter()
        .filter(|(_, case)| matches!(case, Case::Undecided(_)))
        .count();
    let model = escape(&run.target.model);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"infer load {model}\" \
         tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{:.3}\">\n",
        cases.len(),
        summary.duration_s
    );
    for (name, case) in cases {
        let name = escape(&name);
        let inside = match case {
            Case::Passed => String::new(),
            Case::Failed(text) => format!("<failure message=\"{}\"/>", escape(&text)),
            Case::Undecided(text) => {
                format!("<error type=\"undecided\" message=\"{}\"/>", escape(&text))
            }
        };
        for piece in [
            "<testcase classname=\"infer.load\" name=\"",
            &name,
            "\">",
            &inside,
            "</testcase>\n",
        ] {
            xml.push_str(piece);
        }
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

fn of_gate(gate: &GateResult) -> Case {
    match (gate.pass, gate.n_needed) {
        (Some(true), _) => Case::Passed,
        (Some(false), _) => Case::Failed(format!("measured {}", gate_value(gate))),
        (None, Some(needed)) => Case::Undecided(format!("{} values, {needed} are needed", gate.n)),
        (None, None) => Case::Undecided("the client was not valid".to_owned()),
    }
}

/// Text for XML 1.0, which knows no control characters at all.
fn escape(text: &str) -> String {
    super::page::escape(text).replace("&#39;", "&apos;")
}
