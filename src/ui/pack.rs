//! What packing shows: what the weights are, what is reused, what moves, where it is.

use super::{Answer, Paint, Screen, Show, bar, bytes, count, rate, seconds};
use crate::{
    model::{self, Facts},
    pack::{Count, Event, Packed, Progress, parameter_size},
};

/// Cells of the bar of one layer.
const BAR_WIDTH: usize = 10;

impl Show for Event {
    fn human(&self, screen: &Screen) {
        let paint = screen.paint();
        match self {
            Self::Examined { facts, bytes } => screen.line(&summary(facts, *bytes, paint)),
            Self::Checked {
                tensor_files,
                files,
                left_out,
            } => screen.line(&done(
                paint,
                "checked",
                &checked(*tensor_files, *files, left_out),
            )),
            Self::RunsCode { message } => screen.warn(message),
            Self::Progress(progress) => screen.live(&[line(progress)]),
            Self::Layer {
                label,
                bytes: size,
                outcome,
                ..
            } => {
                // On a terminal the moving line has shown it.
                if !screen.is_terminal() {
                    let outcome = outcome.name();
                    screen.line(&format!("  {label}   {}   {outcome}", bytes(*size)));
                }
            }
            Self::Resumed { label, offset } => {
                screen.line(&format!("  {label} goes on at {}", bytes(*offset)));
            }
            Self::Retrying {
                label,
                reason,
                wait_ms,
            } => screen.line(&format!("  {label} again in {wait_ms} ms: {reason}")),
            Self::Stored {
                place,
                tag,
                dry_run,
                modelpack,
                reused,
                sent,
                elapsed,
            } => {
                screen.clear();
                if reused.layers > 0 {
                    screen.line(&done(paint, "reused", &reused_text(*reused, place)));
                }
                let what = if *modelpack {
                    "image (amd64, arm64) and ModelPack, one upload"
                } else {
                    "image (amd64, arm64)"
                };
                let (new, time) = (new_text(*sent), seconds(*elapsed));
                screen.line(&done(
                    paint,
                    if *dry_run { "would pack" } else { "packed" },
                    &format!("{what}, {new} · {place}:{tag} · {time}"),
                ));
            }
        }
    }
}

impl Answer for Packed {
    fn human(&self, _paint: &Paint) -> String {
        self.image.clone()
    }
}

/// `✓ checked   …`: the verb in a column of its own.
pub(super) fn done(paint: Paint, what: &str, text: &str) -> String {
    format!("{} {what:<9} {text}", paint.green("✓"))
}

/// `8.2 B parameters`.
pub(super) fn parameters(count: u64) -> String {
    let size = parameter_size(count);
    let (number, unit) = size.split_at(size.trim_end_matches(char::is_alphabetic).len());
    let plural = if count == 1 { "" } else { "s" };
    format!("{number} {unit} parameter{plural}").replace("  ", " ")
}

/// One line that names the model; what the weights do not say is left out.
pub(super) fn summary(facts: &Facts, total_bytes: u64, paint: Paint) -> String {
    let parameters = facts.parameters.map(parameters);
    let precision = Some(facts.precisions.join(", ")).filter(|text| !text.is_empty());
    let shards = match facts.shards {
        0 => None,
        1 => Some(facts.format.name().to_owned()),
        several => Some(format!("{several} shards")),
    };
    let mut parts = vec![paint.bold(&facts.name)];
    parts.extend(
        [
            parameters,
            facts.quantization.clone(),
            precision,
            facts.architecture.clone(),
            shards,
        ]
        .into_iter()
        .flatten(),
    );
    parts.push(bytes(total_bytes));
    parts.join(" · ")
}

fn checked(tensor_files: u64, files: u64, left_out: &[String]) -> String {
    let files = count(files, "file");
    let mut text = match tensor_files {
        0 => format!("{files}; no weights whose headers infer reads"),
        1 => format!("{files}, header sound"),
        several => format!("{files}, {several} shards complete, headers sound"),
    };
    if !left_out.is_empty() {
        text = format!("{text}; left out: {}", model::first_names(left_out));
    }
    text
}

fn reused_text(reused: Count, place: &str) -> String {
    format!(
        "{} already in {place} ({})",
        bytes(reused.bytes),
        count(reused.layers, "layer")
    )
}

fn new_text(sent: Count) -> String {
    match sent.layers {
        0 => "nothing new".to_owned(),
        layers => format!("{} new in {}", bytes(sent.bytes), count(layers, "layer")),
    }
}

/// `upload    3.1 of 5.2 GB   612 MB/s   3 s left    model-00004 ████████▌  81%`
#[expect(clippy::cast_precision_loss, reason = "a bar and a time for eyes")]
pub(super) fn line(progress: &Progress) -> String {
    let (done, total) = (progress.done_bytes, progress.total_bytes);
    let mut text = format!(
        "  {:<9} {} of {}",
        progress.act.name(),
        bytes(done),
        bytes(total)
    );
    let speed = rate(done, progress.elapsed);
    if !speed.is_empty() && done > 0 {
        let left = total.saturating_sub(done) as f64 / done as f64;
        let left = progress.elapsed.mul_f64(left);
        text = format!("{text}   {speed}   {} left", seconds(left));
    }
    if let Some((label, done, of)) = &progress.current {
        let share = *done as f64 / (*of).max(1) as f64;
        let (bar, percent) = (bar(share, BAR_WIDTH), share * 100.0);
        text = format!("{text}    {label} {bar} {percent:3.0}%");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pack::Act;

    #[test]
    fn progress_shows_bytes_rate_rest_and_the_nearest_layer() {
        let progress = Progress {
            act: Act::Upload,
            done_bytes: 3_100_000_000,
            total_bytes: 5_200_000_000,
            elapsed: Duration::from_secs(5),
            current: Some(("model-00004".to_owned(), 81, 100)),
        };
        assert_eq!(
            line(&progress),
            "  upload    3.10 GB of 5.20 GB   620 MB/s   3.4 s left    model-00004 ████████▏░  81%"
        );
    }
}
