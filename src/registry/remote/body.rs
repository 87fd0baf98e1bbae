//! Part of a blob as the body of a request: read on a blocking thread, sent with its
//! length, watched for stalls.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use reqwest::{Body, RequestBuilder, Response, header};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use super::{connection::Connection, fault::Fault};
use crate::registry::source::BlobSource;

/// One read of the source.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces read ahead; with the piece size, the memory of one upload.
const PIECES_AHEAD: usize = 4;
/// Longest time without a byte taken by the network.
const STALL_MAX: Duration = Duration::from_mins(1);
/// Longest wait for the answer once all is sent: registries over S3 copy the object
/// into place first, and a layer has tens of gigabytes.
const SETTLE_MAX: Duration = Duration::from_mins(15);
/// A reader that failed has ended by the time the network notices.
const READER_WAIT_MAX: Duration = Duration::from_secs(1);

/// Bytes `offset..offset + length` of a blob on their way.
pub(super) struct Feed {
    pieces: mpsc::Receiver<Bytes>,
    first: Option<Bytes>,
    length: u64,
    reader: JoinHandle<io::Result<()>>,
}

impl Feed {
    /// Starts reading and waits for the first piece, so that no request is begun
    /// (and half received) while the source has nothing.
    pub(super) async fn start(
        source: &dyn BlobSource,
        offset: u64,
        length: u64,
    ) -> Result<Self, Fault> {
        let mut input = source.open(offset).map_err(Fault::Source)?;
        let (sender, mut pieces) = mpsc::channel(PIECES_AHEAD);
        let reader = tokio::task::spawn_blocking(move || {
            let mut left = length;
            while left > 0 {
                let want = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
                let mut piece = vec![0; want];
                input.read_exact(&mut piece)?;
                left -= want as u64;
                if sender.blocking_send(piece.into()).is_err() {
                    // The request ended early; why is known at its other end.
                    break;
                }
            }
            Ok(())
        });
        let first = pieces.recv().await;
        Ok(Self {
            pieces,
            first,
            length,
            reader,
        })
    }

    /// Sends the body with `request`; `on_sent` hears how many bytes the network has taken.
    pub(super) async fn send(
        self,
        connection: &Connection,
        request: RequestBuilder,
        on_sent: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Response, Fault> {
        let Self {
            pieces,
            first,
            length,
            reader,
        } = self;
        let (taken, mut seen) = watch::channel(0);
        let body = stream::unfold((first, pieces, taken, 0), |state| async move {
            let (first, mut pieces, taken, mut sent) = state;
            let piece = match first {
                Some(piece) => piece,
                None => pieces.recv().await?,
            };
            sent += piece.len() as u64;
            taken.send_replace(sent);
            Some((Ok::<_, io::Error>(piece), (None, pieces, taken, sent)))
        });
        // With a length the body is not chunked: some registries refuse it otherwise, and
        // a source that ends early breaks the request instead of truncating the blob.
        let sending = request
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, length)
            .body(Body::wrap_stream(body))
            .send();
        tokio::pin!(sending);
        let mut limit = STALL_MAX;
        let mut deadline = Instant::now() + limit;
        let answer = loop {
            tokio::select! {
                answer = &mut sending => break answer,
                Ok(()) = seen.changed() => {
                    let sent = *seen.borrow_and_update();
                    on_sent(sent);
                    limit = if sent == length { SETTLE_MAX } else { STALL_MAX };
                    deadline = Instant::now() + limit;
                }
                () = sleep_until(deadline) => return Err(Fault::Silent(limit)),
            }
        };
        // A source that failed is the cause of whatever the network says.
        if answer.is_err()
            && let Ok(Ok(Err(error))) = timeout(READER_WAIT_MAX, reader).await
        {
            return Err(Fault::Source(error));
        }
        connection.judge(answer).await
    }
}
