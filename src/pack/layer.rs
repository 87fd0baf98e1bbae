//! A layer's bytes, made while they are read: framing around the files on disk.

use std::{
    fs,
    io::{self, Read},
    sync::Arc,
};

use rustix::fs::{Advice, fadvise};

use super::{framing::Segment, plan::Layer};
use crate::{
    model::{File, Identity},
    registry::BlobSource,
};

/// A layer that can be read from any offset, as uploads that go on want it.
#[derive(Debug, Clone)]
pub(super) struct LayerSource(Arc<Layer>);

impl LayerSource {
    pub(super) fn new(layer: Layer) -> Self {
        Self(Arc::new(layer))
    }

    pub(super) fn layer(&self) -> &Layer {
        &self.0
    }

    pub(super) fn read_from(&self, offset: u64) -> LayerReader {
        let mut reader = LayerReader {
            layer: Arc::clone(&self.0),
            segment: 0,
            within: offset,
            open: None,
        };
        while let Some(bytes) = reader
            .current_bytes()
            .filter(|bytes| reader.within >= *bytes)
        {
            reader.within -= bytes;
            reader.segment += 1;
        }
        reader
    }
}

impl BlobSource for LayerSource {
    fn size(&self) -> u64 {
        self.0.bytes()
    }

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.read_from(offset)))
    }
}

/// A file is not what it was when the model was examined.
#[derive(Debug, thiserror::Error)]
#[error("{path} changed while it was read")]
pub(super) struct Changed {
    pub path: String,
}

impl Changed {
    fn error(file: &File) -> io::Error {
        io::Error::other(Self {
            path: file.path.clone(),
        })
    }
}

/// Reads framing and files in turn; see [`LayerSource::read_from`].
pub(super) struct LayerReader {
    layer: Arc<Layer>,
    segment: usize,
    /// Offset in the current segment.
    within: u64,
    /// The file of the current segment.
    open: Option<fs::File>,
}

impl LayerReader {
    fn current_bytes(&self) -> Option<u64> {
        self.layer
            .framing
            .segments
            .get(self.segment)
            .map(|segment| match segment {
                Segment::Bytes(bytes) => bytes.len() as u64,
                Segment::File { bytes, .. } => *bytes,
            })
    }

    /// Reads within one segment; what was read belongs to the file with this number, if to any.
    ///
    /// # Errors
    /// [`Changed`] where a file is not the one that was examined, before or after.
    pub(super) fn read_piece(&mut self, buffer: &mut [u8]) -> io::Result<Piece> {
        let layer = Arc::clone(&self.layer);
        let Some(segment) = layer.framing.segments.get(self.segment) else {
            return Ok(Piece::END);
        };
        let (read, bytes, file) = match segment {
            Segment::Bytes(bytes) => {
                let at = usize::try_from(self.within).expect("framing is small");
                let read = (&bytes[at..]).read(buffer)?;
                (read, bytes.len() as u64, None)
            }
            Segment::File { number, bytes } => {
                let left = usize::try_from(bytes - self.within).unwrap_or(usize::MAX);
                let room = buffer.len().min(left);
                let read = self.read_file(&layer.files[*number], &mut buffer[..room])?;
                (read, *bytes, Some(*number))
            }
        };
        self.within += read as u64;
        let ends = self.within == bytes;
        if ends {
            self.segment += 1;
            self.within = 0;
            if let (Some(number), Some(open)) = (file, self.open.take()) {
                check(&layer.files[number], &open)?;
            }
        }
        Ok(Piece {
            bytes: read,
            file,
            ends,
        })
    }

    fn read_file(&mut self, file: &File, buffer: &mut [u8]) -> io::Result<usize> {
        if self.open.is_none() {
            let open = fs::File::open(&file.real)?;
            check(file, &open)?;
            // Advice: a file system that knows none reads as well.
            fadvise(&open, 0, None, Advice::Sequential).ok();
            self.open = Some(open);
        }
        let open = self.open.as_ref().expect("opened above");
        let read = std::os::unix::fs::FileExt::read_at(open, buffer, self.within)?;
        // Shorter than it was: what follows would be read as something else.
        if read == 0 && !buffer.is_empty() {
            return Err(Changed::error(file));
        }
        Ok(read)
    }
}

fn check(file: &File, open: &fs::File) -> io::Result<()> {
    if Identity::of(&open.metadata()?) == file.identity {
        Ok(())
    } else {
        Err(Changed::error(file))
    }
}

/// What one [`LayerReader::read_piece`] gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// 0 at the end of the layer only.
    pub bytes: usize,
    pub file: Option<usize>,
    /// Whether this was the last of its segment.
    pub ends: bool,
}

impl Piece {
    const END: Self = Self {
        bytes: 0,
        file: None,
        ends: true,
    };
}

impl Read for LayerReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.read_piece(buffer).map(|piece| piece.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Source, pack::plan::Plan};

    fn layer() -> (tempfile::TempDir, LayerSource) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "hello").unwrap();
        fs::write(dir.path().join("b"), vec![7; 1000]).unwrap();
        fs::write(dir.path().join("empty"), "").unwrap();
        let source = Source::open(dir.path(), &|_| false).unwrap();
        let plan = Plan::new(source.files).unwrap();
        let layer = plan.layers.into_iter().next().unwrap();
        (dir, LayerSource::new(layer))
    }

    fn whole(source: &LayerSource) -> Vec<u8> {
        let mut bytes = Vec::new();
        source.read_from(0).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_offset_reads_the_same_rest() {
        let (_dir, source) = layer();
        let all = whole(&source);
        assert_eq!(all.len() as u64, source.size());
        for offset in (0..=all.len())
            .step_by(97)
            .chain([511, 512, 513, all.len()])
        {
            let mut rest = Vec::new();
            source
                .open(offset as u64)
                .unwrap()
                .read_to_end(&mut rest)
                .unwrap();
            assert!(rest == all[offset..], "from {offset}");
        }
    }

    #[test]
    fn a_file_that_grows_shrinks_or_is_replaced_is_noticed() {
        for change in ["hello, more", "hell", "HELLO"] {
            let (dir, source) = layer();
            let path = dir.path().join("a");
            // The clock of some file systems ticks every few milliseconds: a new file differs surely.
            fs::remove_file(&path).unwrap();
            fs::write(&path, change).unwrap();
            let error = source
                .read_from(0)
                .read_to_end(&mut Vec::new())
                .unwrap_err();
            assert!(error.to_string().contains("a changed"), "{error}");
        }
    }
}
