//! A tar archive without its files' bytes: what stands before, between and after them.
//!
//! Written by us, so that the same files give the same bytes on every machine and in
//! every version, and so that the length is known before anything is read.

use std::collections::BTreeSet;

/// One file to be framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed<'a> {
    /// Below [`ROOT`], with `/` between the parts.
    pub path: &'a str,
    pub bytes: u64,
}

/// Where models lie in an image: what `KServe` and image volumes with a sub-path expect.
pub(super) const ROOT: &str = "models";

const BLOCK_BYTES: usize = 512;

/// Longest name a plain header holds.
const NAME_BYTES_MAX: usize = 100;

/// Sizes from here on do not fit eleven octal digits: 8 GiB.
const OCTAL_SIZE_LIMIT: u64 = 1 << 33;

/// Weights are data: no file of a model is executed, and every user may read it.
const FILE_MODE: &[u8; 8] = b"0000644\0";
const FOLDER_MODE: &[u8; 8] = b"0000755\0";

/// What comes next in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Headers, padding, the closing blocks.
    Bytes(Vec<u8>),
    /// The bytes of the file with this number.
    File { number: usize, bytes: u64 },
}

/// The archive as a list of segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framing {
    pub segments: Vec<Segment>,
    /// Length of the whole archive.
    pub bytes: u64,
}

