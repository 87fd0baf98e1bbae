//! `infer man`: manual pages.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap_mangen::Man;

use super::Session;
use crate::{
    error::{Failure, Outcome},
    file::write_all_atomically,
    ui::text::{ManFiles, ManPage},
};

/// Print the manual page, or write one for each verb
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
        let mut pages = Vec::new();
        collect(&command, &folder, &mut pages).map_err(|error| Failure::failed(&error))?;
        write_all_atomically(&pages)
            .map_err(|(path, error)| Failure::cannot_write(&path, &error))?;
        session.ui.note(&format!(
            "Wrote {} pages to {}.",
            pages.len(),
            folder.display()
        ));
        session.ui.answer(&ManFiles {
            files: pages
                .iter()
                .map(|(path, _)| path.display().to_string())
                .collect(),
        });
    } else {
        let page = page(&command).map_err(|error| Failure::failed(&error))?;
        session.ui.answer(&ManPage {
            page: String::from_utf8_lossy(&page).into_owned(),
        });
    }
    Ok(Outcome::Done)
}

/// The pages of a command and of all below it, with the files they go to.
fn collect(
    command: &clap::Command,
    folder: &Path,
    pages: &mut Vec<(PathBuf, Vec<u8>)>,
) -> io::Result<()> {
    if command.get_name() == "help" || command.is_hide_set() {
        return Ok(());
    }
    let name = command.get_display_name().unwrap_or(command.get_name());
    pages.push((folder.join(format!("{name}.1")), page(command)?));
    command
        .get_subcommands()
        .try_for_each(|below| collect(below, folder, pages))
}

fn page(command: &clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}
