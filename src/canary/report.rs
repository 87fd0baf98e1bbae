//! The comparison as one HTML page (pure): verdict, share, latencies over time with each
//! weight write marked, distributions, evidence with its thresholds.

use serde_json::json;

use super::{
    judge::Subject,
    proof::Share,
    result::{CanaryResult, Verdict, VersionResult},
    state::RunState,
    tally::{Moment, Point, Quantiles},
};
use crate::load::report::{
    chart::{Chart, Join, Scale, Series, ecdf},
    page::{Page, Tone},
};

/// The whole page.
pub fn page(ending: &CanaryResult, state: &RunState) -> String {
    let mut page = Page::new(&format!("infer canary · {}", ending.release));
    page.verdict(tone(ending.verdict), &sentence(ending));
    facts(&mut page, ending, state);
    table(&mut page, ending);
    let points = &state.tally.points;
    let marks = marks(points);
    page.heading("Over time");
    for (name, subject) in [("TTFT", Subject::Ttft), ("TPOT", Subject::Tpot)] {
        let chart = over_time(points, subject, &marks);
        page.figure(&format!("{name}, p50 and p95 of each 5 s"), &chart.svg());
    }
    if let Some(chart) = share(points, state) {
        page.figure("Share of the candidate", &chart.svg());
    }
    page.heading("Distributions");
    let shown = state.tally.shown();
    for (name, subject) in [("TTFT", Subject::Ttft), ("TPOT", Subject::Tpot)] {
        let (live, candidate) = (shown.live.values(subject), shown.candidate.values(subject));
        if live.is_empty() && candidate.is_empty() {
            continue;
        }
        let both: [(&str, &[f64]); 2] = [("live", &live), ("candidate", &candidate)];
        page.figure(name, &ecdf(&both, "ms", &[]).svg());
    }
    page.heading("Evidence");
    page.paragraph(
        "The e-value of each side: how many times likelier the data is than the opposite hypothesis allows. A side is decided when its e-value reaches the limit. The limit holds at any time, so watching changes nothing. Worse: slower at all. Not worse: slower by less than the margin.",
    );
    for (name, subject) in [
        ("TTFT", Subject::Ttft),
        ("TPOT", Subject::Tpot),
        ("Errors", Subject::Errors),
    ] {
        let chart = evidence(points, subject, state.judge().rules().ln_threshold());
        page.figure(name, &chart.svg());
    }
    page.heading("Data");
    page.data(&json!({
        "result": ending,
        "plan": state.journal().plan,
        "run": state.journal().run_id,
        "points": points,
    }));
    page.finish()
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Promoted | Verdict::Held => Tone::Good,
        Verdict::RolledBack => Tone::Bad,
        Verdict::Undecided | Verdict::Aborted => Tone::Open,
    }
}

fn sentence(ending: &CanaryResult) -> String {
    format!(
        "{}: {} at {}%, {}",
        ending.verdict.name(),
        ending.versions.candidate.version,
        ending.weight,
        ending.reason
    )
}

fn facts(page: &mut Page, ending: &CanaryResult, state: &RunState) {
    let percent = |fraction: f64| format!("{:.1}%", fraction * 100.0);
    let split = &ending.split;
    let measured = match (split.measured, split.ci95) {
        (Some(measured), Some([low, high])) => format!(
            "{} ({} to {})",
            percent(measured),
            percent(low),
            percent(high)
        ),
        _ => "not measured".to_owned(),
    };
    let (noise, blocks) = state.judge().noise();
    let rules = state.judge().rules();
    let detectable = state.detectable(state.journal().weight());
    page.facts(&[
        ("release", ending.release.clone()),
        ("live", ending.versions.live.version.clone()),
        ("candidate", ending.versions.candidate.version.clone()),
        ("run", state.journal().run_id.clone()),
        (
            "share asked",
            match (&split.matches, split.asked) {
                (Some(header), _) => format!("the requests with {header}, and no others"),
                (None, asked) => asked.map_or_else(String::new, percent),
            },
        ),
        ("share measured", measured),
        (
            "margin",
            format!("{} at α {}", percent(rules.margin), percent(rules.alpha)),
        ),
        (
            "pool noise",
            format!(
                "{} over {:.0} s, from {blocks} blocks",
                percent(noise.sd),
                noise.time_scale_s
            ),
        ),
        (
            "smallest detectable change",
            detectable.map_or_else(
                || "none: no requests".to_owned(),
                |detectable| {
                    format!(
                        "{} within {:.0} s",
                        percent(detectable.smallest_change),
                        detectable.by_s
                    )
                },
            ),
        ),
        (
            "probes",
            format!("{} pairs/s", state.journal().plan.probe_rate),
        ),
        (
            "latencies shown",
            if state.tally.shows_probes() {
                "of the probes: users sent too few requests".to_owned()
            } else {
                "of users' requests".to_owned()
            },
        ),
        (
            "simulated",
            if ending.simulated {
                "yes, no model is run".to_owned()
            } else {
                "no".to_owned()
            },
        ),
        ("took", format!("{:.0} s", ending.seconds)),
    ]);
}

