//! The only code that prints or asks.
//!
//! Answers go to stdout, everything else to stderr. With `--output json` every stdout line is
//! one JSON object with an `"event"`: a domain's event or answer, as it serializes.

mod canary;
mod difference;
pub mod doctor;
mod figure;
pub mod init;
mod inspect;
pub mod load;
mod local;
mod pack;
mod paint;
mod prompt;
mod release;
pub mod render;
mod screen;
mod sim;
pub mod template;
pub mod text;

use std::{
    io::{self, IsTerminal, Write},
    sync::{Mutex, PoisonError},
};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

pub use self::{
    figure::{bar, bytes, count, part, percent, rate, seconds, sparkline},
    inspect::InspectView,
    local::Served,
    paint::{Color, Paint},
    release::{Deleted, LogLine, Logged},
    screen::Screen,
};
use crate::error::{Failure, Kind};

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Output {
    #[default]
    Human,
    /// One JSON object a line
    Json,
}

/// Something a domain reports while it works.
pub trait Show: Serialize {
    /// The event as JSON, with an `"event"` field; `None` where it is marked `#[serde(skip)]`
    /// because it is for eyes only.
    fn json(&self) -> Option<Value> {
        serde_json::to_value(self).ok()
    }

    /// The event on a person's stderr.
    fn human(&self, screen: &Screen);
}

/// What a verb answers in the end: in JSON its fields beside `"event":"result"` and `"verb"`.
pub trait Answer: Serialize {
    /// The word after the verb, where another answer comes without it: `load compare`.
    const SUBCOMMAND: Option<&'static str> = None;

    /// The answer alone, for stdout; ends without a newline, empty prints nothing.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "a paint is one byte today"
    )]
    fn human(&self, paint: &Paint) -> String;
}

/// The lines that the JSON stream of any verb can have.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Line<'a> {
    /// The first line.
    Start {
        /// The major version of the lines.
        v: u32,
        verb: &'a str,
        /// The version of infer.
        infer: &'a str,
    },
    Warning {
        message: &'a str,
    },
}

/// The streams, the mode and the colours of one run.
pub struct Ui {
    output: Output,
    quiet: bool,
    verb: &'static str,
    screen: Screen,
    stdout_paint: Paint,
    stdout_failed: Mutex<Option<io::Error>>,
}

impl Ui {
    pub fn new(output: Output, quiet: bool, color: Color) -> Self {
        Self {
            output,
            quiet,
            verb: "",
            screen: Screen::new(color, quiet || output == Output::Json),
            stdout_paint: Paint::new(color, io::stdout().is_terminal()),
            stdout_failed: Mutex::new(None),
        }
    }

    /// The first line of a JSON stream; `verb` as it is typed.
    pub fn start(&mut self, verb: &'static str) {
        self.verb = verb;
        if self.output == Output::Json {
            let infer = env!("CARGO_PKG_VERSION");
            self.write_json(&json!(Line::Start { v: 1, verb, infer }));
        }
    }

    pub fn show(&self, event: &impl Show) {
        match self.output {
            Output::Human if self.quiet => {}
            Output::Human => event.human(&self.screen),
            Output::Json => {
                if let Some(value) = event.json() {
                    self.write_json(&value);
                }
            }
        }
    }

    pub fn answer<A: Answer>(&self, answer: &A) {
        self.screen.clear();
        if self.output == Output::Human {
            return self.write_stdout(&answer.human(&self.stdout_paint));
        }
        let words = [Some(self.verb), A::SUBCOMMAND];
        let verb = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let mut line = json!({"event": "result", "verb": verb});
        if let (Value::Object(line), Value::Object(fields)) = (&mut line, json!(answer)) {
            line.extend(fields);
        }
        self.write_json(&line);
    }

    /// Text that is itself the answer (YAML, a completion script), whatever the mode.
    pub fn raw(&self, text: &str) {
        self.screen.clear();
        self.write_stdout(text.strip_suffix('\n').unwrap_or(text));
    }

    /// A sentence of progress for people; silent under `--quiet` and `--output json`.
    pub fn note(&self, text: &str) {
        if self.output == Output::Human && !self.quiet {
            self.screen.line(text);
        }
    }

    /// A warning; shown even under `--quiet`.
    pub fn warn(&self, text: &str) {
        match self.output {
            Output::Human => self.screen.warn(text),
            Output::Json => self.write_json(&json!(Line::Warning { message: text })),
        }
    }

    pub fn failure(&self, failure: &Failure) {
        self.screen.clear();
        match self.output {
            Output::Human => self.screen.failure(failure),
            Output::Json => self.write_json(&json!(failure)),
        }
    }

    pub fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Whether an answer did not reach stdout, which stderr then reports; a closed pipe does not
    /// count, because its reader wanted no more.
    pub fn answer_lost(&self) -> bool {
        let failed = self
            .stdout_failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
        if let Some(error) = &failed {
            let failure = Failure::new(Kind::Failed, "cannot write the answer to stdout");
            self.screen.failure(&failure.cause(error.to_string()));
        }
        failed.is_some()
    }

    fn write_json(&self, value: &Value) {
        self.write_stdout(&value.to_string());
    }

    fn write_stdout(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        let mut stdout = io::stdout().lock();
        let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        if let Err(error) = written {
            let mut failed = self
                .stdout_failed
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert(error);
        }
    }
}
