//! How two runs compare, as a table.

use super::lines::milliseconds;
use crate::{
    load::compare::{Compared, Comparison, Judgement},
    ui::{Answer, Paint, percent},
};

impl Answer for Comparison {
    const SUBCOMMAND: Option<&'static str> = Some("compare");

    fn human(&self, paint: &Paint) -> String {
        let head = format!(
            "{:12}{:>10}{:>10}{:>10}   95% interval",
            "", "A", "B", "change"
        );
        let mut text = paint.bold(head);
        for metric in &self.metrics {
            text.push('\n');
            text.push_str(&row(metric, *paint));
        }
        let word = match self.verdict {
            Judgement::NotWorse => paint.green("not worse"),
            Judgement::Worse => paint.red("worse"),
            Judgement::Undecided => paint.yellow("undecided: longer runs would tell"),
        };
        let margin = percent(self.margin);
        format!(
            "{text}\nB is {word} (margin {margin}, {} and {} requests)",
            self.requests[0], self.requests[1]
        )
    }
}

fn row(compared: &Compared, paint: Paint) -> String {
    let rate = compared.metric == "error_rate";
    let figure = |value: Option<f64>| match value {
        None => "–".to_owned(),
        Some(value) if rate => percent(value),
        Some(value) => milliseconds(value),
    };
    let interval = compared.ci95.map_or_else(
        || "too few values".to_owned(),
        |[low, high]| format!("{} … {}", signed(low), signed(high)),
    );
    let word = match compared.verdict {
        Judgement::NotWorse => paint.green("not worse"),
        Judgement::Worse => paint.red("worse"),
        Judgement::Undecided => paint.yellow("undecided"),
    };
    format!(
        "{:12}{:>10}{:>10}{:>10}   {interval}   {word}",
        compared.metric,
        figure(compared.a),
        figure(compared.b),
        compared.change.map_or_else(|| "–".to_owned(), signed)
    )
}

/// `+4.9%`, with its sign.
fn signed(fraction: f64) -> String {
    format!("{:+.1}%", fraction * 100.0)
}
