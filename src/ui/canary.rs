//! What is shown of a canary while it runs: the live comparison, or one line a change.

mod answer;

use serde_json::{Value, json};

use super::{Paint, Screen, Show, bar, count, part, percent, seconds, sparkline};
use crate::{
    canary::{
        Begun, Event,
        judge::Decision,
        pair::Pair,
        proof::Share,
        view::{MetricView, View},
    },
    header_match::HeaderMatch,
    weight::Weight,
};

/// Columns from which there is room for sparklines.
const SPARK_COLUMNS: usize = 96;

// Until the events derive it.
impl serde::Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json().serialize(serializer)
    }
}

impl Show for Event {
    fn json(&self) -> Option<Value> {
        Some(match self {
            Self::Begun(begun) => named("begun", json!(begun)),
            Self::Learned { block } => json!({"event": "learned", "block": block}),
            Self::WeightSet {
                step,
                steps,
                weight,
                from,
            } => json!({
                "event": "weight-set", "step": step + 1, "steps": steps, "weight": weight, "from": from,
            }),
            Self::MatchSet { header } => json!({"event": "match-set", "match": header}),
            Self::MatchProven { header, probes } => {
                json!({"event": "match-proven", "match": header, "probes": probes})
            }
            Self::MatchWrong {
                header,
                with_it,
                without_it,
            } => json!({
                "event": "match-wrong", "match": header,
                "misrouted": {"with": with_it, "without": without_it},
            }),
            Self::SplitProven { asked, share } => split("split-proven", *asked, share),
            Self::SplitWrong { asked, share } => split("split-wrong", *asked, share),
            Self::Lost { requests } => json!({"event": "lost", "requests": requests}),
            Self::Judged(judged) => named("judged", json!(judged)),
            Self::View(_) => return None,
            Self::Decided {
                weight,
                decision,
                reason,
            } => json!({
                "event": "decided", "weight": weight, "decision": decision, "reason": reason,
            }),
            Self::NoRoom {
                weight,
                reason,
                evidence,
                next,
            } => json!({
                "event": "no-room", "weight": weight, "reason": reason, "evidence": evidence,
                "next": next,
            }),
            Self::Frozen {
                release,
                weight,
                matches,
                next,
                ..
            } => json!({
                "event": "frozen", "release": release, "weight": weight, "match": matches,
                "next": next,
            }),
            Self::Note { text } => json!({"event": "noticed", "message": text}),
            Self::Warning { text } => json!({"event": "warning", "message": text}),
        })
    }

    fn human(&self, screen: &Screen) {
        let paint = screen.paint();
        match self {
            Self::Begun(begun) => print(screen, &begun_lines(begun, paint)),
            Self::Learned { .. } | Self::Judged(_) => {}
            Self::WeightSet {
                step,
                steps,
                weight,
                from,
            } => {
                let of = format!("   step {} of {steps}", step + 1);
                let of = if *steps > 1 { of.as_str() } else { "" };
                screen.line(&format!("{} {from} → {weight}{of}", paint.bold("weight")));
            }
            Self::MatchSet { header } => screen.line(&format!(
                "{} {header} → candidate, all others → live",
                paint.bold("match")
            )),
            Self::MatchProven { header, probes } => screen.line(&format!(
                "match as asked: {} with {header} and without it reached the right version",
                count(u64::from(*probes), "request")
            )),
            Self::MatchWrong {
                header,
                with_it,
                without_it,
            } => screen.warn(&misrouted(header, *with_it, *without_it)),
            Self::SplitProven { asked, share } => screen.line(&format!(
                "split as asked: {asked} asked, {}",
                measured(share)
            )),
            Self::SplitWrong { asked, share } => {
                let measured = measured(share);
                screen.warn(&format!(
                    "the split is not as asked: {asked} asked, {measured}"
                ));
            }
            Self::Lost { requests } => screen.warn(&format!(
                "{requests} requests were overwritten before they were read and are not compared"
            )),
            Self::View(view) => screen.live(&lines(view, screen.width(), paint)),
            Self::Decided {
                weight,
                reason,
                decision,
            } => {
                let mark = match decision {
                    Decision::Worse { .. } => paint.red("✗"),
                    Decision::NotWorse | Decision::Open => paint.green("✓"),
                };
                screen.line(&format!("{mark} at {weight}: {reason}"));
            }
            Self::NoRoom {
                weight,
                reason,
                evidence,
                next,
            } => {
                screen.warn(&format!("no room for {weight}: {reason}"));
                print(screen, evidence);
                print(screen, next);
            }
            // The error that ends the verb lists the commands.
            Self::Frozen {
                release,
                weight,
                matches,
                again_s,
                ..
            } => {
                screen.clear();
                let part = part(weight.percent(), matches.as_ref());
                screen.line(&format!(
                    "{release} is frozen at {part}.{}",
                    again(*again_s)
                ));
            }
            Self::Note { text } => screen.line(text),
            Self::Warning { text } => screen.warn(text),
        }
    }
}

