//! A blob on its way here: a broken stream goes on where it broke.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use reqwest::{Method, Response, StatusCode, header};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::mpsc,
};

use super::{Fault, Redirects, Remote, Retry, connection::ANSWER_WAIT_MAX};
use crate::registry::{error::Error, manifest::Descriptor};

/// Pieces read ahead of the caller; the network hands out some 16 KiB each.
const PIECES_AHEAD: usize = 16;

impl Remote {
    /// Opens a blob; its bytes are not checked here.
    pub(in crate::registry) async fn read_blob(
        &self,
        descriptor: &Descriptor,
    ) -> Result<Download, Error> {
        let act = format!("read {}", descriptor.digest.short());
        let opened = self.open_at(descriptor, 0).await;
        let response = opened.map_err(|fault| match fault.status() {
            Some(404) => Error::Missing {
                what: descriptor.digest.to_string(),
                place: self.0.reference.to_string(),
            },
            _ => self.error(fault, &act),
        })?;
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
        let (remote, descriptor) = (self.clone(), descriptor.clone());
        tokio::spawn(async move {
            if let Err(fault) = remote.pump(&descriptor, response, &sender).await {
                let error = io::Error::other(remote.error(fault, &act));
                // The reader was dropped, so the error has no receiver.
                drop(sender.send(Err(error)).await);
            }
        });
        Ok(Download {
            pieces,
            piece: Bytes::new(),
        })
    }

    async fn open_at(&self, descriptor: &Descriptor, offset: u64) -> Result<Response, Fault> {
        let url = self.url(&format!("blobs/{}", descriptor.digest));
        let range = (header::RANGE, format!("bytes={offset}-"));
        let headers = if offset == 0 { &[][..] } else { &[range][..] };
        self.ask(Method::GET, &url, Redirects::Follow, headers)
            .await
    }

    /// Passes on every byte once, whatever breaks in between.
    async fn pump(
        &self,
        descriptor: &Descriptor,
        response: Response,
        pieces: &mpsc::Sender<io::Result<Bytes>>,
    ) -> Result<(), Fault> {
        let mut response = response;
        let mut retry = Retry::default();
        let mut sent = 0;
        // Bytes to drop where the registry began at the start although asked for more.
        let mut skip = 0_u64;
        while sent < descriptor.size {
            let fault = match next_piece(&mut response).await {
                Ok(Some(mut piece)) => {
                    let dropped = piece.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
                    piece.advance(dropped);
                    skip -= dropped as u64;
                    if piece.is_empty() {
                        continue;
                    }
                    sent += piece.len() as u64;
                    retry.progress();
                    if pieces.send(Ok(piece)).await.is_err() {
                        return Ok(());
                    }
                    continue;
                }
                Ok(None) => Fault::Protocol(format!(
                    "{} ended after {sent} of {} bytes",
                    descriptor.digest, descriptor.size
                )),
                Err(fault) => fault,
            };
            let Some(wait) = retry.next(None, rand::random()) else {
                return Err(fault);
            };
            tokio::time::sleep(wait).await;
            response = self.open_at(descriptor, sent).await?;
            skip = if starts_at(&response, sent)? { 0 } else { sent };
        }
        Ok(())
    }
}

async fn next_piece(response: &mut Response) -> Result<Option<Bytes>, Fault> {
    match tokio::time::timeout(ANSWER_WAIT_MAX, response.chunk()).await {
        Ok(piece) => piece.map_err(|error| Fault::Connection(error.without_url())),
        Err(_) => Err(Fault::Silent(ANSWER_WAIT_MAX)),
    }
}

/// Whether an answer to `Range: bytes=OFFSET-` begins there, or at the very start.
fn starts_at(response: &Response, offset: u64) -> Result<bool, Fault> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Ok(offset == 0);
    }
    let value = response.headers().get(header::CONTENT_RANGE);
    let first = value.and_then(|value| {
        let range = value.to_str().ok()?.strip_prefix("bytes ")?;
        range.split_once('-')?.0.trim().parse::<u64>().ok()
    });
    if first == Some(offset) {
        Ok(true)
    } else {
        Err(Fault::Protocol(
            "it sent another range than it was asked for".to_owned(),
        ))
    }
}

/// The bytes as they arrive.
pub(in crate::registry) struct Download {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl AsyncRead for Download {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.piece.is_empty() {
            match ready!(self.pieces.poll_recv(context)) {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.piece.len().min(buffer.remaining());
        buffer.put_slice(&self.piece.split_to(length));
        Poll::Ready(Ok(()))
    }
}
