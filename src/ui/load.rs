//! What `infer load` shows: the readout while it runs, and its table.

mod compared;
mod lines;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use schemars::JsonSchema;
use serde::Serialize;

pub use self::lines::{count, milliseconds};
use super::{Answer, Paint, Screen, Show, Ui, seconds};
use crate::{
    load::{
        self, Event, GateResult, Latency, Pace, Plan, Record, Summary, Target, TokenSource, View,
    },
    slo::Metric,
};

/// Seconds between two lines where there is no terminal, and between two JSON events of progress.
const LINE_EVERY_S: f64 = 10.0;
const EVENT_EVERY_S: f64 = 1.0;

/// What is about to be tested.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename = "target")]
pub struct TargetLine<'a> {
    url: &'a str,
    via: Option<&'a str>,
    model: &'a str,
    engine: Option<&'static str>,
    simulated: Option<bool>,
    api: &'static str,
    stream: bool,
    ignore_eos: bool,
    seed: u64,
    pace: String,
}

impl<'a> TargetLine<'a> {
    pub fn new(target: &'a Target, plan: &Plan) -> Self {
        Self {
            url: target.base.as_str(),
            via: target.via.as_deref(),
            model: &target.model,
            engine: target.engine.map(load::Engine::name),
            simulated: target.simulated,
            api: plan.shape.api.name(),
            stream: plan.shape.stream,
            ignore_eos: plan.shape.ignore_eos,
            seed: plan.seed,
            pace: pace(plan),
        }
    }
}

impl Show for TargetLine<'_> {
    fn human(&self, screen: &Screen) {
        screen.line(&format!(
            "{} on {} ({}) · {} · {} · seed {}",
            screen.paint().bold(printable(self.model)),
            self.url,
            self.engine.unwrap_or("unknown engine"),
            self.api,
            self.pace,
            self.seed
        ));
        if let Some(via) = self.via {
            screen.line(&printable(via));
        }
        if self.simulated == Some(true) {
            screen.line("the server is a simulator: no model is run");
        }
    }
}

/// A server's text without characters that could move the cursor.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '·' } else { c })
        .collect()
}

/// How load is put on, in words.
pub fn pace(plan: &Plan) -> String {
    match plan.pace {
        Pace::Closed { concurrency: 1 } => "1 user".to_owned(),
        Pace::Closed { concurrency } => format!("{concurrency} users"),
        Pace::Open { rate, arrival, .. } => format!("{} req/s {arrival}", rate.per_second()),
    }
}

/// One finished request, for machines only; what was not measured is null.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename = "request")]
pub struct RequestLine<'a> {
    index: u64,
    intended_s: f64,
    sent_s: f64,
    ended_s: f64,
    ttft_ms: Option<f64>,
    ttfo_ms: Option<f64>,
    tpot_ms: Option<f64>,
    e2e_ms: Option<f64>,
    output_tokens: Option<u64>,
    error: Option<&'static str>,
    detail: Option<&'a str>,
}

impl<'a> From<&'a Record> for RequestLine<'a> {
    fn from(record: &'a Record) -> Self {
        let good = record.result.as_ref().ok();
        let failed = record.result.as_ref().err();
        let latencies = good.map(|good| good.latencies);
        Self {
            index: record.index,
            intended_s: rounded(record.intended_s),
            sent_s: rounded(record.sent_s),
            ended_s: rounded(record.ended_s),
            ttft_ms: latencies.and_then(|of| of.ttft_ms).map(rounded),
            ttfo_ms: latencies.and_then(|of| of.ttfo_ms).map(rounded),
            tpot_ms: latencies.and_then(|of| of.tpot_ms).map(rounded),
            e2e_ms: latencies.map(|of| rounded(of.e2e_ms)),
            output_tokens: good.map(|good| good.output_tokens),
            error: failed.map(|failed| failed.fault.name()),
            detail: failed.map(|failed| failed.detail.as_str()),
        }
    }
}

impl Show for RequestLine<'_> {
    fn human(&self, _: &Screen) {}
}

fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

impl Show for Event<'_> {
    fn human(&self, screen: &Screen) {
        match self {
            Self::WarmedUp { requests } => {
                if !screen.is_terminal() {
                    screen.line(&format!("warmed up with {}", lines::requests(*requests)));
                }
            }
            // Each has a line of its own, for machines.
            Self::Requests(_) => {}
            Self::Progress(view) => {
                screen.live(&lines::live(view, screen.width(), screen.paint()));
            }
        }
    }
}

/// Turns a run's events into lines, and remembers which it has written.
#[derive(Default)]
pub struct Readout(Mutex<Said>);

#[derive(Default)]
struct Said {
    line_s: f64,
    event_s: f64,
    errors: BTreeMap<&'static str, u64>,
    gates: BTreeMap<String, Option<bool>>,
}

