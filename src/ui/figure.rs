//! Figures as people read them: each with its unit.

use std::time::Duration;

/// The requests that meet a candidate: `10%`, `header:x-beta=1`, or both.
pub fn part(percent: u8, header: Option<&impl ToString>) -> String {
    match (percent, header) {
        (0, Some(header)) => header.to_string(),
        (_, Some(header)) => format!("{percent}% and {}", header.to_string()),
        (_, None) => format!("{percent}%"),
    }
}

/// `1 layer`, `2 layers`.
pub fn count(number: u64, of: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {of}{plural}")
}

/// `11.2 GB`: decimal units, as registries and clouds count.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} B"),
        _ if value < 9.995 => format!("{value:.2} {}", UNITS[unit]),
        _ if value < 99.95 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// `612 MB/s`; nothing for a time too short to tell.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a rate for eyes"
)]
pub fn rate(count: u64, elapsed: Duration) -> String {
    if elapsed < Duration::from_millis(50) {
        return String::new();
    }
    format!("{}/s", bytes((count as f64 / elapsed.as_secs_f64()) as u64))
}

/// `0.42 s`, `12 s`, `2 min 14 s`, `1 h 03 min`.
pub fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    match duration.as_secs_f64() {
        short if short < 9.95 => format!("{short:.1} s"),
        below if below < 59.5 => format!("{below:.0} s"),
        _ if whole < 3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A fraction as `9.8%`.
pub fn percent(fraction: f64) -> String {
    format!("{:.1}%", fraction * 100.0)
}

/// A bar of `width` cells, in eighths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a bar has few cells"
)]
pub fn bar(fraction: f64, width: usize) -> String {
    const EIGHTHS: [char; 8] = ['░', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (fraction.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let mut text = "█".repeat(eighths / 8);
    if eighths / 8 < width {
        text.push(EIGHTHS[eighths % 8]);
        text.extend(std::iter::repeat_n('░', width - eighths / 8 - 1));
    }
    text
}

/// One cell a value, from zero to the largest; a gap where nothing was measured.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "eight levels"
)]
pub fn sparkline(values: &[Option<f64>]) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let top = values.iter().flatten().copied().fold(0.0, f64::max);
    values
        .iter()
        .map(|value| match value {
            Some(value) if top > 0.0 => LEVELS[((value / top * 7.0).round() as usize).min(7)],
            Some(_) => LEVELS[0],
            None => ' ',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_three_digits_and_their_unit() {
        let shown: Vec<_> = [0, 999, 1_000, 90_868_376, 999_950_000, 16_400_000_000]
            .map(bytes)
            .into_iter()
            .collect();
        assert_eq!(
            shown,
            ["0 B", "999 B", "1.00 kB", "90.9 MB", "1.00 GB", "16.4 GB"]
        );
    }

    #[test]
    fn durations_grow_their_units() {
        let shown = [0.42, 12.0, 134.0, 3780.0].map(|s| seconds(Duration::from_secs_f64(s)));
        assert_eq!(shown, ["0.4 s", "12 s", "2 min 14 s", "1 h 03 min"]);
    }

    #[test]
    fn bars_and_sparklines_fill_exactly_their_width() {
        for (fraction, shown) in [
            (0.0, "░░░░"),
            (0.5, "██░░"),
            (0.53, "██▏░"),
            (1.0, "████"),
            (7.0, "████"),
        ] {
            assert_eq!(bar(fraction, 4), shown);
        }
        assert_eq!(sparkline(&[Some(0.0), None, Some(4.0), Some(8.0)]), "▁ ▅█");
    }
}
