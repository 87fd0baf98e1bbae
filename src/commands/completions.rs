//! `infer completions`: a completion script for a shell.

use clap_complete::{Shell, generate};

use super::Session;
use crate::{
    error::{Failure, Outcome},
    ui::text::Script,
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
    mut command: clap::Command,
    session: &Session,
) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, "infer", &mut script);
    session.ui.answer(&Script {
        shell: args.shell.to_string(),
        script: String::from_utf8_lossy(&script).into_owned(),
    });
    Ok(Outcome::Done)
}
