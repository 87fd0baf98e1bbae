//! Lines of the live readout (pure).

use std::time::Duration;

use crate::{
    load::{GateResult, Quantiles, View},
    ui::{Paint, percent, seconds, sparkline},
};

/// Narrowest terminal on which sparklines have room.
const SPARKLINE_COLUMNS_MIN: usize = 90;

/// `2 310`: whole numbers in groups of three.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Three digits that matter: `188`, `11.2`, `0.42`.
pub fn milliseconds(value: f64) -> String {
    match value {
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

pub(super) fn requests(number: u64) -> String {
    let noun = if number == 1 { "request" } else { "requests" };
    format!("{} {noun}", count(number))
}

/// The whole readout, as in DESIGN's views.
pub(super) fn live(view: &View, width: usize, paint: Paint) -> Vec<String> {
    let mut lines = vec![head(view, width, paint)];
    let sparks = width >= SPARKLINE_COLUMNS_MIN;
    let streamed = view.streamed && view.e2e_ms.p50.is_some() == view.ttft_ms.p50.is_some();
    if streamed {
        lines.push(latency(
            "TTFT",
            view.ttft_ms,
            sparks.then_some(&view.ttft_trend),
        ));
        lines.push(latency(
            "gap",
            view.chunk_gap_ms,
            sparks.then_some(&view.gap_trend),
        ));
    } else {
        lines.push(latency("E2E", view.e2e_ms, None));
    }
    lines.push(server(view));
    lines.push(format!(
        "  {}",
        client(
            view.client_added_ms.p50,
            view.client_added_ms.p99,
            view.client_valid,
            paint
        )
    ));
    for result in &view.gates {
        lines.push(format!("  {}", gate(result, paint)));
    }
    lines
}

/// The readout as one line, where there is no terminal.
pub(super) fn one(view: &View) -> String {
    let figure = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), milliseconds);
    let latency = if view.ttft_ms.p50.is_some() {
        ("TTFT", view.ttft_ms)
    } else {
        ("E2E", view.e2e_ms)
    };
    format!(
        "{} · {} · {:.1} req/s · {} p50 {} p95 {} ms · {} tok/s · {}",
        seconds(Duration::from_secs_f64(view.elapsed_s.max(0.0))),
        progress(view),
        view.sent_rps,
        latency.0,
        figure(latency.1.p50),
        figure(latency.1.p95),
        whole(view.output_tokens_per_s),
        errors(view)
    )
}

fn head(view: &View, width: usize, paint: Paint) -> String {
    let rate = match view.offered_rps {
        Some(offered) => format!("{offered:.1} req/s asked, {:.1} delivered", view.sent_rps),
        None => format!("{:.1} req/s", view.sent_rps),
    };
    let failed = errors(view);
    let left = format!("{rate}    {}    ", progress(view));
    let right = view.left_s.map_or_else(String::new, |left| {
        if left > 0.0 {
            format!("{} left", seconds(Duration::from_secs_f64(left)))
        } else {
            format!("{} to end", requests(view.in_flight))
        }
    });
    let used = left.chars().count() + failed.chars().count() + right.chars().count();
    let gap = " ".repeat(width.saturating_sub(used + 1).clamp(2, 40));
    let failed = if view.failed > 0 {
        paint.red(failed)
    } else {
        failed
    };
    format!("{left}{failed}{gap}{right}")
}

fn progress(view: &View) -> String {
    let done = view.ok + view.failed;
    match view.total {
        Some(total) => format!("{} of {}", count(done), count(total)),
        None => format!("{} done", count(done)),
    }
}

fn errors(view: &View) -> String {
    if view.errors.is_empty() {
        return "0 errors".to_owned();
    }
    let kinds: Vec<_> = view
        .errors
        .iter()
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
    kinds.join(", ")
}

fn latency(name: &str, quantiles: Quantiles, trend: Option<&Vec<Option<f64>>>) -> String {
    let cell = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), milliseconds);
    format!(
        "  {name:4}   p50 {:>5}   p90 {:>5}   p95 {:>5}   p99 {:>5} ms     {}",
        cell(quantiles.p50),
        cell(quantiles.p90),
        cell(quantiles.p95),
        cell(quantiles.p99),
        trend.map(|trend| sparkline(trend)).unwrap_or_default()
    )
}

fn server(view: &View) -> String {
    let figures = view.server.unwrap_or_default();
    let mut parts = vec![format!("{} tok/s ", whole(view.output_tokens_per_s))];
    parts.push(match figures.running {
        Some(running) => format!("running {running:.0}"),
        None => format!("in flight {}", view.in_flight),
    });
    if let Some(waiting) = figures.waiting {
        parts.push(format!("waiting {waiting:.0}"));
    }
    if let Some(used) = figures.kv_cache {
        parts.push(format!("KV {:.0}%", used * 100.0));
    }
    format!("  {}", parts.join("   "))
}

