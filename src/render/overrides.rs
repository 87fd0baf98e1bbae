//! Templates of the user's own: a folder whose files replace, extend or add.

use std::{collections::BTreeMap, fs, path::Path};

use super::{
    eject,
    error::Error,
    part::{Template, blocks, tags},
};

/// What template files end in.
pub const SUFFIX: &str = ".yaml.j2";

/// Largest template read; the built-in ones are below 10 kB.
const BYTES_MAX: u64 = 1 << 20;

/// Most files looked at: a mistaken `templates: /` ends early.
const FILES_MAX: usize = 200;

/// The user's templates, by file name.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub(super) sources: BTreeMap<String, String>,
}

impl Overrides {
    /// Reads a folder; `None` is the built-in templates alone.
    pub fn read(folder: Option<&Path>) -> Result<Self, Error> {
        let Some(folder) = folder else {
            return Ok(Self::default());
        };
        let failed = |source| Error::Templates {
            folder: folder.to_owned(),
            source,
        };
        let mut sources = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if !name.ends_with(SUFFIX) || name.starts_with('.') {
                continue;
            }
            let refuse = |reason: &str| Error::Override {
                file: path.clone(),
                reason: reason.to_owned(),
            };
            if sources.len() == FILES_MAX {
                return Err(refuse("the folder has over 200 templates"));
            }
            if path.metadata().map_err(failed)?.len() > BYTES_MAX {
                return Err(refuse("it is over 1 MiB"));
            }
            let source = fs::read_to_string(&path).map_err(failed)?;
            if let Some(reason) = misplaced_block(name, &source) {
                return Err(refuse(&reason));
            }
            if turns_escaping_off(&source) {
                return Err(refuse(
                    "`autoescape` would let a value become YAML of its own",
                ));
            }
            sources.insert(name.to_owned(), source);
        }
        Ok(Self { sources })
    }

    pub fn get(&self, file: &str) -> Option<&str> {
        self.sources.get(file).map(String::as_str)
    }

    /// Ejected files whose built-in has changed since.
    pub fn stale(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().filter_map(|(file, source)| {
            let builtin = Template::find(file)?;
            let ejected_from = eject::origin(source)?;
            (ejected_from != builtin.fingerprint()).then_some(file.as_str())
        })
    }

    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }
}

/// Whether a template has an `autoescape` tag.
fn turns_escaping_off(source: &str) -> bool {
    tags(source).any(|tag| tag.starts_with("autoescape"))
}

/// Whether a template only changes blocks of another.
pub(super) fn extends(source: &str) -> bool {
    tags(source).any(|tag| tag.starts_with("extends"))
}

/// A block that changes nothing where it stands, because it belongs to another template.
fn misplaced_block(file: &str, source: &str) -> Option<String> {
    let builtin = Template::find(file).filter(|_| extends(source))?;
    let own = builtin.blocks();
    blocks(source).find_map(|block| {
        let mut others = Template::all().filter(|_| !own.contains(&block));
        let home = others.find(|other| other.blocks().contains(&block))?;
        Some(format!(
            "block `{block}` is not in {file} but in {}: move it to a file of that name",
            home.file
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_stays_on_however_the_tag_is_written() {
        for source in [
            "{% autoescape false %}",
            "{%- autoescape none -%}",
            "{%+\n autoescape false %}",
        ] {
            assert!(turns_escaping_off(source), "{source}");
        }
        assert!(!turns_escaping_off("{% if x %}autoescape{% endif %}"));
    }

    #[test]
    fn other_files_in_the_folder_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("service.yaml.j2"), "a: 1").unwrap();
        fs::write(dir.path().join("notes.md"), "x").unwrap();
        fs::write(dir.path().join(".hidden.yaml.j2"), "x").unwrap();
        let overrides = Overrides::read(Some(dir.path())).unwrap();
        assert_eq!(overrides.files().collect::<Vec<_>>(), ["service.yaml.j2"]);
        assert!(Overrides::read(Some(&dir.path().join("none"))).is_err());
    }
}
