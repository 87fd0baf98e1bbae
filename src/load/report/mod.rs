//! The report of a load test as one HTML file, and its gates as `JUnit` (pure).
//!
//! [`page`] and [`chart`] know nothing about load tests: canary builds its report
//! from them too.

pub mod chart;
mod junit;
pub mod page;
mod series;

pub use self::junit::junit;
use self::{
    chart::ecdf,
    page::{Page, Tone},
    series::{over_time, raw},
};
use super::{
    Latency, Pace, Plan, Prompts, Requests, RunFinish, Summary, Target, Verdict,
    latency::{Row, drawn, row},
    summary::{DELIVERED_MIN, Good, Record},
    target::Engine,
};
use crate::slo::{Metric, Subject};

/// Everything a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    pub target: &'a Target,
    pub plan: &'a Plan,
    pub finish: &'a RunFinish,
    pub summary: &'a Summary,
}

pub fn html(run: &Run<'_>) -> String {
    let mut page = Page::new(&format!("Load test of {}", run.target.model));
    let (tone, sentence) = verdict(run);
    page.verdict(tone, &sentence);
    page.heading("What ran");
    page.facts(&facts(run));
    if !run.summary.gates.is_empty() {
        page.heading("Gates");
        page.table(
            &["gate", "measured", "values", "verdict"],
            &gates(run.summary),
        );
    }
    page.heading("Latency, ms");
    page.table(
        &[
            "",
            "n",
            "mean",
            "p50",
            "p90",
            "p95",
            "p99",
            "max",
            "95% of p50",
        ],
        &latencies(run.summary),
    );
    if !run.summary.requests.errors.is_empty() {
        page.heading("Errors");
        page.table(&["type", "requests", "first seen"], &errors(run));
    }
    page.heading("Distributions");
    for (
        metric,
        Row {
            label: name, of, ..
        },
    ) in drawn()
    {
        let values: Vec<f64> = records(run)
            .filter_map(|(_, good)| of(&good.latencies))
            .collect();
        if !values.is_empty() {
            let chart = ecdf(
                &[(name, &values)],
                &format!("{name}, ms"),
                &limits(run, metric),
            );
            page.figure(
                &format!("{name}: share of requests at most so slow"),
                &chart.svg(),
            );
        }
    }
    page.heading("Over time");
    over_time(&mut page, run);
    page.data(&raw(run));
    page.finish()
}

fn records<'a>(run: &Run<'a>) -> impl Iterator<Item = (&'a Record, &'a Good)> {
    let records = run.finish.measured.records.iter();
    records.filter_map(|record| Some((record, record.result.as_ref().ok()?)))
}

/// The gates on `metric` that a distribution can show.
fn limits(run: &Run<'_>, metric: Metric) -> Vec<(f64, String)> {
    let gates = run.plan.gates.iter();
    gates
        .filter(|gate| matches!(gate.subject, Subject::Latency(of, _) if of == metric))
        .map(|gate| (gate.limit, gate.to_string()))
        .collect()
}

fn verdict(run: &Run<'_>) -> (Tone, String) {
    let summary = run.summary;
    let broken: Vec<_> = summary
        .gates
        .iter()
        .filter(|gate| gate.pass == Some(false))
        .map(|gate| format!("{} (measured {})", gate.gate, gate_value(gate)))
        .collect();
    let early = if run.finish.interrupted {
        "Ended early. "
    } else {
        ""
    };
    match summary.verdict() {
        Verdict::Missed => (Tone::Bad, format!("{early}Missed: {}.", broken.join(", "))),
        Verdict::Undecided => (
            Tone::Open,
            format!("{early}Undecided: {}.", summary.undecided().join("; ")),
        ),
        Verdict::Passed if summary.gates.is_empty() => (
            Tone::Good,
            format!(
                "{early}{} of {} requests succeeded; no gate was set.",
                summary.requests.ok, summary.requests.sent
            ),
        ),
        Verdict::Passed => (
            Tone::Good,
            format!(
                "{early}Passed: {} of {} gates hold.",
                summary.gates.len(),
                summary.gates.len()
            ),
        ),
    }
}

fn gate_value(gate: &super::GateResult) -> String {
    let Some(value) = gate.value else {
        return "–".to_owned();
    };
    if gate.gate.starts_with("error_rate") {
        format!("{:.2}%", value * 100.0)
    } else if gate.gate.contains("_per_s") {
        format!("{value:.2}/s")
    } else {
        format!("{value:.2} ms")
    }
}