fn print(screen: &Screen, lines: &[String]) {
    for line in lines {
        screen.line(line);
    }
}

/// What a second Ctrl-C does, where one is waited for.
fn again(seconds: u64) -> String {
    match seconds {
        0 => String::new(),
        seconds => format!(" Ctrl-C within {seconds} s rolls back."),
    }
}

fn misrouted(header: &HeaderMatch, with_it: bool, without_it: bool) -> String {
    let which = match (with_it, without_it) {
        (true, true) => "requests with it and without it",
        (true, false) => "requests with it",
        (false, _) => "requests without it",
    };
    format!("the gateway does not route by {header} as asked: {which} reach the wrong version")
}

fn named(event: &str, value: Value) -> Value {
    let mut named = json!({"event": event});
    if let (Value::Object(named), Value::Object(fields)) = (&mut named, value) {
        named.extend(fields);
    }
    named
}

fn split(event: &str, asked: Weight, share: &Share) -> Value {
    json!({
        "event": event, "asked": asked.fraction(), "measured": share.measured(),
        "ci95": share.interval(), "requests": share.total(), "diverted": share.diverted,
    })
}

fn begun_lines(begun: &Begun, paint: Paint) -> Vec<String> {
    let simulated = if begun.simulated {
        "   simulated, no model is run"
    } else {
        ""
    };
    let steps: Vec<_> = begun.steps.iter().map(ToString::to_string).collect();
    let steps = match &begun.matches {
        Some(header) => header.to_string(),
        None => steps.join(" → "),
    };
    let then = if begun.promote { " → 100%" } else { "" };
    let mut lines = vec![
        format!(
            "{}    live {}  →  candidate {}   {}{then}{simulated}",
            paint.bold(&begun.release),
            begun.live,
            begun.candidate,
            steps,
        ),
        format!(
            "  pool noise {} over {:.0} s ({})",
            percent(begun.noise.sd),
            begun.noise.time_scale_s,
            if begun.noise_blocks == 0 {
                "assumed".to_owned()
            } else {
                format!("learned from {} s of live", begun.noise_blocks * 5)
            }
        ),
    ];
    if begun.matches.is_some() {
        lines.push(
            "  users who send the header may send other prompts than the rest: only the probes \
             compare the same prompts"
                .to_owned(),
        );
    }
    lines.extend(begun.detectable.map(|detectable| {
        let margin = detectable.margin_after_s.map_or_else(
            || "not within the time limit".to_owned(),
            |after_s| format!("after about {after_s:.0} s"),
        );
        format!(
            "  detects a change of {} within {:.0} s; the margin of {:.0}% {margin}",
            percent(detectable.smallest_change),
            detectable.by_s,
            begun.rules.margin * 100.0,
        )
    }));
    lines
}

fn measured(share: &Share) -> String {
    match (share.measured(), share.interval()) {
        (Some(measured), Some([low, high])) => format!(
            "{} measured ±{:.1} in {}{}",
            percent(measured),
            (high - low) * 50.0,
            count(u64::from(share.total()), "request"),
            if share.diverted > 0 {
                format!(", {} diverted", share.diverted)
            } else {
                String::new()
            }
        ),
        _ => "none measured yet".to_owned(),
    }
}

