//! Questions; refused without a terminal, so that no pipeline ever hangs on one.

use std::io::{self, IsTerminal};

use dialoguer::{Confirm, Input};

use super::Ui;
use crate::error::Failure;

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
            .map_err(|error| Failure::failed(&error))
    }

    /// Asks for a line of text, offering `default`; `check` says what is wrong with an answer.
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
            .validate_with(|answer: &String| check(answer))
            .interact_text()
            .map_err(|error| Failure::failed(&error))
    }
}
