//! A run's records as lines over time, and as raw data (pure).

use serde_json::{Value, json};

use super::{
    Run,
    chart::{Chart, Join, Series},
    page::Page,
    records,
};
use crate::load::{
    Latencies, Pace,
    latency::{Row, drawn},
    measure::microseconds,
    quantile::nearest_rank,
    summary::Record,
};

/// Points along the time axis; each is at least a second.
const POINTS_MAX: f64 = 120.0;

/// Requests whose raw data goes into the file; a browser still opens it.
const RAW_MAX: usize = 50_000;

/// Time cut into equal parts.
#[derive(Debug, Clone, Copy)]
struct Buckets {
    width_s: f64,
    count: usize,
}

impl Buckets {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a run has few buckets and a finite length"
    )]
    fn new(duration_s: f64) -> Self {
        let width_s = (duration_s / POINTS_MAX).ceil().max(1.0);
        Self {
            width_s,
            count: (duration_s / width_s).ceil().max(1.0) as usize,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the number of buckets"
    )]
    fn index(self, at_s: f64) -> usize {
        ((at_s / self.width_s).max(0.0) as usize).min(self.count - 1)
    }

    #[expect(clippy::cast_precision_loss, reason = "few buckets")]
    fn start(self, index: usize) -> f64 {
        index as f64 * self.width_s
    }

    /// The sum of amounts in each bucket, a second.
    fn rate(self, name: &str, amounts: impl Iterator<Item = (f64, f64)>) -> Series {
        let mut sums = vec![0.0; self.count];
        for (at, amount) in amounts {
            sums[self.index(at)] += amount;
        }
        let points = sums.iter().enumerate();
        Series {
            name: name.to_owned(),
            points: points
                .map(|(index, sum)| (self.start(index), Some(sum / self.width_s)))
                .collect(),
        }
    }

    /// Quantiles of the values in each bucket.
    fn quantiles(self, values: &[(f64, f64)], wanted: [(&str, f64); 2]) -> Vec<Series> {
        let mut sorted = vec![Vec::new(); self.count];
        for (at, value) in values {
            sorted[self.index(*at)].push(*value);
        }
        for bucket in &mut sorted {
            bucket.sort_unstable_by(f64::total_cmp);
        }
        let series = wanted.into_iter().map(|(name, q)| Series {
            name: name.to_owned(),
            points: sorted
                .iter()
                .enumerate()
                .map(|(index, bucket)| (self.start(index), nearest_rank(bucket, q)))
                .collect(),
        });
        series.collect()
    }
}

pub(super) fn over_time(page: &mut Page, run: &Run<'_>) {
    let buckets = Buckets::new(run.summary.duration_s);
    for (
        _,
        Row {
            label: name, of, ..
        },
    ) in drawn()
    {
        let values: Vec<_> = records(run)
            .filter_map(|(record, good)| Some((record.intended_s, of(&good.latencies)?)))
            .collect();
        if values.is_empty() {
            continue;
        }
        let series = buckets.quantiles(&values, [("p50", 0.5), ("p95", 0.95)]);
        draw(
            page,
            &format!("{name} of requests due at that time"),
            "ms",
            series,
        );
    }
    let all = || run.finish.measured.records.iter();
    if run.summary.tokens.output > 0 {
        let tokens = records(run).map(|(record, good)| (record.ended_s, exact(good.output_tokens)));
        draw(
            page,
            "Output tokens",
            "tok/s",
            vec![buckets.rate("tok/s", tokens)],
        );
    }
    let ended = buckets.rate(
        "answered",
        records(run).map(|(record, _)| (record.ended_s, 1.0)),
    );
    let failed = all().filter(|record| record.result.is_err());
    let failed = buckets.rate("failed", failed.map(|record| (record.ended_s, 1.0)));
    let sent = buckets.rate("delivered", all().map(|record| (record.sent_s, 1.0)));
    let requests = match run.plan.pace {
        Pace::Closed { .. } => vec![ended, failed],
        Pace::Open { .. } => {
            let due = run.plan.due().into_iter().flatten();
            let due = due.map(|(_, due)| (due.as_secs_f64(), 1.0));
            let until = run.summary.duration_s;
            let offered = buckets.rate("offered", due.take_while(|(at, _)| *at <= until));
            vec![offered, sent, ended, failed]
        }
    };
    draw(page, "Requests", "req/s", requests);
    server(page, run);
}

