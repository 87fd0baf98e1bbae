//! A folder as a sorted list of files; links are followed, but never out of it.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Error, error::EntryFault};

/// Deeper is a loop or a mistake; real model folders have three or four levels.
pub(super) const DEPTH_MAX: usize = 32;

/// The largest data sets shipped with a model stay far below; a home folder does not.
pub(super) const FILES_MAX: usize = 100_000;

/// Which bytes a file held when it was looked at: any write changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub device: u64,
    pub inode: u64,
    pub bytes: u64,
    pub modified_ns: i128,
    pub changed_ns: i128,
}

impl Identity {
    pub fn of(metadata: &fs::Metadata) -> Self {
        let nanoseconds = |s: i64, ns: i64| i128::from(s) * 1_000_000_000 + i128::from(ns);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// One file to pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Below the model's folder, with `/` between the parts.
    pub path: String,
    /// Where its bytes are, after links.
    pub real: PathBuf,
    pub identity: Identity,
    /// What the file's place says its SHA-256 is: a Hugging Face cache names its large blobs so.
    pub named_sha256: Option<String>,
}

impl File {
    pub fn bytes(&self) -> u64 {
        self.identity.bytes
    }

    /// The whole file as text, if it is not longer than `bytes_max`.
    pub(super) fn read_text(&self, bytes_max: u64) -> Result<String, Error> {
        let read = || {
            let mut text = String::new();
            let file = fs::File::open(&self.real)?;
            let read = file.take(bytes_max + 1).read_to_string(&mut text)?;
            if read as u64 > bytes_max {
                return Err(io::Error::other(format!("longer than {bytes_max} bytes")));
            }
            Ok(text)
        };
        read().map_err(|source| Error::read(&self.path, source))
    }

    #[cfg(test)]
    pub(crate) fn named(path: &str, bytes: u64) -> Self {
        Self {
            path: path.to_owned(),
            real: PathBuf::from("/nowhere").join(path),
            identity: Identity {
                device: 1,
                inode: 1,
                bytes,
                modified_ns: 0,
                changed_ns: 0,
            },
            named_sha256: None,
        }
    }
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// In byte order of their paths.
    pub(super) files: Vec<File>,
    /// What `leave_out` chose, folders with a closing `/`.
    pub(super) left_out: Vec<String>,
}

/// Lists `root`, which is canonical; links may lead anywhere below `link_root`.
///
/// # Errors
/// A dangling or outward link, a special file, a name that an image cannot hold.
pub(super) fn walk(
    root: &Path,
    link_root: &Path,
    leave_out: &dyn Fn(&str) -> bool,
) -> Result<Tree, Error> {
    let mut walk = Walk {
        link_root,
        leave_out,
        above: vec![root.to_owned()],
        tree: Tree::default(),
    };
    walk.folder(root, "")?;
    let mut tree = walk.tree;
    tree.files.sort_by(|a, b| a.path.cmp(&b.path));
    tree.left_out.sort();
    Ok(tree)
}

struct Walk<'a> {
    link_root: &'a Path,
    leave_out: &'a dyn Fn(&str) -> bool,
    /// The real folders being walked, to notice a link back into one.
    above: Vec<PathBuf>,
    tree: Tree,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str) -> Result<(), Error> {
        let read_error = |source| Error::Read {
            path: folder.to_owned(),
            source,
        };
        for entry in fs::read_dir(folder).map_err(read_error)? {
            let entry = entry.map_err(read_error)?;
            self.entry(&entry.path(), &entry.file_name(), prefix)?;
        }
        Ok(())
    }

    fn entry(&mut self, place: &Path, name: &OsStr, prefix: &str) -> Result<(), Error> {
        let path = format!("{prefix}{}", name.to_string_lossy());
        let refuse = |fault| Error::Entry {
            path: path.clone(),
            fault,
        };
        if (self.leave_out)(&path) {
            let slash = if place.is_dir() { "/" } else { "" };
            self.tree.left_out.push(format!("{path}{slash}"));
            return Ok(());
        }
        let name = name.to_str().ok_or_else(|| refuse(EntryFault::NotUtf8))?;
        if name.chars().any(|c| c == '\\' || c.is_control()) {
            return Err(refuse(EntryFault::Backslash));
        }
        if name.starts_with(".wh.") {
            return Err(refuse(EntryFault::Whiteout));
        }
        let real = self.follow(place, &path)?;
        let metadata = fs::metadata(&real).map_err(|source| Error::read(&path, source))?;
        if metadata.is_dir() {
            if self.above.contains(&real) {
                return Err(refuse(EntryFault::Loop));
            }
            if self.above.len() >= DEPTH_MAX {
                return Err(refuse(EntryFault::TooDeep));
            }
            self.above.push(real.clone());
            self.folder(&real, &format!("{path}/"))?;
            self.above.pop();
            return Ok(());
        }
        if !metadata.is_file() {
            return Err(refuse(EntryFault::Special));
        }
        if self.tree.files.len() >= FILES_MAX {
            return Err(refuse(EntryFault::TooMany));
        }
        self.tree.files.push(File {
            named_sha256: named_sha256(&real),
            identity: Identity::of(&metadata),
            path,
            real,
        });
        Ok(())
    }

    /// The entry itself, or the end of its links if that is below `link_root`.
    fn follow(&self, place: &Path, path: &str) -> Result<PathBuf, Error> {
        let metadata = fs::symlink_metadata(place).map_err(|source| Error::read(path, source))?;
        if !metadata.is_symlink() {
            return Ok(place.to_owned());
        }
        let target = fs::read_link(place).unwrap_or_default();
        let refuse = |fault| Error::Entry {
            path: path.to_owned(),
            fault,
        };
        match fs::canonicalize(place) {
            Ok(real) if real.starts_with(self.link_root) => Ok(real),
            Ok(_) => Err(refuse(EntryFault::Outward { target })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(refuse(EntryFault::Dangling { target }))
            }
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                Err(refuse(EntryFault::Loop))
            }
            Err(source) => Err(Error::read(path, source)),
        }
    }
}

