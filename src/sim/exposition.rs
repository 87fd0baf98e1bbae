//! Prometheus' text format, and the histograms in it.

use std::fmt::Write as _;

/// Counts of values up to each edge.
#[derive(Debug)]
pub(super) struct Histogram {
    edges: Vec<f64>,
    /// Not cumulative; the last one is above every edge.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    pub(super) fn new(edges: &[f64]) -> Self {
        Self {
            edges: edges.to_vec(),
            counts: vec![0; edges.len() + 1],
            sum: 0.0,
        }
    }

    pub(super) fn observe(&mut self, value: f64) {
        let bucket = self.edges.partition_point(|edge| *edge < value);
        self.counts[bucket] += 1;
        self.sum += value;
    }
}

/// A page of metrics of one engine; labels stand in the order of their names, as
/// Prometheus' Python client, and so vLLM, writes them.
pub(super) struct Page {
    text: String,
    model: String,
}

impl Page {
    pub(super) fn new(model: &str) -> Self {
        Self {
            text: String::new(),
            model: escaped(model),
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        write_line(
            &mut self.text,
            format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"),
        );
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, "gauge", help);
        self.sample(name, "", "", value);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        self.sample(name, "", "", whole(value));
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        let mut count = 0;
        for (at, own) in histogram.counts.iter().enumerate() {
            count += own;
            let edge = histogram.edges.get(at);
            let edge = edge.map_or_else(|| "+Inf".to_owned(), |edge| format!("{edge:?}"));
            self.sample_before(&bucket, "le", &edge, whole(count));
        }
        self.sample(&format!("{name}_count"), "", "", whole(count));
        self.sample(&format!("{name}_sum"), "", "", histogram.sum);
    }

    /// A sample with one more label, whose name sorts before `model_name`.
    pub(super) fn sample_before(&mut self, name: &str, label: &str, of: &str, value: f64) {
        self.sample(name, &format!(r#",{label}="{of}""#), "", value);
    }

    /// A sample with one more label, whose name sorts after `model_name`.
    pub(super) fn sample_after(&mut self, name: &str, label: &str, of: &str, value: f64) {
        self.sample(name, "", &format!(r#",{label}="{of}""#), value);
    }

    fn sample(&mut self, name: &str, before: &str, after: &str, value: f64) {
        let model = &self.model;
        write_line(
            &mut self.text,
            format_args!(r#"{name}{{engine="0"{before},model_name="{model}"{after}}} {value:?}"#),
        );
    }
}

fn write_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string grows");
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact to 2^53, and Prometheus' own type"
)]
pub(super) fn whole(count: u64) -> f64 {
    count as f64
}

/// 1, 2, 5, 10, … up to `max`, vLLM's edges for token counts.
pub(super) fn one_two_five(max: u32) -> Vec<f64> {
    let mut edges = Vec::new();
    let mut power = 1.0;
    loop {
        for step in [1.0, 2.0, 5.0] {
            if step * power > f64::from(max) {
                return edges;
            }
            edges.push(step * power);
        }
        power *= 10.0;
    }
}

fn escaped(label: &str) -> String {
    label
        .replace('\\', r"\\")
        .replace('"', r#"\""#)
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_edges_follow_one_two_five() {
        assert_eq!(one_two_five(60), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
    }

    #[test]
    fn names_are_escaped() {
        let mut page = Page::new("a\"b\\");
        page.counter("requests", "Requests.", 1);
        assert!(page.finish().contains(r#"model_name="a\"b\\"} 1.0"#));
    }
}
