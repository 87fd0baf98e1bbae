//! Where a model is: a folder, a Hugging Face cache snapshot, one GGUF file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    Error, File, Identity,
    tree::{Tree, walk},
};

/// What sort of place the weights came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Directory,
    HuggingFace { repo: String, revision: String },
    Gguf,
}

/// The files of a model, found and listed but not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub kind: Kind,
    /// What to call the model: the folder's, repository's or file's name.
    pub name: String,
    /// In byte order of their paths; never empty.
    pub files: Vec<File>,
    /// What the caller's rule left out, folders with a closing `/`.
    pub left_out: Vec<String>,
}

impl Source {
    /// Lists what is at `place`; `leave_out` is asked with each path below it.
    ///
    /// # Errors
    /// Nothing there, nothing to pack, or an entry that an image cannot hold.
    pub fn open(place: &Path, leave_out: &dyn Fn(&str) -> bool) -> Result<Self, Error> {
        let real = fs::canonicalize(place).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::Missing {
                path: place.to_owned(),
            },
            _ => Error::Read {
                path: place.to_owned(),
                source,
            },
        })?;
        // The name given is the name meant: a snapshot's GGUF links to a blob named by its hash.
        let given = std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
        if real.is_file() {
            return single_file(&given, real);
        }
        if !real.is_dir() {
            return Err(Error::NotAModel {
                path: place.to_owned(),
            });
        }
        let (kind, root, link_root, name) = if let Some(snapshot) = Snapshot::of(&real)? {
            let name = last_part(&snapshot.repo).to_owned();
            let kind = Kind::HuggingFace {
                repo: snapshot.repo,
                revision: snapshot.revision,
            };
            (kind, snapshot.folder, snapshot.cache, name)
        } else {
            let name = last_name(&real);
            (Kind::Directory, real.clone(), real, name)
        };
        let Tree { files, left_out } = walk(&root, &link_root, leave_out)?;
        if files.is_empty() {
            return Err(Error::Empty {
                path: place.to_owned(),
            });
        }
        Ok(Self {
            kind,
            name,
            files,
            left_out,
        })
    }

    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    pub fn bytes(&self) -> u64 {
        self.files.iter().map(File::bytes).sum()
    }
}

fn single_file(given: &Path, real: PathBuf) -> Result<Source, Error> {
    let path = last_name(given);
    let Some(name) = path.strip_suffix(".gguf") else {
        return Err(Error::NotAModel {
            path: given.to_owned(),
        });
    };
    let metadata = fs::metadata(&real).map_err(|source| Error::Read {
        path: given.to_owned(),
        source,
    })?;
    Ok(Source {
        kind: Kind::Gguf,
        name: name.to_owned(),
        files: vec![File {
            identity: Identity::of(&metadata),
            named_sha256: None,
            path,
            real,
        }],
        left_out: Vec::new(),
    })
}

fn last_part(repo: &str) -> &str {
    repo.rsplit_once('/').map_or(repo, |(_, name)| name)
}

fn last_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || "model".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// `models--ORG--NAME/snapshots/REVISION`, whose files link to `models--ORG--NAME/blobs`.
struct Snapshot {
    repo: String,
    revision: String,
    folder: PathBuf,
    cache: PathBuf,
}

impl Snapshot {
    fn of(real: &Path) -> Result<Option<Self>, Error> {
        let (cache, folder) = match (real.parent(), repo_of(real)) {
            (_, Some(_)) => (real.to_owned(), current_snapshot(real)?),
            (Some(snapshots), None) if snapshots.ends_with("snapshots") => {
                match snapshots.parent().filter(|cache| repo_of(cache).is_some()) {
                    Some(cache) => (cache.to_owned(), real.to_owned()),
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Ok(repo_of(&cache).map(|repo| Self {
            repo,
            revision: last_name(&folder),
            folder,
            cache,
        }))
    }
}

fn repo_of(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_str()?;
    Some(name.strip_prefix("models--")?.replace("--", "/"))
}

/// The snapshot `refs/main` names, or the only one.
fn current_snapshot(cache: &Path) -> Result<PathBuf, Error> {
    let none = || Error::NoSnapshot {
        path: cache.to_owned(),
    };
    let snapshots = cache.join("snapshots");
    if let Ok(revision) = fs::read_to_string(cache.join("refs/main")) {
        let revision = revision.trim();
        let plain = !revision.is_empty() && revision.bytes().all(|b| b.is_ascii_alphanumeric());
        if plain && snapshots.join(revision).is_dir() {
            return Ok(snapshots.join(revision));
        }
    }
    let entries = fs::read_dir(&snapshots).map_err(|_| none())?;
    let folders: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir())
        .collect();
    match <[PathBuf; 1]>::try_from(folders) {
        Ok([only]) => Ok(only),
        Err(_) => Err(none()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A cache as `huggingface_hub` makes it: one large file, one small.
    fn cache() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("models--acme--chat-8b");
        let snapshot = repo.join("snapshots/abc123");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(repo.join("blobs")).unwrap();
        fs::create_dir_all(repo.join("refs")).unwrap();
        fs::write(repo.join("refs/main"), "abc123").unwrap();
        let large = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        fs::write(repo.join("blobs").join(large), "").unwrap();
        fs::write(
            repo.join("blobs/0123456789abcdef0123456789abcdef01234567"),
            "{}",
        )
        .unwrap();
        symlink(format!("../../blobs/{large}"), snapshot.join("model.bin")).unwrap();
        symlink(
            "../../blobs/0123456789abcdef0123456789abcdef01234567",
            snapshot.join("config.json"),
        )
        .unwrap();
        (dir, repo)
    }

    #[test]
    fn a_hugging_face_cache_gives_repo_revision_and_known_digests() {
        let (_dir, repo) = cache();
        for place in [repo.clone(), repo.join("snapshots/abc123")] {
            let source = Source::open(&place, &|_| false).unwrap();
            assert_eq!(
                source.kind,
                Kind::HuggingFace {
                    repo: "acme/chat-8b".to_owned(),
                    revision: "abc123".to_owned()
                }
            );
            assert_eq!(source.name, "chat-8b");
            assert!(source.file("model.bin").unwrap().named_sha256.is_some());
            assert!(source.file("config.json").unwrap().named_sha256.is_none());
        }
    }

    #[test]
    fn a_snapshot_may_not_link_out_of_its_cache() {
        let (_dir, repo) = cache();
        symlink("/etc/hostname", repo.join("snapshots/abc123/x")).unwrap();
        assert!(Source::open(&repo, &|_| false).is_err());
    }

    #[test]
    fn nothing_there_an_empty_folder_and_a_text_file_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let open = |path: &Path| Source::open(path, &|_| false).unwrap_err();
        assert!(matches!(
            open(&dir.path().join("gone")),
            Error::Missing { .. }
        ));
        assert!(matches!(open(dir.path()), Error::Empty { .. }));
        fs::write(dir.path().join("a.txt"), "").unwrap();
        assert!(matches!(
            open(&dir.path().join("a.txt")),
            Error::NotAModel { .. }
        ));
    }
}
