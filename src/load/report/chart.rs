//! Charts as inline SVG, coloured by the page's style sheet (pure).
//!
//! For every report of `infer`, canary's too: lines over time or any other axis,
//! bands, limits, marks, linear or logarithmic; and [`ecdf`] of measured values.

use std::fmt::Write as _;

use super::page::escape;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;

/// More points than a chart has pixels only make the file larger.
const POINTS_MAX: usize = 600;

/// More than fit on an axis.
const TICKS_MAX: usize = 12;

/// Larger and smaller values are errors, and their logarithms overflow.
const VALUE_MAX: f64 = 1e15;

/// How lines get from one point to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Join {
    #[default]
    Straight,
    /// Level until the next point: shares, counts, distributions.
    Steps,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    #[default]
    Linear,
    /// Values at or below zero are left out.
    Log,
}

/// One line; a point without a value breaks it.
#[derive(Debug, Clone, Default)]
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, Option<f64>)>,
}

/// A chart, drawn by [`Chart::svg`].
#[derive(Debug, Clone, Default)]
pub struct Chart {
    pub x_label: String,
    pub y_label: String,
    pub series: Vec<Series>,
    /// `(x, low, high)` around the series of the same index, such as an interval.
    pub bands: Vec<Vec<(f64, f64, f64)>>,
    /// Level lines: `(y, label)`.
    pub limits: Vec<(f64, String)>,
    /// Upright lines: `(x, label)`, such as a gate on a distribution.
    pub x_limits: Vec<(f64, String)>,
    /// Upright lines for moments, such as a weight write.
    pub marks: Vec<(f64, String)>,
    pub x_scale: Scale,
    pub y_scale: Scale,
    pub join: Join,
    /// Fixed top, such as 1 for shares.
    pub y_max: Option<f64>,
}

/// The share of values at or below each value; `gates` are upright limits.
pub fn ecdf(series: &[(&str, &[f64])], x_label: &str, gates: &[(f64, String)]) -> Chart {
    let lines = series.iter().map(|(name, values)| Series {
        name: (*name).to_owned(),
        points: steps(values),
    });
    Chart {
        x_label: x_label.to_owned(),
        y_label: "share of requests".to_owned(),
        series: lines.collect(),
        x_limits: gates.to_vec(),
        join: Join::Steps,
        y_max: Some(1.0),
        ..Chart::default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run")]
fn steps(values: &[f64]) -> Vec<(f64, Option<f64>)> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len();
    let every = n.div_ceil(POINTS_MAX).max(1);
    let mut points: Vec<_> = sorted
        .first()
        .map(|first| (*first, Some(0.0)))
        .into_iter()
        .collect();
    for (at, value) in sorted.iter().enumerate() {
        // The largest values are the ones that gates are about: all are drawn.
        if at % every == 0 || at + POINTS_MAX / 4 > n {
            points.push((*value, Some((at + 1) as f64 / n as f64)));
        }
    }
    points
}

fn drawable(value: f64, scale: Scale) -> bool {
    let in_range = value.abs() <= VALUE_MAX;
    in_range && (scale == Scale::Linear || value >= VALUE_MAX.recip())
}

/// Data to pixels along one axis.
struct Axis {
    low: f64,
    high: f64,
    scale: Scale,
    from: f64,
    to: f64,
}

impl Axis {
    fn new(
        values: impl Iterator<Item = f64>,
        scale: Scale,
        top: Option<f64>,
        pixels: (f64, f64),
    ) -> Self {
        let usable = |value: &f64| drawable(*value, scale);
        let (mut low, mut high) = values
            .filter(usable)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        if low > high {
            (low, high) = match scale {
                Scale::Linear => (0.0, 1.0),
                Scale::Log => (1.0, 10.0),
            };
        }
        match scale {
            // From zero: a cut axis makes small changes look large.
            Scale::Linear => {
                low = low.min(0.0);
                high = top.unwrap_or(high + (high - low) * 0.04);
            }
            Scale::Log => {
                low = 10f64.powf(low.log10().floor());
                high = 10f64.powf(high.log10().ceil());
            }
        }
        if high <= low {
            high = if scale == Scale::Log {
                low * 10.0
            } else {
                low + 1.0
            };
        }
        Self {
            low,
            high,
            scale,
            from: pixels.0,
            to: pixels.1,
        }
    }

    fn at(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => {
                let value = value.max(self.low);
                (value.log10() - self.low.log10()) / (self.high.log10() - self.low.log10())
            }
        };
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => linear_ticks(self.low, self.high),
            Scale::Log => {
                let decades = (self.high.log10() - self.low.log10()).round();
                let every = (decades / 6.0).ceil().max(1.0);
                let mut ticks = Vec::new();
                let mut exponent = self.low.log10().round();
                while exponent <= self.high.log10() + 1e-9 && ticks.len() < TICKS_MAX {
                    ticks.push(10f64.powf(exponent));
                    exponent += every;
                }
                ticks
            }
        }
    }
}

/// About five round values.
fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let magnitude = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|step| *step >= rough)
        .unwrap_or(rough);
    let mut ticks = Vec::new();
    let mut tick = (low / step).ceil() * step;
    while tick <= high + step * 1e-6 && ticks.len() < TICKS_MAX {
        ticks.push(tick);
        tick += step;
    }
    ticks
}

/// A tick label as short as it can be and still differ from its neighbours.
fn label(value: f64) -> String {
    let size = value.abs();
    if size >= 1e6 || (size > 0.0 && size < 1e-3) {
        return format!("{value:.0e}");
    }
    let text = if size >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    };
    if text.contains('.') {
        let short = text.trim_end_matches('0').trim_end_matches('.');
        return short.to_owned();
    }
    text
}

