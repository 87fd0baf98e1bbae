//! `infer man`: manual pages.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap_mangen::Man;

use super::Session;
use crate::{
    error::{Failure, Outcome},
    file::write_atomically,
};

/// Print the manual page, or write one a verb
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  infer man | man -l -
  infer man --into ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Write infer.1 and a page for each verb into this folder
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

#[expect(clippy::unused_async, reason = "every verb has the same signature")]
pub async fn run(
    args: ManArgs,
    mut command: clap::Command,
    session: &Session,
) -> Result<Outcome, Failure> {
    command.build();
    if let Some(folder) = args.into {
        let mut written = 0;
        write(&command, &folder, &mut written)?;
        session
            .ui
            .note(&format!("Wrote {written} pages to {}.", folder.display()));
    } else {
        let page = page(&command).map_err(|error| Failure::failed(&error))?;
        session.ui.raw(&String::from_utf8_lossy(&page));
    }
    Ok(Outcome::Done)
}

/// Writes the page of a command and of all below it.
fn write(command: &clap::Command, folder: &Path, written: &mut usize) -> Result<(), Failure> {
    if command.get_name() == "help" || command.is_hide_set() {
        return Ok(());
    }
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = folder.join(format!("{name}.1"));
    page(command)
        .and_then(|page| write_atomically(&path, &page))
        .map_err(|error| Failure::cannot_write(&path, &error))?;
    *written += 1;
    command
        .get_subcommands()
        .try_for_each(|verb| write(verb, folder, written))
}

fn page(command: &clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}