fn facts(run: &Run<'_>) -> Vec<(&'static str, String)> {
    let mut facts = asked(run.plan);
    let (summary, target) = (run.summary, run.target);
    let simulated = match summary.simulated {
        Some(true) => "yes: no model is run, figures come from a stated law",
        Some(false) => "no",
        None => "not reported by the server",
    };
    let engine = target.engine.map_or("unknown", Engine::name);
    let Requests {
        sent, ok, failed, ..
    } = &summary.requests;
    let added = &summary.client.added_ms;
    let figure = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
    let valid = if summary.client.valid {
        "valid"
    } else {
        "not valid"
    };
    facts.splice(
        0..0,
        [
            (
                "server",
                match &target.via {
                    Some(via) => format!("{}, {via}", target.base),
                    None => target.base.to_string(),
                },
            ),
            ("model", target.model.clone()),
            ("engine", engine.to_owned()),
            ("simulated", simulated.to_owned()),
        ],
    );
    facts.extend([
        ("took", format!("{:.1} s", summary.duration_s)),
        ("requests", format!("{sent} sent, {ok} ok, {failed} failed")),
        (
            "client",
            format!(
                "adds {} ms p50, {} ms p99: {valid}",
                figure(added.p50),
                figure(added.p99)
            ),
        ),
        ("infer", env!("CARGO_PKG_VERSION").to_owned()),
    ]);
    if let Some(offered) = summary.offered_rps {
        let enough = if summary.delivered < DELIVERED_MIN {
            ", too little"
        } else {
            ""
        };
        let share = summary.delivered * 100.0;
        facts.push((
            "offered, delivered",
            format!("{offered} req/s, {share:.2}%{enough}"),
        ));
    }
    facts
}

/// What the command line asked for.
fn asked(plan: &Plan) -> Vec<(&'static str, String)> {
    let pace = match plan.pace {
        Pace::Closed { concurrency } => format!("closed loop, {concurrency} users"),
        Pace::Open {
            rate,
            arrival,
            in_flight_max,
        } => format!(
            "open loop, {} req/s {arrival}, at most {in_flight_max} in flight",
            rate.per_second()
        ),
    };
    let how = if plan.shape.stream {
        "streamed"
    } else {
        "whole answers"
    };
    let most = plan
        .shape
        .output_tokens
        .map_or("the server's limit".to_owned(), |tokens| {
            format!("at most {tokens}")
        });
    let ignore = if plan.shape.ignore_eos {
        ", ignore_eos"
    } else {
        ""
    };
    let prompts = match &plan.prompts {
        Prompts::Generated { words, .. } => format!("made up, {words} words each"),
        Prompts::Given(entries) => format!("{} of a file", entries.len()),
    };
    vec![
        ("API", format!("{}, {how}", plan.shape.api)),
        ("load", pace),
        ("prompts", prompts),
        ("output tokens", format!("{most}{ignore}")),
        ("seed", plan.seed.to_string()),
        (
            "warm-up",
            match plan.warm_up {
                1 => "1 request, not measured".to_owned(),
                many => format!("{many} requests, not measured"),
            },
        ),
    ]
}

fn gates(summary: &Summary) -> Vec<Vec<String>> {
    let rows = summary.gates.iter().map(|gate| {
        let verdict = match (gate.pass, gate.n_needed) {
            (Some(true), _) => "passed".to_owned(),
            (Some(false), _) => "missed".to_owned(),
            (None, Some(needed)) => format!("undecided, needs {needed} values"),
            (None, None) => "undecided, client not valid".to_owned(),
        };
        vec![
            gate.gate.clone(),
            gate_value(gate),
            gate.n.to_string(),
            verdict,
        ]
    });
    rows.collect()
}

fn latencies(summary: &Summary) -> Vec<Vec<String>> {
    let cell = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
    let cells = |name: &str, latency: &Latency| {
        let interval = latency.ci95.get("p50");
        vec![
            name.to_owned(),
            latency.n.to_string(),
            cell(latency.mean),
            cell(latency.p50),
            cell(latency.p90),
            cell(latency.p95),
            cell(latency.p99),
            cell(latency.max),
            interval.map_or("–".to_owned(), |[low, high]| {
                format!("{low:.2} … {high:.2}")
            }),
        ]
    };
    Metric::ALL
        .into_iter()
        .map(|metric| cells(row(metric).title, &summary.latencies[metric]))
        .collect()
}

fn errors(run: &Run<'_>) -> Vec<Vec<String>> {
    let details = |name: &str| {
        let failed = run
            .finish
            .measured
            .records
            .iter()
            .filter_map(|record| record.result.as_ref().err());
        let mut of_type = failed.filter(|failed| failed.fault.name() == name);
        of_type
            .next()
            .map(|failed| failed.detail.clone())
            .unwrap_or_default()
    };
    let errors = run.summary.requests.errors.iter();
    errors
        .map(|(name, n)| vec![name.clone(), n.to_string(), details(name)])
        .collect()
}
