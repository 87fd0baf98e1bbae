//! `infer template`: list, copy and compare the templates that make manifests.

use std::path::PathBuf;

use super::{Session, release_file::ReleaseFile};
use crate::{
    error::{Failure, Outcome},
    file::write_all_atomically,
    render::{Overrides, Template, eject},
    ui::template::{Difference, Differences, Ejected, Listing},
};

/// List, copy and compare the templates of manifests
///
/// A file in the folder that `templates` of infer.yaml names takes the place of the
/// built-in one of the same name. To change one block only, start it with
/// `{% extends "builtin/_pod.yaml.j2" %}`.
///
/// Every template sees `name`, `version`, `namespace`, `labels`, `shared_labels`, `selector`
/// and `engine`, and the values of each object under a name of its own: `pod`, `deployment`,
/// `lws`, `service`, `hpa`, `http_route`, `virtual_service`. One that the release does not have
/// is null.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  infer template list
  infer template eject deployment.yaml.j2
  infer template diff --exit-code")]
pub struct TemplateArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// List every template, its origin and its blocks
    #[command(after_help = "Example:\n  infer template list")]
    List {
        #[command(flatten)]
        file: ReleaseFile,
    },
    /// Copy built-in templates into the folder to change them there
    #[command(after_help = "Example:\n  infer template eject deployment.yaml.j2")]
    Eject {
        /// Templates to copy; all if left out
        #[arg(value_name = "TEMPLATE")]
        templates: Vec<String>,
        /// Replace copies that are there
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        file: ReleaseFile,
    },
    /// Compare your templates with the built-in ones
    #[command(after_help = "Example:\n  infer template diff --exit-code")]
    Diff {
        /// Templates to compare; all if left out
        #[arg(value_name = "TEMPLATE")]
        templates: Vec<String>,
        /// Exit with 3 where there is a difference
        #[arg(long)]
        exit_code: bool,
        #[command(flatten)]
        file: ReleaseFile,
    },
}

/// Folder for copies where `infer.yaml` names none.
const FOLDER_DEFAULT: &str = "templates";

#[expect(clippy::unused_async, reason = "every verb has the same signature")]
pub async fn run(args: TemplateArgs, session: &Session) -> Result<Outcome, Failure> {
    match args.act {
        Act::List { file } => list(&file, session),
        Act::Eject {
            templates,
            force,
            file,
        } => eject(&templates, force, &file, session),
        Act::Diff {
            templates,
            exit_code,
            file,
        } => diff(&templates, exit_code, &file, session),
    }
}

fn list(file: &ReleaseFile, session: &Session) -> Result<Outcome, Failure> {
    let overrides = Overrides::read(folder(file)?.as_deref())?;
    session.ui.answer(&Listing {
        templates: eject::rows(&overrides),
    });
    Ok(Outcome::Done)
}

fn eject(
    templates: &[String],
    force: bool,
    file: &ReleaseFile,
    session: &Session,
) -> Result<Outcome, Failure> {
    let named = folder(file)?;
    let target = named
        .clone()
        .unwrap_or_else(|| file.file.with_file_name(FOLDER_DEFAULT));
    let builtins = chosen(templates)?;
    let mut files = Vec::new();
    for builtin in &builtins {
        let path = target.join(builtin.file);
        if path.exists() && !force {
            return Err(
                Failure::usage(format!("{} is there already", path.display()))
                    .hint("compare it: `infer template diff`")
                    .hint("or replace it: add --force"),
            );
        }
        files.push((path, eject::copy(builtin)));
    }
    write_all_atomically(&files).map_err(|(path, error)| Failure::cannot_write(&path, &error))?;
    if named.is_none() {
        session.ui.note(&format!(
            "Add `templates: {FOLDER_DEFAULT}` to {} to use them.",
            file.file.display()
        ));
    }
    let paths: Vec<_> = files.into_iter().map(|(path, _)| path).collect();
    session.ui.answer(&Ejected::new(&paths));
    Ok(Outcome::Done)
}

fn diff(
    templates: &[String],
    exit_code: bool,
    file: &ReleaseFile,
    session: &Session,
) -> Result<Outcome, Failure> {
    let overrides = Overrides::read(folder(file)?.as_deref())?;
    let differences: Vec<Difference> = chosen(templates)?
        .into_iter()
        .filter_map(|builtin| {
            let own = overrides.get(builtin.file)?;
            Some(Difference {
                file: builtin.file.to_owned(),
                diff: eject::diff(builtin, own),
            })
        })
        .filter(|one| !one.diff.is_empty())
        .collect();
    let is_same = differences.is_empty();
    session.ui.answer(&Differences { differences });
    Ok(if exit_code && !is_same {
        Outcome::AnswerIsNo
    } else {
        Outcome::Done
    })
}

/// The folder that `infer.yaml` names; none without the file.
fn folder(file: &ReleaseFile) -> Result<Option<PathBuf>, Failure> {
    if file.file.exists() {
        Ok(file.load()?.templates)
    } else {
        Ok(None)
    }
}

fn chosen(templates: &[String]) -> Result<Vec<&'static Template>, Failure> {
    if templates.is_empty() {
        return Ok(Template::all().collect());
    }
    templates
        .iter()
        .map(|name| {
            Template::find(name).ok_or_else(|| {
                Failure::usage(format!("{name:?} is not a built-in template"))
                    .hint("`infer template list` shows them")
            })
        })
        .collect()
}