/// The figures from the server's own metrics.
fn server(page: &mut Page, run: &Run<'_>) {
    let figures = &run.finish.server;
    if figures.is_empty() {
        return;
    }
    let line = |name: &str, pick: fn(&crate::load::ServerFigures) -> Option<f64>| Series {
        name: name.to_owned(),
        points: figures
            .iter()
            .map(|(at, figures)| (*at, pick(figures)))
            .collect(),
    };
    let load = vec![
        line("running", |figures| figures.running),
        line("waiting", |figures| figures.waiting),
    ];
    draw(page, "In the server", "requests", load);
    if figures
        .iter()
        .any(|(_, figures)| figures.kv_cache.is_some())
    {
        let used = line("KV cache", |figures| figures.kv_cache);
        draw(page, "KV cache in use", "share", vec![used]);
    }
}

fn draw(page: &mut Page, caption: &str, unit: &str, series: Vec<Series>) {
    let chart = Chart {
        x_label: "seconds from the start".to_owned(),
        y_label: unit.to_owned(),
        series,
        join: Join::Straight,
        ..Chart::default()
    };
    page.figure(caption, &chart.svg());
}

#[expect(
    clippy::cast_precision_loss,
    reason = "token counts are far below 2^52"
)]
fn exact(tokens: u64) -> f64 {
    tokens as f64
}

/// The result and every request, a column each; the first 50 000 of very long runs.
pub(super) fn raw(run: &Run<'_>) -> Value {
    let all = &run.finish.measured.records;
    let shown = &all[..all.len().min(RAW_MAX)];
    let seconds = |pick: fn(&Record) -> f64| -> Vec<f64> {
        shown
            .iter()
            .map(|record| (pick(record) * 1e6).round() / 1e6)
            .collect()
    };
    let latency = |of: fn(&Latencies) -> Option<f64>| -> Vec<Option<f64>> {
        let good = shown.iter().map(|record| record.result.as_ref().ok());
        good.map(|good| good.and_then(|good| of(&good.latencies)).map(microseconds))
            .collect()
    };
    let tokens = |record: &Record| record.result.as_ref().ok().map(|good| good.output_tokens);
    let error = |record: &Record| {
        record
            .result
            .as_ref()
            .err()
            .map(|failed| failed.fault.name())
    };
    let mut requests = json!({
        "intended_s": seconds(|record| record.intended_s),
        "sent_s": seconds(|record| record.sent_s),
        "ended_s": seconds(|record| record.ended_s),
        "output_tokens": shown.iter().map(tokens).collect::<Vec<_>>(),
        "error": shown.iter().map(error).collect::<Vec<_>>(),
    });
    for (metric, row) in drawn() {
        requests[format!("{}_ms", metric.name())] = latency(row.of).into();
    }
    json!({
        "result": run.summary,
        "requests_left_out": all.len() - shown.len(),
        "requests": requests,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_have_wide_buckets_and_short_ones_a_second() {
        assert_eq!(Buckets::new(0.2).count, 1);
        assert_eq!(Buckets::new(10.0).count, 10);
        let hour = Buckets::new(3600.0);
        assert_eq!((hour.count, hour.index(1e9)), (120, 119));
    }

    #[test]
    fn rates_are_a_second_and_empty_buckets_break_quantiles() {
        let buckets = Buckets::new(3.0);
        let rate = buckets.rate("a", [(0.1, 1.0), (0.9, 1.0), (2.5, 1.0)].into_iter());
        let found: Vec<_> = rate.points.iter().map(|point| point.1).collect();
        assert_eq!(found, [Some(2.0), Some(0.0), Some(1.0)]);
        let lines = buckets.quantiles(&[(0.5, 3.0), (2.5, 4.0)], [("p50", 0.5), ("p95", 0.95)]);
        let found: Vec<_> = lines[0].points.iter().map(|point| point.1).collect();
        assert_eq!(found, [Some(3.0), None, Some(4.0)]);
    }
}
