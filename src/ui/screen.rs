//! A person's stderr: lines that stay, and one block that is redrawn below them.

use std::{
    io::{self, IsTerminal, Write},
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Color, Paint};
use crate::error::Failure;

/// Work shorter than this draws nothing, so quick verbs do not flicker.
const FIRST_DRAW_AFTER: Duration = Duration::from_millis(250);

/// Redraws a second; more is unreadable and costs the measured process its core.
const REDRAWS_PER_SECOND: u8 = 5;

/// Widest line that is drawn where the terminal does not say.
const WIDTH_DEFAULT: usize = 100;

pub struct Screen {
    paint: Paint,
    terminal: bool,
    silent: bool,
    started: Instant,
    live: Mutex<Live>,
}

struct Live {
    bars: MultiProgress,
    lines: Vec<ProgressBar>,
    drawn: Option<Instant>,
}

impl Screen {
    pub(super) fn new(color: Color, silent: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let target = if terminal && !silent {
            ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND)
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            paint: Paint::new(color, terminal),
            terminal,
            silent,
            started: Instant::now(),
            live: Mutex::new(Live {
                bars: MultiProgress::with_draw_target(target),
                lines: Vec::new(),
                drawn: None,
            }),
        }
    }

    pub fn paint(&self) -> Paint {
        self.paint
    }

    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Columns of the terminal.
    pub fn width(&self) -> usize {
        let columns = terminal_columns();
        if self.terminal {
            columns.unwrap_or(WIDTH_DEFAULT)
        } else {
            WIDTH_DEFAULT
        }
    }

    /// A line that stays; without a terminal it starts with the time of day (UTC).
    pub fn line(&self, text: &str) {
        if self.silent {
            return;
        }
        if self.terminal {
            self.above(text);
        } else {
            let now = jiff::Timestamp::now().strftime("%H:%M:%S");
            self.above(&format!("{now} {text}"));
        }
    }

    pub fn warn(&self, text: &str) {
        self.above(&format!("{} {text}", self.paint.yellow("warning:")));
    }

    pub(super) fn failure(&self, failure: &Failure) {
        self.above(&failed(failure, self.paint));
    }

    /// Replaces the moving block at the bottom; draws on a terminal only, at most
    /// five times a second, and not in the first quarter second.
    pub fn live(&self, lines: &[String]) {
        if self.silent || !self.terminal || self.started.elapsed() < FIRST_DRAW_AFTER {
            return;
        }
        let mut live = self
            .live
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let due = Duration::from_secs(1) / u32::from(REDRAWS_PER_SECOND);
        if live.drawn.is_some_and(|drawn| drawn.elapsed() < due) {
            return;
        }
        live.drawn = Some(Instant::now());
        live.resize(lines.len());
        for (bar, line) in live.lines.iter().zip(lines) {
            bar.set_message(line.clone());
        }
    }

    /// Takes the moving block away.
    pub fn clear(&self) {
        let mut live = self
            .live
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        live.resize(0);
        live.drawn = None;
    }

    fn above(&self, text: &str) {
        let live = self
            .live
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        live.bars.suspend(|| {
            let mut stderr = io::stderr().lock();
            // There is no other place to report that stderr is gone.
            drop(writeln!(stderr, "{text}"));
        });
    }
}

impl Live {
    fn resize(&mut self, count: usize) {
        while self.lines.len() > count {
            if let Some(bar) = self.lines.pop() {
                bar.finish_and_clear();
                self.bars.remove(&bar);
            }
        }
        while self.lines.len() < count {
            let bar = self.bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            self.lines.push(bar);
        }
    }
}

fn failed(failure: &Failure, paint: Paint) -> String {
    let labelled = |label: String, texts: &[String]| {
        let lines = texts.iter().map(|text| format!("{label} {text}"));
        lines.collect::<Vec<_>>()
    };
    let mut lines = vec![format!("{} {}", paint.red("error:"), failure.message)];
    lines.extend(labelled(paint.dim("caused by:"), &failure.causes));
    lines.extend(labelled(paint.yellow("warning:"), &failure.also));
    lines.extend(labelled(paint.cyan("hint:"), &failure.hints));
    lines.join("\n")
}

fn terminal_columns() -> Option<usize> {
    rustix::termios::tcgetwinsize(io::stderr())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_with_its_causes_what_else_failed_and_the_way_out() {
        let failure = Failure {
            also: vec!["cannot remove /tmp/image".to_owned()],
            ..Failure::usage("the image is damaged")
                .cause("sha256:ab…: the digest differs")
                .hint("pack it again")
        };
        insta::assert_snapshot!(failed(&failure, Paint::plain()), @r"
        error: the image is damaged
        caused by: sha256:ab…: the digest differs
        warning: cannot remove /tmp/image
        hint: pack it again
        ");
    }
}
