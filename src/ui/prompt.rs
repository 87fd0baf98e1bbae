//! Questions; refused without a terminal, so that a pipeline never waits for an answer.

use std::io::{self, IsTerminal};

use dialoguer::{Confirm, Input};

use super::Ui;
use crate::error::{Failure, Kind};

impl Ui {
    /// Whether there is a person to ask.
    pub fn can_ask(&self) -> bool {
        !self.is_json() && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks before something that cannot be undone; `yes` is the verb's `--yes`.
    pub fn confirm(&self, question: &str, yes: bool) -> Result<bool, Failure> {
        if yes {
            return Ok(true);
        }
        if !self.can_ask() {
            return Err(Failure::usage(format!(
                "{question} needs an answer, and there is no terminal to ask on"
            ))
            .hint("add --yes"));
        }
        self.screen().clear();
        Confirm::new()
            .with_prompt(question)
            .default(false)
            .interact()
            .map_err(|error| self.unanswered(&error))
    }

    /// Asks for a line of text, offering `default`; `check` returns what is wrong with an answer.
    pub fn ask(
        &self,
        question: &str,
        default: &str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Result<String, Failure> {
        self.screen().clear();
        Input::<String>::new()
            .with_prompt(question)
            .default(default.to_owned())
            .validate_with(|answer: &String| check(answer).map_err(|wrong| self.fit(wrong)))
            .interact_text()
            .map_err(|error| self.unanswered(&error))
    }

    /// Cut to one line: a longer one would not be wiped away with the next answer.
    fn fit(&self, text: String) -> String {
        let room = self.screen().width().saturating_sub("error: ".len() + 1);
        if text.chars().count() <= room {
            return text;
        }
        let kept: String = text.chars().take(room.saturating_sub(1)).collect();
        format!("{kept}…")
    }

    /// Ctrl-C at a question ends the verb before it changes anything.
    fn unanswered(&self, error: &dialoguer::Error) -> Failure {
        let dialoguer::Error::IO(source) = error;
        if source.kind() != io::ErrorKind::Interrupted {
            return Failure::failed(error);
        }
        // The question's line is not over yet.
        self.screen().line("");
        Failure::new(Kind::Interrupted, "interrupted; nothing has changed")
    }
}
