//! Files that are written whole or not at all.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// Replaces `path` with `content` in one step; its folder is made if missing.
///
/// The content is on disk before the name changes, so after a crash the file is
/// the old one or the new one. Nothing is left behind on an error (a full disk).
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    write_all_atomically(&[(path, content)]).map_err(|(_, error)| error)
}

/// Replaces several files; none of them where one cannot be written. Names the one.
///
/// Each content is on disk before the first name changes, so that a full disk or a folder
/// that may not be written to is noticed while nothing has changed.
pub fn write_all_atomically<P: AsRef<Path>, C: AsRef<[u8]>>(
    files: &[(P, C)],
) -> Result<(), (PathBuf, io::Error)> {
    let mut folders = Folders::default();
    let written = write_all(files, &mut folders);
    if written.is_err() {
        folders.remove();
    }
    written
}

fn write_all<P: AsRef<Path>, C: AsRef<[u8]>>(
    files: &[(P, C)],
    folders: &mut Folders,
) -> Result<(), (PathBuf, io::Error)> {
    let named = |path: &P| {
        let path = path.as_ref().to_owned();
        move |error| (path, plain(error))
    };
    let mut waiting = Vec::new();
    for (path, content) in files {
        let file = stage(path.as_ref(), content.as_ref(), folders).map_err(named(path))?;
        waiting.push((path, file));
    }
    for (path, file) in waiting {
        file.persist(path)
            .map_err(|failed| named(path)(failed.error))?;
    }
    Ok(())
}

/// The content, on disk beside `path` under a name of its own.
fn stage(path: &Path, content: &[u8], folders: &mut Folders) -> io::Result<NamedTempFile> {
    // Noticed now, not when other files have been replaced already.
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let folder = folder_of(path);
    folders.make(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    keep_mode(path, file.as_file())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Whether a file could be written there, before minutes are spent on its content.
pub fn writable(path: &Path) -> io::Result<()> {
    let mut folders = Folders::default();
    // A full disk still has room for an empty file.
    let staged = stage(path, &[0; 4096], &mut folders)
        .map(drop)
        .map_err(plain);
    folders.remove();
    staged
}

/// The folder that a file lies in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A path as people are shown it: JSON cannot hold a name that is no UTF-8.
pub fn serialize_shown<S: serde::Serializer>(
    path: &Path,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// Folders that had to be made, outermost first.
#[derive(Default)]
struct Folders(Vec<PathBuf>);

impl Folders {
    fn make(&mut self, folder: &Path) -> io::Result<()> {
        let missing: Vec<_> = folder
            .ancestors()
            .take_while(|above| !above.as_os_str().is_empty() && !above.exists())
            .map(Path::to_owned)
            .collect();
        self.0.extend(missing.into_iter().rev());
        fs::create_dir_all(folder)
    }

    fn remove(&self) {
        for folder in self.0.iter().rev() {
            // Someone else may have put something there by now: then it stays.
            drop(fs::remove_dir(folder));
        }
    }
}

/// A temporary file is 0600; the replaced file's mode, or 0644, is what people expect.
fn keep_mode(path: &Path, file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    const MODE_DEFAULT: u32 = 0o644;
    let mode = fs::metadata(path).map_or(MODE_DEFAULT, |found| found.permissions().mode());
    file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))
}

/// The system's own words, without the name of a temporary file that nobody knows.
fn plain(error: io::Error) -> io::Error {
    if error.raw_os_error().is_some() {
        return error;
    }
    match error.to_string().split_once(" at path ") {
        Some((system, _)) => io::Error::new(error.kind(), system.to_owned()),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/infer.lock");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_cannot_finish_leaves_neither_file_nor_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write_atomically(&path, b"one").is_err());
        let (new, one) = (dir.path().join("a/b/new"), dir.path().join("one"));
        fs::write(&one, "before").unwrap();
        let files = [(&new, "new"), (&one, "after"), (&path, "no")];
        let (wrong, _) = write_all_atomically(&files).unwrap_err();
        assert_eq!(wrong, path);
        assert_eq!(fs::read_to_string(&one).unwrap(), "before");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn an_error_is_the_systems_and_names_no_temporary_file() {
        let error = write_atomically(Path::new("/proc/file"), b"").unwrap_err();
        assert!(!error.to_string().contains("/proc"), "{error}");
        assert!(error.to_string().contains("os error"), "{error}");
    }
}