pub(super) fn client(p50: Option<f64>, p99: Option<f64>, valid: bool, paint: Paint) -> String {
    let (Some(p50), Some(p99)) = (p50, p99) else {
        return "client's own delay not measured yet".to_owned();
    };
    let verdict = if valid {
        "valid".to_owned()
    } else {
        paint.red("too slow, latencies are not valid")
    };
    format!("client adds {p50:.2} ms p50, {p99:.2} ms p99: {verdict}")
}

/// A gate while the run goes on.
pub(super) fn gate(gate: &GateResult, paint: Paint) -> String {
    let word = match (gate.pass, gate.n_needed) {
        (Some(true), _) => paint.green("holding"),
        (Some(false), _) => paint.red("broken"),
        (None, Some(needed)) => paint.dim(format!("{} of {needed} values", gate.n)),
        (None, None) => paint.yellow("client too slow to tell"),
    };
    format!("{}   {}   {word}", gate.gate, gate_value(gate))
}

/// A gate's value in its own unit.
pub(super) fn gate_value(gate: &GateResult) -> String {
    let Some(value) = gate.value else {
        return "–".to_owned();
    };
    if gate.gate.starts_with("error_rate") {
        percent(value)
    } else if gate.gate.contains("_per_s") {
        format!("{value:.1}/s")
    } else {
        format!("{} ms", milliseconds(value))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for eyes, never negative"
)]
fn whole(value: f64) -> String {
    count(value.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::ServerFigures;
    use crate::ui::Color;

    fn view() -> View {
        let quantiles = Quantiles {
            p50: Some(188.2),
            p90: Some(310.0),
            p95: Some(402.4),
            p99: Some(611.0),
        };
        View {
            elapsed_s: 62.0,
            left_s: Some(58.0),
            offered_rps: Some(20.0),
            sent_rps: 20.0,
            sent: 1274,
            total: Some(2400),
            ok: 1240,
            failed: 0,
            errors: std::collections::BTreeMap::new(),
            in_flight: 34,
            streamed: true,
            ttft_ms: quantiles,
            chunk_gap_ms: quantiles,
            e2e_ms: quantiles,
            ttft_trend: vec![Some(1.0), Some(2.0), None],
            gap_trend: vec![Some(1.0); 3],
            output_tokens_per_s: 2310.4,
            server: Some(ServerFigures {
                running: Some(34.0),
                waiting: Some(0.0),
                kv_cache: Some(0.63),
            }),
            client_added_ms: Quantiles {
                p50: Some(0.06),
                p99: Some(0.4),
                ..Quantiles::default()
            },
            client_valid: true,
            gates: vec![GateResult {
                gate: "ttft.p95<500ms".to_owned(),
                value: Some(402.4),
                pass: Some(true),
                n: 1240,
                n_needed: None,
            }],
        }
    }

    #[test]
    fn the_readout_says_everything_with_its_unit() {
        let text = live(&view(), 100, Paint::new(Color::Never, true)).join("\n");
        insta::assert_snapshot!(text, @r"
        20.0 req/s asked, 20.0 delivered    1 240 of 2 400    0 errors                            58 s left
          TTFT   p50   188   p90   310   p95   402   p99   611 ms     ▅█ 
          gap    p50   188   p90   310   p95   402   p99   611 ms     ███
          2 310 tok/s    running 34   waiting 0   KV 63%
          client adds 0.06 ms p50, 0.40 ms p99: valid
          ttft.p95<500ms   402 ms   holding
        ");
    }

    #[test]
    fn a_narrow_terminal_loses_its_sparklines_first() {
        let text = live(&view(), 80, Paint::plain()).join("\n");
        assert!(!text.contains('█') && text.contains("p99   611 ms"));
    }

    #[test]
    fn numbers_keep_three_digits() {
        let shown = [0.4238, 11.24, 188.2, 12_345.6].map(milliseconds);
        assert_eq!(shown, ["0.42", "11.2", "188", "12346"]);
        let shown = [7, 2310, 1_234_567].map(count);
        assert_eq!(shown, ["7", "2 310", "1 234 567"]);
    }

    #[test]
    fn without_a_terminal_the_readout_is_one_line() {
        assert_eq!(
            one(&view()),
            "1 min 02 s · 1 240 of 2 400 · 20.0 req/s · TTFT p50 188 p95 402 ms · 2 310 tok/s · 0 errors"
        );
    }
}
