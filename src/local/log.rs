//! Log files that engines write and `infer serve` keeps short.
//!
//! An engine writes straight to its file, so that no pipe breaks
//! when `infer serve` ends. The file is opened to append, so it can be emptied
//! under the writer.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// A log longer than this is moved to `<name>.1`, over the one before; so a version
/// keeps at most twice this, and at least the last 16 MiB it wrote.
pub(super) const LOG_BYTES_MAX: u64 = 16 << 20;

/// How much of the end of a log is looked at for its last line.
const TAIL_BYTES_MAX: u64 = 4096;

/// Longest line that is quoted in a reason.
const LINE_CHARS_MAX: usize = 300;

/// Opens a log to append to.
pub(super) fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// Where the part before the last trim is kept.
pub(super) fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

/// Moves a log that has grown too long aside. What is written while it is copied,
/// a few milliseconds, may be lost.
pub(super) fn trim(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.len() <= LOG_BYTES_MAX {
        return Ok(());
    }
    let mut source = File::open(path)?;
    let skip = source.metadata()?.len().saturating_sub(LOG_BYTES_MAX);
    source.seek(SeekFrom::Start(skip))?;
    let mut target = File::create(older(path))?;
    io::copy(&mut source.take(LOG_BYTES_MAX), &mut target)?;
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

/// The last line with text in it, shortened; `None` for an empty or missing log.
pub(super) fn last_line(path: &Path) -> Option<String> {
    last(path, |line| !line.is_empty())
}

/// What the last `error:` line says; the last line of all where there is none.
pub(super) fn last_error(path: &Path) -> Option<String> {
    let error = last(path, |line| line.starts_with("error:"));
    error.or_else(|| last_line(path))
}

fn last(path: &Path, is_it: impl Fn(&str) -> bool) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))
        .ok()?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut tail).ok()?;
    let text = String::from_utf8_lossy(&tail);
    let line = text.lines().rev().map(str::trim).find(|line| is_it(line))?;
    // A terminal must not obey what an engine wrote.
    Some(
        line.chars()
            .filter(|c| !c.is_control())
            .take(LINE_CHARS_MAX)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_long_log_is_emptied_under_its_writer_and_its_end_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("v.log");
        let mut writer = open(&path).unwrap();
        writer
            .write_all(&vec![b'a'; usize::try_from(LOG_BYTES_MAX).unwrap()])
            .unwrap();
        writer.write_all(b"end\n").unwrap();
        trim(&path).unwrap();
        writer.write_all(b"after\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after\n");
        let kept = fs::read(older(&path)).unwrap();
        assert_eq!(kept.len() as u64, LOG_BYTES_MAX);
        assert!(kept.ends_with(b"end\n"));
    }

    #[test]
    fn an_error_is_found_above_its_hints() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("serve.log");
        fs::write(&path, "12:00:00 chat\n").unwrap();
        assert_eq!(last_error(&path).unwrap(), "12:00:00 chat");
        fs::write(
            &path,
            "error: port 8080 is in use\nhint: end that process\n",
        )
        .unwrap();
        assert_eq!(last_error(&path).unwrap(), "error: port 8080 is in use");
    }

    #[test]
    fn the_last_line_is_quoted_without_what_a_terminal_would_obey() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("v.log");
        assert_eq!(last_line(&path), None);
        fs::write(&path, "first\n\u{1b}[31mout of memory\u{1b}[0m\n\n").unwrap();
        assert_eq!(last_line(&path).unwrap(), "[31mout of memory[0m");
    }
}