impl Chart {
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let bands = || self.bands.iter().flatten();
        let first =
            |limits: &[(f64, String)]| limits.iter().map(|limit| limit.0).collect::<Vec<_>>();
        let xs = points()
            .map(|point| point.0)
            .chain(first(&self.x_limits))
            .chain(first(&self.marks));
        let ys = points()
            .filter_map(|point| point.1)
            .chain(first(&self.limits))
            .chain(bands().flat_map(|band| [band.1, band.2]));
        let x = Axis::new(xs, self.x_scale, None, (LEFT, WIDTH - RIGHT));
        let y = Axis::new(ys, self.y_scale, self.y_max, (HEIGHT - BOTTOM, TOP));
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{} by {}\">",
            escape(&self.y_label),
            escape(&self.x_label)
        );
        self.axes(&mut svg, &x, &y);
        for (at, band) in self.bands.iter().enumerate() {
            draw_band(&mut svg, band, at, &x, &y);
        }
        for (at, series) in self.series.iter().enumerate() {
            self.draw_line(&mut svg, series, at, &x, &y);
        }
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for (value, text) in &self.limits {
            let at = y.at(*value);
            put(
                &mut svg,
                &format!("<path class=\"limit\" d=\"M{LEFT} {at:.1}H{right}\"/>"),
            );
            text_at(&mut svg, right - 4.0, at - 4.0, "end", text);
        }
        for (class, lines) in [("limit", &self.x_limits), ("mark", &self.marks)] {
            for (row, (value, text)) in lines.iter().enumerate() {
                let at = x.at(*value);
                put(
                    &mut svg,
                    &format!("<path class=\"{class}\" d=\"M{at:.1} {TOP}V{bottom}\"/>"),
                );
                // Neighbouring labels would cover each other on one line.
                let below = [12.0, 26.0, 40.0][row % 3];
                let (anchor, aside) = if at > WIDTH / 2.0 {
                    ("end", -4.0)
                } else {
                    ("start", 4.0)
                };
                text_at(&mut svg, at + aside, TOP + below, anchor, text);
            }
        }
        svg.push_str("</svg>");
        svg
    }

    fn axes(&self, svg: &mut String, x: &Axis, y: &Axis) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for tick in y.ticks() {
            let at = y.at(tick);
            put(
                svg,
                &format!("<path class=\"axis\" d=\"M{LEFT} {at:.1}H{right}\"/>"),
            );
            text_at(svg, LEFT - 6.0, at + 4.0, "end", &label(tick));
        }
        for tick in x.ticks() {
            let at = x.at(tick);
            put(
                svg,
                &format!("<path class=\"axis\" d=\"M{at:.1} {bottom}v4\"/>"),
            );
            text_at(svg, at, bottom + 18.0, "middle", &label(tick));
        }
        text_at(
            svg,
            f64::midpoint(LEFT, right),
            HEIGHT - 6.0,
            "middle",
            &self.x_label,
        );
        text_at(svg, 4.0, 14.0, "start", &self.y_label);
        let mut at = right;
        for (index, series) in self.series.iter().enumerate().rev() {
            let colour = index % 4 + 1;
            text_at(svg, at, 14.0, "end", &series.name);
            let width = series.name.chars().count().min(30);
            at -= 7.0 * f64::from(u8::try_from(width).unwrap_or(u8::MAX)) + 14.0;
            put(
                svg,
                &format!(
                    "<rect class=\"f{colour}\" x=\"{at:.1}\" y=\"5\" width=\"10\" height=\"10\" rx=\"2\"/>"
                ),
            );
            at -= 12.0;
        }
    }

    fn draw_line(&self, svg: &mut String, series: &Series, at: usize, x: &Axis, y: &Axis) {
        let every = series.points.len().div_ceil(POINTS_MAX * 2).max(1);
        let mut path = String::new();
        let mut drawing = false;
        for (px, py) in series.points.iter().step_by(every) {
            let Some(py) = py.filter(|value| drawable(*value, self.y_scale)) else {
                drawing = false;
                continue;
            };
            let (px, py) = (x.at(*px), y.at(py));
            let step = match (drawing, self.join) {
                (false, _) => write!(path, "M{px:.1} {py:.1}"),
                (true, Join::Straight) => write!(path, "L{px:.1} {py:.1}"),
                (true, Join::Steps) => write!(path, "H{px:.1}V{py:.1}"),
            };
            step.expect("a string grows");
            drawing = true;
        }
        if !path.is_empty() {
            put(
                svg,
                &format!("<path class=\"line s{}\" d=\"{path}\"/>", at % 4 + 1),
            );
        }
    }
}

fn draw_band(svg: &mut String, band: &[(f64, f64, f64)], at: usize, x: &Axis, y: &Axis) {
    if band.len() < 2 {
        return;
    }
    let upper = band.iter().map(|(px, _, high)| (x.at(*px), y.at(*high)));
    let lower = band
        .iter()
        .rev()
        .map(|(px, low, _)| (x.at(*px), y.at(*low)));
    let points: Vec<_> = upper
        .chain(lower)
        .map(|(px, py)| format!("{px:.1},{py:.1}"))
        .collect();
    let (class, points) = (at % 4 + 1, points.join(" "));
    put(
        svg,
        &format!("<polygon class=\"band f{class}\" points=\"{points}\"/>"),
    );
}

fn put(svg: &mut String, markup: &str) {
    svg.push_str(markup);
}

fn text_at(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let text = escape(text);
    put(
        svg,
        &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"),
    );
}

#[cfg(test)]
#[path = "chart_tests.rs"]
mod tests;