impl Readout {
    pub fn show(&self, ui: &Ui, event: &Event) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::WarmedUp { .. } => ui.show(event),
            Event::Requests(records) => said.new_errors(ui, records),
            Event::Progress(view) => said.progress(ui, event, view),
        }
    }
}

impl Said {
    /// The first failure of each type, with its cause, the moment it happens.
    fn new_errors(&mut self, ui: &Ui, records: &[Record]) {
        if ui.is_json() {
            return;
        }
        for failed in records
            .iter()
            .filter_map(|record| record.result.as_ref().err())
        {
            let seen = self.errors.entry(failed.fault.name()).or_default();
            *seen += 1;
            if *seen == 1 {
                ui.note(&format!("first {failed}"));
            }
        }
    }

    fn progress(&mut self, ui: &Ui, event: &Event, view: &View) {
        if ui.is_json() {
            if view.elapsed_s - self.event_s >= EVENT_EVERY_S {
                self.event_s = view.elapsed_s;
                ui.show(event);
            }
            return;
        }
        if ui.screen().is_terminal() {
            ui.show(event);
            return;
        }
        for gate in &view.gates {
            let before = self.gates.insert(gate.gate.clone(), gate.pass);
            if gate.pass.is_some() && before != Some(gate.pass) {
                ui.note(&lines::gate(gate, ui.screen().paint()));
            }
        }
        if view.elapsed_s - self.line_s >= LINE_EVERY_S {
            self.line_s = view.elapsed_s;
            ui.note(&lines::one(view));
        }
    }
}

impl Answer for Summary {
    fn human(&self, paint: &Paint) -> String {
        let mut text = format!(
            "{}\n",
            paint.bold(
                "              n      mean       p50       p90       p95       p99       max"
            )
        );
        for metric in Metric::ALL {
            let latency = &self.latencies[metric];
            let repeats_ttft = metric == Metric::Ttfo && *latency == self.latencies.ttft;
            if latency.n > 0 && !repeats_ttft {
                let label = load::row(metric).label;
                text.push_str(&row(&format!("{label:6}ms"), latency));
            }
        }
        text.push_str(&self.totals());
        if !self.requests.errors.is_empty() {
            let errors = self.requests.errors.iter();
            let errors: Vec<_> = errors.map(|(name, n)| format!("{name} {n}")).collect();
            let errors = [
                paint.red("errors"),
                "  ".to_owned(),
                errors.join(", "),
                "\n".to_owned(),
            ];
            text.push_str(&errors.concat());
        }
        text.push_str(&lines::client(
            self.client.added_ms.p50,
            self.client.added_ms.p99,
            self.client.valid,
            *paint,
        ));
        if self.simulated == Some(true) {
            text.push_str("\nsimulated: no model is run");
        }
        for gate in &self.gates {
            text.push('\n');
            text.push_str(&verdict(gate, *paint));
        }
        text
    }
}

impl Summary {
    fn totals(&self) -> String {
        let mut parts = vec![lines::requests(self.requests.sent)];
        if self.requests.failed > 0 {
            parts.push(format!("{} failed", count(self.requests.failed)));
        }
        if let Some(rps) = self.offered_rps {
            let delivered = self.delivered * 100.0;
            parts.push(format!("{rps} req/s offered, {delivered:.1}% delivered"));
        }
        if let Some(rps) = self.requests_per_s {
            parts.push(format!("{rps:.1} req/s"));
        }
        if let Some(tokens) = self.output_tokens_per_s.filter(|_| self.tokens.output > 0) {
            let source = match self.tokens.source {
                TokenSource::Usage => "",
                TokenSource::Events => " (counted by events)",
                TokenSource::Mixed => " (counted in part by events)",
            };
            parts.push(format!("{tokens:.0} tok/s{source}"));
        }
        let took = std::time::Duration::from_secs_f64(self.duration_s.max(0.0));
        parts.push(seconds(took));
        format!("{}\n", parts.join(" · "))
    }
}

fn row(name: &str, latency: &Latency) -> String {
    let cell = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), milliseconds);
    format!(
        "{name:8}{:>7}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}\n",
        latency.n,
        cell(latency.mean),
        cell(latency.p50),
        cell(latency.p90),
        cell(latency.p95),
        cell(latency.p99),
        cell(latency.max)
    )
}

/// A gate and its end, as the last lines of the table.
fn verdict(gate: &GateResult, paint: Paint) -> String {
    let word = match (gate.pass, gate.n_needed) {
        (Some(true), _) => paint.green("passed"),
        (Some(false), _) => paint.red("missed"),
        (None, Some(needed)) => paint.yellow(format!("undecided: {} of {needed} values", gate.n)),
        (None, None) => paint.yellow("undecided: the client was too slow to tell"),
    };
    format!("{}   {}   {word}", gate.gate, lines::gate_value(gate))
}
