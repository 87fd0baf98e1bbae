//! A layer's archive read back, suspicious of every byte.
//!
//! Own reader, because what it must refuse is most of what a general one is for: links,
//! devices, sparse files, names that lead out, headers that ask for memory.

use std::io::{self, Read};

use super::error::EntryFault;

const BLOCK_BYTES: usize = 512;
const BLOCK: u64 = BLOCK_BYTES as u64;

/// Names and times of one entry; the longest path Linux opens is 4 KiB.
const EXTENDED_BYTES_MAX: u64 = 64 << 10;

/// Longest path that is taken, and longest part of it: Linux' own limits.
const PATH_BYTES_MAX: usize = 4096;
const NAME_BYTES_MAX: usize = 255;

/// More files and folders than any model; each costs an inode.
pub(super) const ENTRIES_MAX: usize = 400_000;

/// A file or folder of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Checked by [`safe_path`]: relative, without `..`, no closing `/`.
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) kind: EntryKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Folder,
}

/// What can stop the reading.
#[derive(Debug)]
pub(super) enum Stop {
    Fault(EntryFault),
    Read(io::Error),
}

impl From<EntryFault> for Stop {
    fn from(fault: EntryFault) -> Self {
        Self::Fault(fault)
    }
}

/// Entry after entry; the bytes of the current file are read through `Read`.
pub(super) struct Archive<R> {
    inner: R,
    /// Position in the archive.
    at: u64,
    /// Bytes of the current file that are not read yet, and its padding.
    left: u64,
    padding: u64,
    current: String,
    entries: usize,
}

/// Paths and sizes of the files in a layer's archive, as unpacking would write them;
/// `None` where it would refuse. The whole is read, and nothing is written.
pub fn files_in_archive(archive: impl Read) -> Option<Vec<(String, u64)>> {
    let mut archive = Archive::new(archive);
    let mut files = Vec::new();
    while let Some(entry) = archive.next().ok()? {
        if entry.kind == EntryKind::File {
            files.push((entry.path, entry.bytes));
        }
    }
    archive.finish().ok()?;
    Some(files)
}

impl<R: Read> Archive<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            at: 0,
            left: 0,
            padding: 0,
            current: String::new(),
            entries: 0,
        }
    }

    /// The next entry; what was not read of the last one is passed over.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Stop> {
        let (mut long_path, mut long_size) = (None, None);
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            match header.kind {
                b'x' => {
                    let text = self.extended(header.bytes)?;
                    for (key, value) in pax_records(&text).ok_or(self.wrong_header())? {
                        match key {
                            b"path" => long_path = Some(value.to_vec()),
                            b"size" => {
                                let size = std::str::from_utf8(value).ok();
                                let size = size.and_then(|size| size.parse().ok());
                                long_size = Some(size.ok_or(self.wrong_header())?);
                            }
                            key if key.starts_with(b"GNU.sparse") => {
                                return Err(kind_fault(&header.name, "sparse file").into());
                            }
                            _ => {}
                        }
                    }
                }
                b'L' => {
                    let mut text = self.extended(header.bytes)?;
                    while text.last() == Some(&0) {
                        text.pop();
                    }
                    long_path = Some(text);
                }
                // Comments and times for the whole archive.
                b'g' => drop(self.extended(header.bytes)?),
                kind => {
                    let name = long_path.unwrap_or(header.name);
                    let bytes = long_size.unwrap_or(header.bytes);
                    return self.entry(&name, bytes, kind).map(Some);
                }
            }
        }
    }

    /// Reads to the end, where a verified reader says whether all bytes were right.
    pub(super) fn finish(mut self) -> io::Result<()> {
        io::copy(&mut self.inner, &mut io::sink()).map(drop)
    }

    fn entry(&mut self, name: &[u8], bytes: u64, kind: u8) -> Result<Entry, Stop> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            return Err(EntryFault::TooMany { limit: ENTRIES_MAX }.into());
        }
        let kind = match kind {
            b'0' | 0 | b'7' if !name.ends_with(b"/") => EntryKind::File,
            b'5' | b'0' | 0 => EntryKind::Folder,
            b'1' => return Err(kind_fault(name, "hard link").into()),
            b'2' => return Err(kind_fault(name, "symbolic link").into()),
            b'3' | b'4' => return Err(kind_fault(name, "device").into()),
            b'6' => return Err(kind_fault(name, "pipe").into()),
            _ => return Err(kind_fault(name, "special entry").into()),
        };
        let path = safe_path(name)?;
        let bytes = if kind == EntryKind::File { bytes } else { 0 };
        self.expect(bytes);
        self.current.clone_from(&path);
        Ok(Entry { path, bytes, kind })
    }

    fn wrong_header(&self) -> EntryFault {
        EntryFault::Header { at: self.at }
    }

    fn expect(&mut self, bytes: u64) {
        self.left = bytes;
        self.padding = (BLOCK - bytes % BLOCK) % BLOCK;
    }

    fn skip(&mut self) -> Result<(), Stop> {
        let all = self.left.saturating_add(self.padding);
        let skipped = io::copy(&mut (&mut self.inner).take(all), &mut io::sink());
        let skipped = skipped.map_err(Stop::Read)?;
        if skipped < all {
            return Err(self.cut_short().into());
        }
        self.at = self.at.saturating_add(all);
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    fn cut_short(&self) -> EntryFault {
        EntryFault::CutShort {
            path: self.current.clone(),
        }
    }

    fn extended(&mut self, bytes: u64) -> Result<Vec<u8>, Stop> {
        if bytes > EXTENDED_BYTES_MAX {
            return Err(EntryFault::ExtendedTooLong {
                bytes,
                limit_bytes: EXTENDED_BYTES_MAX,
            }
            .into());
        }
        self.expect(bytes);
        let mut text = Vec::new();
        self.read_to_end(&mut text).map_err(Stop::Read)?;
        Ok(text)
    }

    /// The next header; `None` at the closing block or the end.
    fn header(&mut self) -> Result<Option<Header>, Stop> {
        let mut block = [0; BLOCK_BYTES];
        let mut filled = 0;
        while filled < BLOCK_BYTES {
            match self.inner.read(&mut block[filled..]).map_err(Stop::Read)? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(self.wrong_header().into()),
                read => filled += read,
            }
        }
        if block.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        let header = Header::parse(&block).ok_or(self.wrong_header())?;
        self.at = self.at.saturating_add(BLOCK);
        Ok(Some(header))
    }
}

impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        let read = self.inner.read(&mut buffer[..room])?;
        if read == 0 {
            return Err(io::Error::other(self.cut_short()));
        }
        self.left -= read as u64;
        self.at = self.at.saturating_add(read as u64);
        Ok(read)
    }
}

fn kind_fault(name: &[u8], kind: &'static str) -> EntryFault {
    EntryFault::Kind {
        path: String::from_utf8_lossy(name).into_owned(),
        kind,
    }
}

struct Header {
    name: Vec<u8>,
    bytes: u64,
    kind: u8,
}

impl Header {
    fn parse(block: &[u8; BLOCK_BYTES]) -> Option<Self> {
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, b)| u64::from(if (148..156).contains(&at) { b' ' } else { *b }))
            .sum();
        if number(&block[148..156])? != sum {
            return None;
        }
        let mut name = text(&block[..100]).to_vec();
        let prefix = text(&block[345..500]);
        if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        Some(Self {
            name,
            bytes: number(&block[124..136])?,
            kind: block[156],
        })
    }
}

fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    &field[..end]
}

/// Octal, or base 256 where the first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] == 0x80 {
        return field[1..].iter().try_fold(0_u64, |all, b| {
            all.checked_mul(256)?.checked_add(u64::from(*b))
        });
    }
    let digits = text(field).trim_ascii();
    digits.iter().try_fold(0_u64, |all, b| match b {
        b'0'..=b'7' => all.checked_mul(8)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}

/// `<length> key=value\n`, one after the other.
fn pax_records(mut text: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    while !text.is_empty() {
        let space = text.iter().position(|b| *b == b' ')?;
        let length: usize = std::str::from_utf8(&text[..space]).ok()?.parse().ok()?;
        if length <= space + 1 || length > text.len() {
            return None;
        }
        let record = text[space + 1..length].strip_suffix(b"\n")?;
        let equals = record.iter().position(|b| *b == b'=')?;
        records.push((&record[..equals], &record[equals + 1..]));
        text = &text[length..];
    }
    Some(records)
}

/// The path as parts below a folder, or why it must not be written.
pub(super) fn safe_path(name: &[u8]) -> Result<String, EntryFault> {
    let shown = || String::from_utf8_lossy(name).into_owned();
    let path = std::str::from_utf8(name).map_err(|_| EntryFault::Name { path: shown() })?;
    if path.contains(['\0', '\\']) || path.len() > PATH_BYTES_MAX {
        return Err(EntryFault::Name { path: shown() });
    }
    if path.starts_with('/') {
        return Err(EntryFault::Outside { path: shown() });
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(EntryFault::Outside { path: shown() }),
            long if long.len() > NAME_BYTES_MAX => return Err(EntryFault::Name { path: shown() }),
            whiteout if whiteout.starts_with(".wh.") => {
                return Err(EntryFault::Whiteout { path: shown() });
            }
            fine => parts.push(fine),
        }
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