impl Framing {
    /// Frames `files`, whose order is kept; each folder comes before its first file.
    pub fn new(files: &[Framed<'_>]) -> Self {
        let mut framing = Self {
            segments: Vec::new(),
            bytes: 0,
        };
        let mut folders = BTreeSet::new();
        for (number, file) in files.iter().enumerate() {
            let path = format!("{ROOT}/{}", file.path);
            let mut pending = Vec::new();
            for (at, _) in path.match_indices('/') {
                let folder = &path[..=at];
                if folders.insert(folder.to_owned()) {
                    header(&mut pending, folder, 0, EntryKind::Folder);
                }
            }
            header(&mut pending, &path, file.bytes, EntryKind::File);
            framing.push(pending);
            if file.bytes > 0 {
                framing.bytes += file.bytes;
                framing.segments.push(Segment::File {
                    number,
                    bytes: file.bytes,
                });
                framing.push(vec![0; padding(file.bytes)]);
            }
        }
        framing.push(vec![0; 2 * BLOCK_BYTES]);
        framing
    }

    fn push(&mut self, bytes: Vec<u8>) {
        self.bytes += bytes.len() as u64;
        match self.segments.last_mut() {
            Some(Segment::Bytes(last)) => last.extend(bytes),
            _ if bytes.is_empty() => {}
            _ => self.segments.push(Segment::Bytes(bytes)),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EntryKind {
    File,
    Folder,
    /// A PAX record that corrects the entry after it.
    Extended,
}

fn padding(bytes: u64) -> usize {
    let over = usize::try_from(bytes % BLOCK_BYTES as u64).expect("below 512");
    (BLOCK_BYTES - over) % BLOCK_BYTES
}

fn header(out: &mut Vec<u8>, path: &str, bytes: u64, kind: EntryKind) {
    if path.len() > NAME_BYTES_MAX || !path.is_ascii() {
        let record = pax_record("path", path);
        header(
            out,
            "PaxHeaders.0/path",
            record.len() as u64,
            EntryKind::Extended,
        );
        out.extend(&record);
        out.extend(std::iter::repeat_n(0, padding(record.len() as u64)));
    }
    out.extend(block(path, bytes, kind));
}

/// `<length> key=value\n`, where the length counts its own digits.
fn pax_record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n").into_bytes()
}

/// One ustar header.
fn block(path: &str, bytes: u64, kind: EntryKind) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    // Readers that do not know PAX see the name's first part.
    let name = path.bytes().map(|b| if b.is_ascii() { b } else { b'_' });
    for (to, from) in block[..NAME_BYTES_MAX].iter_mut().zip(name) {
        *to = from;
    }
    block[100..108].copy_from_slice(match kind {
        EntryKind::Folder => FOLDER_MODE,
        EntryKind::File | EntryKind::Extended => FILE_MODE,
    });
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    if bytes < OCTAL_SIZE_LIMIT {
        block[124..136].copy_from_slice(format!("{bytes:011o}\0").as_bytes());
    } else {
        block[124] = 0x80;
        block[128..136].copy_from_slice(&bytes.to_be_bytes());
    }
    block[136..148].copy_from_slice(b"00000000000\0");
    block[148..156].copy_from_slice(b"        ");
    block[156] = match kind {
        EntryKind::File => b'0',
        EntryKind::Folder => b'5',
        EntryKind::Extended => b'x',
    };
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[329..337].copy_from_slice(b"0000000\0");
    block[337..345].copy_from_slice(b"0000000\0");
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    /// The archive with `x` for every file byte.
    fn archive(files: &[Framed<'_>]) -> Vec<u8> {
        let framing = Framing::new(files);
        let mut bytes = Vec::new();
        for segment in &framing.segments {
            match segment {
                Segment::Bytes(more) => bytes.extend(more),
                Segment::File { bytes: count, .. } => {
                    bytes.extend(std::iter::repeat_n(b'x', usize::try_from(*count).unwrap()));
                }
            }
        }
        assert_eq!(bytes.len() as u64, framing.bytes);
        bytes
    }

    /// What an independent reader finds: path, size, mode, kind.
    fn listed(bytes: &[u8]) -> Vec<(String, u64, u32)> {
        let mut archive = tar::Archive::new(bytes);
        archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
                let mode = entry.header().mode().unwrap();
                assert_eq!(entry.header().mtime().unwrap(), 0);
                assert_eq!(entry.header().uid().unwrap(), 0);
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                (path, content.len() as u64, mode)
            })
            .collect()
    }

    #[test]
    fn folders_come_once_and_before_their_files() {
        let files = [
            Framed {
                path: "a/b/c",
                bytes: 513,
            },
            Framed {
                path: "a/d",
                bytes: 0,
            },
        ];
        assert_eq!(
            listed(&archive(&files)),
            [
                ("models/".to_owned(), 0, 0o755),
                ("models/a/".to_owned(), 0, 0o755),
                ("models/a/b/".to_owned(), 0, 0o755),
                ("models/a/b/c".to_owned(), 513, 0o644),
                ("models/a/d".to_owned(), 0, 0o644),
            ]
        );
    }

    #[test]
    fn a_file_of_nine_gib_keeps_its_size() {
        let framing = Framing::new(&[Framed {
            path: "big",
            bytes: 9 << 30,
        }]);
        let Segment::Bytes(start) = &framing.segments[0] else {
            panic!("no header");
        };
        let header = tar::Header::from_byte_slice(&start[512..1024]);
        assert_eq!(header.size().unwrap(), 9 << 30);
        assert_eq!(framing.bytes, (9 << 30) + 4 * 512);
    }

    #[test]
    fn the_same_files_give_the_same_bytes_for_ever() {
        let files = [Framed {
            path: "config.json",
            bytes: 2,
        }];
        let digest = crate::registry::Digest::of(&archive(&files));
        assert_eq!(
            digest.to_string(),
            "sha256:a3127dc385b7620f771d7c993f46c7853d3a76b13b1bf693a825f204ba9a78c6"
        );
    }

    proptest! {
        #[test]
        fn any_name_and_size_is_read_back(path in "[a-zé]{1,90}(/[a-zé0-9 ]{1,90}){0,3}", bytes in 0_u64..2000) {
            let entries = listed(&archive(&[Framed { path: &path, bytes }]));
            let (name, size, _) = entries.last().unwrap();
            prop_assert_eq!(name, &format!("{ROOT}/{path}"));
            prop_assert_eq!(*size, bytes);
        }
    }
}