/// Large files of a Hugging Face cache are `blobs/<SHA-256>`; small ones are named by a git hash.
fn named_sha256(real: &Path) -> Option<String> {
    let folder = real.parent()?.file_name()?;
    let name = real.file_name()?.to_str()?;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (folder == "blobs" && name.len() == 64 && name.bytes().all(hex)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::{ffi::OsStrExt, fs::symlink};

    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("b"), "b").unwrap();
        fs::write(dir.path().join("sub/a"), "aa").unwrap();
        dir
    }

    fn list(root: &Path) -> Result<Tree, Error> {
        let root = fs::canonicalize(root).unwrap();
        walk(&root, &root, &|_| false)
    }

    fn fault(root: &Path) -> EntryFault {
        match list(root).unwrap_err() {
            Error::Entry { fault, .. } => fault,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn files_come_in_byte_order_and_links_inside_are_followed() {
        let dir = folder();
        symlink("sub/a", dir.path().join("Link")).unwrap();
        symlink("sub", dir.path().join("twin")).unwrap();
        let tree = list(dir.path()).unwrap();
        let paths: Vec<_> = tree.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["Link", "b", "sub/a", "twin/a"]);
        assert_eq!(tree.files[0].bytes(), 2);
    }

    #[test]
    fn links_that_dangle_lead_out_or_loop_are_refused() {
        let dir = folder();
        symlink("gone", dir.path().join("x")).unwrap();
        assert!(matches!(fault(dir.path()), EntryFault::Dangling { .. }));
        fs::remove_file(dir.path().join("x")).unwrap();
        symlink("/etc/hostname", dir.path().join("x")).unwrap();
        assert!(matches!(fault(dir.path()), EntryFault::Outward { .. }));
        fs::remove_file(dir.path().join("x")).unwrap();
        symlink("..", dir.path().join("sub/up")).unwrap();
        assert_eq!(fault(dir.path()), EntryFault::Loop);
    }

    #[test]
    fn names_that_an_image_cannot_hold_are_refused() {
        let dir = folder();
        let odd = dir.path().join(OsStr::from_bytes(b"\xff"));
        fs::write(&odd, "").unwrap();
        assert_eq!(fault(dir.path()), EntryFault::NotUtf8);
        fs::remove_file(odd).unwrap();
        fs::write(dir.path().join("sub/.wh.a"), "").unwrap();
        assert_eq!(fault(dir.path()), EntryFault::Whiteout);
        fs::remove_file(dir.path().join("sub/.wh.a")).unwrap();
        fs::write(dir.path().join("a\\b"), "").unwrap();
        assert_eq!(fault(dir.path()), EntryFault::Backslash);
    }

    #[test]
    fn a_special_file_is_refused_unless_left_out() {
        let dir = folder();
        let socket = dir.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(fault(dir.path()), EntryFault::Special);
        let root = fs::canonicalize(dir.path()).unwrap();
        let tree = walk(&root, &root, &|path| path == "s" || path == "sub").unwrap();
        assert_eq!(tree.left_out, ["s", "sub/"]);
        assert_eq!(tree.files.len(), 1);
        drop(listener);
    }
}