fn table(page: &mut Page, ending: &CanaryResult) {
    let shown = |value: Option<f64>| value.map_or("–".to_owned(), |ms| format!("{ms:.1}"));
    let row = |name: &str, version: &VersionResult| {
        vec![
            format!("{name} {}", version.version),
            version.requests.to_string(),
            version.errors.to_string(),
            shown(version.ttft_ms.p50),
            shown(version.ttft_ms.p95),
            shown(version.tpot_ms.p50),
            shown(version.tpot_ms.p95),
        ]
    };
    page.heading("Both versions");
    page.table(
        &[
            "version",
            "requests",
            "errors",
            "TTFT p50 ms",
            "TTFT p95 ms",
            "TPOT p50 ms",
            "TPOT p95 ms",
        ],
        &[
            row("live", &ending.versions.live),
            row("candidate", &ending.versions.candidate),
        ],
    );
}

/// The moments at which the weight changed.
fn marks(points: &[Point]) -> Vec<(f64, String)> {
    let mut marks: Vec<(f64, String)> = Vec::new();
    let mut before = None;
    for point in points {
        if before != Some(point.weight) {
            marks.push(((point.at_s - 5.0).max(0.0), point.weight.to_string()));
            before = Some(point.weight);
        }
    }
    marks
}

fn over_time(points: &[Point], subject: Subject, marks: &[(f64, String)]) -> Chart {
    let of = move |moment: &Moment| match subject {
        Subject::Tpot => moment.tpot_ms,
        Subject::Ttft | Subject::Errors => moment.ttft_ms,
    };
    let line = |name: &str, value: &dyn Fn(&Point) -> Option<f64>| Series {
        name: name.to_owned(),
        points: points
            .iter()
            .map(|point| (point.at_s, value(point)))
            .collect(),
    };
    let quantile = |q: fn(Quantiles) -> Option<f64>| {
        (
            move |point: &Point| q(of(&point.live)),
            move |point: &Point| q(of(&point.candidate)),
        )
    };
    let (live50, candidate50) = quantile(|quantiles| quantiles.p50);
    let (live95, candidate95) = quantile(|quantiles| quantiles.p95);
    Chart {
        x_label: "s".to_owned(),
        y_label: "ms".to_owned(),
        series: vec![
            line("live p50", &live50),
            line("candidate p50", &candidate50),
            line("live p95", &live95),
            line("candidate p95", &candidate95),
        ],
        marks: marks.to_vec(),
        ..Chart::default()
    }
}

/// The share asked in each block, and the one measured over all requests so far of a step.
fn share(points: &[Point], state: &RunState) -> Option<Chart> {
    if state.proof().share().total() == 0 {
        return None;
    }
    let asked = Series {
        name: "asked".to_owned(),
        points: points
            .iter()
            .map(|point| (point.at_s, Some(point.weight.fraction())))
            .collect(),
    };
    let shares = || points.iter().map(|point| (point.at_s, &point.share));
    let measured = Series {
        name: "measured".to_owned(),
        points: shares()
            .map(|(at_s, share)| (at_s, share.measured()))
            .collect(),
    };
    let band = |(at_s, share): (f64, &Share)| share.interval().map(|[low, high]| (at_s, low, high));
    let band: Vec<_> = shares().filter_map(band).collect();
    // By a header no share is asked.
    let (series, bands) = match &state.journal().plan.matches {
        Some(_) => (vec![measured], vec![band]),
        None => (vec![asked, measured], vec![Vec::new(), band]),
    };
    Some(Chart {
        x_label: "s".to_owned(),
        y_label: "share".to_owned(),
        series,
        bands,
        join: Join::Steps,
        ..Chart::default()
    })
}

/// `e` of both sides on a logarithmic scale, with the limit at which one decides.
fn evidence(points: &[Point], subject: Subject, ln_threshold: f64) -> Chart {
    /// Beyond this only the digits grow: 10^12.
    const LN_SHOWN_MAX: f64 = 27.6;
    let at = |point: &Point| point.ln_e.into_iter().find(|seen| seen.subject == subject);
    let e = |ln_e: f64| ln_e.clamp(-LN_SHOWN_MAX, LN_SHOWN_MAX).exp();
    let line = |name: &str, of: fn(&super::tally::SubjectEvidence) -> Option<f64>| Series {
        name: name.to_owned(),
        points: points
            .iter()
            .map(|point| (point.at_s, at(point).as_ref().and_then(of).map(e)))
            .collect(),
    };
    let mut series = vec![line("worse", |seen| Some(seen.worse))];
    if subject != Subject::Errors {
        series.push(line("not worse", |seen| seen.not_worse));
    }
    Chart {
        x_label: "s".to_owned(),
        y_label: "e".to_owned(),
        series,
        limits: vec![(ln_threshold.exp(), "decided".to_owned())],
        y_scale: Scale::Log,
        ..Chart::default()
    }
}
