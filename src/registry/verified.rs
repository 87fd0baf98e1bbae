//! A reader whose end is an error unless every byte was as promised.

use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll, ready},
};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, ReadBuf};

use super::digest::Digest;

/// Compares a stream of bytes with the digest and size it should have.
struct Check {
    hasher: Sha256,
    read: u64,
    digest: Digest,
    size: u64,
}

impl Check {
    /// More bytes than promised end at once: a server may never stop sending.
    fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.read += bytes.len() as u64;
        if self.read > self.size {
            return Err(wrong(format!(
                "{} has over {} bytes",
                self.digest, self.size
            )));
        }
        self.hasher.update(bytes);
        Ok(())
    }

    fn end(&self) -> io::Result<()> {
        if self.read != self.size {
            return Err(wrong(format!(
                "{} ended after {} of {} bytes",
                self.digest, self.read, self.size
            )));
        }
        let found = Digest::finish(self.hasher.clone());
        if found != self.digest {
            return Err(wrong(format!(
                "content has digest {found}, not {}",
                self.digest
            )));
        }
        Ok(())
    }
}

fn wrong(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Reads `inner`; the read that would report the end fails if digest or size are wrong.
///
/// What was read before that end is not yet proven: use it only where an error later
/// takes it back, as a temporary file does.
pub struct Verified<R> {
    inner: R,
    check: Check,
}

impl<R> Verified<R> {
    pub fn new(inner: R, digest: Digest, size: u64) -> Self {
        Self {
            inner,
            check: Check {
                hasher: Sha256::new(),
                read: 0,
                digest,
                size,
            },
        }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if read > 0 {
            self.check.feed(&buffer[..read])?;
        } else if !buffer.is_empty() {
            self.check.end()?;
        }
        Ok(read)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Verified<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let room = buffer.remaining();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let fresh = &buffer.filled()[before..];
        let result = if !fresh.is_empty() {
            self.check.feed(fresh)
        } else if room > 0 {
            self.check.end()
        } else {
            Ok(())
        };
        if result.is_err() {
            buffer.set_filled(before);
        }
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn right_bytes_pass_and_wrong_ones_fail_at_the_end() {
        let digest = Digest::of(b"weights");
        for (bytes, size, fine) in [
            (b"weights".as_slice(), 7, true),
            (b"Weights", 7, false),
            (b"weight", 7, false),
            (b"weights!", 7, false),
            (b"weights", 8, false),
        ] {
            let mut text = Vec::new();
            let read = Read::read_to_end(&mut Verified::new(bytes, digest, size), &mut text);
            assert_eq!(read.is_ok(), fine, "{bytes:?}");
            let mut reader = Verified::new(bytes, digest, size);
            let read = AsyncReadExt::read_to_end(&mut reader, &mut Vec::new()).await;
            assert_eq!(read.is_ok(), fine, "{bytes:?}");
        }
    }

    #[test]
    fn a_reader_that_never_ends_is_stopped_at_the_promised_size() {
        let endless = io::repeat(7);
        let mut reader = Verified::new(endless, Digest::of(b""), 1024);
        assert!(Read::read_to_end(&mut reader, &mut Vec::new()).is_err());
    }
}