/// The live comparison; at 80 columns without its sparklines.
fn lines(view: &View, width: usize, paint: Paint) -> Vec<String> {
    let sparks = width >= SPARK_COLUMNS;
    let clock = seconds(std::time::Duration::from_secs_f64(view.elapsed_s));
    let share = if view.asked == Weight::ZERO && view.matches.is_none() {
        "by probes only".to_owned()
    } else {
        let asked = view
            .matches
            .as_ref()
            .map_or_else(|| format!("asked {}", view.asked), ToString::to_string);
        let measured = view.share.measured().map_or("–".to_owned(), percent);
        let half = view.share.interval().map(|[low, high]| (high - low) * 50.0);
        let half = half.map_or_else(String::new, |half| format!(" ±{half:.1}"));
        format!("{asked}   measured {measured}{half}")
    };
    let (live, candidate) = (&view.live, &view.candidate);
    let mut lines = vec![
        format!(
            "{} → {}   {share}   {clock}",
            live.version, candidate.version
        ),
        format!(
            "{:<10} {:>9} {:>11}{}   change{}",
            "",
            "live",
            "candidate",
            if sparks {
                " ".repeat(15)
            } else {
                String::new()
            },
            if view.of_probes { "   (of probes)" } else { "" }
        ),
    ];
    lines.extend(metric("TTFT", &view.ttft, sparks));
    lines.extend(metric("TPOT", &view.tpot, sparks));
    lines.push(format!(
        "  errors    {}/{}   {}/{}",
        live.errors, live.requests, candidate.errors, candidate.requests
    ));
    lines.push(figures(view));
    lines.push(evidence(view, paint));
    lines.push(paint.dim("  Ctrl-C freezes, twice rolls back"));
    let fits = |line: String| {
        // Escapes have no width; only lines without them are cut.
        if line.contains('\u{1b}') {
            line
        } else {
            line.chars().take(width.saturating_sub(1)).collect()
        }
    };
    lines.into_iter().map(fits).collect()
}

fn metric(name: &str, metric: &MetricView, sparks: bool) -> [String; 2] {
    let row = |quantile: &str, values: Pair<Option<f64>>, spark: &[Option<f64>], change: String| {
        let spark = if sparks {
            format!("   {:<12}", sparkline(spark))
        } else {
            String::new()
        };
        let Pair { live, candidate } = values.map(milliseconds);
        format!("  {name} {quantile} {live:>9} {candidate:>11}{spark}   {change}")
    };
    let interval = metric
        .change
        .map_or_else(String::new, |[estimate, low, high]| {
            format!("{} ({} … {})", signed(estimate), signed(low), signed(high))
        });
    let p95 = match metric.p95 {
        Pair {
            live: Some(live),
            candidate: Some(candidate),
        } if live > 0.0 => signed(candidate / live - 1.0),
        _ => String::new(),
    };
    [
        row("p50", metric.p50, &metric.spark_p50, interval),
        row("p95", metric.p95, &metric.spark_p95, p95),
    ]
}

fn figures(view: &View) -> String {
    let (live, candidate) = (&view.live, &view.candidate);
    let mut parts = vec![
        format!(
            "req/s {:.1} | {:.1}",
            live.requests_per_s, candidate.requests_per_s
        ),
        format!(
            "tok/s {:.0} | {:.0}",
            live.tokens_per_s, candidate.tokens_per_s
        ),
    ];
    let pair = |name: &str, values: [Option<f64>; 2], show: fn(f64) -> String| {
        let shown = values.map(|value| value.map_or("–".to_owned(), show));
        values
            .iter()
            .any(Option::is_some)
            .then(|| format!("{name} {} | {}", shown[0], shown[1]))
    };
    let whole = |value: f64| format!("{value:.0}");
    let (one, other) = (&live.figures, &candidate.figures);
    parts.extend(pair("running", [one.running, other.running], whole));
    parts.extend(pair("waiting", [one.waiting, other.waiting], whole));
    parts.extend(pair("KV", [one.kv_cache, other.kv_cache], |share| {
        format!("{:.0}%", share * 100.0)
    }));
    format!("  {}", parts.join("   "))
}

fn evidence(view: &View, paint: Paint) -> String {
    let verdict = &view.verdict;
    let eta = verdict.eta_s.map_or_else(String::new, |eta_s| {
        format!(
            "  in about {}",
            seconds(std::time::Duration::from_secs_f64(eta_s.max(5.0)))
        )
    });
    format!(
        "  worse {}   not worse by {:.0}% {}{eta}",
        paint.red(bar(verdict.worse, 12)),
        view.margin * 100.0,
        paint.green(bar(verdict.not_worse, 12)),
    )
}

fn milliseconds(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(ms) if ms < 9.95 => format!("{ms:.2} ms"),
        Some(ms) if ms < 99.5 => format!("{ms:.1} ms"),
        Some(ms) => format!("{ms:.0} ms"),
    }
}

fn signed(fraction: f64) -> String {
    format!("{:+.1}%", fraction * 100.0)
}
