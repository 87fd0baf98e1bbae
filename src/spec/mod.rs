//! `infer.yaml`: as written, merged per environment, checked.
//!
//! [`load`] reads the file; past it there are no raw strings. Pure but for that.

mod check;
mod checked;
mod command_line;
mod device;
pub mod draft;
mod error;
mod explain;
mod merge;
mod quantity;
mod references;
mod refusal;
mod target;
pub mod written;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

pub use self::{
    checked::*, command_line::Launch, device::DeviceRequest, error::Error, quantity::Quantity,
};
use self::{explain::explain, written::Document};
use crate::{json, yaml};

/// Name of the file that verbs look for in the current folder.
pub const FILE_NAME: &str = "infer.yaml";

/// Largest file read. A thousand environments fit; a mistaken weight file does not.
const BYTES_MAX: u64 = 1 << 20;

/// Reads `path`, lays the environment and the `--set`s over it, and checks the whole.
pub fn load(path: &Path, environment: Option<&str>, sets: &[String]) -> Result<Spec, Error> {
    let text = read(path)?;
    parse(path, &text, environment, sets)
}

/// As [`load`], from text; `path` names it in errors, and relative paths start in its folder.
pub fn parse(
    path: &Path,
    text: &str,
    environment: Option<&str>,
    sets: &[String],
) -> Result<Spec, Error> {
    let mut document: Document =
        yaml::parse(path, text).map_err(|place| explain(path, text, place))?;
    let environments = std::mem::take(&mut document.environments);
    let refuse = |reason: String| Error::Refused {
        path: path.to_owned(),
        reason,
        hint: None,
    };
    let mut merged = merge::to_value(&document).map_err(refuse)?;
    if let Some(name) = environment {
        let chosen = environments.get(name).ok_or_else(|| Error::NoEnvironment {
            path: path.to_owned(),
            name: name.to_owned(),
            known: environments.keys().cloned().collect(),
        })?;
        let over = serde_json::to_value(chosen).map_err(|error| refuse(error.to_string()))?;
        merge::merge(&mut merged, over);
    }
    for set in sets {
        merge::merge(&mut merged, merge::read_set(set)?);
    }
    let document = json::read(&merged).map_err(|error| refuse(error.to_string()))?;
    check::check(path, document)
}

/// The JSON Schema of `infer.yaml`, for editors.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Document)
}

fn read(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(failed)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > BYTES_MAX {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            limit_bytes: BYTES_MAX,
        });
    }
    Ok(text)
}

/// `path` as seen from the folder of `file`.
fn beside(file: &Path, path: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.join(path),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
