//! `infer completions`: a completion script for a shell.

use clap_complete::{Shell, generate};

use super::Session;
use crate::{
    error::{Failure, Outcome},
    ui::Ui,
};

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  infer completions bash > ~/.local/share/bash-completion/completions/infer"
)]
pub struct CompletionsArgs {
    /// Shell to complete in
    #[arg(value_enum)]
    shell: Shell,
}

#[expect(clippy::unused_async, reason = "every verb has the same signature")]
pub async fn run(
    args: CompletionsArgs,
    command: clap::Command,
    session: &Session,
) -> Result<Outcome, Failure> {
    print(args.shell, command, &session.ui);
    Ok(Outcome::Done)
}

fn print(shell: Shell, mut command: clap::Command, ui: &Ui) {
    let mut script = Vec::new();
    generate(shell, &mut command, "infer", &mut script);
    ui.raw(&String::from_utf8_lossy(&script));
}
