//! Colour where it is wanted: `--color`, `NO_COLOR`, and whether a person looks.

use std::{env, fmt::Display};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// Wraps text in ANSI colours, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    on: bool,
}

impl Paint {
    pub fn new(color: Color, is_terminal: bool) -> Self {
        let on = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
                    || env::var_os("TERM").is_some_and(|term| term == "dumb");
                is_terminal && !refused
            }
        };
        Self { on }
    }

    #[cfg(test)]
    pub fn plain() -> Self {
        Self { on: false }
    }

    pub fn bold(self, text: impl Display) -> String {
        self.wrap("1", text)
    }

    pub fn dim(self, text: impl Display) -> String {
        self.wrap("2", text)
    }

    pub fn red(self, text: impl Display) -> String {
        self.wrap("31", text)
    }

    pub fn green(self, text: impl Display) -> String {
        self.wrap("32", text)
    }

    pub fn yellow(self, text: impl Display) -> String {
        self.wrap("33", text)
    }

    pub fn cyan(self, text: impl Display) -> String {
        self.wrap("36", text)
    }

    fn wrap(self, code: &str, text: impl Display) -> String {
        if self.on {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_string()
        }
    }
}
